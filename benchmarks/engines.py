"""The engines that hand-written SQLAlchemy stacks get: the best settings for reading, and for writing."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event
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


def writing_engine(dataset: Dataset) -> AsyncEngine:
    """Transactions end with their COMMIT: nothing more is sent when a connection is returned.

    SQLite gets the settings that batchrepo's presets have.
    """
    engine = create_async_engine(dataset.url, pool_reset_on_return=None)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def _connected(connection: Any, _record: object) -> None:
            cursor = connection.cursor()
            for pragma in ("foreign_keys = ON", "journal_mode = WAL", "synchronous = NORMAL"):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

    return engine
