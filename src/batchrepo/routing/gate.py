"""How many reads at once the primary answers in place of replicas that are all down."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from batchrepo.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Gate:
    """Lets so many in at once, in each event loop; others wait for a while, and are sent away then.

    Args:
        most: how many.
        wait: how many seconds others wait.
    """

    def __init__(self, most: int, wait: float) -> None:
        self.most = most
        self.inside = 0
        self._wait = wait
        self._places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Be one of them for the length of a block.

        Raises:
            DatabaseUnavailable: none of them left in time.
        """
        loop = asyncio.get_running_loop()
        places = self._places.get(loop)
        if places is None:
            places = self._places[loop] = asyncio.Semaphore(self.most)
        try:
            async with asyncio.timeout(self._wait):
                await places.acquire()
        except TimeoutError:
            raise DatabaseUnavailable(
                f"All replicas are down, and the primary answers {self.most} reads at once in their place: none of them "
                f"ended within {self._wait:g} s. Try again later, or raise HealthChecks(primary_reads=)."
            ) from None
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
            places.release()
