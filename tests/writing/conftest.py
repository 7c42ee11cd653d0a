"""The shop on each database: two artists, three albums with two tracks each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database
from tests.writing.shop import REPOSITORIES, Album, Artist, Base, Counter, Label, Track


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """At the end no connection may be in use."""
    async with Database(database_url, repositories=REPOSITORIES) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(opened.engine) as session:
            session.add_all(
                [
                    Artist(
                        name=name,
                        albums=[
                            Album(
                                title=f"{name} {n}",
                                tracks=[Track(name=f"{name} {n}.{i}", seconds=100 * i) for i in (1, 2)],
                            )
                            for n in range(1, albums + 1)
                        ],
                    )
                    for name, albums in (("Accept", 2), ("Aerosmith", 1))
                ]
            )
            session.add_all([Label(name="rock"), Label(name="metal"), Counter()])
            await session.commit()
        yield opened
        assert opened.engine.sync_engine.pool.checkedout() == 0, "a connection was not returned"
