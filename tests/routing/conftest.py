"""Real replicas: one cluster for all tests of a worker that ask for it, or one that a test may ruin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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
