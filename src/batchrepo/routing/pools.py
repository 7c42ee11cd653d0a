"""How much a server's connections are used."""

from __future__ import annotations

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
