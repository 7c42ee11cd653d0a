"""A statement that waits in the database until the test lets it go on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy import Executable, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine


class Gate(Protocol):
    """`statement` returns one row with the number 7, once the gate is open."""

    statement: Executable

    async def reached(self, count: int = 1) -> None:
        """Wait until so many statements stand before the gate."""

    async def open(self) -> None:
        """Let them all through."""


@asynccontextmanager
async def gate_for(engine: AsyncEngine) -> AsyncIterator[Gate]:
    """The gate of an engine; make it before the engine has connected."""
    if engine.dialect.name == "sqlite":
        gate = SQLiteGate(engine)
        try:
            yield gate
        finally:
            await gate.open()
    else:
        keeper = create_async_engine(engine.url, isolation_level="AUTOCOMMIT")
        async with keeper.connect() as connection:
            await connection.execute(text("SELECT pg_advisory_lock(42)"))
            yield PostgresGate(connection)
        await keeper.dispose()


class PostgresGate:
    """An advisory lock."""

    statement = text("SELECT 7 FROM (SELECT pg_advisory_xact_lock_shared(42)) AS gate")

    def __init__(self, keeper: AsyncConnection) -> None:
        self._keeper = keeper

    async def reached(self, count: int = 1) -> None:
        waiting = text(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid "
            "WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"
        )
        for _ in range(10_000):
            if (await self._keeper.scalar(waiting)) >= count:
                return
        raise AssertionError("nobody came to the gate")

    async def open(self) -> None:
        await self._keeper.execute(text("SELECT pg_advisory_unlock_all()"))


class SQLiteGate:
    """A function of ours, which waits in the connection's thread."""

    statement = text("SELECT gate()")

    def __init__(self, engine: AsyncEngine) -> None:
        self._reached = threading.Semaphore(0)
        self._open = threading.Event()
        event.listen(engine.sync_engine, "connect", self._connected)

    def _connected(self, connection: object, _record: object) -> None:
        connection.create_function("gate", 0, self._wait)  # type: ignore[attr-defined]

    def _wait(self) -> int:
        self._reached.release()
        assert self._open.wait(timeout=30), "the test never opened the gate"
        return 7

    async def reached(self, count: int = 1) -> None:
        for _ in range(count):
            assert await asyncio.to_thread(self._reached.acquire, timeout=30), "nobody came to the gate"

    async def open(self) -> None:
        self._open.set()
