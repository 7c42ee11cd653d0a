"""The contract models' tables, made once for each module and database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchrepo.testing.contract.models import Base


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def contract_url(module_database_url: str) -> str:
    """A database that holds the contract models' tables."""
    making = create_async_engine(module_database_url)
    async with making.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, checkfirst=False)
    await making.dispose()
    return module_database_url


@pytest_asyncio.fixture
async def contract_engine(contract_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on `contract_url`, for one test."""
    created = create_async_engine(contract_url)
    yield created
    await created.dispose()
