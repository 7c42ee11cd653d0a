"""Every to-many relation that can be loaded can be paged: its pages joined are what selectinload gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchrepo.testing.contract.cases import RelationCase
from batchrepo.testing.contract.models import Base
from batchrepo.testing.contract.oracle import assert_entities
from batchrepo.testing.contract.relations import CASES, prepared, repository_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

LISTS = [case for case in CASES if case.is_list]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def contract_engine(module_database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on a database with the contract models' tables."""
    engine = create_async_engine(module_database_url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all, checkfirst=False)
    yield engine
    await engine.dispose()


async def joined(scope: Any, case: RelationCase, owner: Any, *, backward: bool) -> list[Any]:
    """All pages of an owner; each row's page knows how many there are."""
    rows: list[Any] = []
    cursor: str | None = None
    while True:
        asked = {"last": 2, "before": cursor} if backward else {"first": 2, "after": cursor}
        page = await scope.related_page(owner, case.attribute, total="exact", **asked)
        rows = [*page.items, *rows] if backward else [*rows, *page.items]
        more, behind = (page.has_previous, page.has_next) if backward else (page.has_next, page.has_previous)
        assert behind == (cursor is not None)
        if not more:
            assert page.total == len(rows)
            return rows
        cursor = page.start_cursor if backward else page.end_cursor


@pytest.mark.parametrize("case", LISTS, ids=str)
async def test_pages_joined_are_the_relation(contract_engine, case: RelationCase):
    async with prepared(contract_engine, case, case.family.sample) as trial, trial.database.scope() as scope:
        owners = await repository_of(case)(scope).find()
        forward = await asyncio.gather(*(joined(scope, case, owner, backward=False) for owner in owners))
        assert_entities(case, trial.expected, owners, forward)
        assert forward == await asyncio.gather(
            *(joined(scope, case, owner, backward=True) for owner in owners)
        )
