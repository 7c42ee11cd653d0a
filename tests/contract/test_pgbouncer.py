"""Every relation equals selectinload through PgBouncer too, where each statement runs on another server connection."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo.executing import make_engine
from batchrepo.testing.contract.relations import RelationContract
from tests.support.pgbouncer import PgBouncer, assert_servers_alternate


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bounced_engine(contract_url: str, pgbouncer: PgBouncer) -> AsyncIterator[AsyncEngine]:
    created = make_engine(pgbouncer.through(make_url(contract_url)), pooler="pgbouncer")
    await assert_servers_alternate(created)
    yield created
    await created.dispose()


@pytest.mark.parametrize("module_database_url", ["postgresql"], indirect=True)
class TestRelationsThroughPgBouncer(RelationContract):
    @pytest.fixture
    def relation_engine(self, bounced_engine: AsyncEngine) -> AsyncEngine:
        return bounced_engine


@pytest.mark.parametrize("module_database_url", ["psycopg"], indirect=True)
class TestRelationsThroughPgBouncerAndPsycopg(RelationContract):
    """Data that is made up holds nothing for a driver that the sample does not: it is for thorough runs."""

    if os.environ.get("HYPOTHESIS_PROFILE") != "thorough":
        test_generated_data = None

    @pytest.fixture
    def relation_engine(self, bounced_engine: AsyncEngine) -> AsyncEngine:
        return bounced_engine
