"""One connection for the life of a scope: one state of the database, for everybody in it."""

from __future__ import annotations

import asyncio
import random

import pytest
from sqlalchemy import bindparam, event, func, select, text, update
from sqlalchemy.exc import DBAPIError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchrepo.errors import InvalidArgument, ScopeClosed
from batchrepo.events import EventLog
from batchrepo.executing import PinnedDoor, PooledDoor, make_engine, read_engine
from tests.executing.conftest import POOLED, in_use, on
from tests.executing.gate import Gate
from tests.executing.models import AUTHORS, Author

ONE = select(Author.id, Author.name).where(Author.id == bindparam("id"))
RENAME = update(Author).where(Author.id == 1).values(name="renamed")


async def write(engine: AsyncEngine) -> None:
    """A change by somebody else, committed."""
    async with engine.connect() as other:
        await other.execute(RENAME)


@on(*POOLED)
@pytest.mark.parametrize("own", [False, True], ids=["our engine", "the user's engine"])
async def test_two_reads_see_one_state(url: str, engine: AsyncEngine, own: bool, log: EventLog) -> None:
    users = create_async_engine(url)
    door = PinnedDoor(read_engine(users) if own else engine, log)
    assert await door.rows(ONE, {"id": 1}, cause="before") == [(1, "author 1")]
    await write(engine)
    assert await door.rows(ONE, {"id": 1}, cause="after") == [(1, "author 1")]
    await door.aclose()
    assert (in_use(engine), in_use(users)) == (0, 0)

    later = PooledDoor(engine, log)
    assert await later.rows(ONE, {"id": 1}, cause="later") == [(1, "renamed")]
    await later.aclose()
    await users.dispose()


@on(*POOLED)
async def test_without_pinning_two_reads_see_two_states(engine: AsyncEngine, log: EventLog) -> None:
    """The opposite of the test above: it can fail."""
    door = PooledDoor(engine, log)
    async with door.hold():
        assert await door.rows(ONE, {"id": 1}, cause="before") == [(1, "author 1")]
        await write(engine)
        assert await door.rows(ONE, {"id": 1}, cause="after") == [(1, "renamed")]
    await door.aclose()


@on("asyncpg", "psycopg")
@pytest.mark.parametrize(
    ("snapshot", "isolation", "read_only"),
    [(True, "repeatable read", "on"), (False, "read committed", "off")],
)
async def test_the_transaction_on_postgresql(
    url: str, snapshot: bool, isolation: str, read_only: str, log: EventLog
) -> None:
    engine = make_engine(url, pool_size=1, max_overflow=0)
    settings = text(
        "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only'), "
        "pg_backend_pid()"
    )
    started = text("SELECT now()")  # when the transaction began
    door = PinnedDoor(engine, log, snapshot=snapshot)
    [(*found, pid)] = await door.rows(settings, cause="settings")
    assert found == [isolation, read_only]
    assert await door.rows(started, cause="time") == await door.rows(started, cause="time")
    await door.aclose()

    # The next user of the same connection finds it as the engine made it.
    pooled = PooledDoor(engine, log)
    async with pooled.hold():
        assert await pooled.rows(settings, cause="settings") == [("read committed", "off", pid)]
        assert await pooled.rows(started, cause="time") != await pooled.rows(started, cause="time")
    await pooled.aclose()
    await engine.dispose()


@on("file")
async def test_begin_and_rollback_on_sqlite(url: str, engine: AsyncEngine, log: EventLog) -> None:
    one = make_engine(url, pool_size=1, max_overflow=0)
    sent: list[str] = []
    event.listen(one.sync_engine, "before_cursor_execute", lambda c, cursor, sql, *_: sent.append(sql))
    door = PinnedDoor(one, log)
    await door.rows(ONE, {"id": 1}, cause="Author")
    await door.rows(ONE, {"id": 2}, cause="Author")
    await door.aclose()
    assert [sql.split()[0] for sql in sent] == ["BEGIN", "SELECT", "SELECT"]
    async with one.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert not raw.in_transaction
    await one.dispose()


