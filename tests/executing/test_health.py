"""Is the database there?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo.events import EventLog
from batchrepo.executing import PinnedDoor, check, make_engine
from tests.executing.conftest import POOLED, in_use, on
from tests.executing.models import Author


async def test_a_healthy_database(engine: AsyncEngine) -> None:
    health = await check(engine)
    assert (health.ok, health.error) == (True, None)
    assert health.dialect == f"{engine.dialect.name}+{engine.dialect.driver}"
    assert health.server_version is not None
    assert health.server_version[0].isdigit()
    assert 0 < health.seconds < 2
    assert health.pool == engine.sync_engine.pool.status()
    assert in_use(engine) == 0


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg"])
async def test_a_database_that_is_away(driver: str, tmp_path: Path) -> None:
    url = URL.create(driver, "app", "secret", database="shop", query={"host": str(tmp_path)})
    health = await check(make_engine(url))
    assert not health.ok
    assert health.server_version is None
    assert health.error is not None
    assert "\n" not in health.error
    assert "secret" not in repr(health)


@on(*POOLED)
async def test_a_pool_without_a_free_connection_is_not_well(url: str, engine: AsyncEngine) -> None:
    small = make_engine(url, pool_size=1, max_overflow=0, pool_timeout=30)
    async with small.connect():
        health = await check(small, timeout=0.05)
    assert (health.ok, health.error) == (False, "no answer within 0.05 s")
    assert health.seconds >= 0.05
    assert (await check(small)).ok
    assert in_use(small) == 0
    await small.dispose()


@on("memory")
async def test_a_shared_connection_that_somebody_keeps(engine: AsyncEngine) -> None:
    door = PinnedDoor(engine, EventLog())
    await door.rows(select(Author.id), cause="Author")
    assert (await check(engine, timeout=0.05)).error == "no answer within 0.05 s"
    await door.aclose()
    assert (await check(engine)).ok


@on(*POOLED)
async def test_cancelling_the_check_cancels_it(engine: AsyncEngine) -> None:
    task = asyncio.create_task(check(engine))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert in_use(engine) == 0
