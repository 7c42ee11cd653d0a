"""What callers send to filter by, and the condition that it becomes: parameters, and groups of them.

::

    {"title__icontains": "rock", "or": [{"track_count__ge": 10}, {"not": {"artist_id": 7}}]}

Parameters beside each other must all hold. The number of conditions, the depth of groups, and the length of
texts and lists are bounded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.declare.elements import why_no_condition
from batchrepo.declare.filter_values import LONGEST_TEXT, MOST_VALUES
from batchrepo.errors import DeclarationError, InvalidArgument, InvalidFilter, did_you_mean

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.filters import FilterParameter, Filters
    from batchrepo.declare.operators import Operator, Values
    from batchrepo.declare.targets import Target

MOST_CONDITIONS = 50
"""How many conditions one filter may have."""

DEEPEST = 5
"""How many groups may be inside of each other."""

LONGEST_JSON = 20_000
"""How many characters a filter may have as JSON."""

GROUPS = ("and", "or", "not")
"""The names of groups; no attribute can have them."""


def parse_filter(text: str) -> Mapping[str, Any]:
    """Read a filter that came as JSON.

    Raises:
        InvalidFilter: it is no JSON object, too long, or names something twice in one object.
    """
    if len(text) > LONGEST_JSON:
        raise InvalidFilter(f"A filter has at most {LONGEST_JSON} characters; got {len(text)}.")
    try:
        given = json.loads(text, object_pairs_hook=_once)
    except InvalidFilter:
        raise
    except (ValueError, RecursionError) as error:
        raise InvalidFilter(f"A filter is a JSON object; got {text!r:.100}: {error}.") from error
    if not isinstance(given, dict):
        raise InvalidFilter(f"A filter is a JSON object; got {text!r:.100}.")
    return given


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        name = next(name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1)
        raise InvalidFilter(
            f"A filter names {name[:100]!r} twice in one object. Use an 'and' of two objects."
        )
    return found


Path = tuple[str | int, ...]
"""The place of a condition or a group in a filter: ``("or", 1, "title__icontains")``."""


def name_in(path: Path) -> str:
    """The last name of a path, as messages show it where callers know parameters by their names."""
    return repr(next(part for part in reversed(path) if isinstance(part, str)))


def condition_of(
    filters: Filters,
    given: Mapping[str, Any],
    repository: Any,
    values: Values,
    named: Callable[[Path], str] = name_in,
) -> ColumnElement[bool]:
    """The condition for what a caller sent; true where he sent nothing.

    Args:
        filters: what is declared.
        given: parameters and groups.
        repository: whose methods the named filters are.
        values: how values travel to the database.
        named: what messages call the part with a path.

    Raises:
        InvalidFilter: a parameter is not declared, a value is not of its kind, or it is all too much.
    """
    if not isinstance(given, Mapping):
        raise InvalidFilter(f"A filter is a mapping from parameters to values; got {given!r:.100}.")
    return _Reader(filters, repository, values, named).every(given, 0, ())


class _Reader:
    def __init__(
        self, filters: Filters, repository: Any, values: Values, named: Callable[[Path], str]
    ) -> None:
        self._filters = filters
        self._repository = repository
        self._values = values
        self._named_as = named
        self._count = 0

    def every(self, given: Mapping[str, Any], depth: int, path: Path) -> ColumnElement[bool]:
        """All of a mapping's parameters and groups."""
        parts = [
            self._group(value, depth + 1, (*path, name))
            if name in GROUPS
            else self._condition(name, value, path)
            for name, value in given.items()
        ]
        return parts[0] if len(parts) == 1 else sa.and_(sa.true(), *parts)

    def _group(self, value: Any, depth: int, path: Path) -> ColumnElement[bool]:
        name = str(path[-1])
        if depth > DEEPEST:
            raise InvalidFilter(
                f"A filter may have groups {DEEPEST} deep; this one has more.", parameter=name
            )
        if name == "not":
            # True where the inner one is not, also where that compares with a missing value.
            return self.every(self._filled(value, path), depth, path).is_not(sa.true())
        if not isinstance(value, list | tuple) or not value:
            raise InvalidFilter(
                f"{self._named_as(path)} expects a list of filters, at least one; got {value!r:.100}.",
                parameter=name,
            )
        places = [(*path, index) for index in range(len(value))]
        parts = [
            self.every(self._filled(part, place), depth, place)
            for part, place in zip(value, places, strict=True)
        ]
        return sa.and_(*parts) if name == "and" else sa.or_(*parts)

    def _filled(self, given: Any, path: Path) -> Mapping[str, Any]:
        """A part of a group; an empty one would make the whole group mean everything or nothing."""
        if not isinstance(given, Mapping) or not given:
            raise InvalidFilter(
                f"{self._named_as(path)} expects filters that are not empty, such as {{'title': 'x'}}; "
                f"got {given!r:.100}.",
                parameter=next(part for part in reversed(path) if isinstance(part, str)),
            )
        return given

    def _condition(self, name: Any, given: Any, path: Path) -> ColumnElement[bool]:
        parameter = self._filters.by_name.get(name) if isinstance(name, str) else None
        if parameter is None:
            raise self._unknown(name)
        self._count += 1
        if self._count > MOST_CONDITIONS:
            raise InvalidFilter(f"A filter may have {MOST_CONDITIONS} conditions; this one has more.")
        try:
            value = parameter.parse(_shaped(parameter, given))
            _check_range(parameter, value)
            if parameter.operator is None:
                return self._named(parameter, value)
            return self._on(parameter.target, parameter.operator, value)
        except InvalidArgument:
            raise
        except (ValueError, ArithmeticError) as error:
            raise InvalidFilter(
                f"The filter {self._named_as((*path, name))} cannot be {_shown(given)}: {error}.",
                parameter=name,
            ) from error

    def _on(
        self, target: Target | tuple[Target, Target] | None, operator: Operator, value: Any
    ) -> ColumnElement[bool]:
        assert target is not None
        if isinstance(target, tuple):
            return operator.build(tuple(end.expression for end in target), value, self._values)
        return target.where(
            lambda expression: operator.build(expression, value, self._values), of_value=operator.of_value
        )

    def _named(self, parameter: FilterParameter, value: Any) -> ColumnElement[bool]:
        made = getattr(self._repository, parameter.name)(value)
        refusal = why_no_condition(made)
        if refusal is not None:
            raise DeclarationError(
                f"{self._filters.owner}.{parameter.name} returned no condition: {refusal}."
            )
        self._values.check_condition(made)
        return made  # type: ignore[no-any-return]

    def _unknown(self, name: Any) -> InvalidFilter:
        owner = self._filters.owner
        if not isinstance(name, str):
            return InvalidFilter(f"The name of a filter is a text; got {name!r:.100}.")
        named = f"{owner} has no filter {name[:100]!r}."
        of_attribute = self._filters.of(name.rpartition("__")[0] or name) or self._filters.of(name)
        if of_attribute:
            known = ", ".join(parameter.name for parameter in of_attribute)
            return InvalidFilter(
                f"{named} Those of {of_attribute[0].attribute}: {known}.", parameter=name[:100]
            )
        known = did_you_mean(name[:100], self._filters.by_name) or f" {owner}.filterable is empty."
        return InvalidFilter(f"{named}{known}", parameter=name[:100])


