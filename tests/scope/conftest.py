"""The store of the criteria's tests, read through repositories without criteria: every shape of relation."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from batchrepo import Database, Scope
from tests.criteria.rows import fill
from tests.scope.repositories import REPOSITORIES


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(module_database_url: str) -> AsyncIterator[Database]:
    """The Database of a module's tests, which only read."""
    async with Database(module_database_url, repositories=REPOSITORIES) as opened:
        await fill(opened.engine)
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def db(store: Database) -> AsyncIterator[Database]:
    """The same; at the end of each test no connection may be in use."""
    yield store
    assert store.engine.sync_engine.pool.checkedout() == 0, "a connection was not returned"


@pytest_asyncio.fixture(loop_scope="module")
async def scope(db: Database) -> AsyncIterator[Scope]:
    async with db.scope() as opened:
        yield opened
