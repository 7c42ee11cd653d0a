"""A server's connections: how much they are used, and that none outlives the server."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from sqlalchemy.pool import QueuePool

from batchrepo.events import PoolUse

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


def pool_use(engine: AsyncEngine) -> PoolUse | None:
    """The connections of an engine at this moment; None where its pool does not count them."""
    pool = engine.sync_engine.pool
    if not isinstance(pool, QueuePool):
        return None
    overflow = pool._max_overflow
    return PoolUse(pool.checkedout(), pool.checkedin(), pool.size() + overflow if overflow >= 0 else None)


def outdate(engine: AsyncEngine) -> None:
    """Let no connection that is open now be used again: it leads to a server that is gone, or was the primary."""
    pool = engine.sync_engine.pool
    if isinstance(pool, QueuePool):
        pool._invalidate_time = time()
