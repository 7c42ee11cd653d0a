"""sqlakeyset: `select_page` of its asyncio module, with ORM entities as its documentation shows, and with columns.

It leaves out rows whose order has a NULL. Its documentation recommends coalesce, which gets an index of its own here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlakeyset import serialize_bookmark
from sqlakeyset.asyncio import select_page
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import EDITED_OR_NEVER, Comment
from benchmarks.workload import Request
from benchmarks.workloads.deep_page.core import COLUMNS, NAMES
from benchmarks.workloads.deep_page.orders import (
    NULLS_FIRST,
    NULLS_LAST,
    SIZE,
    CommentLine,
    Order,
    place_before,
)

_edited = sa.literal_column(EDITED_OR_NEVER, sa.DateTime(timezone=True))
_TERMS = {
    NULLS_LAST.name: (_edited.desc(), Comment.id.desc()),
    NULLS_FIRST.name: (_edited.asc(), Comment.id.asc()),
}
_NEVER: sa.Select[Any] = sa.select(sa.literal_column("timestamptz '1970-01-01 00:00:00+00'"))


async def _bookmark(dataset: Dataset, order: Order, page: int) -> str | None:
    place = await place_before(dataset, order, page)
    if place is None:
        return None
    if place[0] is None:
        engine = reading_engine(dataset)
        async with engine.connect() as connection:
            place = (await connection.scalar(_NEVER), place[1])
        await engine.dispose()
    return serialize_bookmark((place, False))


@asynccontextmanager
async def with_entities(order: Order, page: int, dataset: Dataset) -> AsyncIterator[Request]:
    """Entities of a session, made to views and dumped by Pydantic."""
    engine = reading_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    bookmark = await _bookmark(dataset, order, page)
    statement: sa.Select[Any] = sa.select(Comment).order_by(*_TERMS.get(order.name, order.terms))
    adapter = TypeAdapter(list[CommentLine])

    async def request() -> bytes:
        async with sessions() as session:
            found = await select_page(session, statement, per_page=SIZE, page=bookmark)
            views = adapter.validate_python([comment for (comment,) in found])
        return _body(adapter.dump_json(views), found)

    try:
        yield request
    finally:
        await engine.dispose()


@asynccontextmanager
async def with_columns(order: Order, page: int, dataset: Dataset) -> AsyncIterator[Request]:
    """Rows of columns, to dicts, to orjson: the fastest way that we know of to use it."""
    engine = reading_engine(dataset)
    bookmark = await _bookmark(dataset, order, page)
    statement = sa.select(*COLUMNS).order_by(*_TERMS.get(order.name, order.terms))

    async def request() -> bytes:
        async with engine.connect() as connection:
            found = await select_page(connection, statement, per_page=SIZE, page=bookmark)
        items = [dict(zip(NAMES, row, strict=True)) for row in found]
        return _body(orjson.dumps(items, option=orjson.OPT_UTC_Z), found)

    try:
        yield request
    finally:
        await engine.dispose()


def _body(items: bytes, found: Any) -> bytes:
    paging = found.paging
    rest = {"has_next": paging.has_next, "end_cursor": paging.bookmark_next}
    return b'{"items":' + items + b"," + orjson.dumps(rest)[1:]
