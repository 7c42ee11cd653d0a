"""What routing uses of SQLAlchemy beyond its public interface: each of these fails where it has moved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from sqlalchemy import Column, Integer, MetaData, Table, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import greenlet_spawn

from batchrepo.executing import make_engine
from batchrepo.routing.pools import outdate, pool_use
from batchrepo.routing.probing import probe_engine
from tests.support.databases import sqlite_file_url


@pytest_asyncio.fixture
async def engine(tmp_path) -> AsyncIterator[AsyncEngine]:
    made = make_engine(sqlite_file_url(tmp_path / "a.db"), pool_size=2, max_overflow=3)
    yield made
    await made.dispose()


async def connection_of(engine: AsyncEngine) -> Any:
    async with engine.connect() as connection:
        return (await connection.get_raw_connection()).driver_connection


async def test_pool_recreate_makes_an_empty_pool_to_the_same_server(engine: AsyncEngine):
    async with engine.connect() as connection:
        await connection.execute(text("CREATE TABLE here (id INTEGER)"))
    other = probe_engine(engine.sync_engine)
    try:
        assert other.pool is not engine.sync_engine.pool
        assert type(other.pool) is type(engine.sync_engine.pool)
        assert other.pool.checkedin() == 0

        def ask() -> int:
            with other.connect() as connection:
                return len(connection.execute(text("SELECT * FROM here")).all())

        assert await greenlet_spawn(ask) == 0
        assert (other.pool.checkedin(), engine.sync_engine.pool.checkedin()) == (1, 1)
    finally:
        await greenlet_spawn(other.dispose)


async def test_pool_invalidate_time_makes_older_connections_be_replaced(engine: AsyncEngine):
    first = await connection_of(engine)
    assert await connection_of(engine) is first
    outdate(engine)
    second = await connection_of(engine)
    assert second is not first
    assert await connection_of(engine) is second


async def test_pool_max_overflow_is_told(engine: AsyncEngine):
    use = pool_use(engine)
    assert use is not None
    assert use.most == 5


def test_for_update_arg_says_that_a_select_locks():
    table = Table("t", MetaData(), Column("id", Integer))
    assert select(table)._for_update_arg is None
    assert select(table).with_for_update()._for_update_arg is not None
