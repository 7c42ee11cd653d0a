"""How values are written under the types of GraphQL: what these make of the values that SQLAlchemy reads.

Where a type would refuse a value, such as an ``Int`` of more than 32 bits, there is no text, and who reads it lets the type
say so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.sql.json.postgresql import moment_encoder
from batchrepo.sql.json.texts import concatenated, inexact, members_encoder, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.plan.forms import Form

    Encoder = Callable[[Any], ColumnElement[str]]

_AS_THEY_ARE: dict[str, type[Any]] = {
    "Boolean": sa.Boolean,
    "Decimal": sa.Numeric,
    "String": sa.String,
    "ID": sa.String,
    "Date": sa.Date,
    "DateTime": sa.DateTime,
    "Time": sa.Time,
    "UUID": sa.Uuid,
}
"""Types of GraphQL that write values of a SQL type as Pydantic does."""


def graphql_encoder(
    kind: Any, form: Form, dialect: Dialect, find: Callable[[Any, Dialect], Encoder | None]
) -> Encoder | None:
    """The encoder for values of a type of SQLAlchemy's own under a type of GraphQL, or None.

    Args:
        kind: the type of the column.
        form: the type of GraphQL.
        dialect: of the database.
        find: gives the encoder for what Pydantic writes.
    """
    match form.kind, kind:
        case "Constant", _:
            text = written(json.dumps(form.text, ensure_ascii=False))
            return lambda _: text
        case "Enum", sa.Enum():
            return members_encoder(form.members, dialect)
        case _, sa.Enum():
            return None
        case "Int", sa.Integer():
            return _whole(dialect, _INT)
        case "BigInt", sa.Integer():
            return _big(dialect)
        case "ID", sa.Integer():
            return _quoted(dialect)
        case ("GlobalID", sa.CHAR()) | ("Decimal", sa.Float()):
            return None
        case "GlobalID", sa.Integer() | sa.String():
            return _global_id(form.text) if dialect.name == "postgresql" else None
        case "Float", sa.Float():
            return _finite(find(kind, dialect))
        case "DateTime", sa.DateTime(timezone=True) if dialect.name == "postgresql":
            # Other drivers give the session's time zone.
            return moment_encoder(dialect, "+00:00") if dialect.driver == "asyncpg" else None
    expected = _AS_THEY_ARE.get(form.kind)
    return find(kind, dialect) if expected is not None and isinstance(kind, expected) else None


_INT = (-(2**31), 2**31 - 1)
_EXACT = (-(2**53) + 1, 2**53 - 1)


def _text(value: Any) -> ColumnElement[str]:
    return sa.cast(value, sa.Text())


def _within(value: Any, bounds: tuple[int, int], dialect: Dialect) -> ColumnElement[bool]:
    low, high = (sa.literal_column(str(bound)) for bound in bounds)
    within = sa.and_(value >= low, value <= high)
    # SQLite stores anything in any column.
    return within if dialect.name != "sqlite" else sa.and_(_is_integer(value), within)


def _is_integer(value: Any) -> ColumnElement[bool]:
    return sa.func.typeof(value, type_=sa.Text()) == written("integer")


def _whole(dialect: Dialect, bounds: tuple[int, int]) -> Encoder:
    return lambda value: sa.case((_within(value, bounds, dialect), _text(value)), else_=inexact(dialect))


def _big(dialect: Dialect) -> Encoder:
    """As text, where JavaScript does not read the number exactly."""
    quoted = _quoted(dialect)
    return lambda value: sa.case((_within(value, _EXACT, dialect), _text(value)), else_=quoted(value))


def _quoted(dialect: Dialect) -> Encoder:
    def encode(value: Any) -> ColumnElement[str]:
        quoted = concatenated(['"', _text(value), '"'])
        return (
            quoted if dialect.name != "sqlite" else sa.case((_is_integer(value), quoted), else_=inexact(dialect))
        )

    return encode


def _finite(plain: Encoder | None) -> Encoder | None:
    """A number that is none has no text."""
    if plain is None:
        return None
    largest = sa.literal_column("1.7976931348623157e308::float8")
    missing: Any = sa.func.chr(sa.literal_column("1"), type_=sa.Text())
    return lambda value: sa.case((sa.func.abs(sa.cast(value, sa.Double())) > largest, missing), else_=plain(value))


def _global_id(type_name: str) -> Encoder:
    """Of the name of the type and the key, in base64, which PostgreSQL breaks into lines."""

    def encode(value: Any) -> ColumnElement[str]:
        named = sa.func.convert_to(concatenated([f"{type_name}:", _text(value)]), written("UTF8"))
        lines = sa.func.encode(named, written("base64"))
        line = sa.func.chr(sa.literal_column("10"))
        return concatenated(['"', sa.func.translate(lines, line, written(""), type_=sa.Text()), '"'])

    return encode
