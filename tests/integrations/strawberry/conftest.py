"""The store of two sites, filled once for each module and database: what reads it shares one loop and one Database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from graphql import Executor

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


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The fields that the executor visits, as Type.field."""
    found: list[str] = []
    execute_field = Executor.execute_field

    def noting(self: Any, parent_type: Any, source: Any, details: Any, *rest: Any) -> Any:
        found.append(f"{parent_type.name}.{details[0].node.name.value}")
        return execute_field(self, parent_type, source, details, *rest)

    monkeypatch.setattr(Executor, "execute_field", noting)
    return found
