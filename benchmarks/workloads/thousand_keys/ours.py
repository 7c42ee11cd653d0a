"""batchrepo: `get_many` of a view, and a thousand concurrent `get`s; a fresh scope for each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from batchrepo import Database, Repository
from benchmarks.data import Dataset
from benchmarks.models import Post
from benchmarks.workload import Request, Stack
from benchmarks.workloads.thousand_keys.views import PostLine, keys


class PostRepository(Repository[Post]):
    pass


@asynccontextmanager
async def _get_many(dataset: Dataset) -> AsyncIterator[Request]:
    wanted = keys(dataset)
    async with Database(dataset.url, repositories=[PostRepository], views=[PostLine]) as db:

        async def request() -> list[PostLine]:
            async with db.scope() as scope:
                return await PostRepository(scope).get_many(wanted, PostLine)

        yield request


@asynccontextmanager
async def _gather(dataset: Dataset) -> AsyncIterator[Request]:
    wanted = keys(dataset)
    async with Database(dataset.url, repositories=[PostRepository], views=[PostLine]) as db:

        async def request() -> list[PostLine]:
            async with db.scope() as scope:
                posts = PostRepository(scope)
                return await asyncio.gather(*(posts.get(key, PostLine) for key in wanted))

        yield request


GET_MANY = Stack("batchrepo_get_many", "get_many of a view in a fresh scope", _get_many)
GATHER = Stack("batchrepo_gather", "1,000 concurrent get calls in a fresh scope", _gather)
