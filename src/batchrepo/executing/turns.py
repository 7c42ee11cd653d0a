"""Turns: what one pool lets only one task do at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from batchrepo.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.pool import Pool

TURN_SECONDS = 30.0
"""How long a task waits for its turn."""


class Turns:
    """A lock for each pool, in the event loop that runs.

    By pool, since an engine and its reading side share one. A lock belongs to the loop it is used in; tests often use
    an engine in one loop after another.
    """

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[Pool, tuple[asyncio.AbstractEventLoop, asyncio.Lock]] = (
            WeakKeyDictionary()
        )

    async def acquire(self, pool: Pool, refusal: Callable[[float], str]) -> asyncio.Lock:
        """Wait for the turn; the caller releases the lock.

        Args:
            pool: whose turn.
            refusal: the message of the error, from the seconds that it was waited.

        Raises:
            DatabaseUnavailable: somebody else has had the turn for ``TURN_SECONDS``.
        """
        loop = asyncio.get_running_loop()
        known = self._locks.get(pool)
        if known is None or known[0] is not loop:
            known = self._locks[pool] = (loop, asyncio.Lock())
        lock = known[1]
        if not lock.locked():
            await lock.acquire()
            return lock
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await lock.acquire()
        except TimeoutError:
            raise DatabaseUnavailable(
                refusal(TURN_SECONDS)
            ) from None  # as a cause it would look like a server's
        return lock
