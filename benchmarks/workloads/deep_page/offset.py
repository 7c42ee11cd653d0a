"""OFFSET: the database reads all rows before the page and throws them away. Hand-written Core, orjson."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import orjson
import sqlalchemy as sa

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Comment
from benchmarks.workload import Request
from benchmarks.workloads.deep_page.core import COLUMNS, NAMES
from benchmarks.workloads.deep_page.orders import SIZE, Order

_COUNT = sa.select(sa.func.count()).select_from(Comment)


@asynccontextmanager
async def _offset(order: Order, page: int, dataset: Dataset, *, counted: bool) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    statement = (
        sa.select(*COLUMNS)
        .order_by(*order.terms)
        .limit(sa.bindparam("rows", type_=sa.Integer()))
        .offset(sa.bindparam("start", type_=sa.Integer()))
    )

    async def request() -> bytes:
        answer: dict[str, Any] = {}
        async with engine.connect() as connection:
            wanted = {"start": (page - 1) * SIZE, "rows": SIZE + 1}
            rows = (await connection.execute(statement, wanted)).all()
            if counted:
                answer["total"] = await connection.scalar(_COUNT)
        answer["items"] = [dict(zip(NAMES, row, strict=True)) for row in rows[:SIZE]]
        answer["has_next"] = len(rows) > SIZE
        return orjson.dumps(answer, option=orjson.OPT_UTC_Z)

    try:
        yield request
    finally:
        await engine.dispose()


by_offset = partial(_offset, counted=False)
"""Page by number."""

by_offset_and_count = partial(_offset, counted=True)
"""Page by number, and say how many pages there are."""
