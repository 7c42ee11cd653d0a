"""The declarative base of the contract models, and the column types that they share."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, MetaData
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


class Base(AsyncAttrs, DeclarativeBase):
    """The base of every contract model; its metadata holds all their tables.

    `AsyncAttrs` is there because the suite reads relations through `entity.awaitable_attrs` too.
    """

    metadata = MetaData()


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware datetime, in UTC on the way out, on databases with and without time zones.

    SQLite drops the offset, so that value conversion on the way in and out is what makes it right: code that
    bypasses the type's processors is caught.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        """Converts to UTC, and to a naive value where the database knows no time zones."""
        if value is None:
            return None
        in_utc = value.astimezone(dt.UTC)
        return in_utc.replace(tzinfo=None) if dialect.name == "sqlite" else in_utc

    def process_result_value(self, value: Any, dialect: Dialect) -> dt.datetime | None:
        """Returns the value in UTC; values without an offset are in UTC already."""
        if value is None:
            return None
        stored: dt.datetime = value
        return stored.replace(tzinfo=dt.UTC) if stored.tzinfo is None else stored.astimezone(dt.UTC)
