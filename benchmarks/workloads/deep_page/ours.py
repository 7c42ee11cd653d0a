"""batchrepo, as its documentation recommends: the body of a JSON page, one scope for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import BaseModel

from batchrepo import Database, Repository
from benchmarks.data import Dataset
from benchmarks.models import Comment
from benchmarks.workload import Request
from benchmarks.workloads.deep_page.orders import SIZE, CommentLine, Order


class CommentKey(BaseModel):
    id: int


class CommentRepository(Repository[Comment]):
    pass


@asynccontextmanager
async def by_page_json(order: Order, page: int, dataset: Dataset) -> AsyncIterator[Request]:
    """Page by `page_json`."""
    async with Database(dataset.url, repositories=[CommentRepository], views=[CommentLine]) as db:
        after = await _cursor(db, order, (page - 1) * SIZE)

        async def request() -> bytes:
            async with db.scope() as scope:
                comments = CommentRepository(scope)
                return (
                    await comments.page_json(CommentLine, order_by=order.terms, first=SIZE, after=after)
                ).body

        yield request


async def _cursor(db: Database, order: Order, rows: int) -> str | None:
    """The cursor behind so many rows."""
    if not rows:
        return None
    async with db.scope() as scope:
        async for chunk in CommentRepository(scope).chunks(CommentKey, order_by=order.terms, size=rows):
            return chunk.end_cursor
    raise AssertionError("There are no comments.")
