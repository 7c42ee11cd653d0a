"""The library on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from batchrepo import Database
from tests.testing.library import library


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with library(database_url) as opened:
        yield opened
