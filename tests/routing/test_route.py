"""The choice of one scope: one for all its tasks, made anew when it is old, and one answer for all who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from batchrepo import (
    AnyReplica,
    Database,
    Endpoint,
    InvalidArgument,
    Primary,
    PrimaryUnavailable,
    Read,
    RoutingPolicy,
)
from batchrepo.events import EventLog, RouteEvent
from batchrepo.routing import Consistency, Route
from tests.routing.servers import endpoint_of, files, router_of


class Slow(RoutingPolicy):
    """Chooses when the test lets it."""

    def __init__(self, choose: Callable[[Read], Endpoint]) -> None:
        self.asked = 0
        self.arrived = asyncio.Semaphore(0)
        self.go = asyncio.Semaphore(0)
        self._choose = choose

    async def choose(self, read: Read) -> Endpoint:
        self.asked += 1
        self.arrived.release()
        await self.go.acquire()
        return self._choose(read)


class Trial:
    """A route on three files, without a scope around it."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.router = router_of(db)
        self.primary, self.one, self.two = self.router.endpoints
        self.consistency = Consistency()
        self.log = EventLog()

    def route(self, policy: RoutingPolicy) -> Route:
        return Route(self.router, policy, self.consistency, self.log)

    def down(self, *endpoints: Endpoint) -> None:
        for endpoint in endpoints:
            self.router.change(endpoint, "down", "for a test")

    @property
    def went(self) -> list[str]:
        return [event.endpoint for event in self.log.events if type(event) is RouteEvent]


@pytest_asyncio.fixture
async def trial(tmp_path: Path) -> AsyncIterator[Trial]:
    async with files(tmp_path) as db:
        yield Trial(db)


async def test_tasks_that_ask_at_once_get_one_choice(trial: Trial):
    policy = Slow(lambda read: read.replicas[0])
    route = trial.route(policy)
    tasks = [asyncio.create_task(route.for_reading()) for _ in range(10)]
    await policy.arrived.acquire()
    policy.go.release()
    assert len(set(await asyncio.gather(*tasks))) == 1
    assert policy.asked == 1
    assert len(trial.went) == 1
    assert await route.for_reading() is await tasks[0]
    assert policy.asked == 1


async def test_a_commit_while_a_choice_is_made_makes_it_anew(trial: Trial):
    policy = Slow(lambda read: read.primary if read.has_writes else read.replicas[0])
    route = trial.route(policy)
    task = asyncio.create_task(route.for_reading())
    await policy.arrived.acquire()
    trial.consistency.committed()
    policy.go.release()
    policy.go.release()
    assert await task is trial.primary
    assert policy.asked == 2


async def test_a_commit_between_a_choice_and_its_use_is_seen_too(trial: Trial):
    """The tasks behind the first one have the choice handed on to them: by then it may be old."""
    policy = Slow(lambda read: read.primary if read.has_writes else read.replicas[0])
    route = trial.route(policy)
    first, second = (asyncio.create_task(route.for_reading()) for _ in range(2))
    await policy.arrived.acquire()
    first.add_done_callback(lambda _: trial.consistency.committed())
    policy.go.release()
    policy.go.release()
    assert (await first).role == "replica"
    assert await route.for_reading() is trial.primary
    await second


async def test_a_replica_that_goes_down_while_it_is_chosen_is_not_used(trial: Trial):
    policy = Slow(lambda read: read.replicas[0] if read.replicas else read.primary)
    route = trial.route(policy)
    task = asyncio.create_task(route.for_reading())
    await policy.arrived.acquire()
    trial.down(trial.one)
    for _ in range(3):
        policy.go.release()
    assert await task is trial.two


async def test_a_waiter_that_is_cancelled_leaves_the_others_alone(trial: Trial):
    policy = Slow(lambda read: read.replicas[0])
    route = trial.route(policy)
    first, second = (asyncio.create_task(route.for_reading()) for _ in range(2))
    await policy.arrived.acquire()
    first.cancel()
    policy.go.release()
    policy.go.release()
    assert (await second).role == "replica"
    assert first.cancelled()


async def test_a_refusal_is_one_answer_for_all_who_wait_for_it(trial: Trial):
    policy = Slow(lambda read: read.primary)
    route = trial.route(policy)
    trial.down(trial.primary)
    tasks = [asyncio.create_task(route.for_reading()) for _ in range(10)]
    await policy.arrived.acquire()
    policy.go.release()
    async with asyncio.timeout(30):
        errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [PrimaryUnavailable] * 10
    assert len({id(error) for error in errors}) == 10
    assert {error.retry_after for error in errors if isinstance(error, PrimaryUnavailable)} == {3_600}
    assert policy.asked == 1
    # Whoever comes later is not told an old answer.
    policy.go.release()
    trial.router.change(trial.primary, "up")
    assert await route.for_reading() is trial.primary


