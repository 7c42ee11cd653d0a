"""The one door to connections: what a scope asks, whichever kind of connection answers.

::

    Door
    ├── PooledDoor    outside a transaction: up to read_connections of the pool at once, autocommitted
    ├── PinnedDoor    one connection for the life of the scope: a snapshot, or somebody's connection
    └── JoinedDoor    the connection of a user's session, inside his transaction
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager, nullcontext
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from batchrepo.errors import BatchRepoError, InvalidArgument, ScopeClosed
from batchrepo.events import current_origin
from batchrepo.executing.border import finish
from batchrepo.executing.direct import refusal
from batchrepo.executing.hanging_up import hang_up
from batchrepo.executing.meter import Meter, Timed, watch
from batchrepo.executing.session import ReadSession, lend

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection, Dialect
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from batchrepo.events import EventLog
    from batchrepo.executing.direct import DriverPath, KeptStatement

T = TypeVar("T")

Rows = list[tuple[Any, ...]]
"""Rows as plain tuples, in the order of the statement's columns."""


class Work(Generic[T]):
    """One call of the door: the statement, and what is done with a connection.

    Attributes:
        statement: what the caller asked for; a session with several databases chooses by it.
        run: executes the statement on a connection and fetches its rows; synchronous, in a greenlet.
        send: the same by the driver path, without a greenlet; gives None where `run` must do it.
        autoflush: whether a session that writes on the connection flushes first, as it does before its own queries.
    """

    __slots__ = ("autoflush", "run", "send", "statement")

    def __init__(
        self,
        statement: Executable,
        run: Callable[[Connection], T],
        send: Callable[[Connection], Coroutine[Any, Any, T] | None] | None = None,
        *,
        autoflush: bool = True,
    ) -> None:
        self.statement = statement
        self.run = run
        self.send = send
        self.autoflush = autoflush


class Call:
    """A task inside the door, so that closing can end it.

    Attributes:
        abortable: whether cancelling the task is safe at this moment.
        aborted: what its caller is to get in place of the cancellation.
        connection: on which its statement runs.
        cut: what its caller is to get in place of the driver's error, since the line was cut.
    """

    __slots__ = ("_cancelling", "_task", "abortable", "aborted", "connection", "cut", "ended")

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task
        self._cancelling = task.cancelling()
        self.abortable = True
        self.aborted: Exception | None = None
        self.connection: Connection | None = None
        self.cut: Exception | None = None
        self.ended: asyncio.Event | None = None

    def abort(self, error: Exception) -> None:
        """Cancel the task's wait in the door; ``settle`` turns that into the error."""
        if self.abortable and self.aborted is None:
            self.aborted = error
            self._task.cancel()

    def settle(self) -> Exception | None:
        """Take our cancellation back; the error if there was one, and nobody else has cancelled the task too."""
        error, self.aborted = self.aborted, None
        if error is None:
            return None
        return error if self._task.uncancel() <= self._cancelling else None


