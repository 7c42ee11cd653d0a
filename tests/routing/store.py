"""The music shop of the writing tests on a primary and two replicas."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from batchrepo import Database
from batchrepo.routing import HealthChecks
from tests.support.cluster import Cluster
from tests.support.cluster_servers import PATIENCE, Server
from tests.writing.shop import REPOSITORIES, Album, Artist, Base, Track

USERS = 8
"""How many albums there are, so that users can each have one of their own."""

QUICK = HealthChecks(interval=0.1, timeout=0.5)
"""Looks often, so that tests see servers go and come within a second."""

EVERY = pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])


def database(cluster: Cluster, driver: str = "asyncpg", **settings: Any) -> Database:
    """A Database of all three servers: `primary`, `replica-1` and `replica-2`."""
    return over(cluster.primary, *cluster.replicas, driver=driver, **settings)


def over(primary: Server, *replicas: Server, driver: str = "asyncpg", **settings: Any) -> Database:
    """A Database of these servers."""
    return Database(
        primary=primary.url(driver),
        replicas=[replica.url(driver) for replica in replicas],
        repositories=REPOSITORIES,
        **{"health": QUICK, **settings},
    )


async def looked_after(db: Database) -> Database:
    """Wait until the health checks know of every replica that it is near the primary."""

    def near() -> bool:
        lags = [replica.lag for replica in db.status().replicas]
        return all(lag is not None and lag < PATIENCE for lag in lags)

    async with db.scope(), asyncio.timeout(PATIENCE):
        while not near():  # noqa: ASYNC110  servers tell nobody
            await asyncio.sleep(QUICK.interval / 5)
    return db


async def stocked(cluster: Cluster) -> None:
    """The tables, and an artist with an album of two tracks for each user; the replicas have them too."""
    engine = create_async_engine(cluster.primary.url())
    try:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(engine) as session:
            artist = Artist(name="Accept")
            artist.albums = [
                Album(title=f"Album {n}", price=0, tracks=[Track(name=f"{n}.{i}") for i in (1, 2)])
                for n in range(1, USERS + 1)
            ]
            session.add(artist)
            await session.commit()
    finally:
        await engine.dispose()
    cluster.caught_up()
