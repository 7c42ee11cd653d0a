"""Real replicas: one cluster for all tests of a worker that ask for it, or one that a test may ruin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from batchrepo import Database
from tests.routing.store import database, looked_after, stocked
from tests.support.cluster import Cluster, running_cluster


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """The cluster of this session, for `cluster` to lend: it takes two seconds to start."""
    with running_cluster() as running:
        yield running


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """A primary and two replicas with an empty database; what a test does to them is undone after it."""
    with shared_cluster.lent() as lent:
        yield lent


@pytest.fixture
def own_cluster() -> Iterator[Cluster]:
    """A primary and two replicas of the test's own, for what cannot be undone: a promotion."""
    with running_cluster() as running:
        yield running


@pytest_asyncio.fixture
async def store(cluster: Cluster) -> Cluster:
    """A cluster with the rows of `stocked`."""
    await stocked(cluster)
    return cluster


@pytest.fixture
def driver() -> str:
    """The driver of `db`; `EVERY` runs a test with both."""
    return "asyncpg"


@pytest_asyncio.fixture
async def db(store: Cluster, driver: str) -> AsyncIterator[Database]:
    """A Database of the cluster, whose health checks know the servers. At the end no connection may be in use."""
    async with database(store, driver) as opened:
        yield await looked_after(opened)
        for endpoint in opened.status().endpoints:
            assert endpoint.pool is not None
            assert endpoint.pool.in_use == 0, f"{endpoint.name}: a connection was not returned"
