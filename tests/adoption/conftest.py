"""The library on SQLite and PostgreSQL, and sessions as an existing application has them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from batchrepo import Database
from tests.testing.library import in_use, library


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The application's own engine, without any setting of ours."""
    created = create_async_engine(database_url)
    yield created
    assert in_use(created) == 0, "a connection was not returned"
    await created.dispose()


@pytest_asyncio.fixture
async def db(engine: AsyncEngine) -> AsyncIterator[Database]:
    """A Database on the application's engine: five authors with three books each."""
    async with library(engine) as opened:
        yield opened


@pytest_asyncio.fixture
async def session(db: Database) -> AsyncIterator[AsyncSession]:
    """A session of the application."""
    async with AsyncSession(db.engine, expire_on_commit=False) as opened:
        yield opened
