"""A Database whose rows have every type."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import create_async_engine

from batchrepo import Database
from tests.strategies.every_type import ChildRepository, ParentRepository, fill


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled_url(module_database_url: str) -> str:
    making = create_async_engine(module_database_url)
    await fill(making)
    await making.dispose()
    return module_database_url


@pytest_asyncio.fixture
async def db(filled_url: str) -> AsyncIterator[Database]:
    async with Database(filled_url, repositories=[ParentRepository, ChildRepository]) as made:
        yield made
