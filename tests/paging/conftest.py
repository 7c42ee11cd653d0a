"""The store's tables on every database, one Database for each module: tests put rows into them that they need.

Modules run their tests in one event loop for it::

    pytestmark = pytest.mark.asyncio(loop_scope="module")
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from batchrepo import Database, Scope
from tests.paging.models import REPOSITORIES
from tests.paging.rows import make_tables


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(module_database_url: str) -> AsyncIterator[Database]:
    """The Database of a module's tests."""
    async with Database(module_database_url, repositories=REPOSITORIES) as opened:
        await make_tables(opened.engine)
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
