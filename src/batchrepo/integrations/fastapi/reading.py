"""The endpoints of a resource that read: a list, one, many by key, a count, and what is related to one."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, create_model

from batchrepo.integrations.fastapi.endpoints import Endpoint
from batchrepo.integrations.fastapi.parameters import (
    Key,
    fields_parameter,
    numbered_parameters,
    page_parameters,
    total_parameter,
)
from batchrepo.integrations.fastapi.selection import Selection
from batchrepo.plan.fieldsets import Fieldset, parse_fields
from batchrepo.plan.pages import NumberedPage, Page
from batchrepo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.mapping import RelationInfo
    from batchrepo.plan.pages import JsonNumberedPage, JsonPage, Total


class Count(BaseModel):
    """How many rows there are."""

    count: int = Field(description="All rows that meet the filters.", examples=[42])


@dataclass(frozen=True)
class Readable:
    """What the reading endpoints of a resource have in common.

    Attributes:
        info: of the repository that is read.
        singular: the name of a row in the names of operations, such as ``album``.
        plural: the name of the rows there, such as ``albums``.
        totals: how rows may be counted, by the name that a client gives.
    """

    info: RepositoryInfo
    singular: str
    plural: str
    totals: Mapping[str, Total]

    @cached_property
    def key(self) -> Key:
        """The primary key, in paths and queries."""
        return Key(self.info.entity)

    @cached_property
    def selection(self) -> Selection:
        """What clients may filter and sort by."""
        return Selection(self.info)

    @property
    def sizes(self) -> tuple[int, int]:
        """How many rows a page has if nothing is said, and at most."""
        return self.info.cls.page_size, self.info.cls.max_page_size


def list_endpoint(of: Readable, view: type[BaseModel]) -> Endpoint:
    """All rows, page by page, from a cursor."""
    select = of.selection

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> JsonPage:
        return await rows.page_json(
            view,
            *select.where(rows, given),
            order_by=select.order(rows, given),
            **_page(given),
            total=of.totals.get(given["total"]),
            fields=given["fields"],
        )

    return Endpoint(
        "",
        f"list_{of.plural}",
        f"List {_words(of.plural)}",
        "A page is found by its cursor, nearly as fast at the end of the list as at its start.",
        Page[view],  # type: ignore[valid-type]
        [
            *page_parameters(*of.sizes),
            total_parameter(of.totals),
            *select.sorts,
            fields_parameter(view),
            *select.filters,
        ],
        answer,
        problems=(400,),
        paged=True,
        selection=select,
    )


def numbered_endpoint(of: Readable, view: type[BaseModel]) -> Endpoint:
    """All rows, page by page, by number."""
    select = of.selection

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> JsonNumberedPage:
        return await rows.numbered_page_json(
            view,
            *select.where(rows, given),
            order_by=select.order(rows, given),
            number=given["page"] or 1,
            size=given["size"],
            fields=given["fields"],
        )

    return Endpoint(
        "",
        f"list_{of.plural}",
        f"List {_words(of.plural)}",
        "A page is found by its number: the further back, the slower.",
        NumberedPage[view],  # type: ignore[valid-type]
        [*numbered_parameters(*of.sizes), *select.sorts, fields_parameter(view), *select.filters],
        answer,
        problems=(400,),
        paged=True,
        selection=select,
    )


def one_endpoint(of: Readable, view: type[BaseModel]) -> Endpoint:
    """One row, by its key."""
    key = of.key

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> bytes:
        return await rows.get_json(key.read(given), view, fields=given["fields"])

    return Endpoint(
        key.path,
        f"get_{of.singular}",
        f"Get one {_words(of.singular)}",
        inspect.cleandoc(view.__doc__ or ""),
        view,
        [*key.parameters(), fields_parameter(view)],
        answer,
        problems=(400, 404),
    )


def many_endpoint(of: Readable, view: type[BaseModel]) -> Endpoint:
    """Many rows, by their keys."""
    key = of.key

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> bytes:
        return await rows.get_many_json(key.read_many(given), view, fields=given["fields"])

    return Endpoint(
        "/by-ids",
        f"get_many_{of.plural}",
        f"Get many {_words(of.plural)}",
        "In the order that they were asked for in, as often as they were. One that does not exist is an error, "
        "which names all that do not.",
        list[view],  # type: ignore[valid-type]
        [*key.repeated(of.sizes[1]), fields_parameter(view)],
        answer,
        problems=(400, 404),
    )


def count_endpoint(of: Readable) -> Endpoint:
    """How many rows there are."""
    select = of.selection

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> bytes:
        return b'{"count":%d}' % await rows.count(*select.where(rows, given))

    return Endpoint(
        "/count",
        f"count_{of.plural}",
        f"Count {_words(of.plural)}",
        "How many the same filters leave in the list.",
        Count,
        select.filters,
        answer,
        problems=(400,),
        selection=select,
    )


def related_list_endpoint(
    of: Readable, name: str, relation: RelationInfo, view: type[BaseModel], target: RepositoryInfo | None
) -> Endpoint:
    """What a relation of one row leads to, page by page.

    Args:
        of: the resource.
        name: the last part of the path.
        relation: to many.
        view: how what it leads to is shown.
        target: the repository that says how it may be filtered and sorted, or None.
    """
    key, select = of.key, Selection(target)
    kind: type[Repository[Any]] = target.cls if target is not None else Repository

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> JsonPage:
        others = rows if target is None else kind(rows.scope)
        return await rows.related_page_json(
            key.read(given),
            relation.attribute,
            view,
            *select.where(others, given),
            order_by=select.order(others, given),
            **_page(given),
            total=given["total"],
            fields=given["fields"],
        )

    return Endpoint(
        f"{key.path}/{name}",
        f"list_{of.singular}_{_slug(name)}",
        f"List the {_words(name)} of one {_words(of.singular)}",
        f"Without any, the list is empty; without such a {_words(of.singular)} it is an error.",
        Page[view],  # type: ignore[valid-type]
        [
            *key.parameters(),
            *page_parameters(kind.page_size, kind.max_page_size),
            total_parameter(("exact",)),
            *select.sorts,
            fields_parameter(view),
            *select.filters,
        ],
        answer,
        problems=(400, 404),
        paged=True,
        selection=select,
    )


def related_one_endpoint(of: Readable, name: str, relation: RelationInfo, view: type[BaseModel]) -> Endpoint:
    """The one row that a relation of one row leads to."""
    key = of.key
    # The row with nothing but what the relation leads to, so that both are one read.
    fields: dict[str, Any] = {relation.name: (view | None, ...)}
    around = create_model(f"{of.info.entity.name}{view.__name__}", **fields)
    before = len(f'{{"{relation.name}":')

    async def answer(rows: Repository[Any], given: Mapping[str, Any]) -> bytes:
        fields = given["fields"]
        if fields is not None:
            fields = Fieldset({relation.name: parse_fields(fields)})
        return (await rows.get_json(key.read(given), around, fields=fields))[before:-1]

    return Endpoint(
        f"{key.path}/{name}",
        f"get_{of.singular}_{_slug(name)}",
        f"Get the {_words(name)} of one {_words(of.singular)}",
        f"Without one, the answer is `null`; without such a {_words(of.singular)} it is an error.",
        view | None,
        [*key.parameters(), fields_parameter(view)],
        answer,
        problems=(400, 404),
    )


def _page(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in ("first", "after", "last", "before")}


def _words(name: str) -> str:
    return name.replace("_", " ").replace("-", " ")


def _slug(name: str) -> str:
    return name.replace("-", "_")
