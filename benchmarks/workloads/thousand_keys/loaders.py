"""Loaders by hand over one Core statement: a thousand loads at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from aiodataloader import DataLoader as AioDataLoader
from pydantic import TypeAdapter
from strawberry.dataloader import DataLoader as StrawberryDataLoader

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.thousand_keys.core import BY_KEYS
from benchmarks.workloads.thousand_keys.views import PostLine, keys

Batch = Callable[[list[int]], Coroutine[Any, Any, list[PostLine]]]


def _gathered(loader: Callable[[Batch], Any]) -> Callable[[Dataset], AbstractAsyncContextManager[Request]]:
    @asynccontextmanager
    async def opened(dataset: Dataset) -> AsyncIterator[Request]:
        engine = reading_engine(dataset)
        wanted = keys(dataset)
        adapter = TypeAdapter(list[PostLine])

        async def batch(ids: list[int]) -> list[PostLine]:
            async with engine.connect() as connection:
                result = await connection.execute(BY_KEYS, {"ids": ids})
            found = {
                id_: {"id": id_, "title": title, "created_at": created_at, "author_id": author_id}
                for id_, title, created_at, author_id in result
            }
            return adapter.validate_python([found[key] for key in ids])

        async def request() -> list[PostLine]:
            # Their `load` gives a future: gathered as it is, without a task for each key.
            posts = loader(batch)
            found: list[PostLine] = await asyncio.gather(*(posts.load(key) for key in wanted))
            return found

        try:
            yield request
        finally:
            await engine.dispose()

    return opened


AIODATALOADER = Stack(
    "aiodataloader_gather",
    "1,000 gathered loads of aiodataloader by hand, over the same Core statement",
    _gathered(AioDataLoader),
)
STRAWBERRY = Stack(
    "strawberry_gather",
    "1,000 gathered loads of Strawberry's DataLoader by hand, over the same Core statement",
    _gathered(StrawberryDataLoader),
)
