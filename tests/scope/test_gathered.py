"""Lookups of single keys that are gathered: no task for any of them, and all that awaiting them gives."""

from __future__ import annotations

import asyncio
from typing import Self

import pytest
from pydantic import BaseModel

from batchrepo import Database, InvalidArgument, NotFound, Scope, ScopeClosed, batched
from batchrepo.testing import assert_statements, capture_batches
from tests.criteria.models import Page
from tests.scope.repositories import Pages

pytestmark = pytest.mark.asyncio(loop_scope="module")


class PageLine(BaseModel):
    id: int
    title: str | None


@batched
async def doubles(keys: list[int]) -> list[int]:
    return [2 * key for key in keys]


class Tasks:
    """Counts the tasks that are made."""

    def __init__(self) -> None:
        self.made = 0

    def __enter__(self) -> Self:
        asyncio.get_running_loop().set_task_factory(self._make)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().set_task_factory(None)

    def _make(self, loop, coroutine, **options):
        self.made += 1
        return asyncio.Task(coroutine, loop=loop, **options)


READS = {
    "entities": lambda pages, ids: [pages.get(id_) for id_ in ids],
    "views": lambda pages, ids: [pages.get(id_, PageLine) for id_ in ids],
    "entities_or_none": lambda pages, ids: [pages.get_or_none(id_) for id_ in ids],
    "views_or_none": lambda pages, ids: [pages.get_or_none(id_, PageLine) for id_ in ids],
}


@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
async def test_one_statement_and_one_task_for_all(read, db: Database):
    async with db.scope() as scope:
        ids = sorted(page.id for page in await Pages(scope).find())
    async with db.scope() as scope:
        pages = Pages(scope)
        with Tasks() as tasks, assert_statements(1, db), capture_batches() as seen:
            rows = await asyncio.gather(*read(pages, [*ids, *ids]))
        assert [row.id for row in rows] == [*ids, *ids]
        assert tasks.made <= 2, "one for the batch, and one of the driver of SQLite"
        assert [size for round_ in seen.rounds for _, size in round_] == [len(ids)]


async def test_batched_functions_too(scope: Scope):
    with Tasks() as tasks:
        assert await asyncio.gather(*(scope.load(doubles, key) for key in (1, 2, 1))) == [2, 4, 2]
    assert tasks.made == 1


async def test_they_share_a_round_with_what_tasks_ask_for(db: Database, scope: Scope):
    pages = Pages(scope)
    first, second, *_ = await pages.find(limit=2)
    async with db.scope() as scope:
        pages = Pages(scope)
        with assert_statements(1, db):
            await asyncio.gather(
                pages.get(first.id, PageLine),
                pages.get_many([second.id, first.id], PageLine),
                asyncio.create_task(pages.get(second.id, PageLine)),
            )


async def test_each_key_has_its_own_error(scope: Scope):
    pages = Pages(scope)
    first, *_ = await pages.find(limit=1)
    found, absent, wrong, no_view, locked = await asyncio.gather(
        pages.get(first.id, PageLine),
        pages.get(4711, PageLine),
        pages.get("one", PageLine),
        pages.get(first.id, [PageLine]),
        pages.get(first.id, for_update=True),
        return_exceptions=True,
    )
    assert found == PageLine(id=first.id, title=first.title)
    assert isinstance(absent, NotFound)
    assert "4711" in str(absent)
    assert isinstance(wrong, InvalidArgument)
    assert "'one'" in str(wrong)
    assert isinstance(no_view, InvalidArgument)
    assert "Expected a view" in str(no_view)
    assert isinstance(locked, Exception)
    assert "transaction" in str(locked)


async def test_one_that_is_awaited_after_a_write_is_not_older_than_it(db: Database):
    async with db.scope() as scope:
        pages = Pages(scope)
        first, *_ = await pages.find(limit=1)
        lookup = pages.get(first.id, PageLine)
        async with scope.transaction(dry_run=True):
            await pages.update_many(Page.id == first.id, set={Page.title: "written meanwhile"})
            assert (await lookup).title == "written meanwhile"


async def test_of_a_scope_that_has_ended(db: Database):
    async with db.scope() as scope:
        lookups = [Pages(scope).get(1), Pages(scope).get(1, PageLine), scope.load(doubles, 1)]
    assert [type(error) for error in await asyncio.gather(*lookups, return_exceptions=True)] == [
        ScopeClosed
    ] * 3
