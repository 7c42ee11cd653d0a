"""The clients of the benchmark with replicas: they notice what is stale, and what is told adds up."""

from __future__ import annotations

import random
from time import time

import pytest
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from batchrepo import AnyReplica, ConsistencyToken, Database, Primary, ReadYourWrites
from benchmarks.data import Dataset, fill
from benchmarks.measure import Effort
from benchmarks.models import Post
from benchmarks.replicas.clients import Client, run
from benchmarks.replicas.measure import measure_replicas
from benchmarks.replicas.own_posts import REPLICA_WORKLOADS
from benchmarks.replicas.report import replica_records
from benchmarks.replicas.workload import ReplicaWorkload, Setting, Tally
from benchmarks.workloads.nested_list.ours import AuthorRepository, PostRepository


@pytest.mark.parametrize("item", REPLICA_WORKLOADS, ids=lambda item: item.name)
async def test_every_setting_is_measured_on_real_replicas(item: ReplicaWorkload) -> None:
    rounds: list[int] = []
    effort = Effort(runs=2, seconds=10, requests=60)
    measured = await measure_replicas(item, 0.001, effort, rounds.append)
    assert rounds == [1, 2]
    assert list(measured) == [setting.name for setting in item.settings]
    for found in measured.values():
        assert [len(each) for each in (found.rates, found.p50, found.p95, found.cpu, found.primary_cpu)] == [
            2
        ] * 5
        assert found.tally.writes + found.tally.reads.total() == 120
        assert found.tally.writes > 0
    assert set(measured["Primary()"].tally.reads) == {"primary"}
    assert set(measured["AnyReplica()"].tally.reads) == {"replica-1", "replica-2"}
    never_stale = [name for name in measured if name != "AnyReplica()"]
    assert [measured[name].tally.stale for name in never_stale] == [0, 0, 0]
    written = replica_records(item, measured)
    assert [record["stack"] for record in written if "stack" in record] == list(measured)
    assert len([record for record in written if "target" in record]) == len(item.targets)


@pytest_asyncio.fixture
async def two_databases(postgres_server):
    """A primary and a "replica" that never follows it: what is read there is stale as soon as anybody writes."""
    with postgres_server.empty_database() as first, postgres_server.empty_database() as second:
        urls = [url.render_as_string(hide_password=False) for url in (first, second)]
        for url in urls:
            await fill(Dataset(url, scale=0.001))
        async with Database(
            urls[0], replicas=[urls[1]], repositories=[PostRepository, AuthorRepository]
        ) as db:
            yield db, urls[0]


async def test_a_client_notices_a_stale_read_and_counts_who_answered(two_databases) -> None:
    db, url = two_databases
    tally = Tally()
    client = Client(db, 7, random.Random(1))
    setting = Setting("any", AnyReplica())
    await client.ask(setting, 0, tally)
    assert (tally.stale, tally.reads) == (0, {"replica-1": 1})
    await client.ask(setting, 1, tally)
    assert await _title(url, 7) == "1"
    await client.ask(setting, 0, tally)
    assert (tally.stale, tally.reads, tally.writes) == (1, {"replica-1": 2}, 1)
    await client.ask(Setting("primary", Primary()), 0, tally)
    assert (tally.stale, tally.reads) == (1, {"replica-1": 2, "primary": 1})
    assert tally.on_replicas == pytest.approx(2 / 3)


async def test_a_client_carries_its_token(two_databases) -> None:
    db, _ = two_databases
    tally = Tally()
    client = Client(db, 7, random.Random(1))
    setting = Setting("own", ReadYourWrites())
    await client.ask(setting, 1, tally)
    assert client.token is not None
    assert db.tokens.read(client.token).position is not None
    client.token = db.tokens.write(ConsistencyToken(None, time()))  # which only the primary satisfies
    await client.ask(setting, 0, tally)
    assert (tally.stale, tally.reads) == (0, {"primary": 1})


async def test_a_run_makes_so_many_requests(two_databases) -> None:
    db, _ = two_databases
    tally = Tally()
    clients = [Client(db, post, random.Random(post)) for post in (1, 2, 3)]
    item = ReplicaWorkload("w", "", (), (), writes=0.5)
    seconds, times = await run(item, Setting("primary", Primary()), clients, tally, 20, 60)
    assert len(times) == tally.writes + tally.reads.total() == 20
    assert 0 < seconds < 60


async def _title(url: str, post: int) -> str | None:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            return await connection.scalar(sa.select(Post.title).where(Post.id == post))
    finally:
        await engine.dispose()
