"""asyncpg's own pool, for statements that are written by hand and run without SQLAlchemy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import sqlalchemy as sa

from benchmarks.data import Dataset


@asynccontextmanager
async def asyncpg_pool(dataset: Dataset) -> AsyncIterator[Any]:
    """A pool as large as SQLAlchemy's, that sends nothing when a connection is taken or returned."""
    url = sa.make_url(dataset.url).set(drivername="postgresql")
    async with asyncpg.create_pool(
        url.render_as_string(hide_password=False), min_size=1, max_size=5, reset=_nothing
    ) as pool:
        yield pool


async def _nothing(_connection: object) -> None:
    """What is sent when a connection is returned."""
