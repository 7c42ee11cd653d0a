"""Hundreds of tasks on one scope, many of them cancelled at any moment: the others never notice."""

from __future__ import annotations

import asyncio
import random

import pytest

from batchrepo import Database
from tests.criteria.models import Page
from tests.criteria.reading import owner_view
from tests.criteria.rows import RELATIONS, key_of, keys_of
from tests.scope.repositories import REPOSITORIES, REPOSITORY_OF, STORE, Pages

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", ["postgresql"], indirect=True),
]


class Reader:
    """Random reads, each compared with the oracle."""

    def __init__(self, scope, pick):
        self.scope = scope
        self.pick = pick

    async def run(self, steps):
        for _ in range(steps):
            for _ in range(self.pick.randrange(3)):
                await asyncio.sleep(0)
            await self.pick.choice(
                (self.key, self.relation, self.attribute, self.view, self.value, self.stream)
            )()
        return "done"

    def some(self):
        relation = self.pick.choice(RELATIONS)
        return relation, self.pick.choice(STORE.keys(relation.owner))

    async def key(self):
        relation, key = self.some()
        found = await REPOSITORY_OF[relation.owner](self.scope).get_many([key, key])
        assert keys_of(relation.owner, found) == [key, key]

    async def relation(self):
        relation, key = self.some()
        owner = await REPOSITORY_OF[relation.owner](self.scope).get(key)
        found = await self.scope.related(owner, relation.attribute)
        assert keys_of(relation.target, found) == STORE.related(relation.attribute, key)

    async def attribute(self):
        relation, key = self.some()
        owner = await REPOSITORY_OF[relation.owner](self.scope).get(key)
        found = await getattr(owner.awaitable_attrs, relation.name)
        assert keys_of(relation.target, found) == STORE.related(relation.attribute, key)

    async def view(self):
        relation, key = self.some()
        view = await REPOSITORY_OF[relation.owner](self.scope).get(key, owner_view(relation))
        assert key_of(relation.owner, view) == key
        found = getattr(view, relation.name)
        assert keys_of(relation.target, found) == STORE.related(relation.attribute, key)

    async def value(self):
        page = await Pages(self.scope).get(self.pick.choice(STORE.keys(Page)))
        assert await self.scope.related(page, Pages.remark_total) == len(STORE.related(Page.remarks, page.id))
        assert await page.awaitable_attrs.body == f"body {page.id}"

    async def stream(self):
        first = self.pick.randint(20, 28)
        found = [page.id async for page in Pages(self.scope).stream(Page.id >= first, chunk_size=4)]
        assert found == list(range(first, 31))


@pytest.mark.parametrize("seed", range(3))
async def test_200_tasks_with_random_cancellations(store, seed):
    pick = random.Random(seed)
    async with Database(store.engine.url, repositories=REPOSITORIES, pool_size=4, max_overflow=0) as db:
        async with db.scope() as scope, asyncio.timeout(60):
            tasks = [
                asyncio.create_task(Reader(scope, random.Random(f"{seed} {number}")).run(3))
                for number in range(200)
            ]
            doomed = pick.sample(tasks, 90)
            for task in doomed:
                for _ in range(pick.randrange(25)):
                    await asyncio.sleep(0)
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for task, result in zip(tasks, results, strict=True):
                if task not in doomed or not isinstance(result, asyncio.CancelledError):
                    assert result == "done"
            assert sum(isinstance(result, asyncio.CancelledError) for result in results) > 20
            # The scope goes on as if nothing had been.
            assert await Reader(scope, pick).run(10) == "done"
        assert db.engine.sync_engine.pool.checkedout() == 0


@pytest.mark.parametrize("seed", range(3))
async def test_a_scope_that_ends_while_tasks_read_returns_every_connection(store, seed):
    pick = random.Random(seed)
    async with Database(store.engine.url, repositories=REPOSITORIES, pool_size=4, max_overflow=0) as db:
        async with asyncio.timeout(60):
            async with db.scope() as scope:
                tasks = [
                    asyncio.create_task(Reader(scope, random.Random(f"{seed} {number}")).run(3))
                    for number in range(50)
                ]
                for _ in range(pick.randrange(200)):
                    await asyncio.sleep(0)
            results = await asyncio.gather(*tasks, return_exceptions=True)
        names = {"done" if result == "done" else type(result).__name__ for result in results}
        assert names <= {"done", "ScopeClosed", "DetachedInstanceError"}
        assert db.engine.sync_engine.pool.checkedout() == 0
