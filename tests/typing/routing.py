"""What users write to route reads, and the types that they must see. Checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

from batchrepo import (
    AnyReplica,
    ConsistencyToken,
    Database,
    DatabaseStatus,
    Endpoint,
    HealthChecks,
    InvalidToken,
    MaxLag,
    Primary,
    PrimaryUnavailable,
    Read,
    ReadYourWrites,
    Replica,
    RoutingPolicy,
    Scope,
)
from batchrepo.events import EndpointEvent, Event, ReplicasLost, RouteEvent
from batchrepo.routing import Position, TokenCodec
from tests.typing.reads import Album, AlbumRepository

URL = "postgresql+asyncpg://app@db-1/shop"

db = Database(
    URL,
    replicas=[URL, Replica(URL, weight=2, name="eu-2", pool_size=20)],
    routing=ReadYourWrites(wait=0.1),
    health=HealthChecks(interval=0.5, primary_reads=8),
    token_seconds=60,
    secret="a secret",
)


class Nearest(RoutingPolicy):
    """Replicas of the own data centre first."""

    async def choose(self, read: Read) -> Endpoint:
        near = [replica for replica in read.replicas if replica.name.startswith("eu-")]
        assert_type(read.has_writes, bool)
        assert_type(read.token_seconds, float)
        if near and (read.lag(near[0]) or 0.0) < 5:
            found = await read.replayed(near, within=0.05)
            assert_type(found, Endpoint | None)
            if found is not None:
                read.because("near")
                return found
        return read.primary


async def reads() -> None:
    async with db.scope(routing=Nearest()) as scope:
        async with scope.routed(MaxLag(5)) as fresh:
            assert_type(fresh, Scope)
            assert_type(await AlbumRepository(fresh).get(1), Album)
        async with scope.routed(Primary()), scope.routed(AnyReplica()):
            pass
        async with scope.transaction(read_only=True):
            pass


async def tokens(text: str) -> None:
    async with db.scope(token=text) as scope:
        token = await scope.consistency_token()
        assert_type(token, ConsistencyToken | None)
        assert_type(scope.has_writes, bool)
    assert_type(db.tokens, TokenCodec)
    if token is not None:
        assert_type(db.tokens.write(token), str)
        assert_type(token.position, Position | None)
        assert_type(token.merge(None), ConsistencyToken)
    assert_type(await db.consistency_token(), ConsistencyToken)
    try:
        assert_type(db.tokens.read(text), ConsistencyToken)
    except InvalidToken as error:
        assert_type(error.reason, str)
    except PrimaryUnavailable as error:
        assert_type(error.retry_after, float)


def listens(event: Event) -> None:
    match event:
        case RouteEvent():
            assert_type(event.waited, float)
        case EndpointEvent():
            assert_type(event.reason, str | None)
        case ReplicasLost():
            assert_type(event.replicas, tuple[str, ...])
        case _:
            pass


db.on_event(listens)
assert_type(db.status(), DatabaseStatus)
assert_type(db.status().replicas[0].lag, float | None)
assert_type(db.routed, bool)
