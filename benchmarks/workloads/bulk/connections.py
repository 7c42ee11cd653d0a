"""asyncpg without SQLAlchemy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import sqlalchemy as sa

from benchmarks.data import Dataset


@asynccontextmanager
async def asyncpg_connection(dataset: Dataset) -> AsyncIterator[Any]:
    """One connection, kept open."""
    url = sa.make_url(dataset.url).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        yield connection
    finally:
        await connection.close()
