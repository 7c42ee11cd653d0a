"""Reading outside a transaction: how many connections, who gets them, and that none is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import bindparam, event, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.pool import QueuePool
from sqlalchemy.util import await_

from batchrepo.errors import DatabaseUnavailable, InvalidArgument, ScopeClosed
from batchrepo.events import EventLog
from batchrepo.executing import PooledDoor, ReadSession, make_engine
from batchrepo.executing.pooled import _comes_out_at_once
from tests.executing.conftest import POOLED, in_use, on
from tests.executing.gate import Gate
from tests.executing.models import AUTHORS, BOOKS_EACH, Author, Book

ONE = select(Author.id, Author.name).where(Author.id == bindparam("id"))


@contextmanager
def checkouts(engine: AsyncEngine) -> Iterator[list[int]]:
    """The number of connections out of the pool, noted each time one is taken."""
    seen: list[int] = []

    def taken(*_: object) -> None:
        seen.append(in_use(engine))

    event.listen(engine.sync_engine, "checkout", taken)
    yield seen
    event.remove(engine.sync_engine, "checkout", taken)


async def hops(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@on(*POOLED)
async def test_without_hold_each_statement_returns_its_connection(engine: AsyncEngine, log: EventLog) -> None:
    door = PooledDoor(engine, log)
    with checkouts(engine) as taken:
        for n in (1, 2, 3):
            await door.rows(ONE, {"id": n}, cause="Author")
            assert in_use(engine) == 0
    assert len(taken) == 3
    await door.aclose()


@on(*POOLED)
async def test_hold_keeps_the_connection_until_the_last_one_leaves(
    engine: AsyncEngine, log: EventLog
) -> None:
    door = PooledDoor(engine, log)
    with checkouts(engine) as taken:
        async with door.hold():
            async with door.hold():
                await door.rows(ONE, {"id": 1}, cause="Author")
            await door.rows(ONE, {"id": 2}, cause="Author")
            assert in_use(engine) == 1
        assert in_use(engine) == 0
    assert len(taken) == 1
    await door.aclose()


@on(*POOLED)
async def test_concurrent_statements_use_read_connections_and_no_more(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    engine, gate = gated
    door = PooledDoor(engine, log, read_connections=3)
    with checkouts(engine) as taken:
        async with door.hold():
            tasks = [asyncio.create_task(door.rows(gate.statement, cause="gate")) for _ in range(8)]
            await gate.reached(3)
            assert repr(door) == "<PooledDoor <Leases 3/3 open, 0 idle, 5 waiting>>"
            await gate.open()
            assert await asyncio.gather(*tasks) == [[(7,)]] * 8
    assert (len(taken), max(taken)) == (3, 3)
    await door.aclose()


@on(*POOLED)
async def test_who_waits_is_served_in_order(engine: AsyncEngine, log: EventLog) -> None:
    door = PooledDoor(engine, log, read_connections=1)
    finished: list[int] = []

    async def read(n: int) -> None:
        await door.rows(ONE, {"id": n}, cause="Author")
        finished.append(n)

    await asyncio.gather(*(read(n) for n in range(1, 11)))
    assert finished == list(range(1, 11))
    await door.aclose()


@on(*POOLED)
async def test_a_task_that_waits_passes_its_turn_on_when_cancelled(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    engine, gate = gated
    door = PooledDoor(engine, log, read_connections=1)
    first, second, third = (asyncio.create_task(door.rows(gate.statement, cause="gate")) for _ in range(3))
    await gate.reached()
    second.cancel()
    await gate.open()

    assert await asyncio.gather(first, third) == [[(7,)], [(7,)]]
    assert second.cancelled()
    await door.aclose()


@on(*POOLED)
async def test_a_grant_that_meets_a_cancellation_goes_to_the_next(engine: AsyncEngine, log: EventLog) -> None:
    """The lost wake-up: the connection is promised to a task that is cancelled before it can take it."""
    door = PooledDoor(engine, log, read_connections=1)

    async def read_and_cancel() -> None:
        await door.rows(ONE, {"id": 1}, cause="Author")
        # In this step of the loop the connection was granted to the second, which has not woken up yet.
        assert not door._leases.idle
        second.cancel()

    first = asyncio.create_task(read_and_cancel())
    second, third = (asyncio.create_task(door.rows(ONE, {"id": n}, cause="Author")) for n in (2, 3))

    async with asyncio.timeout(30):
        await asyncio.wait({first, second, third})
    assert (second.cancelled(), third.result()) == (True, [(3, "author 3")])
    assert log.statement_count == 2
    await door.aclose()


@on("asyncpg", "psycopg")
async def test_a_cancelled_statement_ends_in_the_server_too(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    engine, gate = gated
    door = PooledDoor(engine, log, read_connections=2)
    async with door.hold():
        slow = asyncio.create_task(door.rows(gate.statement, cause="slow"))
        await gate.reached()
        other = await door.rows(ONE, {"id": 1}, cause="Author")
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        async with asyncio.timeout(30):
            while await door.rows(waiting, cause="server") != [(0,)]:
                pass
        assert other == await door.rows(ONE, {"id": 1}, cause="Author")
    assert in_use(engine) == 0
    await door.aclose()


@on("file")
async def test_a_cancelled_statement_of_sqlite_leaves_the_pool_healthy(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    engine, gate = gated
    door = PooledDoor(engine, log)
    slow = asyncio.create_task(door.rows(gate.statement, cause="slow"))
    await gate.reached()
    slow.cancel()
    await gate.open()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert in_use(engine) == 0
    assert await door.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
    await door.aclose()


@on("asyncpg", "psycopg")
async def test_a_cancellation_while_connecting_gives_the_place_back(url: str, engine: AsyncEngine) -> None:
    """Cancelled after every number of loop steps that connecting takes."""
    for steps in range(40):
        cold = make_engine(url, pool_size=1, max_overflow=0)
        door = PooledDoor(cold, EventLog(), read_connections=1)
        task = asyncio.create_task(door.rows(ONE, {"id": 1}, cause="Author"))
        await hops(steps)
        task.cancel()
        await asyncio.wait({task})
        async with asyncio.timeout(30):
            assert await door.rows(ONE, {"id": 2}, cause="Author") == [(2, "author 2")]
        await door.aclose()
        assert in_use(cold) == 0
        await cold.dispose()


@on(*POOLED)
@pytest.mark.parametrize("seed", range(5))
async def test_random_cancellations_lose_nothing(url: str, engine: AsyncEngine, seed: int) -> None:
    """200 tasks, half of them cancelled at random moments: right rows, no hang, every connection back."""
    chance = random.Random(seed)
    small = make_engine(url, pool_size=3, max_overflow=2)
    doors = [PooledDoor(small, EventLog(), read_connections=4) for _ in range(2)]

    async def read(n: int) -> None:
        door = doors[n % 2]
        n = n % AUTHORS + 1
        async with AsyncSession(small, sync_session_class=ReadSession) as session, door.hold():
            await hops(chance.randrange(10))
            assert await door.rows(ONE, {"id": n}, cause="rows") == [(n, f"author {n}")]
            await hops(chance.randrange(3))
            statement = select(Author).where(Author.id == n).options(selectinload(Author.books))
            [(author,)] = await door.entities(session, statement, cause="entities")
            assert [book.id for book in author.books] == [10 * n + i for i in range(BOOKS_EACH)]

    tasks = [asyncio.create_task(read(n)) for n in range(200)]
    for _ in range(100):
        await hops(chance.randrange(8))
        if left := [task for task in tasks if not task.done()]:
            chance.choice(left).cancel()  # some twice, and some of them while they return a connection
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(answer) for answer in answers} <= {type(None), asyncio.CancelledError}
    assert sum(task.cancelled() for task in tasks) > 10
    assert [repr(door._leases) for door in doors] == ["<Leases 0/4 open, 0 idle, 0 waiting>"] * 2
    async with asyncio.timeout(30):
        for door in doors:
            assert await door.rows(ONE, {"id": 1}, cause="after") == [(1, "author 1")]
            await door.aclose()
    assert in_use(small) == 0
    await small.dispose()


@on(*POOLED)
async def test_scopes_do_not_starve_each_other_in_a_small_pool(url: str, engine: AsyncEngine) -> None:
    """Two scopes with one connection each, both wanting a second of a pool of two: each makes do."""
    small = make_engine(url, pool_size=2, max_overflow=0, pool_timeout=30)
    doors = [PooledDoor(small, EventLog()) for _ in range(2)]

    async def scope(door: PooledDoor) -> None:
        async with door.hold():
            for _ in range(5):
                await asyncio.gather(*(door.rows(ONE, {"id": n}, cause="Author") for n in (1, 2, 3)))

    async with asyncio.timeout(15):  # less than pool_timeout: waiting for the pool would show
        await asyncio.gather(*(scope(door) for door in doors))
    for door in doors:
        await door.aclose()
    assert in_use(small) == 0
    await small.dispose()


@on(*POOLED)
async def test_an_exhausted_pool_is_an_error_that_says_what_to_change(
    url: str, engine: AsyncEngine, log: EventLog
) -> None:
    small = make_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    door = PooledDoor(small, log, read_connections=2)
    async with small.connect():
        answers = await asyncio.gather(
            *(door.rows(ONE, {"id": 1}, cause="Author") for _ in range(3)), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [DatabaseUnavailable] * 3
        message = str(answers[0])
        assert "within 0.01 s: all 1 connections of the pool are in use. Raise pool_size" in message
        assert str(answers[2]) == message
        assert isinstance(answers[2].__cause__, type(answers[0].__cause__))
    assert await door.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
    assert log.statement_count == 1
    await door.aclose()
    await small.dispose()


@on("asyncpg", "psycopg")
async def test_when_no_second_connection_can_be_made_the_first_serves_all(
    url: str, engine: AsyncEngine, log: EventLog
) -> None:
    door = PooledDoor(engine, log)
    taken: list[int] = []

    def refuse(*_: object) -> None:
        taken.append(1)
        if len(taken) > 1:
            raise OSError("no route to host")

    event.listen(engine.sync_engine, "checkout", refuse)
    async with door.hold():
        answers = await asyncio.gather(*(door.rows(ONE, {"id": n}, cause="Author") for n in range(1, 7)))
    event.remove(engine.sync_engine, "checkout", refuse)

    assert len(taken) == 4
    assert answers == [[(n, f"author {n}")] for n in range(1, 7)]
    await door.aclose()


@on("asyncpg", "psycopg")
async def test_a_connection_that_the_server_cut_is_replaced(engine: AsyncEngine, log: EventLog) -> None:
    door = PooledDoor(engine, log, read_connections=1)
    async with door.hold():
        [(backend,)] = await door.rows(text("SELECT pg_backend_pid()"), cause="pid")
        with pytest.raises(Exception, match=r"terminat|closed"):
            await door.rows(text("SELECT pg_terminate_backend(pg_backend_pid())"), cause="cut")
        [(other,)] = await door.rows(text("SELECT pg_backend_pid()"), cause="pid")
    assert backend != other
    assert log.statement_count == 3
    await door.aclose()


async def test_closing_ends_running_and_waiting_calls(gated: tuple[AsyncEngine, Gate], log: EventLog) -> None:
    engine, gate = gated
    door = PooledDoor(engine, log, read_connections=1)
    tasks = [asyncio.create_task(door.rows(gate.statement, cause="gate")) for _ in range(3)]
    await gate.reached()
    closing = asyncio.create_task(door.aclose())
    if engine.dialect.name == "sqlite":
        await hops(3)
        await gate.open()  # a SQLite statement cannot be stopped: closing waits for it
    async with asyncio.timeout(30):
        await closing
    assert in_use(engine) == 0

    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ScopeClosed] * 3
    assert all(task.cancelling() == 0 for task in tasks)


async def test_a_task_that_is_cancelled_while_the_door_closes_is_cancelled(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    """Closing turns its own cancellation into ScopeClosed, not somebody else's."""
    engine, gate = gated
    door = PooledDoor(engine, log)
    task = asyncio.create_task(door.rows(gate.statement, cause="gate"))
    await gate.reached()
    closing = asyncio.create_task(door.aclose())
    await hops(1)
    task.cancel()
    await gate.open()
    await closing
    with pytest.raises(asyncio.CancelledError):
        await task
    assert in_use(engine) == 0


