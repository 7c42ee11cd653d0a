"""Each policy by itself: what it chooses, and the reason that it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from batchrepo import (
    AnyReplica,
    Database,
    DeclarationError,
    Endpoint,
    InvalidArgument,
    MaxLag,
    Primary,
    Read,
    ReadYourWrites,
    RoutingPolicy,
)
from tests.routing.servers import made_endpoint
from tests.support.databases import sqlite_file_url


@dataclass
class Asked:
    """A read, as a policy sees it."""

    primary: Endpoint
    replicas: Sequence[Endpoint] = ()
    has_writes: bool = False
    token_seconds: float = 60.0
    lags: dict[str, float | None] = field(default_factory=dict)
    reaches: str = ""
    waited: list[tuple[list[str], float]] = field(default_factory=list)
    reason: str = ""

    def lag(self, replica: Endpoint) -> float | None:
        return self.lags.get(replica.name)

    async def replayed(self, replicas: Sequence[Endpoint], *, within: float) -> Endpoint | None:
        self.waited.append(([replica.name for replica in replicas], within))
        return next((replica for replica in replicas if replica.name == self.reaches), None)

    def because(self, reason: str) -> None:
        self.reason = reason


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Asked]:
    def make(*names: str, **settings: Any) -> Asked:
        replicas = [made_endpoint(name, tmp_path) for name in names]
        return Asked(made_endpoint("primary", tmp_path), replicas, **settings)

    return make


async def chosen(policy: RoutingPolicy, read: Asked) -> tuple[str, str]:
    asked: Read = read
    return (await policy.choose(asked)).name, read.reason


async def test_primary(ask: Callable[..., Asked]):
    assert await chosen(Primary(), ask("a", "b")) == ("primary", "policy Primary")


async def test_any_replica(ask: Callable[..., Asked]):
    read = ask("b", "a", has_writes=True, lags={"b": 5_000.0})
    assert await chosen(AnyReplica(), read) == ("b", "any replica")
    assert read.waited == []
    assert await chosen(AnyReplica(), ask()) == ("primary", "no replica is up")


async def test_max_lag(ask: Callable[..., Asked]):
    lags = {"a": 5.01, "b": 5.0, "c": 0.0}
    assert await chosen(MaxLag(5), ask("a", "b", "c", lags=lags)) == ("b", "5 s behind, of at most 5 s")
    nobody = ("primary", "no replica is known to be at most 5 s behind")
    assert await chosen(MaxLag(5), ask("a", lags=lags)) == nobody
    assert await chosen(MaxLag(5), ask("unknown")) == nobody
    assert await chosen(MaxLag(5), ask()) == nobody


async def test_read_your_writes_without_writes(ask: Callable[..., Asked]):
    read = ask("b", "a")
    assert await chosen(ReadYourWrites(), read) == ("b", "nothing was written")
    assert read.waited == []
    assert await chosen(ReadYourWrites(), ask()) == ("primary", "no replica is up")


async def test_read_your_writes_leaves_out_who_is_further_behind_than_tokens_live(ask: Callable[..., Asked]):
    policy = ReadYourWrites()
    lags = {"far": 60.1, "lost": float("inf"), "near": 60.0}
    assert (await chosen(policy, ask("far", "lost", "near", lags=lags)))[0] == "near"
    assert await chosen(policy, ask("far", "lost", lags=lags)) == (
        "primary",
        "all replicas are too far behind",
    )
    read = ask("far", "near", lags=lags, has_writes=True, reaches="near")
    assert (await chosen(policy, read))[0] == "near"
    assert read.waited == [(["near"], 0.1)]


async def test_read_your_writes_with_writes(ask: Callable[..., Asked]):
    read = ask("a", "b", has_writes=True, reaches="b")
    assert await chosen(ReadYourWrites(wait=0.25), read) == ("b", "it has replayed what was written")
    assert read.waited == [(["a", "b"], 0.25)]
    read = ask("a", "b", has_writes=True)
    assert await chosen(ReadYourWrites(wait=0.25), read) == (
        "primary",
        "no replica has replayed what was written within 0.25 s",
    )


@pytest.mark.parametrize("seconds", [-1, "1", None, True, float("nan")], ids=repr)
def test_seconds_that_are_none_are_refused(seconds: Any):
    with pytest.raises(DeclarationError, match=r"^MaxLag\(seconds\) expects seconds, 0 or more; got"):
        MaxLag(seconds)
    with pytest.raises(DeclarationError, match=r"^ReadYourWrites\(wait=\) expects seconds, 0 or more; got"):
        ReadYourWrites(seconds)


@pytest.mark.parametrize("given", [Primary, "primary", object()], ids=["class", "text", "object"])
async def test_what_is_no_policy_is_refused(tmp_path: Path, given: Any):
    url = sqlite_file_url(tmp_path / "a.db")
    expected = r"^routing= expects a policy: Primary\(\), AnyReplica\(\), .* of your own; got "
    with pytest.raises(DeclarationError, match=expected):
        Database(url, routing=given)
    async with Database(url) as db:
        with pytest.raises(InvalidArgument, match=expected):
            db.scope(routing=given)
        async with db.scope() as scope:
            with pytest.raises(InvalidArgument, match=expected):
                scope.routed(given)
