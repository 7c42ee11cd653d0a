"""Every read of ours is one that a replica may answer: the suite of relations asks the primary nothing.

Primary and replica are the same database, so the answers are those of the suite.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchrepo import AnyReplica, Database
from batchrepo.testing.contract import relations
from batchrepo.testing.contract.cases import RelationCase
from batchrepo.testing.contract.models import Base
from batchrepo.testing.contract.relations import CASES, RelationContract, gathered, prepared
from tests.routing.servers import SELDOM


class RoutedDatabase(Database):
    """With a replica, which is the same database, and answers everything."""

    def __init__(self, engine: AsyncEngine, **settings: Any) -> None:
        replica = engine.url.render_as_string(hide_password=False)
        super().__init__(engine, replicas=[replica], health=SELDOM, routing=AnyReplica(), **settings)

    async def dispose(self) -> None:
        status = self.status()
        await super().dispose()
        assert status.primary.reads == 0
        assert status.replicas[0].reads > 0


@pytest.fixture(scope="module")
def contract_url(module_database_url: str) -> str:
    """A database that holds the contract models' tables."""

    async def make() -> None:
        engine = create_async_engine(module_database_url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all, checkfirst=False)
        await engine.dispose()

    asyncio.run(make())
    return module_database_url


class TestRelationsThroughAReplica(RelationContract):
    """The sample, entities read in one way: statements are the same for other data."""

    test_generated_data = None
    test_owners_found_through_their_base = None

    @pytest.mark.parametrize("case", CASES, ids=str)
    async def test_entities_of_the_sample(self, relation_engine: AsyncEngine, case: RelationCase):
        async with prepared(relation_engine, case, case.family.sample) as trial:
            await trial.check_entities(gathered)

    @pytest_asyncio.fixture
    async def relation_engine(
        self, contract_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[AsyncEngine]:
        monkeypatch.setattr(relations, "Database", RoutedDatabase)
        engine = create_async_engine(contract_url)
        yield engine
        await engine.dispose()
