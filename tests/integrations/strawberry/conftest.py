"""The store of two sites, filled once for each module and database: what reads it shares one loop and one Database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from batchrepo import Database
from tests.criteria.rows import fill
from tests.integrations.strawberry.site_types import REPOSITORIES
from tests.integrations.strawberry.sites import Sites, open_sites


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site_database(module_database_url: str) -> AsyncIterator[Database]:
    """The Database of the store."""
    async with Database(module_database_url, repositories=REPOSITORIES) as opened:
        await fill(opened.engine)
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sites(site_database: Database) -> Sites:
    """Its schemas and its oracle."""
    return await open_sites(site_database)
