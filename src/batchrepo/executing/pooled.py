"""Reading outside a transaction: several statements at once, each on a connection of the pool."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, ExitStack
from time import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool
from sqlalchemy.util import greenlet_spawn

from batchrepo.errors import DatabaseUnavailable, InvalidArgument
from batchrepo.executing.border import connecting, finish
from batchrepo.executing.door import Call, Door, Work
from batchrepo.executing.leases import Grant, Leases
from batchrepo.executing.pinging import pings_after, pings_now
from batchrepo.executing.shared import SharedConnection

if TYPE_CHECKING:
    from types import TracebackType

    from sqlalchemy.ext.asyncio import AsyncEngine

    from batchrepo.events import EventLog
    from batchrepo.executing.direct import DriverPath

T = TypeVar("T")

WORTH_WAITING = 0.001
"""Seconds that a statement must take before others run beside it."""


class PooledDoor(Door):
    """Up to ``read_connections`` statements at once, each autocommitted.

    Two statements may see two states of the database; ``PinnedDoor`` gives one. A statement that is
    cancelled costs its connection: SQLAlchemy closes it, since the driver may be in the middle of an
    answer.

    Args:
        engine: an engine that autocommits, from ``make_engine`` or ``read_engine``.
        events: one event for each statement goes here.
        read_connections: how many connections the scope may use at once. A SQLite database in memory has
            one, which all scopes share.
        max_statements: how many statements the scope may run, or None.
        driver_path: what scopes know together of the statements that need no execution by SQLAlchemy; None where
            it is to execute all.
        endpoint: the name of the server, where there are several.

    Raises:
        InvalidArgument: ``read_connections`` is less than 1.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        events: EventLog,
        *,
        read_connections: int = 4,
        max_statements: int | None = None,
        driver_path: DriverPath | None = None,
        endpoint: str = "",
    ) -> None:
        super().__init__(engine.dialect, events, max_statements, driver_path, endpoint)
        if read_connections < 1:
            msg = f"read_connections must be 1 or more, got {read_connections}."
            raise InvalidArgument(msg)
        self._engine = engine.sync_engine
        self._leases = Leases(read_connections)
        self._shared = SharedConnection.of(self._engine)
        # SQLite runs in this process: its statements are work, and not a wait that others could fill.
        self._most = 1 if engine.dialect.name == "sqlite" else read_connections

    @property
    def parallel(self) -> int:  # type: ignore[override]
        """How many statements to run at once: more than one where the last one kept us waiting.

        Side by side saves waiting, and costs a connection and a task for each statement. Next to a
        database that answers within a millisecond, one connection is faster and leaves the others free.
        """
        return self._most if self._meter.last_seconds > WORTH_WAITING else 1

    def __repr__(self) -> str:
        return f"<PooledDoor {self._leases!r}{' closed' if self._closed else ''}>"

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Keep connections while anybody is inside; see ``Door.hold``."""
        return Hold(self)

    def keep(self) -> None:
        """Somebody is inside `hold`."""
        self._leases.holders += 1

    async def let_go(self) -> None:
        """He has left; the last one returns the connections."""
        leases = self._leases
        leases.holders -= 1
        if leases.holders == 0 and leases.idle:
            await self._return(leases.drain())

    async def _run(self, work: Work[T], call: Call) -> T:
        if self._shared is not None:
            return await self._shared.run(work.run)
        call.connection = connection = await self._take()
        try:
            sending = None if work.send is None else work.send(connection)
            return await (greenlet_spawn(work.run, connection) if sending is None else sending)
        finally:
            # From here on there is nothing to abort; closing waits until the connection is back.
            call.abortable, call.connection = False, None
            await self._give(connection)

    async def _take(self) -> Connection:
        room = _has_room(self._engine)
        while True:
            grant = self._leases.take(room=room)
            if isinstance(grant, asyncio.Future):
                grant = await self._wait(grant)
            if isinstance(grant, Connection):
                return grant
            try:
                with connecting(self._engine):
                    if _comes_out_at_once(self._engine):
                        return self._engine.connect()
                    return await greenlet_spawn(self._engine.connect)
            except DatabaseUnavailable as error:
                if self._leases.refused(error):
                    raise
                room = False
            except BaseException:
                self._leases.lost()
                raise

    async def _wait(self, place: asyncio.Future[Grant]) -> Grant:
        try:
            return await place
        except asyncio.CancelledError:
            # The grant may have come in the same moment as the cancellation: it is the next one's.
            if place.done() and not place.cancelled() and place.exception() is None:
                unused = self._leases.put_back(place.result())
                if unused is not None:
                    await self._return([unused])
            raise

    async def _give(self, connection: Connection) -> None:
        if connection.invalidated:
            self._leases.lost()
            unused: Connection | None = connection
        else:
            unused = self._leases.give(connection)
        if unused is not None:
            await self._return([unused])

    async def _return(self, connections: list[Connection]) -> None:
        """Close connections, to the end although the caller may be cancelled."""
        if _has_places(connections) and all(map(_goes_back_at_once, connections)):
            # Nobody can be cancelled where nothing is waited for: a task to shield it, and a greenlet to wait in,
            # cost more than the rest.
            _close_each(connections)
        else:
            await finish(_close(connections), self._returning)

    @property
    def _holds(self) -> bool:
        return self._shared is not None or bool(self._leases.idle)

    async def _release(self) -> None:
        if self._shared is not None:
            await self._shared.quiet()
        await _close(self._leases.drain())


class _Holding(Protocol):
    """A door that keeps connections while it is held."""

    def keep(self) -> None: ...

    async def let_go(self) -> None: ...


class Hold:
    """One holder of the connections of a door."""

    __slots__ = ("_door",)

    def __init__(self, door: _Holding) -> None:
        self._door = door

    async def __aenter__(self) -> None:
        self._door.keep()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._door.let_go()


async def _close(connections: list[Connection]) -> None:
    if connections:
        await greenlet_spawn(_close_each, connections)


def _close_each(connections: list[Connection]) -> None:
    if len(connections) == 1:
        connections[0].close()
        return
    with ExitStack() as every:  # an error with one does not keep the others
        for connection in connections:
            every.callback(connection.close)


def _has_places(connections: list[Connection]) -> bool:
    """Whether the pool keeps all of these connections; one without a place is closed, which takes a while."""
    pool = connections[0].engine.pool
    return isinstance(pool, QueuePool) and (
        not pool.size() or pool.size() - pool.checkedin() >= len(connections)
    )


def _goes_back_at_once(connection: Connection) -> bool:
    """Whether a connection goes into the pool without a word to the server, if there is a place: it ends no transaction.

    Only asyncpg's connections say so; the other drivers ask the server, or their thread, in any case. Listeners of
    others may do anything.
    """
    pool = connection.engine.pool
    if connection.invalidated or not isinstance(pool, QueuePool):
        return False
    ours = 0 if pings_after(pool) is None else 1
    if len(pool.dispatch.checkin) > ours or pool.dispatch.reset:
        return False
    if connection.in_transaction() and connection.dispatch.rollback:
        return False
    driver: Any = connection.connection.dbapi_connection
    return getattr(driver, "_transaction", driver) is None


def _comes_out_at_once(engine: Engine) -> bool:
    """Whether the pool's next connection is there, and is given without a word to the server.

    As in `_goes_back_at_once`, a greenlet to wait in would cost more than the rest, and only asyncpg's connections
    are known to ask nothing.
    """
    pool = engine.pool
    if (
        engine._has_events
        or engine.dialect.driver != "asyncpg"
        or not isinstance(pool, AsyncAdaptedQueuePool)
    ):
        return False
    idle: Any = pool._pool._queue._queue  # type: ignore[attr-defined]
    if not idle:
        return False
    record = idle[-1 if pool._pool.use_lifo else 0]
    ours = 0 if pings_after(pool) is None else 1
    return (
        len(pool.dispatch.checkout) == ours
        and not record._is_hard_or_soft_invalidated()
        and (pool._recycle < 0 or time() - record.starttime < pool._recycle / 2)
        and not pings_now(pool, record)
    )


def _has_room(engine: Engine) -> bool:
    """Whether the pool could give a connection now, without waiting.

    Nothing is awaited between this question and the pool's answer, so it cannot become wrong.
    """
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        return True
    overflow: int = pool._max_overflow
    return overflow < 0 or pool.checkedout() < pool.size() + overflow
