"""SQLite in memory: one connection is the database."""

from __future__ import annotations

import asyncio
import random

import pytest
from sqlalchemy import bindparam, event, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo.errors import DatabaseUnavailable, ScopeClosed
from batchrepo.events import EventLog
from batchrepo.executing import PinnedDoor, PooledDoor, make_engine, turns
from tests.executing.conftest import on
from tests.executing.gate import Gate
from tests.executing.models import AUTHORS, Author, fill

pytestmark = on("memory")

ONE = select(Author.id, Author.name).where(Author.id == bindparam("id"))
COUNT = select(func.count()).select_from(Author)


async def hops(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_statements_of_all_scopes_take_turns(engine: AsyncEngine) -> None:
    running: list[int] = [0]
    most: list[int] = []

    def before(*_: object) -> None:
        running[0] += 1
        most.append(running[0])

    def after(*_: object) -> None:
        running[0] -= 1

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    event.listen(engine.sync_engine, "after_cursor_execute", after)
    doors = [PooledDoor(engine, EventLog()) for _ in range(5)]
    answers = await asyncio.gather(
        *(door.rows(ONE, {"id": n}, cause="Author") for door in doors for n in range(1, 6))
    )
    assert answers == [[(n, f"author {n}")] for n in range(1, 6)] * 5
    assert (len(most), max(most)) == (25, 1)
    for door in doors:
        await door.aclose()


async def test_a_cancelled_statement_does_not_cost_the_database(gated: tuple[AsyncEngine, Gate]) -> None:
    """SQLAlchemy would close the connection, and all tables would be gone."""
    engine, gate = gated
    door = PooledDoor(engine, EventLog())
    slow = asyncio.create_task(door.rows(gate.statement, cause="slow"))
    await gate.reached()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    await gate.open()
    assert await door.rows(COUNT, cause="count") == [(AUTHORS,)]
    await door.aclose()


async def test_closing_waits_for_a_statement_that_outlived_its_caller(
    gated: tuple[AsyncEngine, Gate],
) -> None:
    engine, gate = gated
    door = PooledDoor(engine, EventLog())
    slow = asyncio.create_task(door.rows(gate.statement, cause="slow"))
    await gate.reached()
    closing = asyncio.create_task(door.aclose())
    with pytest.raises(ScopeClosed):
        await slow
    await hops(20)
    assert not closing.done()
    await gate.open()
    await closing


async def test_closing_a_pinned_door_does_not_cost_the_database(gated: tuple[AsyncEngine, Gate]) -> None:
    engine, gate = gated
    pinned = PinnedDoor(engine, EventLog())
    slow = asyncio.create_task(pinned.rows(gate.statement, cause="slow"))
    await gate.reached()
    slow.cancel()
    closing = asyncio.create_task(pinned.aclose())
    await hops(5)
    await gate.open()
    await closing
    door = PooledDoor(engine, EventLog())
    assert await door.rows(COUNT, cause="count") == [(AUTHORS,)]
    await door.aclose()


@pytest.mark.parametrize("seed", range(5))
async def test_random_cancellations_lose_nothing(engine: AsyncEngine, seed: int) -> None:
    chance = random.Random(seed)

    async def scope(number: int) -> None:
        door = (PooledDoor if number % 3 else PinnedDoor)(engine, EventLog())
        try:
            for n in (1, 2, 3):
                await hops(chance.randrange(5))
                assert await door.rows(ONE, {"id": n}, cause="Author") == [(n, f"author {n}")]
        finally:
            await door.aclose()

    tasks = [asyncio.create_task(scope(number)) for number in range(100)]
    for _ in range(50):
        await hops(chance.randrange(20))
        if left := [task for task in tasks if not task.done()]:
            chance.choice(left).cancel()
    async with asyncio.timeout(60):
        answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(answer) for answer in answers} <= {type(None), asyncio.CancelledError}
    assert sum(task.cancelled() for task in tasks) > 10
    door = PooledDoor(engine, EventLog())
    assert await door.rows(COUNT, cause="count") == [(AUTHORS,)]
    await door.aclose()


async def test_a_snapshot_keeps_the_connection_to_its_end(engine: AsyncEngine) -> None:
    """Others wait: on one connection, a statement in between would be in the same transaction."""
    pinned, pooled = PinnedDoor(engine, EventLog()), PooledDoor(engine, EventLog())
    assert await pinned.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
    change = update(Author).where(Author.id == 1).values(name="renamed")
    other = asyncio.create_task(pooled.rows(change, cause="rename"))
    await hops(20)
    assert not other.done()
    assert await pinned.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
    await pinned.aclose()
    assert await other == []
    assert await pooled.rows(ONE, {"id": 1}, cause="Author") == [(1, "renamed")]
    await pooled.aclose()


async def test_a_scope_inside_a_snapshot_is_an_error_in_the_end(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.01)
    pinned, pooled = PinnedDoor(engine, EventLog()), PooledDoor(engine, EventLog())
    await pinned.rows(ONE, {"id": 1}, cause="Author")
    with pytest.raises(DatabaseUnavailable, match=r"in use by another snapshot or transaction for 0\.01 s"):
        await pooled.rows(ONE, {"id": 1}, cause="Author")
    await pinned.aclose()
    assert await pooled.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
    await pooled.aclose()


def test_one_engine_in_two_loops(url: str) -> None:
    """As test suites do, with an engine of the module; both loops have tasks that wait for their turn."""
    engine = make_engine(url)

    async def many() -> list[object]:
        door = PooledDoor(engine, EventLog())
        answers = await asyncio.gather(*(door.rows(COUNT, cause="count") for _ in range(10)))
        await door.aclose()
        return list(answers)

    async def first() -> list[object]:
        await fill(engine)
        return await many()

    async def second() -> list[object]:
        try:
            return await many()
        finally:
            await engine.dispose()

    assert asyncio.run(first()) == asyncio.run(second()) == [[(AUTHORS,)]] * 10
