"""The engine that every hand-written SQLAlchemy stack gets: the best settings for reading."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.data import Dataset


def reading_engine(dataset: Dataset, **pool: Any) -> AsyncEngine:
    """Statements are autocommitted, and nothing is sent when a connection is taken or returned.

    That saves the BEGIN and ROLLBACK of SQLAlchemy's defaults, two round trips per checkout.

    Args:
        dataset: what is read.
        pool: further settings of the pool.
    """
    return create_async_engine(
        dataset.url,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        **pool,
    )
