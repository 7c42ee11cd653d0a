"""What docs/routing.md shows runs on a primary with two replicas, and what it says of them holds."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import create_async_engine

import batchrepo
from batchrepo import (
    AnyReplica,
    ConsistencyToken,
    Database,
    HealthChecks,
    MaxLag,
    PrimaryUnavailable,
    ReadYourWrites,
    Scope,
)
from batchrepo.events import EndpointEvent, ReplicasLost, RouteEvent, StatementEvent, observe
from examples.chinook.loader import load_chinook
from examples.chinook.repositories import REPOSITORIES, AlbumRepository
from tests.docs.pages import ROOT, code_spans, names_of, text_of
from tests.support.cluster import PATIENCE, Cluster, running_cluster

PAGE = ROOT / "docs" / "routing.md"
SPANS = code_spans(text_of(PAGE))
SECRET = "not for production"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A primary and two replicas with the Chinook store."""
    with running_cluster() as running:
        asyncio.run(_load(running))
        running.caught_up()
        yield running


async def _load(cluster: Cluster) -> None:
    engine = create_async_engine(cluster.primary.url())
    try:
        await load_chinook(engine)
    finally:
        await engine.dispose()


@pytest_asyncio.fixture
async def page(cluster: Cluster) -> AsyncIterator[dict[str, object]]:
    """The names that the page's blocks define, and the routes that its scopes took."""
    routes: list[RouteEvent] = []
    end = observe(lambda event: routes.append(event) if isinstance(event, RouteEvent) else None)
    try:
        names = await names_of(
            PAGE,
            **{name: getattr(batchrepo, name) for name in batchrepo.__all__},
            EndpointEvent=EndpointEvent,
            ReplicasLost=ReplicasLost,
            **{each.__name__: each for each in REPOSITORIES},
            PRIMARY=cluster.primary.url(),
            REPLICA_1=cluster.replicas[0].url(),
            REPLICA_2=cluster.replicas[1].url(),
            SECRET=SECRET,
        )
    finally:
        end()
    async with names["db"]:
        yield names | {"routes": routes}


async def test_what_the_page_shows(page):
    routes = [(route.role, route.reason) for route in page["routes"]]
    assert routes[0] == ("replica", "nothing was written")
    assert routes[1] == ("primary", "a transaction that may write")
    assert ("replica", "any replica") in routes
    assert ("primary", "policy Primary") in routes
    assert (page["routes"][-1].endpoint, page["routes"][-1].reason) == ("eu-2", "it is in eu")
    assert page["refused"] == "signature"
    text = page["job"]["token"]
    assert len(text) == 60
    assert re.fullmatch(r"[\w-]+", text)
    assert page["db"].tokens.read(text).position is not None


@pytest.mark.parametrize(
    ("span", "value"),
    [
        ("HealthChecks(interval=1.0, timeout=1.0, proofs=2, primary_reads=None)", HealthChecks()),
        ("ReadYourWrites(wait=0.1)", ReadYourWrites()),
        ("token_seconds=60", inspect.signature(Database).parameters["token_seconds"].default),
    ],
)
def test_a_default_is_what_the_page_tells(span: str, value: object):
    assert span in SPANS
    told = eval(
        span.removeprefix("token_seconds="), {each.__name__: each for each in (HealthChecks, ReadYourWrites)}
    )
    assert told == value


def test_the_status_of_the_page_is_printed_so(page):
    printed = str(page["db"].status()).splitlines()
    shown = re.findall(r"^```text\n(endpoint .*?)^```$", text_of(PAGE), re.MULTILINE | re.DOTALL)[
        0
    ].splitlines()
    assert printed[0].split() == shown[0].split()
    assert [line.split()[0] for line in printed] == [line.split()[0] for line in shown]
    row = re.compile(
        r"\S+ +(up|down: .+?|proving: .+?) +(-|\?|[\d.]+ s) +(\?|\d+:\w+/\w+) +\d+ +\d+ +\d+/\d+, \d+ idle"
    )
    assert all(row.fullmatch(line) for line in (*printed[1:], *shown[1:]))


async def test_a_logical_replica_answers_any_replica_and_nobody_else(cluster: Cluster, postgres_url: str):
    """A server of another cluster is what a logical one is: it has a log of its own."""
    engine = create_async_engine(postgres_url)
    try:
        await load_chinook(engine)
    finally:
        await engine.dispose()
    async with Database(cluster.primary.url(), replicas=[postgres_url], repositories=REPOSITORIES) as db:
        async with db.scope(routing=AnyReplica()) as scope:
            await AlbumRepository(scope).get(1)
            await _until(lambda: None not in [each.position for each in db.status().endpoints])
            assert _served(scope) == ["replica-1"]
        for policy in (ReadYourWrites(), MaxLag(3_600)):
            async with db.scope(routing=policy) as scope:
                await AlbumRepository(scope).get(1)
                assert _served(scope) == ["primary"]
        assert db.status().replicas[0].state == "up"


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_url_that_names_all_servers_leads_to_the_new_primary(driver: str):
    """What the page says of a failover, from the crash of the primary to writes on the new one."""
    with running_cluster() as cluster:
        await _load(cluster)
        await asyncio.to_thread(cluster.caught_up)
        async with Database(
            _all_of(cluster, driver),
            replicas=[replica.url(driver) for replica in cluster.replicas],
            repositories=REPOSITORIES,
            health=HealthChecks(interval=0.1),
        ) as db:
            before = await _renamed(db, "before")
            assert before.position is not None
            await asyncio.to_thread(cluster.caught_up)
            cluster.primary.stop("immediate")
            await _until(lambda: db.status().primary.state == "down")
            with pytest.raises(PrimaryUnavailable):
                await _renamed(db, "nowhere")
            async with db.scope() as scope:
                assert (await AlbumRepository(scope).get(1)).title == "before"
            await asyncio.to_thread(cluster.replicas[0].promote)
            await _until(lambda: db.status().primary.state == "up")
            async with db.scope(token=before) as scope:
                assert (await AlbumRepository(scope).get(1)).title == "before"
                assert _served(scope) == ["primary"]
            after = await _renamed(db, "after")
            assert after.position is not None
            assert after.position.timeline == before.position.timeline + 1
            async with db.scope(token=after) as scope:  # replica-2 was left behind
                assert (await AlbumRepository(scope).get(1)).title == "after"
                assert _served(scope)[0] in {"primary", "replica-1"}


def _all_of(cluster: Cluster, driver: str) -> str:
    """The URL of the page, with the cluster's servers."""
    (line,) = re.findall(rf"^postgresql\+{driver}://app@/shop\?.+$", text_of(PAGE), re.MULTILINE)
    line = line.replace("app@/shop", "postgres@/app")
    folder = str(cluster.primary.socket.parent)
    for number, server in enumerate(cluster.servers, 1):
        line = line.replace(f"db-{number}:5432", f"{folder}:{server.port}").replace(f"db-{number}", folder)
    ports = ",".join(str(server.port) for server in cluster.servers)
    return line.replace("port=5432,5432,5432", f"port={ports}")


async def _renamed(db: Database, title: str) -> ConsistencyToken:
    async with db.scope() as scope:
        async with scope.transaction():
            (await AlbumRepository(scope).get(1)).title = title
        token = await scope.consistency_token()
    assert token is not None
    return token


def _served(scope: Scope) -> list[str]:
    return [event.endpoint for event in scope.events.events if isinstance(event, StatementEvent)]


async def _until(holds: Callable[[], bool]) -> None:
    """Servers are outside: what is known of them comes with the next looks."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110  an outside process, in bounded time
            await asyncio.sleep(0.01)
