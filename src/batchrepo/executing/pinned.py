"""One connection for the life of a scope: reads that all see one state."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import greenlet_spawn

from batchrepo.errors import InvalidArgument
from batchrepo.executing.border import connecting
from batchrepo.executing.door import Call, Door, Work
from batchrepo.executing.shared import SharedConnection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine

    from batchrepo.events import EventLog

T = TypeVar("T")

logger = logging.getLogger(__name__)


class PinnedDoor(Door):
    """Statements run one after the other, in the order they came, on one connection.

    From an engine, the connection is taken at the first statement, a transaction begins on it, and at the
    end it is rolled back and returned. A connection of somebody else (a test's outer transaction) is used
    as it is: its isolation, its transaction and its end are the owner's.

    A caller that is cancelled goes at once, but its statement runs on to its end: to stop it would close
    the connection, and with it the snapshot that all others read.

    Args:
        source: an engine, or an open connection that stays the caller's.
        events: one event for each statement goes here.
        snapshot: all statements see one state of the database: REPEATABLE READ and READ ONLY on
            PostgreSQL; on SQLite any transaction is a snapshot from its first read. False: an ordinary
            transaction at the database's default level.
        max_statements: how many statements the scope may run, or None.
        endpoint: the name of the server, where there are several.

    Raises:
        InvalidArgument: the connection is not open.
    """

    def __init__(
        self,
        source: AsyncEngine | AsyncConnection,
        events: EventLog,
        *,
        snapshot: bool = True,
        max_statements: int | None = None,
        endpoint: str = "",
    ) -> None:
        if isinstance(source, AsyncConnection) and source.sync_connection is None:
            msg = "The AsyncConnection is not open yet. Open it first: async with engine.connect()."
            raise InvalidArgument(msg)
        super().__init__(source.dialect, events, max_statements, endpoint=endpoint)
        self._snapshot = snapshot
        self._turn = asyncio.Lock()
        self._statement: asyncio.Task[Any] | None = None
        self._connection: Connection | None = None
        self._engine: Engine | None = None
        self._shared: SharedConnection | None = None
        self._shared_turn: asyncio.Lock | None = None
        if isinstance(source, AsyncConnection):
            self._connection = source.sync_connection
        else:
            self._connect_to(source)

    def __repr__(self) -> str:
        owner = "of somebody else" if self._engine is None else "open" if self._connection else "not open"
        return f"<PinnedDoor {owner}{' closed' if self._closed else ''}>"

    async def _run(self, work: Work[T], call: Call) -> T:
        await self._turn.acquire()
        try:
            if self._connection is None:
                await self._locate()
            if self._shared is not None and self._shared_turn is None:
                self._shared_turn = await self._shared.acquire()
            task = asyncio.ensure_future(greenlet_spawn(lambda: self._on_connection(work)))
        except BaseException:
            self._turn.release()
            raise
        self._statement = task
        task.add_done_callback(self._finished)
        if self._may_stop:
            call.connection = self._connection
        try:
            return await asyncio.shield(task)
        finally:
            call.connection = None

    async def _locate(self) -> None:
        """Find out where to connect; here that is known."""

    def _connect_to(self, engine: AsyncEngine) -> None:
        self._engine = engine.sync_engine
        self._shared = SharedConnection.of(self._engine)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._statement = None
        self._turn.release()
        if not task.cancelled():
            task.exception()  # the caller may be gone; if not, the shield has told it

    def _on_connection(self, work: Work[T]) -> T:
        if self._connection is None:
            assert self._engine is not None
            with connecting(self._engine):
                connection = self._engine.connect()
            try:
                self._begin(connection)
            except BaseException:
                self._discard(connection)
                raise
            self._connection = connection
        return work.run(self._connection)

    def _begin(self, connection: Connection) -> None:
        if self.dialect.name == "sqlite":
            # The driver begins a transaction for writes only, so two reads could see two states.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("BEGIN")
        elif self._snapshot:
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        else:
            connection.execution_options(isolation_level=connection.default_isolation_level)

    async def _release(self) -> None:
        statement = self._statement
        if statement is not None:
            # Its caller was cancelled or is being told that the scope is closed; nobody needs the answer.
            # But stopping it costs the connection, so it is stopped only where that is ours alone.
            if self._may_stop:
                statement.cancel()
            await asyncio.wait({statement})
        try:
            if self._engine is not None and self._connection is not None:
                connection, self._connection = self._connection, None
                await greenlet_spawn(self._end, connection)
        finally:
            if self._shared_turn is not None:
                self._shared_turn.release()
                self._shared_turn = None

    @property
    def _may_stop(self) -> bool:
        """Whether a statement may be stopped, which costs the connection."""
        return self._engine is not None and self._shared is None

    def _end(self, connection: Connection) -> None:
        try:
            if not connection.invalidated:
                # On the driver's connection: SQLAlchemy skips a rollback where it believes in autocommit.
                connection.connection.rollback()
        except Exception:
            # The server has gone, and with it the transaction. Nothing that was read becomes wrong, so the
            # end of the scope is no error.
            logger.warning("Discarded a connection that could not be rolled back.", exc_info=True)
            self._discard(connection)
        except BaseException:
            self._discard(connection)
            raise
        else:
            connection.close()

    def _discard(self, connection: Connection) -> None:
        """Give up a connection in an unknown state; the shared one cannot be given up."""
        if self._shared is None:
            connection.invalidate()
        connection.close()
