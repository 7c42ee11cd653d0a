"""SQLAlchemy's ORM and Pydantic: entities with three columns loaded, and whole entities."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import load_only

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Profile
from benchmarks.workload import Request, Stack
from benchmarks.workloads.sparse_fields.views import NAMES, ROWS, ProfileLine

ENTITIES = sa.select(Profile).order_by(Profile.id).limit(ROWS)


@asynccontextmanager
async def _entities(statement: sa.Select[Any], dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    adapter = TypeAdapter(list[ProfileLine])

    async def request() -> bytes:
        async with sessions() as session:
            profiles = (await session.scalars(statement)).all()
            return adapter.dump_json(adapter.validate_python(profiles))

    try:
        yield request
    finally:
        await engine.dispose()


LOAD_ONLY = Stack(
    "orm_load_only",
    "ORM load_only of three columns, Pydantic from attributes",
    partial(_entities, ENTITIES.options(load_only(*(getattr(Profile, name) for name in NAMES)))),
)
ENTITY = Stack("orm_entity", "ORM, whole entities, Pydantic from attributes", partial(_entities, ENTITIES))
