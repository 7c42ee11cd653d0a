"""How values are written under the types of GraphQL: what these make of the values that SQLAlchemy reads.

Where a type would refuse a value, such as an ``Int`` of more than 32 bits, there is no text, and who reads it lets the type
say so.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from batchrepo.sql.json.postgresql import moment_encoder
from batchrepo.sql.json.texts import concatenated, finite, inexact, members_encoder, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.plan.leaf_types import Kind, LeafType

    Encoder = Callable[[Any], ColumnElement[str]]
    Find = Callable[[Any, Dialect], Encoder | None]


class _Asked(NamedTuple):
    """Values of a type of SQLAlchemy's own under a leaf type, in a database; `find` gives what Pydantic writes of them."""

    kind: Any
    leaf: LeafType
    dialect: Dialect
    find: Find


def graphql_encoder(kind: Any, leaf: LeafType, dialect: Dialect, find: Find) -> Encoder | None:
    """The encoder for values of a type of SQLAlchemy's own under a type of GraphQL, or None.

    Args:
        kind: the type of the column.
        leaf: the type of GraphQL.
        dialect: of the database.
        find: gives the encoder for what Pydantic writes.
    """
    for expected, make in _ENCODERS[leaf.kind]:
        if isinstance(kind, expected):
            return make(_Asked(kind, leaf, dialect, find))
    return None


def _text(value: Any) -> ColumnElement[str]:
    return sa.cast(value, sa.Text())


def _refused(_: _Asked) -> None:
    return None


def _as_it_is(asked: _Asked) -> Encoder | None:
    return asked.find(asked.kind, asked.dialect)


def _constant(asked: _Asked) -> Encoder:
    text = written(json.dumps(asked.leaf.text, ensure_ascii=False))
    return lambda _: text


def _member(asked: _Asked) -> Encoder:
    return members_encoder(asked.leaf.members, asked.dialect)


_INT = (-(2**31), 2**31 - 1)
_EXACT = (-(2**53) + 1, 2**53 - 1)


def _within(value: Any, bounds: tuple[int, int], dialect: Dialect) -> ColumnElement[bool]:
    within = sa.and_(*(_compared(value, bound) for bound in bounds))
    # SQLite stores anything in any column.
    return within if dialect.name != "sqlite" else sa.and_(_is_integer(value), within)


def _compared(value: Any, bound: int) -> ColumnElement[bool]:
    number: Any = sa.literal_column(str(bound))
    found: ColumnElement[bool] = value >= number if bound < 0 else value <= number
    return found


def _is_integer(value: Any) -> ColumnElement[bool]:
    return sa.func.typeof(value, type_=sa.Text()) == written("integer")


def _int(asked: _Asked) -> Encoder:
    dialect = asked.dialect
    return lambda value: sa.case((_within(value, _INT, dialect), _text(value)), else_=inexact(dialect))


def _big_int(asked: _Asked) -> Encoder:
    """As a text where JavaScript does not read the number exactly."""
    dialect, quoted = asked.dialect, _quoted(asked)
    return lambda value: sa.case((_within(value, _EXACT, dialect), _text(value)), else_=quoted(value))


def _quoted(asked: _Asked) -> Encoder:
    def encode(value: Any) -> ColumnElement[str]:
        quoted = concatenated(['"', _text(value), '"'])
        if asked.dialect.name != "sqlite":
            return quoted
        return sa.case((_is_integer(value), quoted), else_=inexact(asked.dialect))

    return encode


def _finite(asked: _Asked) -> Encoder | None:
    plain = _as_it_is(asked)
    return None if plain is None else finite(plain, asked.dialect)


def _moment(asked: _Asked) -> Encoder | None:
    if not asked.kind.timezone or asked.dialect.name != "postgresql":
        return _as_it_is(asked)
    # Other drivers give the session's time zone.
    return moment_encoder(asked.dialect, "+00:00") if asked.dialect.driver == "asyncpg" else None


def _global_id(asked: _Asked) -> Encoder | None:
    """Of the name of the type and the key, in base64, which PostgreSQL breaks into lines."""
    if asked.dialect.name != "postgresql":
        return None

    def encode(value: Any) -> ColumnElement[str]:
        named = sa.func.convert_to(concatenated([f"{asked.leaf.text}:", _text(value)]), written("UTF8"))
        lines, line = sa.func.encode(named, written("base64")), sa.func.chr(sa.literal_column("10"))
        return concatenated(['"', sa.func.translate(lines, line, written(""), type_=sa.Text()), '"'])

    return encode


_NO_ENUM = (sa.Enum, _refused)

_ENCODERS: dict[Kind, Sequence[tuple[Any, Callable[[_Asked], Encoder | None]]]] = {
    "Constant": [(object, _constant)],
    "Enum": [(sa.Enum, _member)],
    "Boolean": [(sa.Boolean, _as_it_is)],
    "Int": [(sa.Integer, _int)],
    "BigInt": [(sa.Integer, _big_int)],
    "Float": [(sa.Float, _finite)],
    "Decimal": [(sa.Float, _refused), (sa.Numeric, _as_it_is)],
    "String": [_NO_ENUM, (sa.String, _as_it_is)],
    "ID": [_NO_ENUM, (sa.String, _as_it_is), (sa.Integer, _quoted)],
    # A cast of CHAR to a text drops the blanks at its end.
    "GlobalID": [_NO_ENUM, (sa.CHAR, _refused), (sa.Integer | sa.String, _global_id)],
    "Date": [(sa.Date, _as_it_is)],
    "DateTime": [(sa.DateTime, _moment)],
    "Time": [(sa.Time, _as_it_is)],
    "UUID": [(sa.Uuid, _as_it_is)],
}
"""What makes the encoder, by the type of GraphQL and the type of the column; the first that fits."""
