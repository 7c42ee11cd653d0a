"""The values of an order as texts of JSON, from which the client makes exactly the cursors that it makes of values.

A cursor has a value as the driver gives it, not as Pydantic writes it: an enum by its name, on SQLite what is stored.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from batchrepo.sql.json.encoders import encoder_of, finite
from batchrepo.sql.json.texts import written

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

    from batchrepo.sql.json.encoders import Encoder
    from batchrepo.sql.keyset import KeysetTerm


@dataclass(frozen=True)
class OrderText:
    """How a value of an order comes to the client.

    Attributes:
        encode: from an expression that is not NULL to the text of its JSON.
        read: from what the text says to the value that a driver gives.
    """

    encode: Encoder
    read: Callable[[Any], Any]


def order_text_of(term: KeysetTerm, dialect: Dialect) -> OrderText | None:
    """How the values of a term are written and read, or None where nobody knows an exact way."""
    if dialect.name == "sqlite":
        stored = isinstance(term.expression.type, _STORED_PLAINLY)
        return OrderText(_stored, _same) if stored else None
    kind: TypeEngine[Any] = term.values.type
    if isinstance(kind, sa.Enum):
        return _of_members(kind)
    read = next((found for base, found in _READ if isinstance(kind, base)), None)
    encode = encoder_of(kind, dialect)
    if read is None or encode is None:
        return None
    # Of what is not finite there is no JSON, and NULL would be another value.
    return OrderText(finite(encode, dialect) if isinstance(kind, sa.Double) else encode, read(kind))


_STORED_PLAINLY = (sa.Integer, sa.String, sa.Boolean, sa.Date, sa.DateTime, sa.Time, sa.Uuid)
"""Types of which SQLite stores integers and texts. Of other numbers its JSON is rounded."""


def _same(value: Any) -> Any:
    return value


def _stored(value: Any) -> ColumnElement[str]:
    plain = sa.func.typeof(value).in_([written("integer"), written("text")])
    quoted: ColumnElement[str] = sa.func.json_quote(value, type_=sa.Text())
    unknown: ColumnElement[str] = sa.func.char(sa.literal_column("1"), type_=sa.Text())
    return sa.case((plain, quoted), else_=unknown)


def _of_members(kind: sa.Enum) -> OrderText | None:
    if kind.values_callable is not None:
        return None
    members = kind.enum_class
    return OrderText(
        lambda value: sa.cast(sa.func.to_json(sa.cast(value, sa.Text())), sa.Text()),
        _same if members is None else members.__getitem__,
    )


_READ: tuple[tuple[type[TypeEngine[Any]], Callable[[Any], Callable[[Any], Any]]], ...] = (
    (sa.Boolean, lambda _: _same),
    (sa.Double, lambda _: float),
    (sa.Integer, lambda _: _same),
    (sa.String, lambda _: _same),
    (sa.DateTime, lambda _: dt.datetime.fromisoformat),
    (sa.Date, lambda _: dt.date.fromisoformat),
    (sa.Time, lambda _: dt.time.fromisoformat),
    (sa.Uuid, lambda kind: UUID if kind.as_uuid else _same),
)
"""For each type what makes a driver's value of its text. (Numbers without a scale have several texts.)"""
