"""Servers that stop, freeze, come back and change their roles while they are read from: what users see of it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from batchrepo import Database, EndpointDown, PrimaryUnavailable
from batchrepo.events import ReplicasLost
from batchrepo.routing import HealthChecks, ReadYourWrites
from batchrepo.scope import Scope
from tests.routing.load import Load, Watched, endpoints_of
from tests.routing.store import EVERY, USERS, database, looked_after, over, stocked
from tests.support.cluster import Cluster
from tests.support.cluster_servers import DATABASE, Server, until
from tests.writing.shop import Album, AlbumRepository

REPLICAS = {"replica-1", "replica-2"}


async def write(db: Database, price: int) -> None:
    async with db.scope() as scope, scope.transaction():
        await AlbumRepository(scope).update_many([{"id": 1, "price": price}])


def take_away(server: Server, how: str) -> None:
    if how == "freeze":
        server.freeze()
    else:
        server.stop("immediate" if how == "crash" else "fast")


def bring_back(server: Server) -> None:
    if server.running:
        server.thaw()
    else:
        server.start()


def most_at_work(server: Server) -> int:
    """How many statements of users it runs at once, at most, of 100 looks."""
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND state = 'active'"
        " AND query NOT LIKE '%%pg_is_in_recovery%%'"
    )
    return max(int(server.ask(query, DATABASE)) for _ in range(100))


def sessions(server: Server) -> str:
    """The clients of a server and the last thing that each asked."""
    query = "SELECT string_agg(concat_ws(' ', state, wait_event, backend_start, query), E'\\n') FROM pg_stat_activity"
    return str(server.ask(f"{query} WHERE datname = %s", DATABASE))


async def nothing_leaks(cluster: Cluster, db: Database) -> None:
    """No connection is in use, and servers have none but those of the pools and of the health checks."""
    gc.collect()  # psycopg closes what was cancelled while it connected when it is collected
    for endpoint, server in zip(db.status().endpoints, cluster.servers, strict=True):
        pool = endpoint.pool
        assert pool is not None
        assert pool.in_use == 0, endpoint.name
        await asyncio.to_thread(
            until,
            lambda server=server, most=pool.idle + 1: server.backends() <= most,
            lambda server=server, pool=pool: (
                f"{server} has {pool.idle} in the pool and these: {sessions(server)}"
            ),
        )


@pytest.mark.parametrize("how", ["stop", "crash", "freeze"])
@EVERY
async def test_no_user_notices_that_a_replica_goes_and_comes_back(store: Cluster, db: Database, how):
    """Under load: each request that its replica fails is answered elsewhere, once the replica is missed."""
    lost = store.replicas[0]
    seen = Watched(db)
    async with Load(db) as load:
        assert set(await load.more(100)) == REPLICAS
        await asyncio.to_thread(take_away, lost, how)
        await seen.until("replica-1", "down")
        assert set(await load.more(100)) == {"replica-2"}
        await asyncio.to_thread(bring_back, lost)
        await seen.until("replica-1", "up")
        assert set(await load.more(100)) == REPLICAS
    assert load.failed == []
    assert seen.states("replica-1") == ["down", "proving", "up"]
    assert seen.states("replica-2") == seen.states("primary") == []
    assert load.served["primary"] <= load.served["replica-2"] / 10, (
        "only those who had read from the lost replica"
    )
    assert load.slowest < 5, "seconds: that a frozen server is missed takes at most an interval and a timeout"
    await nothing_leaks(store, db)


@EVERY
async def test_one_broken_connection_of_a_replica_leaves_the_others_alone(store: Cluster, db: Database):
    """It is looked at, and not used meanwhile; who reads from it in a snapshot goes on."""
    broken = store.replicas[0]
    seen = Watched(db)
    async with contextlib.AsyncExitStack() as scopes:
        snapshots = [await scopes.enter_async_context(db.scope(snapshot=True)) for _ in range(16)]
        await asyncio.gather(*(AlbumRepository(scope).count() for scope in snapshots))
        cut, *others = [scope for scope in snapshots if "replica-1" in endpoints_of(scope)]
        ((backend,),) = await cut.door.rows(select(func.pg_backend_pid()), cause="test")
        broken.ask("SELECT pg_terminate_backend(%s, 5000)", backend)
        with pytest.raises(DBAPIError):
            await AlbumRepository(cut).count()
        assert seen.states("replica-1") == ["down"]
        await seen.until("replica-1", "up")
        assert others
        for scope in others:
            assert await AlbumRepository(scope).exists()
            assert set(endpoints_of(scope)) == {"replica-1"}


@EVERY
async def test_a_snapshot_on_a_replica_that_freezes_ends_with_an_error(store: Cluster, db: Database):
    """What it has shown nobody else can go on showing; who asks anew is answered elsewhere."""
    seen = Watched(db)
    async with db.scope(snapshot=True) as scope:
        await AlbumRepository(scope).count()
        name = endpoints_of(scope)[0]
        frozen = dict(zip(["replica-1", "replica-2"], store.replicas, strict=True))[name]
        await asyncio.to_thread(frozen.freeze)
        with pytest.raises(EndpointDown, match=name):
            await AlbumRepository(scope).exists()
    await seen.until(name, "down")
    async with db.scope(snapshot=True) as scope:
        assert await AlbumRepository(scope).count() == USERS
        assert name not in endpoints_of(scope)
    frozen.thaw()
    await seen.until(name, "up")
    await nothing_leaks(store, db)


@EVERY
async def test_a_write_after_the_primary_was_restarted_is_not_sent_into_the_void(
    store: Cluster, db: Database
):
    """The pool has connections from before, and nobody has tried them yet."""
    seen = Watched(db)
    await asyncio.gather(*(write(db, price) for price in range(8)))
    await asyncio.to_thread(store.primary.stop, "immediate")
    await seen.until("primary", "down")
    await asyncio.to_thread(store.primary.start)
    await seen.until("primary", "up")
    await asyncio.gather(*(write(db, price) for price in range(8)))


@EVERY
async def test_reads_go_on_while_the_primary_is_away(store: Cluster, db: Database):
    seen = Watched(db)
    await write(db, 1)
    async with Load(db) as load:
        await load.more(50)
        await asyncio.to_thread(store.primary.stop, "immediate")
        with pytest.raises(PrimaryUnavailable):
            await write(db, 2)
        started = time.perf_counter()
        with pytest.raises(PrimaryUnavailable) as refused:
            await write(db, 2)
        assert time.perf_counter() - started < 0.2, "at once"
        assert refused.value.retry_after > 0
        assert set(await load.more(100)) == REPLICAS
        await asyncio.to_thread(store.primary.start)
        await seen.until("primary", "up")
        await write(db, 3)
        await load.more(50)
    assert load.failed == []
    assert set(load.served) == REPLICAS
    async with db.scope(token=await db.consistency_token()) as scope:
        assert (await AlbumRepository(scope).get(1)).price == 3
    await nothing_leaks(store, db)


@EVERY
async def test_a_frozen_primary_is_missed_and_comes_back(store: Cluster, db: Database):
    """Who writes at that moment waits until it is missed; later ones are told at once."""
    seen = Watched(db)
    await write(db, 1)
    async with Load(db) as load:
        await load.more(50)
        await asyncio.to_thread(store.primary.freeze)
        started = time.perf_counter()
        with pytest.raises(PrimaryUnavailable):
            await write(db, 2)
        assert time.perf_counter() - started < 5
        await seen.until("primary", "down")
        started = time.perf_counter()
        with pytest.raises(PrimaryUnavailable):
            await write(db, 2)
        assert time.perf_counter() - started < 0.2
        assert set(await load.more(100)) == REPLICAS
        await asyncio.to_thread(store.primary.thaw)
        await seen.until("primary", "up")
        await write(db, 3)
    assert load.failed == []
    assert set(load.served) == REPLICAS
    await nothing_leaks(store, db)


@pytest.mark.parametrize("how", ["stop", "freeze"])
async def test_the_primary_answers_when_all_replicas_are_down(store: Cluster, how):
    """With a warning, and not more at once than it is allowed."""
    with store.primary.connect() as connection:
        connection.execute(
            "CREATE FUNCTION slowly() RETURNS integer LANGUAGE SQL AS 'SELECT 1 FROM pg_sleep(0.02)'"
        )
    store.caught_up()

    async def request(scope: Scope) -> None:
        await scope.door.rows(select(func.slowly()), cause="test")

    async with database(store, health=HealthChecks(interval=0.1, timeout=0.5, primary_reads=2)) as db:
        seen = Watched(db)
        async with Load(db, users=12, request=request) as load:
            assert set(await load.more(50)) == REPLICAS
            for name, replica in zip(["replica-1", "replica-2"], store.replicas, strict=True):
                await asyncio.to_thread(take_away, replica, how)
                await seen.until(name, "down")
                await load.more(24)  # those whom it failed have been answered elsewhere
            assert set(await load.more(24)) == {"primary"}
            assert await asyncio.to_thread(most_at_work, store.primary) == 2
            for replica in store.replicas:
                await asyncio.to_thread(bring_back, replica)
            for name in REPLICAS:
                await seen.until(name, "up")
            assert set(await load.more(50)) == REPLICAS
        assert load.failed == []
        assert [event for event in seen.events if isinstance(event, ReplicasLost)] == [
            ReplicasLost(("replica-1", "replica-2"))
        ]
        await nothing_leaks(store, db)


@EVERY
async def test_a_query_that_a_replica_cancels_is_run_once_more_elsewhere(store: Cluster, db: Database):
    """VACUUM removed what the query may still look at, and the replica must not fall behind for it."""
    slow = store.replicas[0]
    for replica in store.replicas:
        replica.configure(hot_standby_feedback="off", max_standby_streaming_delay="0")
    with store.primary.connect() as connection:
        connection.execute(
            "CREATE FUNCTION answered(port text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
            "   IF current_setting('port') = port THEN PERFORM pg_sleep(20); END IF;"
            "   RETURN true;"
            " END $$"
        )
    store.caught_up()
    query = select(func.answered(str(slow.port)), func.count(Album.id))

    def runs() -> bool:
        sql = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%answered%%' AND wait_event = 'PgSleep'"
        )
        return bool(slow.ask(sql))

    def vacuum() -> None:
        with store.primary.connect() as connection:
            connection.execute("UPDATE album SET price = price + 1")
            connection.execute("VACUUM album")

    for _ in range(50):
        async with db.scope() as scope:
            await AlbumRepository(scope).count()
            if endpoints_of(scope) != ["replica-1"]:
                continue
            started = time.perf_counter()
            asking = asyncio.create_task(scope.door.rows(query, cause="test"))
            await asyncio.to_thread(until, runs, lambda: "the query runs on replica-1")
            await asyncio.to_thread(vacuum)
            assert await asking == [(True, USERS)]
            assert time.perf_counter() - started < 15, "it was cancelled"
            assert endpoints_of(scope) == ["replica-1", "replica-1", "primary"]
            break
    else:
        pytest.fail("no scope read from replica-1")
    assert [replica.failures for replica in db.status().replicas] == [0, 0], "the replica is well"


async def test_a_token_from_before_a_promotion_means_the_primary(own_cluster: Cluster):
    """The new primary may lack what the old one had committed: nobody but itself can say what is there."""
    await stocked(own_cluster)
    promoted, other = own_cluster.replicas
    async with database(own_cluster) as db:
        async with db.scope() as scope:
            async with scope.transaction():
                await AlbumRepository(scope).update_many([{"id": 1, "price": 99}])
            token = await scope.consistency_token()
        assert token is not None
        text = db.tokens.write(token)
    own_cluster.caught_up()
    own_cluster.primary.stop("immediate")
    promoted.promote()
    other.follow(promoted)
    async with over(promoted, other) as db:
        await looked_after(db)
        async with db.scope(token=text) as scope:
            assert (await AlbumRepository(scope).get(1)).price == 99
            assert endpoints_of(scope) == ["primary"]
        async with db.scope() as scope:
            async with scope.transaction():
                await AlbumRepository(scope).update_many([{"id": 1, "price": 100}])
            newer = await scope.consistency_token()
        assert newer is not None
        async with db.scope(token=newer, routing=ReadYourWrites(wait=20)) as scope:
            assert (await AlbumRepository(scope).get(1)).price == 100
            assert endpoints_of(scope) == ["replica-1"]
        async with db.scope(token=newer.merge(token), routing=ReadYourWrites(wait=20)) as scope:
            assert (await AlbumRepository(scope).get(1)).price == 100


async def test_the_primary_s_address_leads_to_a_promoted_replica(own_cluster: Cluster):
    """A failover behind one address, as managed databases do it, while a Database lives on."""
    await stocked(own_cluster)
    promoted, other = own_cluster.replicas
    old = own_cluster.primary
    async with over(old, other) as db:
        seen = Watched(db)
        async with Load(db, users=3) as load:
            await load.more(30)
            await write(db, 1)
            before = await db.consistency_token()
            await asyncio.to_thread(own_cluster.caught_up)
            await asyncio.to_thread(old.stop, "immediate")
            await seen.until("primary", "down")
            await asyncio.to_thread(promoted.promote)
            await asyncio.to_thread(promoted.stop)
            promoted.port = old.port
            await asyncio.to_thread(promoted.start)
            await asyncio.to_thread(other.follow, promoted)
            await seen.until("primary", "up")
            await write(db, 2)
            await looked_after(db)
            async with db.scope(token=before) as scope:
                assert (await AlbumRepository(scope).get(1)).price == 2
                assert endpoints_of(scope) == ["primary"]
            async with db.scope(token=await db.consistency_token(), routing=ReadYourWrites(wait=20)) as scope:
                assert (await AlbumRepository(scope).get(1)).price == 2
                assert endpoints_of(scope) == ["replica-1"]
            await load.more(30)
        assert load.failed == []


async def test_nothing_is_left_of_a_database_that_was_disposed_of(store: Cluster):
    """Neither connections nor tasks, also where a server is frozen at that moment."""
    before = asyncio.all_tasks()
    async with database(store) as db:
        async with Load(db) as load:
            await load.more(50)
        await write(db, 1)
        await asyncio.to_thread(store.replicas[0].freeze)
    assert asyncio.all_tasks() == before
    store.replicas[0].thaw()
    for server in store.servers:
        await asyncio.to_thread(until, lambda server=server: server.backends() == 0, lambda: "all have left")
