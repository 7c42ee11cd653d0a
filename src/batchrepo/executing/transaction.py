"""One connection inside one transaction: reads and writes run on it one after the other."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlalchemy.util import greenlet_spawn
from sqlalchemy.util.concurrency import await_only

from batchrepo.errors import DatabaseUnavailable, TransactionError
from batchrepo.executing.border import address, finish, reason
from batchrepo.executing.door import Call, Work
from batchrepo.executing.pinned import PinnedDoor
from batchrepo.executing.read_only import refuses_writes
from batchrepo.executing.session_work import NOTHING, SessionWork
from batchrepo.executing.turns import Turns

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator

    from sqlalchemy.engine import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
    from sqlalchemy.orm import Session

    from batchrepo.events import EventLog

T = TypeVar("T")

logger = logging.getLogger(__name__)

Isolation = Literal["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"]
"""How much a transaction sees of others. SQLite has one level, which is the strictest."""

_at_work: ContextVar[TransactionDoor | None] = ContextVar("batchrepo_transaction_at_work", default=None)

_WRITERS = Turns()
"""SQLite has one writer at a time: the transactions of a process take turns."""


class TransactionDoor(SessionWork, PinnedDoor):
    """The connection of one transaction, from BEGIN to COMMIT or ROLLBACK.

    SQLite has one writer at a time: transactions of one process queue for their turn, and begin with BEGIN
    IMMEDIATE, so that none fails with "database is locked" between its first read and its first write.

    A caller that is cancelled goes at once, but its statement runs to its end: to stop it would cost the connection,
    and with it the transaction. Only the end of the transaction with an error stops it.

    Args:
        source: an engine, or an open connection of somebody else, in whose transaction this one is a savepoint.
        events: one event for each statement goes here.
        isolation: another level than the database's default.
        read_only: the database refuses writes.
        max_statements: how many statements the scope may run, or None.
        endpoint: the name of the server, where there are several.
    """

    def __init__(
        self,
        source: AsyncEngine | AsyncConnection,
        events: EventLog,
        *,
        isolation: Isolation | None = None,
        read_only: bool = False,
        max_statements: int | None = None,
        endpoint: str = "",
    ) -> None:
        super().__init__(source, events, snapshot=False, max_statements=max_statements, endpoint=endpoint)
        self._isolation = isolation
        self._read_only = read_only
        self._session = None
        self._writer_turn: asyncio.Lock | None = None
        self._over = False
        self._query_only = False

    def __repr__(self) -> str:
        return (
            f"<TransactionDoor {'open' if self._session else 'not open'}{' closed' if self._closed else ''}>"
        )

    async def open(self, make_session: Callable[[Any], Session]) -> None:
        """Take a connection, begin, and let a session live on it.

        Args:
            make_session: from the connection to the session in which entities of the transaction live.

        Raises:
            DatabaseUnavailable: no connection could be had, or another writer kept SQLite's file too long.
        """
        if self._engine is not None and self._shared is None and self._queues:
            where = address(self._engine)
            self._writer_turn = await _WRITERS.acquire(
                self._engine.pool,
                lambda seconds: (
                    f"Another transaction has been open on {where} for {seconds:g} s. SQLite has one writer at a time: "
                    f"keep transactions short, and wait for nothing else inside one."
                ),
            )
        try:
            await self._call(Work(NOTHING, lambda connection: self._start(connection, make_session)))
        except BaseException:
            await finish(self._give_up())
            raise

    async def _give_up(self) -> None:
        """Whoever opened it is gone, and perhaps it was opened all the same."""
        try:
            await self.end(commit=False)
        finally:
            await self.aclose()

    async def end(self, *, commit: bool) -> None:
        """Commit or roll back. Statements that are running or waiting are waited for; a rollback stops them.

        Raises:
            sqlalchemy.exc.DBAPIError: the database refused the commit. A rollback that fails is no error: a database
                that has gone has rolled back.
        """
        statement = self._statement
        if not commit and statement is not None and self._may_stop:
            statement.cancel()
        async with self._turn:
            self._over = True
            token = _at_work.set(self)
            try:
                await greenlet_spawn(self._finish, commit)
            finally:
                _at_work.reset(token)

    def _start(self, connection: Connection, make_session: Callable[[Any], Session]) -> None:
        if not connection.in_transaction():  # BEGIN IMMEDIATE has begun one already
            connection.begin()
        self._session = make_session(connection)
        self._session.connection()  # its transaction joins ours now, whatever runs first

    def _on_connection(self, work: Work[T]) -> T:
        if self._over:
            raise TransactionError(_OVER)
        _at_work.set(self)  # each statement of a door has a task, and with it a context, of its own
        if work.autoflush and self._session is not None and self._connection is not None:
            self.flush_on(self._connection, autoflush=True)
        return super()._on_connection(work)

    def _begin(self, connection: Connection) -> None:
        if self.dialect.name == "sqlite":
            # The driver must neither begin nor commit by itself: it would, around savepoints.
            connection.execution_options(isolation_level="AUTOCOMMIT")
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE" if self._queues else "BEGIN")
            except Exception as error:
                msg = f"Another process is writing to {address(connection.engine)}: {reason(error)}"
                raise DatabaseUnavailable(msg) from error
            if self._read_only and not refuses_writes(connection):
                connection.exec_driver_sql("PRAGMA query_only = ON")
                self._query_only = True
            return
        options: dict[str, Any] = {"isolation_level": self._isolation or connection.default_isolation_level}
        if self._read_only:
            options["postgresql_readonly"] = True
        connection.execution_options(**options)

    def _finish(self, commit: bool) -> None:
        session, connection = self._session, self._connection
        if session is None or connection is None:
            return
        try:
            if commit:
                self.flush_on(connection)
                session.commit()
            else:
                self._undo(session, connection)
        except BaseException:
            self._undo(session, connection)
            raise
        finally:
            if self._query_only and not connection.invalidated:
                connection.exec_driver_sql("PRAGMA query_only = OFF")

    def _undo(self, session: Session, connection: Connection) -> None:
        try:
            session.rollback()
            if self._engine is not None and not connection.invalidated:
                # On the driver's connection: SQLAlchemy skips a rollback where it believes in autocommit.
                connection.connection.rollback()
        except Exception:
            logger.warning("A transaction was lost with its connection, not rolled back.", exc_info=True)
            if self._engine is not None:
                self._connection = None
                self._discard(connection)

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """The connection's turn, inside a greenlet: for what a user runs in the session by himself.

        Raises:
            TransactionError: the transaction has ended.
        """
        if self.at_work:
            yield
            return
        await_only(self._turn.acquire())
        token = _at_work.set(self)
        try:
            if self._over:
                raise TransactionError(_OVER)
            yield
        finally:
            _at_work.reset(token)
            self._turn.release()

    @property
    def at_work(self) -> bool:
        """Whether the running code has the connection's turn already."""
        return _at_work.get() is self

    @property
    def _queues(self) -> bool:
        """Whether writers must take turns."""
        return self.dialect.name == "sqlite" and not self._read_only

    @property
    def _may_stop(self) -> bool:
        # Of a connection to SQLite that is closed in the middle of a statement, Python may keep the transaction, and
        # with it the writers' lock, until somebody collects garbage.
        return super()._may_stop and self.dialect.name != "sqlite"

    async def _run(self, work: Work[T], call: Call) -> T:
        try:
            return await super()._run(work, call)
        finally:
            # Later calls wait behind a statement that outlives its caller.
            call.abortable = False

    async def _release(self) -> None:
        try:
            await super()._release()
        finally:
            if self._writer_turn is not None:
                self._writer_turn.release()
                self._writer_turn = None


_OVER = (
    "The transaction ended before this had its turn in it. Await inside the block what is started in it, with gather() "
    "or a TaskGroup."
)
