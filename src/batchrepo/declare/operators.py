"""The operators of filters: what each takes, for which types it makes sense, and how it becomes SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.sql.elements import ColumnElement

from batchrepo.declare.texts import text_contains, text_contains_any_case, text_starts_with
from batchrepo.declare.values import nullable_of

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

Takes = Literal["one", "two", "many", "truth", "text"]
"""What an operator is given: a value of the attribute's type, two or any number of them, yes or no, or a text."""

Suits = Literal["equality", "order", "text", "anything", "period"]
"""Which attributes an operator suits: those with equality, an order, texts, all, or periods only."""


class Values(Protocol):
    """How values travel to a database."""

    def checked(self, kind: TypeEngine[Any], value: Any) -> Any:
        """The value to send for one of a type.

        Raises:
            ValueError: the database would not take it; the message says what is expected.
        """
        ...

    def sent_as(self, kind: TypeEngine[Any]) -> TypeEngine[Any]:
        """The type of a parameter, wide enough that no value is cut or rounded."""
        ...

    def check_condition(self, condition: ColumnElement[bool]) -> None:
        """Check the values in a condition that was written by hand.

        Raises:
            ValueError: the database would not take one of them.
        """
        ...


Build = Callable[[Any, Any, Values], ColumnElement[bool]]
"""From an attribute's SQL and what the operator was given (already of the right Python types) to a condition."""


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator that a filter may allow.

    Attributes:
        name: behind two underscores in a parameter: ``title__icontains``; `eq` has none.
        takes: what it is given.
        suits: which attributes it can be used with.
        meaning: finishes the sentence "Rows whose title ...".
        build: makes the condition.
    """

    name: str
    takes: Takes
    suits: Suits
    meaning: str
    build: Build

    @property
    def of_value(self) -> bool:
        """Whether it can only hold for a value, never for a missing one."""
        return self not in (ne, is_null)

    def why_not(self, kind: TypeEngine[Any], python_type: Any) -> str | None:
        """Why it makes no sense for attributes of a SQL and a Python type, or None."""
        is_text = python_type is str and not isinstance(kind, sa.Enum | sa.Uuid)
        if self.suits == "text" and not is_text:
            return "looks into texts"
        if self.suits == "order" and not is_ordered(kind, python_type):
            return "needs values that have an order"
        if self.suits == "equality" and is_compound(kind, python_type):
            return "compares single values"
        return "is for period(...)" if self.suits == "period" else None

    def __repr__(self) -> str:
        return self.name


def is_ordered(kind: TypeEngine[Any], python_type: Any) -> bool:
    """Whether one value of a type is less than another in a sense that callers know."""
    if isinstance(kind, sa.Enum) or python_type is bool or is_compound(kind, python_type):
        return False
    return not (isinstance(python_type, type) and issubclass(python_type, Enum))


def is_compound(kind: TypeEngine[Any], python_type: Any) -> bool:
    """Whether values have parts, as JSON and arrays do: databases do not compare or sort them as one would think."""
    return isinstance(kind, sa.JSON | sa.ARRAY) or python_type in (dict, list)


# --- how they become SQL ----------------------------------------------------------------------------


def _bound(expression: Any, value: Any, values: Values) -> Any:
    kind = expression.type
    # What sa.literal() makes, in half of the time: this runs for each condition of each request.
    return sa.bindparam(None, values.checked(kind, value), type_=values.sent_as(kind), unique=True)


def _eq(expression: Any, value: Any, values: Values) -> ColumnElement[bool]:
    if isinstance(value, bool) and not nullable_of(expression):
        condition: ColumnElement[bool] = expression if value else sa.not_(expression)
        return condition
    return expression == _bound(expression, value, values)  # type: ignore[no-any-return]


def _ne(expression: Any, value: Any, values: Values) -> ColumnElement[bool]:
    # A row without a value differs from every value, which a plain != does not say.
    if nullable_of(expression):
        return expression.is_distinct_from(_bound(expression, value, values))  # type: ignore[no-any-return]
    if isinstance(value, bool):
        return _eq(expression, not value, values)
    return expression != _bound(expression, value, values)  # type: ignore[no-any-return]


def _between(expression: Any, given: Sequence[Any], values: Values) -> ColumnElement[bool]:
    low, high = (_bound(expression, value, values) for value in given)
    return expression.between(low, high)  # type: ignore[no-any-return]


def _any_of(expression: Any, given: Sequence[Any], values: Values) -> ColumnElement[bool]:
    kind = expression.type
    checked = list(dict.fromkeys(values.checked(kind, value) for value in given))
    parameter = sa.bindparam(None, checked, type_=values.sent_as(kind), expanding=True, unique=True)
    return expression.in_(parameter)  # type: ignore[no-any-return]


def _is_null(expression: Any, value: bool, _: Values) -> ColumnElement[bool]:
    return expression.is_(None) if value else expression.is_not(None)  # type: ignore[no-any-return]


def _overlaps(ends: tuple[Any, Any], given: Sequence[Any], values: Values) -> ColumnElement[bool]:
    start, end = ends
    since, until = given
    lasts = end > _bound(end, since, values)
    if nullable_of(end):
        lasts = sa.or_(lasts, end.is_(None))
    return sa.and_(start < _bound(start, until, values), lasts)


def _of_text(condition: Callable[[Any, str], ColumnElement[bool]]) -> Build:
    def build(expression: Any, text: str, values: Values) -> ColumnElement[bool]:
        return condition(expression, values.checked(sa.Text(), text))

    return build


def _compared(compare: Callable[[Any, Any], Any]) -> Build:
    def build(expression: Any, value: Any, values: Values) -> ColumnElement[bool]:
        return compare(expression, _bound(expression, value, values))  # type: ignore[no-any-return]

    return build


# --- the operators ------------------------------------------------------------------------------------

eq = Operator("eq", "one", "equality", "is this", _eq)
"""Equal."""

ne = Operator("ne", "one", "equality", "is not this, or is missing", _ne)
"""Another value, or none: a row without a value differs too."""

lt = Operator("lt", "one", "order", "is less than this", _compared(lambda a, b: a < b))
"""Less."""

le = Operator("le", "one", "order", "is this or less", _compared(lambda a, b: a <= b))
"""Less or equal."""

gt = Operator("gt", "one", "order", "is greater than this", _compared(lambda a, b: a > b))
"""Greater."""

ge = Operator("ge", "one", "order", "is this or greater", _compared(lambda a, b: a >= b))
"""Greater or equal."""

between = Operator("between", "two", "order", "is from the first to the second, both included", _between)
"""From one value to another, both included."""

overlaps = Operator(
    "overlaps",
    "two",
    "period",
    "has a moment in common with the time from the first to the second",
    _overlaps,
)
"""Of a `period`: it begins before the range ends, and ends after the range begins. One that only touches the range
is not in; one without an end lasts for ever."""

any_of = Operator("any_of", "many", "equality", "is one of these", _any_of)
"""One of several values; of no values, none."""

is_null = Operator("is_null", "truth", "anything", "is missing (true) or there (false)", _is_null)
"""Without a value, or with one."""

contains = Operator("contains", "text", "text", "contains this, letter for letter", _of_text(text_contains))
"""Has the text in it. ``%`` and ``_`` stand for themselves."""

icontains = Operator(
    "icontains",
    "text",
    "text",
    "contains this, in capitals or small letters",
    _of_text(text_contains_any_case),
)
"""Has the text in it, whatever the case."""

startswith = Operator(
    "startswith", "text", "text", "begins with this, letter for letter", _of_text(text_starts_with)
)
"""Begins with the text."""

OPERATORS = (eq, ne, lt, le, gt, ge, between, overlaps, any_of, is_null, contains, icontains, startswith)
"""All of them."""
