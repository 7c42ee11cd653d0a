"""Hand-written SQLAlchemy Core: one constant statement with ANY, rows to dicts to Pydantic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects.postgresql import ARRAY

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Post
from benchmarks.workload import Request, Stack
from benchmarks.workloads.thousand_keys.views import PostLine, keys

_POST = Post.__table__.c
BY_KEYS = sa.select(_POST.id, _POST.title, _POST.created_at, _POST.author_id).where(
    _POST.id == sa.func.any(sa.bindparam("ids", type_=ARRAY(sa.Integer)))
)


@asynccontextmanager
async def _core(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    wanted = keys(dataset)
    adapter = TypeAdapter(list[PostLine])

    async def request() -> list[PostLine]:
        async with engine.connect() as connection:
            result = await connection.execute(BY_KEYS, {"ids": wanted})
        found = {
            id_: {"id": id_, "title": title, "created_at": created_at, "author_id": author_id}
            for id_, title, created_at, author_id in result
        }
        return adapter.validate_python([found[key] for key in wanted])

    try:
        yield request
    finally:
        await engine.dispose()


CORE = Stack("core", "one hand-written Core statement with ANY, rows to dicts to Pydantic", _core)
