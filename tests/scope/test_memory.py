"""What a scope has read is gone with it, without waiting for the garbage collector."""

from __future__ import annotations

import asyncio
import gc

import pytest
from pydantic import BaseModel

from batchrepo import Database, Scope
from tests.criteria.models import Page, Remark
from tests.scope.repositories import Pages

pytestmark = pytest.mark.asyncio(loop_scope="module")


class PageLine(BaseModel):
    id: int


async def by_keys(scope: Scope, ids: list[int]) -> None:
    await Pages(scope).get_many(ids, PageLine)


async def gathered(scope: Scope, ids: list[int]) -> None:
    pages = Pages(scope)
    await asyncio.gather(*(pages.get(id_, PageLine) for id_ in ids))


async def found(scope: Scope, ids: list[int]) -> None:
    await Pages(scope).find(PageLine)


async def entities(scope: Scope, ids: list[int]) -> None:
    await Pages(scope).get_many(ids)


async def in_a_loop(scope: Scope, ids: list[int]) -> None:
    for page in await Pages(scope).find():
        await scope.related(page, Page.remarks)
        await scope.related(page, Pages.remark_total)


async def in_tasks(scope: Scope, ids: list[int]) -> None:
    pages = await Pages(scope).find()
    await asyncio.gather(*(scope.related(page, Page.remarks) for page in pages))


async def streamed(scope: Scope, ids: list[int]) -> None:
    async for page in Pages(scope).stream(chunk_size=2):
        await scope.related(page, Page.remarks)


READS = (by_keys, gathered, found, entities, in_a_loop, in_tasks, streamed)


@pytest.mark.parametrize("read", READS, ids=lambda read: read.__name__)
async def test_rows_are_gone_with_the_scope(read, db: Database):
    async with db.scope() as scope:
        ids = [page.id for page in await Pages(scope).find()]
    for last in (False, True):  # what is kept for the next scope is there by then
        gc.collect()
        gc.disable()
        try:
            async with db.scope() as scope:
                await read(scope, ids)
            del scope
            await asyncio.sleep(0)
            left = [
                type(one).__name__ for one in gc.get_objects() if isinstance(one, PageLine | Page | Remark)
            ]
        finally:
            gc.enable()
        assert not last or left == []