@on(*POOLED)
@pytest.mark.parametrize("own", [False, True], ids=["our engine", "the user's engine"])
async def test_what_is_written_through_it_is_undone(
    url: str, engine: AsyncEngine, own: bool, log: EventLog
) -> None:
    """It is for reading. (SQLite's driver commits when a connection is set back to its own isolation.)"""
    users = create_async_engine(url)
    door = PinnedDoor(read_engine(users) if own else engine, log, snapshot=False)
    await door.rows(RENAME, cause="rename")
    assert await door.rows(ONE, {"id": 1}, cause="inside") == [(1, "renamed")]
    await door.aclose()

    later = PooledDoor(engine, log)
    assert await later.rows(ONE, {"id": 1}, cause="later") == [(1, "author 1")]
    await later.aclose()
    await users.dispose()


async def test_the_connection_is_taken_at_the_first_statement(engine: AsyncEngine, log: EventLog) -> None:
    taken: list[int] = []
    event.listen(engine.sync_engine, "checkout", lambda *_: taken.append(1))
    door = PinnedDoor(engine, log)
    assert (len(taken), repr(door)) == (0, "<PinnedDoor not open>")
    for n in (1, 2, 3):
        await door.rows(ONE, {"id": n}, cause="Author")
    assert (len(taken), repr(door)) == (1, "<PinnedDoor open>")
    await door.aclose()

    unused = PinnedDoor(engine, log)
    await unused.aclose()
    assert len(taken) == 1


async def test_statements_run_in_the_order_they_came(engine: AsyncEngine, log: EventLog) -> None:
    door = PinnedDoor(engine, log)
    finished: list[int] = []

    async def read(n: int) -> None:
        await door.rows(ONE, {"id": n}, cause="Author")
        finished.append(n)

    await asyncio.gather(*(read(n) for n in range(1, 11)))
    assert finished == list(range(1, 11))
    await door.aclose()


async def test_a_cancelled_caller_does_not_cost_the_others_their_snapshot(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    engine, gate = gated
    door = PinnedDoor(engine, log)
    slow = asyncio.create_task(door.rows(gate.statement, cause="slow"))
    await gate.reached()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    waiting = asyncio.create_task(door.rows(ONE, {"id": 1}, cause="Author"))
    await gate.open()
    assert await waiting == [(1, "author 1")]
    await door.aclose()
    assert log.statements_by_cause == {"slow": 1, "Author": 1}


async def test_closing_ends_running_and_waiting_calls(gated: tuple[AsyncEngine, Gate], log: EventLog) -> None:
    engine, gate = gated
    door = PinnedDoor(engine, log)
    tasks = [asyncio.create_task(door.rows(gate.statement, cause="gate")) for _ in range(3)]
    await gate.reached()
    closing = asyncio.create_task(door.aclose())
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ScopeClosed] * 3
    if engine.dialect.name == "sqlite":
        await gate.open()  # a SQLite statement cannot be stopped: closing waits for it
    async with asyncio.timeout(30):
        await closing
    assert in_use(engine) == 0


