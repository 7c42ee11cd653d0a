"""A scope inside a scope: with the same context it is a scope like any other, with another one an error."""

from __future__ import annotations

import asyncio

import pytest

from batchrepo import Database, NestedScope
from batchrepo.scope import current_scope
from batchrepo.testing import assert_statements
from tests.criteria.models import Page
from tests.criteria.repositories import REPOSITORIES, Context, PageRepository
from tests.criteria.rows import View

pytestmark = pytest.mark.asyncio(loop_scope="module")


def sees(site):
    return len(View(site).keys(Page))


async def test_another_context_is_an_error(db, scope):
    with assert_statements(0, db), pytest.raises(NestedScope, match=r"site=2.*site=1"):
        await db.scope(Context(site=2)).__aenter__()
    with pytest.raises(NestedScope):
        await db.scope().__aenter__()
    assert await PageRepository(scope).count() == sees(1)


async def test_a_refused_scope_leaves_the_outer_one_in_place(db, scope):
    with pytest.raises(NestedScope):
        await db.scope(Context(site=2)).__aenter__()
    assert current_scope() is scope


async def test_an_equal_context_is_allowed(db, scope):
    async with db.scope(Context(site=1)) as inner:
        assert current_scope() is inner
        assert await PageRepository(inner).count() == await PageRepository(scope).count() == sees(1)
    assert current_scope() is scope


async def test_another_context_one_after_the_other(db):
    for site in (1, 2, 1):
        async with db.scope(Context(site=site)) as scope:
            assert await PageRepository(scope).count() == sees(site)


async def test_another_context_in_a_task_that_began_outside(db):
    """Contexts are a task's: two requests do not see each other."""
    counted, opened = asyncio.Event(), asyncio.Event()

    async def request(site, mine, other):
        async with db.scope(Context(site=site)) as scope:
            mine.set()
            await other.wait()
            return await PageRepository(scope).count()

    assert await asyncio.gather(request(1, opened, counted), request(2, counted, opened)) == [
        sees(1),
        sees(2),
    ]


async def test_another_context_in_a_task_of_the_scope_is_an_error(db, scope):
    async def inner():
        async with db.scope(Context(site=2)):
            pass

    with pytest.raises(NestedScope):
        await asyncio.create_task(inner())


async def test_another_database_may_have_another_context(db, scope):
    other = Database(db.engine, repositories=REPOSITORIES)
    async with other.scope(Context(site=2)) as inner:
        assert await PageRepository(inner).count() == sees(2)


async def test_a_task_that_outlives_its_scope_may_open_another_context(db):
    closed = asyncio.Event()

    async def later():
        await closed.wait()
        async with db.scope(Context(site=2)) as scope:
            return await PageRepository(scope).count()

    async with db.scope(Context(site=1)):
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    closed.set()
    assert await task == sees(2)