@on(*POOLED)
async def test_closing_that_is_cancelled_still_returns_everything(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    engine, gate = gated
    door = PooledDoor(engine, log)
    async with door.hold():
        await door.rows(ONE, {"id": 1}, cause="Author")
        slow = asyncio.create_task(door.rows(gate.statement, cause="slow"))
        await gate.reached()
        closing = asyncio.create_task(door.aclose())
        await hops(1)
        closing.cancel()
        await gate.open()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert in_use(engine) == 0
    with pytest.raises(ScopeClosed):
        await slow


class SlowReturn:
    """Connections of an engine go back to the pool only once the gate is open."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.gate = asyncio.Event()
        self.reached = asyncio.Event()
        event.listen(engine.sync_engine, "checkin", self._checkin)

    def _checkin(self, *_: object) -> None:
        self.reached.set()
        await_(self.gate.wait())


@on(*POOLED)
async def test_closing_waits_for_a_connection_whose_task_did_not_wait(
    engine: AsyncEngine, log: EventLog
) -> None:
    """Cancelled twice, a task leaves the return of its connection to itself."""
    door, slow = PooledDoor(engine, log), SlowReturn(engine)
    task = asyncio.create_task(door.rows(ONE, {"id": 1}, cause="Author"))
    await slow.reached.wait()
    for _ in range(2):
        task.cancel()
        await hops(3)
    assert task.cancelled()
    closing = asyncio.create_task(door.aclose())
    await hops(20)
    assert (closing.done(), in_use(engine)) == (False, 1)
    slow.gate.set()
    await closing
    assert in_use(engine) == 0


@on(*POOLED)
async def test_closing_does_not_take_an_answer_away(engine: AsyncEngine, log: EventLog) -> None:
    """The statement has been answered, only its connection is still on its way back."""
    door, slow = PooledDoor(engine, log), SlowReturn(engine)
    task = asyncio.create_task(door.rows(ONE, {"id": 1}, cause="Author"))
    await slow.reached.wait()
    closing = asyncio.create_task(door.aclose())
    await hops(20)
    slow.gate.set()
    assert await task == [(1, "author 1")]
    await closing


@on(*POOLED)
async def test_interleaved_loads_into_one_session_agree(engine: AsyncEngine, log: EventLog) -> None:
    """Two executions on two connections fill one identity map, each with its own eager loads."""
    door = PooledDoor(engine, log)
    everyone = select(Author).order_by(Author.id)
    shapes = [
        everyone,
        everyone.options(selectinload(Author.books)),
        everyone.options(joinedload(Author.books)),
        everyone.options(selectinload(Author.books).selectinload(Book.author)),
        select(Book).options(selectinload(Book.author).selectinload(Author.books)),
    ]
    async with AsyncSession(engine, sync_session_class=ReadSession) as session, door.hold():
        answers = await asyncio.gather(
            *(door.entities(session, shape, cause=str(i)) for i in range(6) for shape in shapes)
        )
        assert len(session.identity_map) == AUTHORS + AUTHORS * BOOKS_EACH
        authors = [author for (author,) in answers[0]]
        for answer in answers:
            assert all(row[0] in (authors if isinstance(row[0], Author) else row) for row in answer)
        for author in authors:
            assert [book.id for book in author.books] == [10 * author.id + i for i in range(BOOKS_EACH)]
            assert all(book.author is author for book in author.books)
        assert not session.in_transaction()
    await door.aclose()


@on(*POOLED)
async def test_a_task_started_while_hydrating_is_on_its_own(engine: AsyncEngine, log: EventLog) -> None:
    """It inherits the context of the load, but neither its connection nor its count."""
    door = PooledDoor(engine, log)
    started: list[asyncio.Task[object]] = []

    async with AsyncSession(engine, sync_session_class=ReadSession) as session, door.hold():
        await asyncio.gather(  # two connections that have listeners
            *(door.entities(session, select(Author).where(Author.id == n), cause="warm") for n in (1, 2))
        )
        warm = log.statement_count

        def loaded(author: Author, _: object) -> None:
            started.extend(asyncio.create_task(door.rows(ONE, {"id": n}, cause="inner")) for n in (1, 2, 3))

        event.listen(Author, "load", loaded)
        statement = select(Author).where(Author.id == 5).options(selectinload(Author.books))
        [(author,)] = await door.entities(session, statement, cause="outer")
        event.remove(Author, "load", loaded)
        assert await asyncio.gather(*started) == [[(n, f"author {n}")] for n in (1, 2, 3)]

    assert author.name == "author 5"
    assert log.statement_count - warm == 5
    assert log.statements_by_cause == {"warm": 2, "outer": 2, "inner": 3}
    await door.aclose()


async def test_read_connections_below_one_are_refused(engine: AsyncEngine, log: EventLog) -> None:
    with pytest.raises(InvalidArgument, match="read_connections must be 1 or more, got 0"):
        PooledDoor(engine, log, read_connections=0)


@on("asyncpg")
async def test_a_connection_comes_out_at_once_only_if_nothing_has_to_be_asked(
    engine: AsyncEngine, log: EventLog
) -> None:
    """Without a greenlet, whoever waits fails; so nobody may have to wait."""
    sync, pool = engine.sync_engine, engine.sync_engine.pool
    assert isinstance(pool, QueuePool)
    door = PooledDoor(engine, log)
    await door.rows(ONE, {"id": 1}, cause="Author")
    assert _comes_out_at_once(sync)

    async with engine.connect():
        assert not _comes_out_at_once(sync), "the pool is empty"

    def listener(*_: object) -> None: ...

    event.listen(pool, "checkout", listener)
    assert not _comes_out_at_once(sync), "a listener may ask anything"
    event.remove(pool, "checkout", listener)

    recycle, pool._recycle = pool._recycle, 0
    assert not _comes_out_at_once(sync), "the connection is old"
    pool._recycle = recycle

    async with engine.connect() as connection:
        record = (await connection.get_raw_connection())._connection_record  # type: ignore[attr-defined]
        record.invalidate(soft=True)
    assert not _comes_out_at_once(sync), "the connection is to be replaced"
    assert await door.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
    assert _comes_out_at_once(sync)

    record = pool._pool._queue._queue[-1]  # type: ignore[attr-defined]
    record.info["batchrepo_returned"] -= 60
    assert not _comes_out_at_once(sync), "it has been idle, and is tried first"
    assert await door.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
    await door.aclose()


@on("memory", "file", "psycopg")
async def test_other_drivers_wait_for_their_connections(engine: AsyncEngine, log: EventLog) -> None:
    door = PooledDoor(engine, log)
    await door.rows(ONE, {"id": 1}, cause="Author")
    assert not _comes_out_at_once(engine.sync_engine)
    await door.aclose()


@on("asyncpg")
async def test_a_connection_without_a_place_in_the_pool_is_closed(
    url: str, engine: AsyncEngine, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    small = make_engine(url, pool_size=1, max_overflow=2)
    door = PooledDoor(small, log, read_connections=3)
    async with door.hold():
        await asyncio.gather(*(door.rows(ONE, {"id": n}, cause="Author") for n in range(6)))
        assert in_use(small) == 3
    assert (in_use(small), small.sync_engine.pool.checkedin()) == (0, 1)  # type: ignore[attr-defined]
    # The pool logs what goes wrong while it closes one, and goes on.
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    await door.aclose()
    await small.dispose()
