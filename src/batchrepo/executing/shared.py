"""SQLite in memory: one connection is the database, and everybody shares it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.pool import StaticPool
from sqlalchemy.util import greenlet_spawn

from batchrepo.executing.border import address, connecting
from batchrepo.executing.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection, Engine

T = TypeVar("T")

_TURNS = Turns()


class SharedConnection:
    """Turns on the one connection of a ``StaticPool``, for all scopes of a Database.

    A statement that has begun is never cancelled: SQLAlchemy would close the connection, and with it
    the database in memory would be gone. Its caller is cancelled at once all the same.
    """

    __slots__ = ("_engine", "_running")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running: set[asyncio.Task[Any]] = set()

    @classmethod
    def of(cls, engine: Engine) -> SharedConnection | None:
        """The shared connection of an engine, or None if its pool has more than one."""
        return cls(engine) if isinstance(engine.pool, StaticPool) else None

    async def acquire(self) -> asyncio.Lock:
        """Wait for the turn; the caller releases the lock.

        Raises:
            DatabaseUnavailable: somebody else has kept the connection for too long.
        """
        return await _TURNS.acquire(
            self._engine.pool,
            lambda seconds: (
                f"The one connection of {address(self._engine)} was in use by another snapshot or transaction for "
                f"{seconds:g} s. A SQLite database in memory has only one: close the other scope first, or use a file."
            ),
        )

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run work on the connection when its turn comes."""
        lock = await self.acquire()
        task = asyncio.ensure_future(greenlet_spawn(lambda: self._on_connection(work)))
        self._running.add(task)
        task.add_done_callback(lambda done: self._finished(done, lock))
        return await asyncio.shield(task)

    async def quiet(self) -> None:
        """Wait for statements that outlived their callers."""
        if self._running:
            await asyncio.wait(self._running)

    def _on_connection(self, work: Callable[[Connection], T]) -> T:
        with connecting(self._engine):
            connection = self._engine.connect()
        with connection:
            return work(connection)

    def _finished(self, task: asyncio.Task[Any], lock: asyncio.Lock) -> None:
        self._running.discard(task)
        lock.release()
        if not task.cancelled():
            task.exception()  # the caller may be gone; if not, the shield has told it
