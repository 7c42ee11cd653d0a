"""The JSON of all rows by one statement: one value on PostgreSQL, whichever rows a list or a page has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import sqlalchemy as sa

from batchrepo import Database
from batchrepo.events import Event, StatementEvent
from tests.strategies.shelves import Shelf, ShelfRepository, ShelfView, filled


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with filled(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def many_shelves(db: Database) -> Database:
    rows = [{"id": id_, "name": f"shelf {id_ % 7}", "floor": id_ % 3} for id_ in range(100, 126)]
    async with db.engine.begin() as connection:
        await connection.execute(sa.insert(Shelf), rows)
    return db


@pytest.mark.parametrize("size", [1, 3, 10, 13, 17, 40], ids=lambda size: f"of_{size}")
@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
async def test_pages_joined_are_the_order_whichever_way_they_are_read(
    many_shelves: Database, size: int, backward: bool
):
    order = (Shelf.floor.desc(), Shelf.name, Shelf.id.desc())
    async with many_shelves.scope() as scope:
        shelves = ShelfRepository(scope)
        whole = json.loads(await shelves.find_json(ShelfView, order_by=order, strategy="batched"))
        pages, cursor = [], None
        while True:
            where = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
            page = await shelves.page_json(ShelfView, order_by=order, **where, strategy="single")
            same = await shelves.page_json(ShelfView, order_by=order, **where, strategy="batched")
            assert (page.has_next, page.has_previous) == (same.has_next, same.has_previous)
            assert (page.start_cursor, page.end_cursor) == (same.start_cursor, same.end_cursor)
            pages.append(json.loads(page.items))
            if not (page.has_previous if backward else page.has_next):
                break
            cursor = page.start_cursor if backward else page.end_cursor
    assert [row for page in (reversed(pages) if backward else pages) for row in page] == whole
    assert all(len(page) == size for page in pages[:-1])


async def test_a_page_of_no_rows(db: Database):
    async with db.scope() as scope:
        page = await ShelfRepository(scope).page_json(ShelfView, first=0, strategy="single")
    assert (page.items, page.has_next, page.end_cursor) == (b"[]", True, None)


async def test_postgresql_sends_one_value_for_all_rows(db: Database):
    """Many are sent in pieces, each of which wakes the client."""
    fetched: list[Event] = []
    stop = db.on_event(fetched.append)
    try:
        async with db.scope() as scope:
            shelves = ShelfRepository(scope)
            rows = json.loads(await shelves.find_json(ShelfView, strategy="single"))
            assert len(rows) == 4
            assert await shelves.find_json(ShelfView, Shelf.id > 100, strategy="single") == b"[]"
    finally:
        stop()
    counts = [event.rows for event in fetched if isinstance(event, StatementEvent)]
    assert counts == ([1, 1] if db.engine.dialect.name == "postgresql" else [4, 0])
