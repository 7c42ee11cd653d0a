"""Errors of connecting, and returning connections although the caller is cancelled."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from batchrepo.errors import DatabaseUnavailable
from batchrepo.events import EventLog
from batchrepo.executing import JoinedDoor, PinnedDoor, PooledDoor, border, make_engine
from batchrepo.executing.border import finish

NOWHERE = ["postgresql+asyncpg", "postgresql+psycopg"]


def unreachable(driver: str, folder: Path) -> AsyncEngine:
    """A server's socket in an empty folder: refused at once, on every machine."""
    return make_engine(URL.create(driver, "app", "secret", database="shop", query={"host": str(folder)}))


@pytest.mark.parametrize("driver", NOWHERE)
@pytest.mark.parametrize("kind", ["pooled", "pinned", "joined"])
async def test_a_server_that_is_away(driver: str, kind: str, tmp_path: Path) -> None:
    engine, log = unreachable(driver, tmp_path), EventLog()
    async with AsyncSession(engine) as session:
        door = {
            "pooled": lambda: PooledDoor(engine, log),
            "pinned": lambda: PinnedDoor(engine, log),
            "joined": lambda: JoinedDoor(session, log),
        }[kind]()
        with pytest.raises(DatabaseUnavailable) as caught:
            await door.rows(text("SELECT 1"), cause="one")
        await door.aclose()
    message = str(caught.value)
    assert message.startswith(f"No connection to {driver}://app:***@/shop")
    assert "secret" not in message
    assert "\n" not in message
    assert "sqlalche.me" not in message
    assert isinstance(caught.value.__cause__, OSError | DBAPIError)
    assert log.statement_count == 0


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_database_that_does_not_exist(
    driver: str, request: pytest.FixtureRequest, postgres_url: str
) -> None:
    engine = make_engine(
        make_engine(postgres_url).url.set(drivername=f"postgresql+{driver}", database="nope")
    )
    door = PooledDoor(engine, EventLog())
    with pytest.raises(DatabaseUnavailable, match='database "nope" does not exist'):
        await door.rows(text("SELECT 1"), cause="one")
    await door.aclose()


async def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/shop.db")
    door = PooledDoor(engine, EventLog())
    before = set(threading.enumerate())
    with pytest.raises(DatabaseUnavailable, match=r"no/such/folder/shop\.db: unable to open database file"):
        await door.rows(text("SELECT 1"), cause="one")
    await door.aclose()
    # The driver's thread reports its end to the loop after the error; the loop must not be closed before.
    for thread in set(threading.enumerate()) - before:
        await asyncio.to_thread(thread.join, 30)


async def test_a_mistake_in_a_users_listener_is_not_an_absent_database(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)

    def mistake(*_: object) -> None:
        raise KeyError("tenant")

    event.listen(engine.sync_engine, "checkout", mistake)
    door = PooledDoor(engine, EventLog())
    with pytest.raises(KeyError, match="tenant"):
        await door.rows(text("SELECT 1"), cause="one")
    await door.aclose()
    await engine.dispose()


async def test_finish_gives_result_and_error() -> None:
    async def result() -> int:
        return 7

    async def error() -> int:
        raise ValueError("no")

    assert await finish(result()) == 7
    with pytest.raises(ValueError, match="no"):
        await finish(error())


@pytest.mark.parametrize("fails", [False, True])
async def test_finish_comes_to_its_end_before_the_cancellation_goes_on(fails: bool) -> None:
    gate, done = asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        done.append(1)
        if fails:
            raise ValueError("not seen: the cancellation is")

    task = asyncio.create_task(finish(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == [1]


@pytest.mark.parametrize("by", ["time", "a second cancellation"])
async def test_finish_does_not_wait_for_ever(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a dead network a ROLLBACK may never be answered; it goes on by itself."""
    gate, done = asyncio.Event(), []
    if by == "time":
        monkeypatch.setattr(border, "CLEANUP_SECONDS", 0.001)

    async def work() -> None:
        await gate.wait()
        done.append(1)

    task = asyncio.create_task(finish(work()))
    await asyncio.sleep(0)
    task.cancel()
    if by != "time":
        await asyncio.sleep(0)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == []
    [rest] = border._unfinished
    gate.set()
    await rest
    assert done == [1]
    assert border._unfinished == set()
