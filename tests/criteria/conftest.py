"""The store on SQLite and on PostgreSQL, filled once for each module, since these tests only read it.

One Database serves all tests of a module, so that statements are built and compiled once: as in a server that
has been running for a while. Modules run their tests in one event loop for it::

    pytestmark = pytest.mark.asyncio(loop_scope="module")
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from batchrepo import Database, Scope
from tests.criteria.repositories import REPOSITORIES, Context
from tests.criteria.rows import fill


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(module_database_url: str) -> AsyncIterator[Database]:
    """The Database of a module's tests."""
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
    """A scope that sees site 1."""
    async with db.scope(Context(site=1)) as opened:
        yield opened
