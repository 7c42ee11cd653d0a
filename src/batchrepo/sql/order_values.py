"""How the values of an order travel: from rows into cursors and back into statements, exact to the last bit.

Anybody can make up a cursor that is not signed. So each value is checked against its column's type before it is sent:
a wrong one is the cursor's fault, and must not become an error of the driver.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BIT, CITEXT, DOMAIN, MACADDR, MACADDR8, OID
from sqlalchemy.sql.elements import FunctionFilter, Grouping, Label, Over, WithinGroup
from sqlalchemy.sql.functions import FunctionElement, array_agg, count
from sqlalchemy.sql.functions import sum as sum_
from sqlalchemy.sql.sqltypes import _AbstractInterval
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine, UserDefinedType

from batchrepo.declare.cursors import MemberName
from batchrepo.errors import InvalidArgument
from batchrepo.sql.key_checks import Unusable, value_check
from batchrepo.sql.keys import widened

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.sql.elements import ColumnElement

Check: TypeAlias = "Callable[[Any], Any]"
"""From a value that a cursor carries to the value to send; raises `Unusable`."""


class Stored(UserDefinedType[Any]):
    """A value as the driver gives and takes it. Without a type of its own, SQLAlchemy would give it its column's."""

    cache_ok = True


@dataclass(frozen=True, eq=False)
class OrderValues:
    """How the values of one term of an order travel.

    Attributes:
        type: as which they are read and sent back.
        same: whether reading the expression as it is gives these values too.
        exactly: from the expression to what has to be read instead, where drivers would not give it to the last bit.
        sure: whether every value that passes `check` is one that the database takes there.
        check: what values of a cursor must pass.
    """

    type: TypeEngine[Any]
    same: bool
    exactly: Callable[[Any], ColumnElement[Any]] | None
    sure: bool
    check: Check

    def read(self, expression: Any) -> ColumnElement[Any]:
        """What to select for the value of an expression."""
        if self.exactly is not None:
            return self.exactly(expression)
        return sa.type_coerce(expression, self.type)


def order_values(expression: Any, dialect: Dialect) -> OrderValues:
    """How the values of an expression travel on a database.

    SQLite gives what it stores, untouched: a decimal is a float there, and rounding it would skip rows. Elsewhere
    values travel as what a type decorator wraps.

    Raises:
        InvalidArgument: rows cannot be paged by values of its type.
    """
    _refuse_many_rows(expression)
    kind = _type_of(expression)
    plain: Any = kind.dialect_impl(dialect)
    while isinstance(plain, TypeDecorator | DOMAIN):
        plain = plain.impl_instance if isinstance(plain, TypeDecorator) else plain.data_type
    known = not isinstance(plain, NullType) and type(plain).__module__.startswith("sqlalchemy.")
    if known and not isinstance(plain, _PAGED):
        raise InvalidArgument(
            f"Rows cannot be paged by {expression!s:.200}: values of type {type(kind).__name__} have no order that a "
            f"cursor could carry. Order by another column, or by a plain value inside of it."
        )
    same = _reads_alike(kind, dialect)
    if dialect.name == "sqlite":
        return OrderValues(Stored(), same, None, True, _stored_check(plain))
    check, sure = _known_check(plain, dialect) if known else (_primitive, False)
    exactly: Any = _in_days if isinstance(plain, _AbstractInterval) else None
    return OrderValues(_exact(plain), same, _double if _is_single(kind, dialect) else exactly, sure, check)


def _refuse_many_rows(expression: Any) -> None:
    """Refuse values that a row does not have by itself: no condition can compare them with a cursor's.

    Raises:
        InvalidArgument: it has a window function or an aggregate outside of a sub-query.
    """
    elements = [expression]
    while elements:
        element = elements.pop()
        if isinstance(element, sa.SelectBase):
            continue
        if isinstance(element, _OF_MANY_ROWS):
            raise InvalidArgument(
                f"Rows cannot be paged by {expression!s:.200}: {element!s:.100} is a value of many rows. Order by a "
                f"computed attribute, such as count(Album.tracks), or by a sub-query."
            )
        elements += element.get_children()


_OF_MANY_ROWS = (Over, FunctionFilter, WithinGroup, count, sum_, array_agg)
"""Window functions and aggregates. (``max`` and ``min`` of several values are of one row in SQLite.)"""


def says_wrong_value(error: DBAPIError) -> bool:
    """Whether a database or its driver complains of a value: of its type, its form or its range."""
    if error.connection_invalidated:
        return False
    state = getattr(error.orig, "sqlstate", None)
    return state in _WRONG_VALUE if state else "DataError" in f"{type(error).__name__} {error.orig!s:.200}"


_WRONG_VALUE = frozenset(
    {
        *("22000", "22003", "22007", "22008", "22021", "22P02", "22P03", "22P05"),  # what it is
        *("42804", "42846", "42883", "42P18"),  # of which type
    }
)
"""The SQLSTATEs of PostgreSQL's complaints about a value or about comparing with it."""


# --- types -------------------------------------------------------------------------------------------


def _type_of(expression: Any) -> TypeEngine[Any]:
    """The type of an expression, also of some usual functions of which SQLAlchemy does not know it."""
    kind: TypeEngine[Any] = expression.type
    element = expression
    while isinstance(element, Label | Grouping):
        element = element.element
    if not isinstance(kind, NullType) or not isinstance(element, FunctionElement):
        return kind
    arguments = list(element.clauses)
    first = _type_of(arguments[0]) if arguments else kind
    is_text = isinstance(first, sa.String) and not isinstance(first, sa.Enum)
    if element.name in _OF_LENGTH:
        return sa.Integer()
    if element.name in _OF_TEXT and is_text:
        return first if isinstance(first, CITEXT) and element.name in _OF_CASE else sa.Text()
    if element.name == "abs" and isinstance(first, sa.Integer | sa.Numeric | sa.Float):
        return first
    return kind


