"""Declared values as SQL equal what Python makes of the rows that selectinload gives, over every relation.

Counts, existence, the greatest key and a column along a relation stand in columns, conditions and orders as
correlated subqueries.
"""

from __future__ import annotations

from types import new_class
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import class_mapper

from batchrepo import Database, Repository, column, count, exists, latest
from batchrepo.testing.contract.cases import RelationCase, key_properties
from batchrepo.testing.contract.oracle import Related, ask_oracle, key_of
from batchrepo.testing.contract.relations import CASES

LISTS = [case for case in CASES if case.is_list]
REFERENCES = [case for case in CASES if not case.is_list]


def _key_attribute(cls: type[Any]) -> Any:
    return getattr(cls, key_properties(class_mapper(cls))[0].key)


async def _selected(engine: AsyncEngine, case: RelationCase, value: Any) -> dict[tuple[Any, ...], Any]:
    """The value for each owner's key, as a statement of the user's own gives it."""
    async with AsyncSession(engine) as session:
        rows = await session.execute(select(case.owner, value.label("value")))
        return {key_of(owner): value for owner, value in rows}


async def _prepared(engine: AsyncEngine, case: RelationCase) -> Related:
    await case.family.replace_rows(engine, case.family.sample)
    return await ask_oracle(engine, case)


@pytest.mark.parametrize("case", LISTS, ids=str)
async def test_aggregates_of_a_list(contract_engine: AsyncEngine, case: RelationCase):
    related = await _prepared(contract_engine, case)
    greatest = latest(case.attribute, by=_key_attribute(case.target.class_))

    assert await _selected(contract_engine, case, count(case.attribute)) == {
        owner: len(children) for owner, children in related.items()
    }
    assert await _selected(contract_engine, case, exists(case.attribute)) == {
        owner: bool(children) for owner, children in related.items()
    }
    if all(isinstance(child.key[0], int) for children in related.values() for child in children):
        assert await _selected(contract_engine, case, greatest) == {
            owner: max((child.key[0] for child in children), default=None)
            for owner, children in related.items()
        }


@pytest.mark.parametrize("case", LISTS, ids=str)
async def test_reads_are_filtered_and_sorted_by_a_count(contract_engine: AsyncEngine, case: RelationCase):
    related = await _prepared(contract_engine, case)
    number = count(case.attribute)
    base: Any = Repository[case.owner]
    repository = new_class("OwnerRepository", (base,), {}, lambda body: body.update(rows_related=number))
    async with Database(contract_engine, repositories=[repository]) as db, db.scope() as scope:
        owners = await repository(scope).find(number >= 1, order_by=number.desc())

    found = [len(related[key_of(owner)]) for owner in owners]
    assert found == sorted((len(children) for children in related.values() if children), reverse=True)


@pytest.mark.parametrize("case", REFERENCES, ids=str)
async def test_a_column_along_a_reference(contract_engine: AsyncEngine, case: RelationCase):
    related = await _prepared(contract_engine, case)
    value = column(case.attribute, _key_attribute(case.target.class_)).__clause_element__()

    assert await _selected(contract_engine, case, value) == {
        owner: children[0].key[0] if children else None for owner, children in related.items()
    }
