"""Hand-written SQLAlchemy Core and msgspec: three columns, and all columns of which three are picked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec
import sqlalchemy as sa

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Profile
from benchmarks.workload import Request, Stack
from benchmarks.workloads.sparse_fields.views import NAMES, ROWS

_PROFILE = Profile.__table__
_COLUMNS = [_PROFILE.c[name] for name in NAMES]


class Line(msgspec.Struct):
    id: int
    handle: str
    joined_at: datetime


@asynccontextmanager
async def _three_columns(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    statement = sa.select(*_COLUMNS).order_by(_PROFILE.c.id).limit(ROWS)
    encode = msgspec.json.Encoder().encode

    async def request() -> bytes:
        async with engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        return encode([Line(*row) for row in rows])

    try:
        yield request
    finally:
        await engine.dispose()


@asynccontextmanager
async def _all_columns(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    statement = sa.select(_PROFILE).order_by(_PROFILE.c.id).limit(ROWS)
    encode = msgspec.json.Encoder().encode

    async def request() -> bytes:
        async with engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        return encode([Line(row.id, row.handle, row.joined_at) for row in rows])

    try:
        yield request
    finally:
        await engine.dispose()


CORE = Stack("core", "hand-written Core, three columns, tuples to msgspec", _three_columns)
CORE_ALL = Stack("core_all_columns", "hand-written Core, all columns, three of them to msgspec", _all_columns)
