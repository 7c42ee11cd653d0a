"""The store on SQLite and on PostgreSQL, filled once for each module, since these tests only read it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import create_async_engine

from batchrepo import Database, Scope
from tests.criteria.repositories import REPOSITORIES, Context
from tests.criteria.rows import fill


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store_url(module_database_url: str) -> str:
    """A database with the store's rows."""
    engine = create_async_engine(module_database_url)
    await fill(engine)
    await engine.dispose()
    return module_database_url


@pytest_asyncio.fixture
async def db(store_url: str) -> AsyncIterator[Database]:
    async with Database(store_url, repositories=REPOSITORIES) as opened:
        yield opened
        assert opened.engine.sync_engine.pool.checkedout() == 0, "a connection was not returned"


@pytest_asyncio.fixture
async def scope(db: Database) -> AsyncIterator[Scope]:
    """A scope that sees site 1."""
    async with db.scope(Context(site=1)) as opened:
        yield opened
