"""Every relation equals selectinload, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo.testing.contract.relations import RelationContract


class TestRelations(RelationContract):
    @pytest.fixture
    def relation_engine(self, contract_engine: AsyncEngine) -> AsyncEngine:
        return contract_engine


@pytest.mark.parametrize("module_database_url", ["psycopg"], indirect=True)
class TestRelationsThroughPsycopg(RelationContract):
    """The sample alone: it has every type of key, and types are what drivers differ in."""

    test_generated_data = None

    @pytest.fixture
    def relation_engine(self, contract_engine: AsyncEngine) -> AsyncEngine:
        return contract_engine