_OF_LENGTH = frozenset({"length", "char_length", "character_length", "octet_length"})
_OF_CASE = frozenset({"lower", "upper"})
_OF_TEXT = _OF_CASE | {"trim", "ltrim", "rtrim", "btrim", "substr", "substring", "left", "right", "initcap"}


def _exact(plain: Any) -> TypeEngine[Any]:
    """As which a database's type loses nothing."""
    if isinstance(plain, sa.Float):
        return sa.Double()
    return sa.Numeric() if isinstance(plain, sa.Numeric) else widened(plain)


def _double(expression: Any) -> ColumnElement[Any]:
    return sa.cast(expression, sa.Double())


def _in_days(expression: Any) -> ColumnElement[Any]:
    """An interval with its months as the 30 days as which PostgreSQL compares them; for drivers a year has 365."""
    months = sa.extract("year", expression) * 12 + sa.extract("month", expression)
    days = sa.cast(months * 30 + sa.extract("day", expression), sa.Integer())
    time = expression - sa.func.date_trunc("day", expression, type_=sa.Interval())
    return sa.func.make_interval(0, 0, 0, days, type_=sa.Interval()) + time  # type: ignore[no-any-return]


def _is_single(kind: TypeEngine[Any], dialect: Dialect) -> bool:
    """Whether values have single precision, which a driver may give as the few digits that tell them apart."""
    declared: Any = kind._variant_mapping.get(dialect.name, kind)
    while isinstance(declared, TypeDecorator):
        declared = declared.load_dialect_impl(dialect)
    digits = declared.precision if isinstance(declared, sa.Float) else None
    return isinstance(declared, sa.REAL) or (digits is not None and digits <= _SINGLE)


_SINGLE = 24
"""Binary digits up to which a FLOAT has single precision."""

_READ_ALIKE = (sa.Integer, sa.String, sa.DateTime, sa.Date, sa.Time, sa.Boolean)
"""Types whose values PostgreSQL's drivers give exactly, so that a column need not be read twice."""


def _reads_alike(kind: TypeEngine[Any], dialect: Dialect) -> bool:
    plain = isinstance(kind, _READ_ALIKE) and not isinstance(kind, sa.Enum) and not kind._variant_mapping
    if dialect.name == "sqlite":
        plain = plain and isinstance(kind, sa.Integer | sa.String)
    return plain and type(kind).__module__.startswith("sqlalchemy.")


# --- checks ------------------------------------------------------------------------------------------


def _known_check(plain: Any, dialect: Dialect) -> tuple[Check, bool]:
    """The check for a type of SQLAlchemy's own, and whether nothing passes it that the database refuses."""
    if isinstance(plain, sa.Enum):
        return _member_check(plain), True
    expected = value_check(plain, dialect)

    def check(value: Any) -> Any:
        if isinstance(value, float) and isinstance(plain, sa.Float):
            return value  # infinite ones have their place in an order
        if isinstance(value, Decimal) and isinstance(plain, sa.Numeric) and not isinstance(plain, sa.Float):
            if value.is_infinite() or value.is_qnan():
                return value
            if value.is_snan():
                raise Unusable("a number")
        return expected(_primitive(value))

    return check, isinstance(plain, _SURE)


_SURE = (
    *(sa.Boolean, sa.Integer, sa.Numeric, sa.Float, sa.String, sa.LargeBinary),
    *(sa.DateTime, sa.Date, sa.Time, sa.Uuid),
)
"""Types whose values are known; SQLAlchemy takes those of others as they come."""

_PAGED = (*_SURE, sa.Enum, _AbstractInterval, OID, MACADDR, MACADDR8, BIT)
"""SQLAlchemy's types whose values have an order and can be carried. (JSON, arrays and ranges have neither or no plain
values.)"""

_STORED: tuple[tuple[type[TypeEngine[Any]], tuple[type[Any], ...]], ...] = (
    (sa.Boolean, (int,)),
    (sa.Integer, (int,)),
    (sa.Numeric, (int, float)),
    (sa.Float, (int, float)),
    (sa.LargeBinary, (bytes,)),
    (sa.String, (str,)),
    (sa.DateTime, (str,)),
    (sa.Date, (str,)),
    (sa.Time, (str,)),
    (sa.Uuid, (str,)),
)
"""What SQLite stores for values of a type."""

_STORABLE = (int, float, str, bytes)
"""What SQLite stores at all, and compares with anything."""


def _stored_check(plain: Any) -> Check:
    stored = next((types for base, types in _STORED if isinstance(plain, base)), _STORABLE)

    def check(value: Any) -> Any:
        if type(value) not in stored or (type(value) is float and math.isnan(value)):
            raise Unusable(f"a value of type {stored[-1].__name__}")
        return _primitive(value)

    return check


def _primitive(value: Any) -> Any:
    """A value that is plain, whatever its type."""
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise Unusable("a text without lone surrogates") from None
    elif type(value) not in _PLAIN:
        raise Unusable("a plain value")
    return value


_PLAIN = (int, float, bytes, bool, Decimal, UUID, dt.datetime, dt.date, dt.time, dt.timedelta)


def _member_check(kind: sa.Enum) -> Check:
    members: Any = kind.enum_class

    def check(value: Any) -> Any:
        if members is None:
            if value in kind.enums:
                return value
        elif isinstance(value, MemberName) and value.name in members.__members__:
            return members[value.name]
        raise Unusable(f"a member of {kind.name or 'the enum'}")

    return check