def _shaped(parameter: FilterParameter, given: Any) -> Any:
    """What was given, as one value, a pair or a list.

    Raises:
        ValueError: it is something else.
    """
    if given is None:
        raise ValueError(f"there is no value. Leave it away, or use {parameter.attribute}__is_null")
    takes = parameter.takes
    if isinstance(given, str) and len(given) > LONGEST_TEXT * (2 if takes == "two" else 1):
        raise ValueError(f"it is longer than {LONGEST_TEXT} characters")
    several = isinstance(given, list | tuple | set | frozenset)
    if takes == "two":
        pair = given.split(",") if isinstance(given, str) else given
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(
                f"it takes two values{'' if isinstance(given, list) else ', separated by a comma'}"
            )
        return tuple(part.strip() if isinstance(part, str) else part for part in pair)
    if takes == "many":
        if several and len(given) > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES} values")
        return given if several else [given]
    if several and parameter.operator is not None:
        raise ValueError(f"it takes one value. Several are given to {parameter.attribute}__any_of")
    return given


def _check_range(parameter: FilterParameter, value: Any) -> None:
    """Refuse a range that ends before it begins: whoever sent it has mistaken something.

    Raises:
        ValueError: it does.
    """
    if parameter.takes != "two" or any(isinstance(end, str | bytes) for end in value):
        return  # texts have the order that the database gives them
    try:
        backwards = value[0] > value[1]
    except TypeError:
        return  # a time with a zone and one without: the type of the column decides which is wrong
    if backwards:
        raise ValueError("the range ends before it begins")


def _shown(given: Any) -> str:
    try:
        return f"{given!r:.100}"
    except ValueError:  # Python refuses to print very long integers
        return "a number of that length"
