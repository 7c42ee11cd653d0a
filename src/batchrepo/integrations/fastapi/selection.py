"""What clients may filter and sort a list by: what the repository declares, as parameters of the query."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from batchrepo.declare.filter_groups import parse_filter
from batchrepo.integrations.fastapi.parameters import query

if TYPE_CHECKING:
    from collections.abc import Mapping
    from inspect import Parameter

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.filters import FilterParameter
    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.repository import Repository

FILTER = "filter"
"""The parameter for groups of filters."""

SORT = "sort"
"""The parameter for the order."""


class Selection:
    """What clients may filter and sort the rows of a repository by.

    Args:
        info: the repository's declarations; None where there is none, so that nothing is offered.
    """

    def __init__(self, info: RepositoryInfo | None) -> None:
        self._filters = info.filters if info is not None else None
        self._sorts = info.sorts if info is not None else None
        every = self._filters.parameters if self._filters is not None else ()
        self._simple = tuple(each for each in every if _fits_a_query(each.query_type))

    @cached_property
    def filters(self) -> list[Parameter]:
        """A parameter for each filter, and one for groups of them."""
        if not self._filters:
            return []
        found = [
            query(
                each.name, each.query_type, each.description, title=each.name, **_examples(each.query_example)
            )
            for each in self._simple
        ]
        description = (
            "Filters in groups, as JSON: the parameters of this list by their names, and `and`, `or` (lists of such "
            "objects) and `not` (one)."
        )
        return [*found, query(FILTER, str, description, **_examples(_group_of(self._filters.parameters)))]

    @cached_property
    def sorts(self) -> list[Parameter]:
        """The parameter for the order."""
        if not self._sorts:
            return []
        names = self._sorts.names
        one = f"-?({'|'.join(map(re.escape, names))})"
        description = (
            f"The order: names with commas between them, the first decides; `-` before a name turns it round. There "
            f"are: {', '.join(names)}."
        )
        # The pattern is for readers and generators; what is wrong is told by the repository, with the nearest names.
        pattern = {"pattern": f"^{one}(,{one})*$"}
        return [query(SORT, str, description, json_schema_extra=pattern, **_examples(f"-{names[0]}"))]

    def where(self, rows: Repository[Any], given: Mapping[str, Any]) -> list[ColumnElement[bool]]:
        """The conditions that a client asks for.

        Args:
            rows: the repository.
            given: the parameters of the query.

        Raises:
            InvalidFilter: a value or a group cannot be used.
        """
        if not self._filters:
            return []
        plain = {each.name: given[each.name] for each in self._simple if given[each.name] is not None}
        groups = [parse_filter(given[FILTER])] if given[FILTER] is not None else []
        return [rows.filters(each) for each in (plain, *groups) if each]

    def order(self, rows: Repository[Any], given: Mapping[str, Any]) -> Any:
        """The order that a client asks for; None for the list's own.

        Raises:
            InvalidSort: it names something that is not declared.
        """
        text = given.get(SORT)
        return rows.sorting(text) if text else None

    def of_attribute(self, name: str) -> list[str]:
        """The filters of the attribute that a misspelled filter is about."""
        if not self._filters:
            return []
        return [each.name for each in self._filters.of(name.rpartition("__")[0] or name)]


def _fits_a_query(kind: Any) -> bool:
    """Whether a value of a type is a text in a query, or several; others can be given in groups."""
    plain = get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
    if get_origin(plain) in (list, set, frozenset, tuple):
        return all(_fits_a_query(inner) for inner in get_args(plain) if inner is not Ellipsis)
    return not (isinstance(plain, type) and issubclass(plain, BaseModel | dict))


def _examples(example: Any) -> dict[str, Any]:
    return {"examples": [example]} if example is not None else {}


def _group_of(parameters: tuple[FilterParameter, ...]) -> str | None:
    """A group as an example."""
    shown = [{each.name: each.example} for each in parameters if each.example is not None][:2]
    if not shown:
        return None
    return json.dumps({"or": shown} if len(shown) > 1 else {"not": shown[0]})
