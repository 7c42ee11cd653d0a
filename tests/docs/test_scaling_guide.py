"""What docs/scaling.md shows and counts holds."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import AnyReplica, Database, DeclarationError, HealthChecks, Primary, Repository
from batchrepo.executing.engines import POSTGRESQL_PRESET
from tests.docs.pages import ROOT, names_of, text_of
from tests.support.cluster import Cluster, running_cluster

PAGE = ROOT / "docs" / "scaling.md"


class Base(DeclarativeBase):
    pass


class Tag(Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class TagRepository(Repository[Tag]):
    pass


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as running:
        with running.primary.connect() as connection:
            connection.execute("CREATE TABLE tag (id int PRIMARY KEY, name text)")
            connection.execute("INSERT INTO tag SELECT i, 'tag ' || i FROM generate_series(1, 100) i")
        running.caught_up()
        yield running


async def test_the_arithmetic_of_connections(cluster: Cluster):
    urls = [server.url() for server in cluster.servers]
    names = await names_of(PAGE, Database=Database, PRIMARY=urls[0], REPLICA_1=urls[1], REPLICA_2=urls[2])
    text = " ".join(text_of(PAGE).split())
    assert names["each_server"] == 96
    assert "# 96" in text
    processes = names["machines"] * names["workers"]
    preset = (POSTGRESQL_PRESET.pool_size or 0) + (POSTGRESQL_PRESET.max_overflow or 0) + names["looks"]
    assert f"the same twelve processes could take {processes * preset}." in text
    assert processes == 12
    assert f"`pool_timeout` ({POSTGRESQL_PRESET.pool_timeout:g} s)" in text


async def test_a_process_has_no_more_connections_to_a_server_than_its_pool_and_one(cluster: Cluster):
    """All of them at once, on each server: its part of the page's arithmetic."""
    most = 2 + 1
    async with Database(
        cluster.primary.url(),
        replicas=[replica.url() for replica in cluster.replicas],
        repositories=[TagRepository],
        pool_size=2,
        max_overflow=1,
        health=HealthChecks(interval=0.05),
    ) as db:

        async def read(number: int) -> None:
            policy = Primary() if number % 3 == 0 else AnyReplica()
            async with db.scope(routing=policy) as scope:
                await asyncio.gather(*(TagRepository(scope).find(Tag.id == key) for key in range(1, 5)))

        await asyncio.gather(*map(read, range(90)))
        backends = [server.backends() for server in cluster.servers]
        assert [status.pool.most for status in db.status().endpoints if status.pool] == [most] * 3
    assert max(backends) <= most + 1
    assert min(backends) > 1


def test_what_the_page_says_is_refused_is():
    assert "CockroachDB" in text_of(PAGE)
    with pytest.raises(DeclarationError, match="cockroachdb is not supported"):
        Database("cockroachdb+asyncpg://root@localhost/shop")