async def test_the_message_of_a_refusal(trial: Trial):
    trial.down(trial.primary)
    with pytest.raises(PrimaryUnavailable) as caught:
        await trial.route(Primary()).for_reading()
    assert str(caught.value) == (
        "The primary is away (for a test), and it was needed: policy Primary. Try again later; reads that need not see "
        "the latest writes are answered by replicas."
    )


async def test_an_error_of_a_policy_is_the_callers_and_nothing_hangs(trial: Trial):
    class Broken(RoutingPolicy):
        async def choose(self, read: Read) -> Endpoint:
            raise LookupError("of a policy")

    route = trial.route(Broken())
    for _ in range(2):
        with pytest.raises(LookupError, match="of a policy"):
            await route.for_reading()


@pytest.mark.parametrize("what", ["nothing", "text", "foreign", "down"])
async def test_a_policy_may_give_what_it_was_given_only(trial: Trial, tmp_path: Path, what: str):
    from tests.routing.servers import made_endpoint

    trial.down(trial.two)
    given: Any = {
        "nothing": None,
        "text": "replica-1",
        "foreign": made_endpoint("replica-1", tmp_path),
        "down": trial.two,
    }[what]

    class Odd(RoutingPolicy):
        async def choose(self, read: Read) -> Endpoint:
            return given

    with pytest.raises(
        InvalidArgument, match=r"^Odd.choose\(\) must return read.primary or one of read.replicas; got "
    ):
        await trial.route(Odd()).for_reading()


async def test_a_scope_stays_with_the_replica_that_it_has_read_from(trial: Trial):
    for _ in range(20):
        route = trial.route(AnyReplica())
        first = await route.for_reading()
        route.served(first)
        trial.consistency.committed()
        assert await route.for_reading() is first


async def test_after_its_replica_went_down_a_scope_goes_to_the_primary_and_not_back_in_time(trial: Trial):
    """Nobody failed it: the monitor found out."""
    route = trial.route(AnyReplica())
    seen = await route.for_reading()
    route.served(seen)
    trial.down(seen)
    assert await route.for_reading() is trial.primary
    assert trial.log.events[-1] == RouteEvent(
        "primary", "primary", f"{seen.name}, which was read from, is down: for a test"
    )


async def test_a_scope_that_has_read_nothing_yet_goes_to_another_replica(trial: Trial):
    route = trial.route(AnyReplica())
    seen = await route.for_reading()
    trial.down(seen)
    other = await route.for_reading()
    assert other.role == "replica"
    assert other is not seen


async def test_without_primary_and_its_replica_a_scope_goes_to_whoever_is_farthest(trial: Trial):
    from batchrepo.routing import Position

    route = trial.route(AnyReplica())
    seen = await route.for_reading()
    route.served(seen)
    other = trial.two if seen is trial.one else trial.one
    other.position = Position(1, 5, 7)
    trial.down(seen, trial.primary)
    assert await route.for_reading() is other


async def test_what_was_written_is_not_read_from_whoever_is_farthest(trial: Trial):
    route = trial.route(AnyReplica())
    seen = await route.for_reading()
    route.served(seen)
    trial.consistency.committed()
    trial.down(seen, trial.primary)
    other = await route.for_reading()  # AnyReplica asks for it
    assert other.role == "replica"
    from batchrepo import ReadYourWrites

    strict = trial.route(ReadYourWrites(wait=0.01))
    with pytest.raises(PrimaryUnavailable, match="no replica has replayed what was written"):
        await strict.for_reading()


async def test_everything_down_is_an_error_at_once(trial: Trial):
    trial.down(trial.primary, trial.one, trial.two)
    for policy in (Primary(), AnyReplica()):
        with pytest.raises(PrimaryUnavailable):
            await trial.route(policy).for_reading()


async def test_weights_say_how_often_a_replica_comes_first(tmp_path: Path):
    from batchrepo import Replica
    from tests.routing.servers import fill
    from tests.support.databases import sqlite_file_url

    urls = []
    for name in ("p", "a", "b", "c"):
        fill(tmp_path / f"{name}.db", name)
        urls.append(sqlite_file_url(tmp_path / f"{name}.db"))
    replicas = [Replica(urls[1], weight=3), Replica(urls[2]), Replica(urls[3], weight=0)]
    db = Database(urls[0], replicas=replicas)
    router = router_of(db)
    orders = [tuple(endpoint.name for endpoint in router.usable()) for _ in range(4_000)]
    assert {order[-1] for order in orders} == {"replica-3"}
    assert 0.7 < sum(order[0] == "replica-1" for order in orders) / 4_000 < 0.8
    for name in ("replica-1", "replica-2"):
        router.change(endpoint_of(db, name), "down", "for a test")
    assert [endpoint.name for endpoint in router.usable()] == ["replica-3"]