async def test_closing_after_a_cancelled_caller_does_not_wait_for_its_statement(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    """As when a request is cancelled: its scope closes while the statement stands at the gate."""
    engine, gate = gated
    door = PinnedDoor(engine, log)
    slow = asyncio.create_task(door.rows(gate.statement, cause="slow"))
    await gate.reached()
    slow.cancel()
    closing = asyncio.create_task(door.aclose())
    if engine.dialect.name == "sqlite":
        await gate.open()
    async with asyncio.timeout(30):
        await closing
    assert in_use(engine) == 0
    assert slow.cancelled()


@on(*POOLED)
@pytest.mark.parametrize("seed", range(3))
async def test_random_cancellations_lose_nothing(url: str, engine: AsyncEngine, seed: int) -> None:
    chance = random.Random(seed)

    async def scope() -> None:
        door = PinnedDoor(engine, EventLog())
        try:
            for n in range(1, 6):
                [row, *_] = await asyncio.gather(
                    *(door.rows(ONE, {"id": n}, cause="Author") for _ in range(3))
                )
                assert row == [(n, f"author {n}")]
        finally:
            await door.aclose()

    tasks = [asyncio.create_task(scope()) for _ in range(60)]
    for _ in range(30):
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        if left := [task for task in tasks if not task.done()]:
            chance.choice(left).cancel()
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {type(None), asyncio.CancelledError}
    assert sum(task.cancelled() for task in tasks) > 5
    assert in_use(engine) == 0


@on("asyncpg", "psycopg")
async def test_a_lost_connection_is_not_replaced_behind_the_snapshots_back(
    engine: AsyncEngine, log: EventLog
) -> None:
    door = PinnedDoor(engine, log)
    await door.rows(ONE, {"id": 1}, cause="Author")
    with pytest.raises(DBAPIError):
        await door.rows(text("SELECT pg_terminate_backend(pg_backend_pid())"), cause="cut")
    with pytest.raises(InvalidRequestError, match="invalid transaction"):
        await door.rows(ONE, {"id": 1}, cause="Author")
    await door.aclose()
    assert in_use(engine) == 0


@on("asyncpg", "psycopg")
async def test_closing_after_the_server_has_gone_is_no_error(
    engine: AsyncEngine, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    door = PinnedDoor(engine, log)
    [(backend,)] = await door.rows(text("SELECT pg_backend_pid()"), cause="pid")
    async with engine.connect() as other:
        await other.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": backend})
    await door.aclose()
    assert in_use(engine) == 0
    assert "could not be rolled back" in caplog.text


@on(*POOLED)
async def test_somebodys_connection_stays_in_his_transaction(engine: AsyncEngine, log: EventLog) -> None:
    """A test's outer transaction: the door sees what it wrote, and leaves it open."""
    async with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            await connection.exec_driver_sql("BEGIN")
        else:
            await connection.execution_options(isolation_level="READ COMMITTED")
        await connection.execute(RENAME)
        door = PinnedDoor(connection, log)
        assert repr(door) == "<PinnedDoor of somebody else>"
        assert await door.rows(ONE, {"id": 1}, cause="Author") == [(1, "renamed")]
        await door.aclose()
        assert await connection.scalar(select(Author.name).where(Author.id == 1)) == "renamed"
        raw = await connection.get_raw_connection()
        await connection.run_sync(lambda _: raw.rollback())
        assert await connection.scalar(select(Author.name).where(Author.id == 1)) == "author 1"


@on("asyncpg", "psycopg")
async def test_closing_leaves_a_running_statement_of_somebodys_connection_alone(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    """To stop it would end the owner's transaction: closing waits for it."""
    engine, gate = gated
    async with engine.connect() as connection:
        door = PinnedDoor(connection, log)
        slow = asyncio.create_task(door.rows(gate.statement, cause="slow"))
        await gate.reached()
        closing = asyncio.create_task(door.aclose())
        with pytest.raises(ScopeClosed):
            await slow
        assert not closing.done()
        await gate.open()
        await closing
        assert not connection.invalidated
        assert await connection.scalar(select(func.count()).select_from(Author)) == AUTHORS


async def test_a_connection_that_is_not_open_is_refused(engine: AsyncEngine, log: EventLog) -> None:
    with pytest.raises(InvalidArgument, match="not open yet"):
        PinnedDoor(engine.connect(), log)


@on(*POOLED)
async def test_a_begin_that_fails_returns_the_connection(engine: AsyncEngine, log: EventLog) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no such isolation")

    event.listen(engine.sync_engine, "set_connection_execution_options", refuse)
    door = PinnedDoor(engine, log)
    with pytest.raises(RuntimeError, match="no such isolation"):
        await door.rows(ONE, {"id": 1}, cause="Author")
    assert in_use(engine) == 0
    event.remove(engine.sync_engine, "set_connection_execution_options", refuse)
    assert await door.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
    await door.aclose()
