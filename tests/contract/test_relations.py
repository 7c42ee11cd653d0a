"""Every relation equals selectinload, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo.testing.contract.cases import RelationCase
from batchrepo.testing.contract.relations import CASES, RelationContract, gathered, prepared


class TestRelations(RelationContract):
    @pytest.fixture
    def relation_engine(self, contract_engine: AsyncEngine) -> AsyncEngine:
        return contract_engine


@pytest.mark.parametrize("module_database_url", ["psycopg"], indirect=True)
class TestRelationsThroughPsycopg(RelationContract):
    """The sample alone, read in one way: it has every type of key, and types are what drivers differ in."""

    test_generated_data = None
    test_owners_found_through_their_base = None

    @pytest.mark.parametrize("case", CASES, ids=str)
    async def test_entities_of_the_sample(self, relation_engine: AsyncEngine, case: RelationCase):
        async with prepared(relation_engine, case, case.family.sample) as trial:
            await trial.check_entities(gathered)

    @pytest.fixture
    def relation_engine(self, contract_engine: AsyncEngine) -> AsyncEngine:
        return contract_engine
