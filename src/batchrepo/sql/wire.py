"""Values as drivers take them, past SQLAlchemy's execution: a processor for each column, and the type of its array.

Which types may go that way is a positive list: of any other type nobody knows whether the driver has a binary form
for it, or whether an array of it comes out as it went in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from batchrepo.sql.keys import widened

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect


@dataclass(frozen=True, slots=True)
class Wire:
    """How the values of one column travel.

    Attributes:
        process: from a Python value to what the driver takes; None where that is the same.
        array: the type of an array of them, with values that are processed already; None where it may not be.
        raw: why the driver cannot be given the values by itself; None where it can.
        no_array: why they cannot travel as an array.
        kinds: the Python types that the driver takes; empty where that is not known.
        same: Python types whose values `process` leaves as they are; empty where that is not known.
    """

    process: Callable[[Any], Any] | None
    array: TypeEngine[Any] | None
    raw: str | None
    no_array: str | None
    kinds: tuple[type[Any], ...]
    same: frozenset[type[Any]] = frozenset()


class WireArray(UserDefinedType[Any]):
    """An array of values that are as the driver takes them already."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, item: str) -> None:
        self.item = item

    def get_col_spec(self, **_: Any) -> str:
        """The item's type with brackets."""
        return f"{self.item}[]"


_known: WeakKeyDictionary[Dialect, dict[TypeEngine[Any], Wire]] = WeakKeyDictionary()


def wire_of(kind: TypeEngine[Any], dialect: Dialect) -> Wire:
    """How values of a type travel to a database."""
    known = _known.setdefault(dialect, {})
    found = known.get(kind)
    if found is None:
        found = known[kind] = _wire(kind, dialect)
    return found


def _wire(kind: TypeEngine[Any], dialect: Dialect) -> Wire:
    process = kind.dialect_impl(dialect).bind_processor(dialect)
    bare = _bare(kind, dialect)
    raw = _why_not_raw(kind, bare, dialect)
    no_array = raw or ("this database has no arrays" if dialect.name != "postgresql" else _why_no_array(bare))
    array = None if no_array else WireArray(_array_item(bare, dialect))
    return Wire(_quick(process, kind), array, raw, no_array, _kinds(bare), _same(kind, dialect))


def _same(kind: TypeEngine[Any], dialect: Dialect) -> frozenset[type[Any]]:
    if type(kind) is sa.Boolean and dialect.supports_native_boolean:
        return frozenset({bool, type(None)})
    return frozenset()


def _quick(process: Callable[[Any], Any] | None, kind: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """A processor that is asked once for each member of an enum, and not for each row."""
    members = kind.enum_class if type(kind) is sa.Enum else None
    if process is None or members is None:
        return process
    known = {member: process(member) for member in members}

    def quick(value: Any) -> Any:
        found = known.get(value) if type(value) is members else None
        return process(value) if found is None else found

    return quick


def _bare(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """The type of this database, without decorators."""
    impl: Any = kind.dialect_impl(dialect)
    while isinstance(impl, TypeDecorator) and not isinstance(impl, sa.Interval):
        impl = impl.impl_instance.dialect_impl(dialect)
    return impl  # type: ignore[no-any-return]


_PLAIN = (
    sa.Integer,
    sa.String,
    sa.Boolean,
    sa.Numeric,
    sa.Float,
    sa.Date,
    sa.DateTime,
    sa.Time,
    sa.Uuid,
    sa.LargeBinary,
    sa.JSON,
    sa.Interval,
    postgresql.INTERVAL,
    postgresql.INET,
    postgresql.CIDR,
    AbstractRange,
)


def _why_not_raw(kind: TypeEngine[Any], bare: TypeEngine[Any], dialect: Dialect) -> str | None:
    if kind.bind_expression(sa.bindparam("value", type_=kind)) is not None:
        return f"{_name(kind)} puts SQL around its values"
    if dialect.name == "sqlite":
        return None
    if isinstance(bare, sa.ARRAY):
        return _why_not_raw(bare.item_type, _bare(bare.item_type, dialect), dialect)
    of_sqlalchemy = type(bare).__module__.startswith("sqlalchemy.")
    citext = bare.__class__.__visit_name__.lower() == "citext"
    if not of_sqlalchemy or not isinstance(bare, _PLAIN) or citext:
        return f"{_name(kind)} is a type whose values the driver may have no form for"
    return None


def _why_no_array(bare: TypeEngine[Any]) -> str | None:
    if isinstance(bare, sa.ARRAY):
        return "unnest takes arrays of arrays apart"
    return None


def _array_item(bare: TypeEngine[Any], dialect: Dialect) -> str:
    return dialect.type_compiler_instance.process(widened(bare))


def _name(kind: TypeEngine[Any]) -> str:
    return type(kind).__name__


def _kinds(bare: TypeEngine[Any]) -> tuple[type[Any], ...]:
    """What a driver takes for a type, where that is one Python type; to find the rows that it refuses."""
    match bare:
        case sa.String():
            return (str,)
        case sa.Integer():
            return (int,)
        case sa.Boolean():
            return (bool,)
        case sa.LargeBinary():
            return (bytes, bytearray, memoryview)
        case _:
            return ()


def is_plain_text(kind: TypeEngine[Any]) -> bool:
    """Whether a column is one of the database's own types of text, by SQLAlchemy's own type for it."""
    return type(kind) in (sa.String, sa.Text, sa.Unicode, sa.UnicodeText, sa.VARCHAR, sa.TEXT)