class Door(ABC):
    """Runs statements for one scope; safe to use from several tasks at once.

    Args:
        dialect: the dialect of the database behind it.
        events: one ``StatementEvent`` goes here for each statement.
        max_statements: the budget of the scope, or None.
        driver_path: the statements that need no execution by SQLAlchemy, or None.
        endpoint: the name of the server, where there are several.
    """

    parallel: int = 1
    """How many statements it is worth to run at once."""

    def __init__(
        self,
        dialect: Dialect,
        events: EventLog,
        max_statements: int | None,
        driver_path: DriverPath | None = None,
        endpoint: str = "",
    ) -> None:
        self.dialect = dialect
        self._driver_path = driver_path
        self._meter = Meter(events, max_statements, endpoint)
        self._calls: set[Call] = set()
        self._closed = False
        self._drained = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._returning: set[asyncio.Task[Any]] = set()

    @property
    def max_statements(self) -> int | None:
        """The budget of the scope."""
        return self._meter.max_statements

    @max_statements.setter
    def max_statements(self, number: int | None) -> None:
        self._meter.max_statements = number

    async def rows(
        self,
        statement: Executable,
        params: Mapping[str, Any] | None = None,
        *,
        cause: str,
        keys: int | None = None,
    ) -> Rows:
        """Run a Core statement and return all its rows, with the result processors of its types applied.

        Args:
            statement: what to run.
            params: bind parameters by name.
            cause: what needs it, for the report, such as ``Album.artist``.
            keys: number of keys in the batch, or None where the statement is not keyed.

        Raises:
            DatabaseUnavailable: no connection could be had.
            ScopeClosed: the door is closed, or was closed meanwhile.
            StatementBudgetExceeded: the scope has run all its statements.
            sqlalchemy.exc.DBAPIError: the database refused the statement.
        """
        note_read(statement)
        kept = None if self._driver_path is None else self._driver_path.find(statement)
        return await self._call(
            Work(
                statement,
                partial(self._fetch, statement, params, cause, keys),
                None if kept is None else partial(self._send, kept, params or {}, cause, keys),
            )
        )

    async def entities(
        self,
        session: AsyncSession,
        statement: Executable,
        params: Mapping[str, Any] | None = None,
        *,
        cause: str,
        keys: int | None = None,
    ) -> Rows:
        """Run an ORM statement; its entities go into the session's identity map.

        Eager loads that belong to the statement run on the same connection, and are counted as well.

        Args:
            session: made with ``sync_session_class=ReadSession``, or the session that was joined.
            statement: a ``select`` of entities, maybe with further columns.
            params: bind parameters by name.
            cause: what needs it, for the report.
            keys: number of keys in the batch, or None.

        Returns:
            A tuple for each row. If collections are loaded by a join, each row appears once.

        Raises:
            InvalidArgument: the session is of another class.
            DatabaseUnavailable, ScopeClosed, StatementBudgetExceeded, sqlalchemy.exc.DBAPIError: as ``rows``.
        """
        target = session.sync_session
        self._check_session(target)
        return await self._call(
            Work(statement, partial(self._hydrate, target, statement, params, cause, keys))
        )

    def hold(self) -> AbstractAsyncContextManager[None]:
        """While anybody is inside, connections are kept for the next statement instead of returned.

        May be entered several times and by several tasks; the last one out returns the connections.
        """
        return nullcontext()

    async def quiet(self) -> None:
        """Wait for the calls that are inside at this moment."""
        for call in tuple(self._calls):
            if call.ended is None:
                call.ended = asyncio.Event()
            await call.ended.wait()

    def interrupt(self, error: Exception) -> None:
        """End the calls that are waiting or running with an error: their server has gone, and would keep them waiting."""
        for call in tuple(self._calls):
            own = copy(error)  # each its own, with its own traceback
            if call.connection is not None and hang_up(call.connection):
                call.cut = own
            else:
                call.abort(own)

    async def aclose(self) -> None:
        """Return every connection. Calls that are waiting or running end with ``ScopeClosed``.

        May be called again; when it returns, no connection is in use. A cancellation is passed on after
        the connections have gone back.
        """
        self._closed = True
        if self._closing is None and not self._calls and not self._returning and not self._holds:
            return  # nothing to wait for, which a task of its own would cost more than the rest of a scope
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._shut())
        await finish(self._closing)

    async def _shut(self) -> None:
        for call in tuple(self._calls):
            call.abort(ScopeClosed(CLOSED))
        while self._calls:
            self._drained.clear()
            await self._drained.wait()
        if self._returning:
            # Of callers that were cancelled twice, and did not wait for it.
            await asyncio.wait(self._returning)
        await self._release()

    async def _call(self, work: Work[T]) -> T:
        if self._closed:
            raise ScopeClosed(CLOSED)
        task = asyncio.current_task()
        assert task is not None, "a door is used from a task"
        call = Call(task)
        self._calls.add(call)
        try:
            return await self._run(work, call)
        except asyncio.CancelledError:
            error = call.settle()
            if error is not None:
                raise error from None
            raise
        except Exception as error:
            if call.cut is not None and not isinstance(error, BatchRepoError):
                raise call.cut from error
            raise
        finally:
            call.settle()
            self._calls.discard(call)
            if call.ended is not None:
                call.ended.set()
            if not self._calls:
                self._drained.set()

    def _check_session(self, session: Session) -> None:
        if not isinstance(session, ReadSession):
            msg = (
                f"entities() hydrates into a session that leaves connections to the door; got "
                f"{type(session).__name__}. Make it with AsyncSession(engine, sync_session_class=ReadSession)."
            )
            raise InvalidArgument(msg)

    def _fetch(
        self,
        statement: Executable,
        params: Mapping[str, Any] | None,
        cause: str,
        keys: int | None,
        connection: Connection,
    ) -> Rows:
        with Timed(self._meter, cause, keys) as timed:
            result = connection.execute(statement, params)
            # Plain tuples: what SQLAlchemy's own eager loading uses, cheaper than Row objects.
            rows = result._raw_all_tuples() if result.returns_rows else ()
            timed.sql = result.context.statement or ""
            timed.rows = len(rows)
        if self._driver_path is not None:
            self._driver_path.learn(statement, result)
        return rows if type(rows) is list else list(rows)

    def _send(
        self,
        kept: KeptStatement,
        params: Mapping[str, Any],
        cause: str,
        keys: int | None,
        connection: Connection,
    ) -> Coroutine[Any, Any, Rows] | None:
        arguments = kept.arguments(params) if refusal(connection) is None else None
        if arguments is None:
            return None
        return self._sent(kept, params, arguments, cause, keys, connection)

    async def _sent(
        self,
        kept: KeptStatement,
        params: Mapping[str, Any],
        arguments: Sequence[Any],
        cause: str,
        keys: int | None,
        connection: Connection,
    ) -> Rows:
        with Timed(self._meter, cause, keys, direct=True) as timed:
            rows = await kept.fetch(connection, params, arguments)
            timed.sql = kept.sql
            timed.rows = len(rows)
        return rows

    def _hydrate(
        self,
        session: Session,
        statement: Executable,
        params: Mapping[str, Any] | None,
        cause: str,
        keys: int | None,
        connection: Connection,
    ) -> Rows:
        note_read(statement)
        with watch(connection, self._meter, cause, keys):
            if isinstance(session, ReadSession):
                with lend(session, connection):
                    return _tuples(session, statement, params)
            return _tuples(session, statement, params)

    @abstractmethod
    async def _run(self, work: Work[T], call: Call) -> T:
        """Find a connection and run the work on it, in a greenlet."""

    @property
    def _holds(self) -> bool:
        """Whether there is anything that `_release` would return."""
        return True

    @abstractmethod
    async def _release(self) -> None:
        """Return what is still open. No call is inside any more."""


def note_read(statement: Any) -> None:
    """Tell the batch that is running what its values come from."""
    origin = current_origin.get()
    if origin is not None:
        origin.reads.add(statement)


CLOSED = "The scope is closed: it runs no more statements. Keep the work inside `async with db.scope()`."


def _tuples(session: Session, statement: Executable, params: Mapping[str, Any] | None) -> Rows:
    result = session.execute(statement, params)
    # Joined eager loading of collections repeats its parents; SQLAlchemy's own test for it.
    context: Any = getattr(result, "context", None)
    if context is not None and getattr(context, "requires_uniquing", False):
        result = result.unique()
    return list(map(tuple, result))
