"""The small pool of one scope, without database and without I/O."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Connection

from batchrepo.errors import DatabaseUnavailable
from batchrepo.executing.leases import OPEN, Grant, Leases


def connection() -> Connection:
    """Leases hand connections about and never look into them: an empty shell will do."""
    return Connection.__new__(Connection)


@pytest.fixture
def spare() -> Connection:
    return connection()


async def test_the_first_may_always_open() -> None:
    """Even if the pool has no room: who has no connection can only wait for the pool."""
    leases = Leases(2)
    assert leases.take(room=False) is OPEN
    assert isinstance(leases.take(room=False), asyncio.Future)
    assert repr(leases) == "<Leases 1/2 open, 0 idle, 1 waiting>"


async def test_a_returned_connection_goes_to_the_oldest_waiter(spare: Connection) -> None:
    leases = Leases(1)
    leases.take(room=True)
    first, second = leases.take(room=True), leases.take(room=True)
    assert isinstance(first, asyncio.Future)
    assert isinstance(second, asyncio.Future)

    assert leases.give(spare) is None
    assert (first.result(), second.done()) == (spare, False)


async def test_a_cancelled_waiter_is_passed_over(spare: Connection) -> None:
    leases = Leases(1)
    leases.take(room=True)
    first, second = leases.take(room=True), leases.take(room=True)
    assert isinstance(first, asyncio.Future)
    assert isinstance(second, asyncio.Future)
    first.cancel()

    leases.give(spare)
    assert second.result() is spare


async def test_nobody_waiting_and_nobody_holding_closes(spare: Connection) -> None:
    leases = Leases(1)
    leases.take(room=True)
    assert leases.give(spare) is spare
    assert leases.opened == 0


async def test_held_connections_stay_until_drained(spare: Connection) -> None:
    leases = Leases(1)
    leases.holders = 1
    leases.take(room=True)
    assert leases.give(spare) is None
    assert leases.drain() == [spare]
    assert repr(leases) == "<Leases 0/1 open, 0 idle, 0 waiting>"


async def test_a_lost_connection_lets_the_next_open_one() -> None:
    leases = Leases(1)
    leases.take(room=True)
    waiter = leases.take(room=True)
    assert isinstance(waiter, asyncio.Future)
    leases.lost()
    assert waiter.result() is OPEN
    assert leases.opened == 1


@pytest.mark.parametrize("kind", ["a connection", "a permission"])
async def test_a_grant_that_was_not_used_goes_to_the_next(kind: str, spare: Connection) -> None:
    leases = Leases(1)
    leases.take(room=True)
    first, second = leases.take(room=True), leases.take(room=True)
    assert isinstance(first, asyncio.Future)
    assert isinstance(second, asyncio.Future)
    if kind == "a connection":
        leases.give(spare)
    else:
        leases.lost()

    assert leases.put_back(first.result()) is None
    assert second.result() is first.result()
    assert leases.opened == 1


async def test_a_refusal_fails_all_who_wait_if_nothing_is_open() -> None:
    leases = Leases(1)
    leases.take(room=True)
    waiters = [leases.take(room=True) for _ in range(2)]
    error = DatabaseUnavailable("away")
    error.__cause__ = OSError("gone")

    assert leases.refused(error)
    for waiter in waiters:
        assert isinstance(waiter, asyncio.Future)
        told = waiter.exception()
        assert isinstance(told, DatabaseUnavailable)
        assert (told is not error, str(told), told.__cause__) == (True, "away", error.__cause__)
    assert leases.opened == 0


async def test_a_refusal_lets_wait_for_what_is_open() -> None:
    leases = Leases(2)
    leases.take(room=True)
    leases.take(room=True)
    assert not leases.refused(DatabaseUnavailable("away"))
    assert leases.opened == 1


class Play:
    """Tasks as plain lists: who has a connection, and who waits for one."""

    def __init__(self, limit: int) -> None:
        self.leases = Leases(limit)
        self.lent: list[Connection] = []
        self.waiting: list[asyncio.Future[Grant]] = []

    def step(self, name: str, flag: bool) -> None:
        getattr(self, name)(flag)
        self.collect()
        assert self.leases.opened == len(self.lent) + len(self.leases.idle) <= self.leases.limit
        assert not (self.leases.idle and self.waiting)

    def take(self, room: bool) -> None:
        grant = self.leases.take(room=room)
        if isinstance(grant, asyncio.Future):
            self.waiting.append(grant)
        else:
            self.use(grant)

    def give(self, _: bool) -> None:
        if self.lent:
            self.leases.give(self.lent.pop(0))

    def lose(self, _: bool) -> None:
        if self.lent:
            self.lent.pop(0)
            self.leases.lost()

    def cancel(self, _: bool) -> None:
        if self.waiting:
            self.waiting.pop(0).cancel()

    def hold(self, on: bool) -> None:
        self.leases.holders = int(on)
        if not on:
            self.leases.drain()

    def use(self, grant: Grant) -> None:
        self.lent.append(grant if isinstance(grant, Connection) else connection())

    def collect(self) -> None:
        for place in [place for place in self.waiting if place.done()]:
            self.waiting.remove(place)
            self.use(place.result())


STEPS = st.lists(st.tuples(st.sampled_from(["take", "give", "lose", "cancel", "hold"]), st.booleans()))


@given(limit=st.integers(1, 3), steps=STEPS)
def test_counts_always_agree(limit: int, steps: list[tuple[str, bool]]) -> None:
    """Whatever happens in whatever order: open = lent + idle, never above the limit, nobody is idle beside a
    waiter, and once all lent connections are back nobody waits any more."""

    async def play() -> None:
        game = Play(limit)
        for name, flag in steps:
            game.step(name, flag)
        game.hold(False)
        while game.lent:
            game.step("give", False)
        assert (game.waiting, game.leases.opened) == ([], 0)

    asyncio.run(play())
