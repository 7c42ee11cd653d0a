"""Two tenants on one Database: they share statements and connections, and never a row."""

from __future__ import annotations

import asyncio
import random

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from batchrepo.testing import statement_counter
from tests.criteria.models import Member, Page, Remark
from tests.criteria.reading import owner_view
from tests.criteria.repositories import (
    REPOSITORY_OF,
    Context,
    MemberRepository,
    PageRepository,
)
from tests.criteria.rows import RELATIONS, View, key_of, keys_of, relation_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = {site: View(site) for site in (1, 2)}
EVERYTHING = View(site=None)


class Program:
    """Random reads of one tenant, each compared with the oracle."""

    def __init__(self, scope, site, seed):
        self.scope = scope
        self.sees = SEES[site]
        self.pick = random.Random(seed)

    async def run(self, steps):
        steps_of = (
            self.by_key,
            self.by_keys,
            self.conditions,
            self.relation,
            self.views,
            self.computed,
            self.fetch,
        )
        for _ in range(steps):
            await self.pick.choice(steps_of)()

    def any_class(self):
        return self.pick.choice(list(REPOSITORY_OF))

    async def by_key(self):
        cls = self.any_class()
        key = self.pick.choice(EVERYTHING.keys(cls))
        found = await REPOSITORY_OF[cls](self.scope).get_or_none(key)
        assert keys_of(cls, found) == (key if self.sees.sees(cls, key) else None)

    async def by_keys(self):
        cls = self.any_class()
        keys = self.pick.choices(EVERYTHING.keys(cls), k=8)
        found = await REPOSITORY_OF[cls](self.scope).get_many_or_none(keys)
        assert [keys_of(cls, one) for one in found] == [
            key if self.sees.sees(cls, key) else None for key in keys
        ]

    async def conditions(self):
        pages = PageRepository(self.scope)
        label = self.pick.randint(1, 7)
        expected = [key for key in self.sees.keys(Page) if label in self.sees.related(Page.labels, key)]
        assert sorted(keys_of(Page, await pages.find(Page.labels.any(id=label)))) == expected
        assert await pages.count(Page.labels.any(id=label)) == len(expected)

    async def relation(self):
        relation = self.pick.choice(RELATIONS)
        key = self.pick.choice(self.sees.keys(relation.owner))
        owner = await REPOSITORY_OF[relation.owner](self.scope).get(key)
        if self.pick.random() < 0.5:
            found = await self.scope.related(owner, relation.attribute)
        else:
            found = await getattr(owner.awaitable_attrs, relation.name)
        assert keys_of(relation.target, found) == self.sees.related(relation.attribute, key)

    async def views(self):
        relation = self.pick.choice(RELATIONS)
        strategy = self.pick.choice(["batched", "eager"])
        found = await REPOSITORY_OF[relation.owner](self.scope).find(owner_view(relation), strategy=strategy)
        for view in found:
            key = key_of(relation.owner, view)
            assert keys_of(relation.target, getattr(view, relation.name)) == self.sees.related(
                relation.attribute, key
            )

    async def computed(self):
        page = await PageRepository(self.scope).get(self.pick.choice(self.sees.keys(Page)))
        assert await self.scope.related(page, PageRepository.number_of_remarks) == len(
            self.sees.related(Page.remarks, page.id)
        )
        found = await self.scope.related(page, PageRepository.one_label)
        assert [label.id for label in found] == self.sees.related(Page.labels, page.id)[-1:]

    async def fetch(self):
        assert await self.scope.fetch(select(func.count(Remark.id))) == [len(self.sees.keys(Remark))]
        for page in await self.scope.fetch(select(Page).options(selectinload(Page.author))):
            assert keys_of(Member, page.author) == self.sees.related(Page.author, page.id)


@pytest.mark.parametrize("seed", range(3))
async def test_concurrent_tenants_see_their_own_rows_only(db, seed):
    """Several scopes of each tenant at once, several tasks in each scope."""

    async def request(number):
        site = 1 + number % 2
        async with db.scope(Context(site=site)) as scope, asyncio.TaskGroup() as group:
            for task in range(3):
                group.create_task(Program(scope, site, f"{seed} {number} {task}").run(6))

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(request(number))


@pytest.mark.parametrize("seed", range(2))
async def test_interleaved_tenants_see_their_own_rows_only(db, seed):
    """Two scopes that are open at the same time, step by step in turns."""
    turns = random.Random(seed)
    async with asyncio.TaskGroup() as group:
        gates = {site: asyncio.Event() for site in (1, 2)}

        async def tenant(site):
            async with db.scope(Context(site=site)) as scope:
                program = Program(scope, site, f"{seed} {site}")
                for _ in range(15):
                    await program.run(turns.randint(1, 3))
                    gates[3 - site].set()
                    await gates[site].wait()
                    gates[site].clear()
                gates[3 - site].set()

        group.create_task(tenant(1))
        group.create_task(tenant(2))


async def test_tenants_share_the_text_of_their_statements(db):
    """Values travel as parameters: the database sees one statement, whoever asks."""
    texts = []
    for site in (1, 2):
        with statement_counter(db) as seen:
            async with db.scope(Context(site=site)) as scope:
                pages = await PageRepository(scope).find(include=[Page.author])
                await asyncio.gather(*(scope.related(page, Page.remarks) for page in pages))
                await asyncio.gather(
                    *(scope.related(page, PageRepository.number_of_remarks) for page in pages)
                )
                await MemberRepository(scope).find(owner_view(relation_of(Member.pages)))
                await MemberRepository(scope).get_many_or_none([1, 2, 3])
        texts.append(seen.statements)
    assert texts[0] == texts[1]
    assert len(texts[0]) >= 6


async def test_a_view_that_one_tenant_compiled_is_right_for_the_other(db):
    for site in (1, 2, 1):
        async with db.scope(Context(site=site)) as scope:
            for relation in RELATIONS:
                found = await REPOSITORY_OF[relation.owner](scope).find(owner_view(relation))
                assert sorted(key_of(relation.owner, view) for view in found) == SEES[site].keys(
                    relation.owner
                )
