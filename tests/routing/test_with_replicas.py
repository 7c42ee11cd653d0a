"""What a user sees through a primary and two real replicas: never less than what he has written."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest
from sqlalchemy import func, select, text

from batchrepo import Database
from batchrepo.events import RouteEvent
from batchrepo.routing import AnyReplica, MaxLag, Primary, ReadYourWrites
from batchrepo.scope import Scope
from tests.routing.load import endpoints_of
from tests.routing.store import EVERY, USERS, database, looked_after
from tests.support.cluster import Cluster
from tests.writing.shop import Album, AlbumRepository, AlbumView, TrackRepository

REPLICAS = {"replica-1", "replica-2"}


async def save(db: Database, album: int, price: int) -> str:
    """A request that writes, and the token that it answers with."""
    async with db.scope() as scope:
        async with scope.transaction():
            (await AlbumRepository(scope).get(album)).price = price
        token = await scope.consistency_token()
    assert token is not None
    return db.tokens.write(token)


async def price_of(scope: Scope, album: int) -> int:
    return (await AlbumRepository(scope).get(album)).price


def toggle(cluster: Cluster, chance: random.Random) -> None:
    """Hold a replica back, or let it go on."""
    replica = chance.choice(cluster.replicas)
    if chance.random() < 0.6:
        replica.pause_replay()
    else:
        replica.resume_replay()


@pytest.mark.parametrize(("driver", "writes"), [("asyncpg", 1000), ("psycopg", 200)])
async def test_with_the_token_a_read_is_never_stale(store: Cluster, driver, writes):
    """Each request writes, the next one reads, while the replicas are held back at random."""
    chance = random.Random(20_261_126)
    served: Counter[str] = Counter()
    stale: list[tuple[int, int, str]] = []

    async def user(album: int) -> None:
        for price in range(1, writes // USERS + 1):
            if chance.random() < 0.3:
                toggle(store, chance)
            token = await save(db, album, price)
            async with db.scope(token=token) as scope:
                seen = await price_of(scope, album)
                (endpoint,) = endpoints_of(scope)
                served[endpoint] += 1
                if seen != price:
                    stale.append((price, seen, endpoint))

    async with database(store, driver, routing=ReadYourWrites(wait=0.02)) as db:
        await asyncio.gather(*(user(album) for album in range(1, USERS + 1)))
    print(f"{writes} reads after a write: {dict(served)}, {len(stale)} stale")  # noqa: T201  shown with -s
    assert stale == []
    assert served.total() == writes
    assert set(served) == {"primary", *REPLICAS}, "each of them had its turn"


@EVERY
async def test_without_the_token_a_read_may_be_stale(store: Cluster, db: Database):
    """What the token is for: without it, a replica that is held back shows what was before."""
    for replica in store.replicas:
        replica.pause_replay()
    token = await save(db, 1, 99)
    async with db.scope(routing=AnyReplica()) as scope:
        assert await price_of(scope, 1) == 0, "stale"
        assert set(endpoints_of(scope)) <= REPLICAS
    async with db.scope() as scope:
        assert await price_of(scope, 1) == 0, "nobody said that anything was written"
    async with db.scope(token=token) as scope:
        assert await price_of(scope, 1) == 99
        assert endpoints_of(scope) == ["primary"]


async def test_nothing_is_assumed_of_one_replica_about_another(store: Cluster, db: Database):
    held, free = store.replicas
    held.pause_replay()
    token = await save(db, 1, 99)
    store.caught_up(free)
    served = Counter()
    for _ in range(20):
        async with db.scope(token=token) as scope:
            assert await price_of(scope, 1) == 99
            served.update(endpoints_of(scope))
    assert served == {"replica-2": 20}


async def test_a_read_waits_for_a_replica_that_is_about_to_have_it(store: Cluster):
    async with database(store, routing=ReadYourWrites(wait=20)) as db:
        await looked_after(db)
        for replica in store.replicas:
            replica.pause_replay()
        token = await save(db, 1, 99)
        async with db.scope(token=token) as scope:
            reading = asyncio.create_task(price_of(scope, 1))
            await asyncio.sleep(0)
            assert not reading.done()
            store.replicas[1].resume_replay()
            assert await reading == 99
            assert endpoints_of(scope) == ["replica-2"]
            (route,) = [event for event in scope.events.events if isinstance(event, RouteEvent)]
            assert 0 < route.waited < 20


@EVERY
async def test_all_reads_of_a_scope_come_from_one_replica(db: Database):
    """Entities, views, relations, computed attributes, pages, and concurrent tasks."""
    served: Counter[str] = Counter()
    for _ in range(24):
        async with db.scope() as scope:
            albums = await AlbumRepository(scope).find(order_by=Album.id)
            await asyncio.gather(*(scope.related(album, Album.tracks) for album in albums))
            await asyncio.gather(
                AlbumRepository(scope).find(AlbumView),
                AlbumRepository(scope).count(),
                scope.related(albums[0], AlbumRepository.duration),
                TrackRepository(scope).page(first=3),
            )
            assert len(endpoints_of(scope)) >= 7
            (endpoint,) = set(endpoints_of(scope))
            served[endpoint] += 1
    assert set(served) == REPLICAS


async def test_the_name_in_the_report_is_the_server_that_answered(store: Cluster, db: Database):
    ports = {"primary": "5432", "replica-1": "5433", "replica-2": "5434"}
    seen = set()
    for routing in (Primary(), *[AnyReplica()] * 20):
        async with db.scope(routing=routing) as scope:
            ((port,),) = await scope.door.rows(select(func.current_setting("port")), cause="test")
            (endpoint,) = endpoints_of(scope)
            assert ports[endpoint] == port
            seen.add(endpoint)
    assert seen == set(ports)


@EVERY
async def test_a_scope_sees_what_it_has_written(store: Cluster, db: Database):
    """At once, whatever the replicas have; and it reads from them again once they have it."""
    for replica in store.replicas:
        replica.pause_replay()
    async with db.scope() as scope:
        assert await price_of(scope, 1) == 0
        async with scope.transaction():
            (await AlbumRepository(scope).get(1)).price = 99
            assert await price_of(scope, 1) == 99
        assert await AlbumRepository(scope).count(Album.price == 99) == 1
        assert endpoints_of(scope)[0] in REPLICAS
        assert set(endpoints_of(scope)[1:]) == {"primary"}
        async with scope.transaction():
            (await AlbumRepository(scope).get(1)).price = 100
        for replica in store.replicas:
            replica.resume_replay()
        store.caught_up()
        assert await AlbumRepository(scope).count(Album.price == 100) == 1
        assert endpoints_of(scope)[-1] in REPLICAS


async def test_a_write_of_a_child_task_is_seen_by_its_parent(store: Cluster, db: Database):
    for replica in store.replicas:
        replica.pause_replay()

    async def child() -> None:
        async with scope.transaction():
            await AlbumRepository(scope).update_many([{"id": 1, "price": 99}])

    async with db.scope() as scope:
        assert await AlbumRepository(scope).count(Album.price == 99) == 0
        await asyncio.create_task(child())
        assert await AlbumRepository(scope).count(Album.price == 99) == 1
        assert await price_of(scope, 1) == 99


async def test_a_write_of_a_scope_inside_another_is_seen_by_the_outer_one(store: Cluster, db: Database):
    """A function that opens a scope of its own, called within a request: the user is the same."""
    for replica in store.replicas:
        replica.pause_replay()

    async def child() -> None:
        await save(db, 1, 99)

    async with db.scope() as outer:
        assert await AlbumRepository(outer).count(Album.price == 99) == 0
        await asyncio.create_task(child())
        assert await AlbumRepository(outer).count(Album.price == 99) == 1
        assert await outer.consistency_token() is not None, "the next request must see it too"


async def test_what_only_the_primary_can_do_goes_there(store: Cluster, db: Database):
    """Locks, texts that are not surely a SELECT, sequences, and functions that write in secret."""
    with store.primary.connect() as connection:
        connection.execute("CREATE SEQUENCE number")
        connection.execute("CREATE TABLE visit (n integer)")
        connection.execute(
            "CREATE FUNCTION visited() RETURNS bigint LANGUAGE SQL AS "
            "'INSERT INTO visit VALUES (1) RETURNING (SELECT count(*) FROM visit)'"
        )
    store.caught_up()
    statements = [
        select(Album.id).where(Album.id == 1).with_for_update(),
        text("INSERT INTO visit VALUES (0) RETURNING n"),
        text("WITH made AS (INSERT INTO visit VALUES (0) RETURNING n) SELECT n FROM made"),
        text("SELECT nextval('number')"),
        select(func.nextval("number")),
        select(func.visited()),  # looks like any function: the replica refuses it
        select(func.visited()),
    ]
    async with db.scope() as scope:
        assert await AlbumRepository(scope).count() == USERS
        (replica,) = endpoints_of(scope)
        for statement in statements:
            await scope.door.rows(statement, cause="test")
            assert endpoints_of(scope)[-1] == "primary", str(statement)
        assert await AlbumRepository(scope).count() == USERS
        assert endpoints_of(scope)[-1] == replica, "the scope goes on reading where it was"
    assert db.status().replicas[0].failures == db.status().replicas[1].failures == 0


@EVERY
async def test_a_replica_refuses_to_write_whatever_is_sent(store: Cluster, db: Database):
    async with db.scope() as scope, scope.transaction(read_only=True):
        with pytest.raises(Exception, match=r"read-only|READ ONLY"):
            await scope.session.execute(text("UPDATE album SET price = 1"))
    async with db.scope(routing=Primary()) as scope:
        assert await AlbumRepository(scope).count(Album.price == 1) == 0


@EVERY
async def test_a_read_only_transaction_runs_on_a_replica(db: Database):
    served = set()
    for _ in range(20):
        async with db.scope() as scope:
            async with scope.transaction(read_only=True):
                albums = await AlbumRepository(scope).find(AlbumView)
                assert len(albums) == USERS
            served.update(endpoints_of(scope))
            assert len(set(endpoints_of(scope))) == 1
    assert served == REPLICAS


@EVERY
async def test_a_read_only_transaction_sees_what_the_token_stands_for(store: Cluster, db: Database):
    for replica in store.replicas:
        replica.pause_replay()
    token = await save(db, 1, 99)
    async with db.scope(token=token) as scope, scope.transaction(read_only=True):
        assert await price_of(scope, 1) == 99
        assert endpoints_of(scope) == ["primary"]


@EVERY
async def test_a_snapshot_on_a_replica_shows_one_state(store: Cluster, db: Database):
    async with db.scope(snapshot=True) as scope:
        assert await AlbumRepository(scope).count(Album.price == 99) == 0
        await save(db, 1, 99)
        store.caught_up()
        assert await AlbumRepository(scope).count(Album.price == 99) == 0
        assert len(set(endpoints_of(scope))) == 1
        assert set(endpoints_of(scope)) <= REPLICAS
    async with db.scope(snapshot=True) as scope:
        assert await AlbumRepository(scope).count(Album.price == 99) == 1


async def test_a_replica_that_is_too_far_behind_is_not_read_from(store: Cluster, db: Database):
    """An idle primary is not a lagging replica, and a replica that is held back is one as soon as somebody writes."""
    policy = MaxLag(2)
    async with db.scope(routing=policy) as scope:
        await AlbumRepository(scope).count()
        assert set(endpoints_of(scope)) <= REPLICAS
    for replica in store.replicas:
        replica.pause_replay()
    await save(db, 1, 99)
    async with asyncio.timeout(20):
        while True:
            async with db.scope(routing=policy) as scope:
                seen = await price_of(scope, 1)
                (endpoint,) = endpoints_of(scope)
            if endpoint == "primary":
                break
            await asyncio.sleep(0.05)
    assert seen == 99
    lags = [replica.lag for replica in db.status().replicas]
    assert all(lag is not None and lag > 2 for lag in lags)


async def test_some_reads_of_a_scope_may_go_to_the_primary(store: Cluster, db: Database):
    for replica in store.replicas:
        replica.pause_replay()
    await save(db, 1, 99)
    async with db.scope() as scope:
        assert await price_of(scope, 1) == 0
        async with scope.routed(Primary()) as fresh:
            assert await price_of(fresh, 1) == 99
        assert await AlbumRepository(scope).count(Album.price == 99) == 0
