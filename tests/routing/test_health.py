"""Every way from one state to another: looks are driven by hand, and answers are scripted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from batchrepo import Database, DatabaseUnavailable, DeclarationError, Endpoint, HealthChecks
from batchrepo.events import EndpointEvent, ReplicasLost
from batchrepo.routing import Position, Router
from batchrepo.routing import health as module
from batchrepo.routing.probing import Answer
from tests.routing.servers import made_endpoint, scripted
from tests.support.databases import sqlite_file_url


def primary(lsn: int = 100, timeline: int = 1, system: int = 7) -> Answer:
    return Answer(Position(timeline, lsn, system), recovering=False)


def standby(lsn: int = 100, timeline: int = 1, system: int = 7) -> Answer:
    return Answer(Position(timeline, lsn, system), recovering=True)


REFUSED = DatabaseUnavailable("No connection to it: refused")
CHECKS = HealthChecks(interval=3_600, timeout=2, proofs=2)


class Trial:
    """A primary and two replicas, and what they answer at each look."""

    def __init__(self, folder: Path) -> None:
        self.primary = made_endpoint("primary", folder, dialect="postgresql")
        self.a = made_endpoint("a", folder, dialect="postgresql")
        self.b = made_endpoint("b", folder, dialect="postgresql")
        self.router: Router = None  # type: ignore[assignment]
        self.told: list[Any] = []

    def answers(self, checks: HealthChecks = CHECKS, **answers: list[Answer | BaseException]) -> Trial:
        everybody = {"primary": [primary()], "a": [standby()], "b": [standby()], **answers}
        self.router, self.told = scripted(self.primary, [self.a, self.b], everybody, checks)
        return self

    async def look(self, times: int = 1) -> None:
        for _ in range(times):
            await self.router._monitor.look()

    def states(self, endpoint: Endpoint) -> list[tuple[str, str | None]]:
        return [
            (one.state, one.reason)
            for one in self.told
            if type(one) is EndpointEvent and one.endpoint == endpoint.name
        ]


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trial:
    monkeypatch.setattr(module, "HEAD_START", 1.0)
    return Trial(tmp_path)


async def test_whoever_answers_is_up_and_nothing_is_told(trial: Trial):
    await trial.answers().look(3)
    assert [endpoint.state for endpoint in trial.router.endpoints] == ["up"] * 3
    assert trial.told == []
    assert trial.router.positions.latest == Position(1, 100, 7)


async def test_a_replica_that_is_away_comes_back_after_it_has_proven_itself(trial: Trial):
    await trial.answers(a=[REFUSED, REFUSED, standby()]).look()
    assert (trial.a.state, trial.a.reason, trial.a.failures) == ("down", "No connection to it: refused", 1)
    assert trial.a.position is None
    assert trial.router.usable() == [trial.b]
    await trial.look()
    assert len(trial.told) == 1  # still down is no news
    await trial.look()
    assert (trial.a.state, trial.a.reason) == ("proving", "answered 1 of 2 times")
    assert trial.router.usable() == [trial.b]
    await trial.look()
    assert (trial.a.state, trial.a.reason) == ("up", None)
    assert trial.states(trial.a) == [
        ("down", "No connection to it: refused"),
        ("proving", "answered 1 of 2 times"),
        ("up", None),
    ]
    assert sorted(e.name for e in trial.router.usable()) == ["a", "b"]


async def test_a_proof_that_fails_begins_anew(trial: Trial):
    await trial.answers(a=[REFUSED, standby(), REFUSED, standby()]).look(4)
    assert trial.a.state == "proving"
    assert [state for state, _ in trial.states(trial.a)] == ["down", "proving", "down", "proving"]
    await trial.look()
    assert trial.a.state == "up"


async def test_how_many_proofs_there_are_is_said_while_they_are_given(trial: Trial):
    checks = HealthChecks(interval=3_600, proofs=3)
    await trial.answers(checks, a=[REFUSED, standby()]).look(3)
    assert (trial.a.state, trial.a.reason) == ("proving", "answered 2 of 3 times")
    await trial.look()
    assert trial.a.state == "up"


async def test_one_proof_is_enough_where_that_is_set(trial: Trial):
    await trial.answers(HealthChecks(interval=3_600, proofs=1), a=[REFUSED, standby()]).look(2)
    assert [state for state, _ in trial.states(trial.a)] == ["down", "up"]


async def test_a_replica_that_is_slow_once_is_taken_out_and_the_primary_is_not(trial: Trial):
    await trial.answers(a=[TimeoutError()], primary=[TimeoutError(), TimeoutError(), primary()]).look()
    assert (trial.a.state, trial.a.reason) == ("down", "no answer within 2 s")
    assert trial.primary.state == "up"
    await trial.look()
    assert (trial.primary.state, trial.primary.reason) == ("down", "no answer within 2 s")
    await trial.look()
    assert trial.primary.state == "up"


async def test_a_primary_that_answers_in_between_has_its_second_chance_again(trial: Trial):
    await trial.answers(primary=[TimeoutError(), primary(), TimeoutError(), primary()]).look(4)
    assert trial.states(trial.primary) == []


async def test_a_primary_that_refuses_is_down_at_once_and_up_with_its_first_answer(trial: Trial):
    await trial.answers(primary=[REFUSED, primary()]).look()
    assert trial.states(trial.primary) == [("down", "No connection to it: refused")]
    await trial.look()
    assert [state for state, _ in trial.states(trial.primary)] == ["down", "up"]


async def test_a_primary_that_became_a_standby_takes_no_writes(trial: Trial):
    await trial.answers(primary=[standby()]).look()
    assert trial.states(trial.primary) == [("down", "it is a standby, which takes no writes")]


async def test_a_replica_that_was_promoted_is_taken_out(trial: Trial):
    await trial.answers(a=[primary(timeline=2)]).look()
    assert trial.states(trial.a) == [("down", "it was promoted, and does not follow the primary any more")]


async def test_a_standby_of_another_cluster_is_taken_out(trial: Trial):
    await trial.answers(a=[standby(system=8)]).look()
    assert trial.states(trial.a) == [("down", "it is a standby of another primary")]


async def test_a_logical_replica_has_a_cluster_of_its_own_and_an_unknown_lag(trial: Trial):
    await trial.answers(a=[primary(lsn=5, system=8)]).look()
    assert trial.a.state == "up"
    assert trial.router.lag(trial.a) == float("inf")


async def test_the_old_primarys_standbys_are_told_of_a_promotion_by_their_lag(trial: Trial):
    await trial.answers(primary=[primary(100), primary(120, timeline=2)], a=[standby(100)]).look()
    assert trial.router.lag(trial.a) < 5  # type: ignore[operator]
    await trial.look()
    assert trial.a.state == "up"
    assert await trial.router.replayed([trial.a, trial.b], Position(1, 50, 7), 0.0) is None


async def test_all_replicas_down_is_told_once_with_their_names(trial: Trial):
    await trial.answers(a=[REFUSED], b=[standby(), REFUSED]).look()
    assert not trial.router.replicas_lost
    await trial.look(3)
    assert trial.router.replicas_lost
    assert [one for one in trial.told if type(one) is ReplicasLost] == [ReplicasLost(("a", "b"))]


async def test_everything_down_at_the_start(trial: Trial):
    await trial.answers(primary=[REFUSED, primary()], a=[REFUSED, standby()], b=[REFUSED, standby()]).look()
    assert [endpoint.state for endpoint in trial.router.endpoints] == ["down"] * 3
    await trial.look(2)
    assert [endpoint.state for endpoint in trial.router.endpoints] == ["up"] * 3


async def test_an_error_that_nobody_expects_counts_as_no_answer(trial: Trial):
    await trial.answers(a=[RuntimeError("of a driver")]).look()
    assert trial.states(trial.a) == [("down", "of a driver")]


async def test_the_drivers_words_are_told_without_decoration(trial: Trial):
    error = OperationalError("SELECT 1", {}, Exception("permission\n  denied"))
    await trial.answers(a=[error]).look()
    assert trial.states(trial.a) == [("down", "permission denied")]


async def test_without_the_primary_the_lag_of_replicas_does_not_grow(trial: Trial):
    await trial.answers(primary=[primary(), REFUSED]).look(2)
    lag = trial.router.lag(trial.a)
    assert lag is not None
    await asyncio.sleep(0.01)
    assert trial.router.lag(trial.a) == lag


async def test_a_failing_listener_does_not_end_the_looks(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """The loop that looks goes on after an error of whoever listens."""
    failed, heard = asyncio.Event(), asyncio.Event()

    def listen(event: Any) -> None:
        if type(event) is EndpointEvent:
            if event.state == "down":
                failed.set()
                raise ValueError("of a listener")
            heard.set()

    folder = tmp_path / "not there yet"
    checks = HealthChecks(interval=0.01, proofs=1)
    async with Database(
        sqlite_file_url(tmp_path / "a.db"), replicas=[sqlite_file_url(folder / "b.db")], health=checks
    ) as db:
        db.on_event(listen)
        async with db.scope(), asyncio.timeout(30):
            await failed.wait()
            folder.mkdir()
            await heard.wait()
    assert "A look at the endpoints failed" in caplog.text


@pytest.mark.parametrize("name", ["interval", "timeout"])
@pytest.mark.parametrize("value", [0, -1, "1", None, True], ids=repr)
def test_seconds_that_are_none_are_refused(name: str, value: Any):
    with pytest.raises(
        DeclarationError, match=rf"^HealthChecks\({name}=\) expects seconds, more than 0; got"
    ):
        HealthChecks(**{name: value})


@pytest.mark.parametrize("name", ["proofs", "primary_reads"])
@pytest.mark.parametrize("value", [0, -1, "1", 1.5, True], ids=repr)
def test_numbers_that_are_none_are_refused(name: str, value: Any):
    with pytest.raises(
        DeclarationError, match=rf"^HealthChecks\({name}=\) expects a number of 1 or more; got"
    ):
        HealthChecks(**{name: value})


def test_what_are_no_checks_is_refused(tmp_path: Path):
    with pytest.raises(DeclarationError, match=r"^health= expects HealthChecks\(interval=1.0\); got 5\."):
        Database(sqlite_file_url(tmp_path / "a.db"), health=5)  # type: ignore[arg-type]
