"""The contract models' tables and an engine on them, made once for each module and database.

All tests of a module run in one event loop, so that they share connections: connecting takes longer than most of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchrepo.testing.contract.models import Base

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The suite marks its tests for a loop each; a mark at the test itself comes before that."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def contract_url(module_database_url: str) -> str:
    """A database that holds the contract models' tables."""
    making = create_async_engine(module_database_url)
    async with making.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, checkfirst=False)
    await making.dispose()
    return module_database_url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def contract_engine(contract_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on `contract_url`."""
    created = create_async_engine(contract_url)
    yield created
    await created.dispose()
