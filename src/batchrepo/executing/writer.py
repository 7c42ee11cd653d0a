"""A connection inside a transaction, as bulk writes use it: statements of SQLAlchemy, and the driver's own means."""

from __future__ import annotations

from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import StatementError
from sqlalchemy.util.concurrency import await_only

from batchrepo.executing.meter import watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping, Sequence

    from sqlalchemy import Executable
    from sqlalchemy.engine import Connection, CursorResult
    from sqlalchemy.orm import Session

    from batchrepo.executing.meter import Meter

T = TypeVar("T")


_REFUSED_VALUE = (OverflowError, UnicodeError)
"""A number that is too large, a text with half a character: drivers refuse them with plain errors of Python, which
SQLAlchemy lets through."""


def _refused_value(error: Exception, what: str) -> StatementError:
    """The error as SQLAlchemy raises it where a type of its own refuses a value."""
    return StatementError(str(error), what, None, error)


class Driven:
    """A statement that the driver runs by itself, while it runs.

    Attributes:
        rows: how many rows it wrote; set it before the block ends.
    """

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows = 0


class Writer:
    """The connection of an open transaction. Made by a door, for one call, inside a greenlet.

    Attributes:
        connection: SQLAlchemy's connection, in the transaction.
        session: in which the entities of the transaction live, on the same connection.
    """

    __slots__ = ("_meter", "connection", "session")

    def __init__(self, connection: Connection, session: Session, meter: Meter) -> None:
        self.connection = connection
        self.session = session
        self._meter = meter

    def execute(
        self,
        statement: Executable,
        params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        *,
        cause: str,
        keys: int | None = None,
    ) -> CursorResult[Any]:
        """Run a Core statement, once or for each of several parameters; each cursor execution is an event.

        Args:
            statement: what to run.
            params: bind parameters by name, or a list of them.
            cause: what needs it, for the report, such as ``insert Album``.
            keys: how many rows it is about.

        Raises:
            StatementBudgetExceeded: the scope has run all its statements.
            sqlalchemy.exc.DBAPIError: the database refused the statement.
            sqlalchemy.exc.StatementError: a value was refused before it was sent.
        """
        try:
            with watch(self.connection, self._meter, cause, keys):
                return self.connection.execute(statement, params)
        except _REFUSED_VALUE as error:
            raise _refused_value(error, cause) from error

    @property
    def driver(self) -> Any:
        """The driver's own connection, inside the transaction: asyncpg's, psycopg's or aiosqlite's.

        Await its methods with `wait`.
        """
        adapted: Any = self.connection.connection.dbapi_connection
        if getattr(adapted, "_transaction", adapted) is None:
            # SQLAlchemy begins asyncpg's transaction with the first statement of its own.
            await_only(adapted._start_transaction())
        return self.connection.connection.driver_connection

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Wait for something of the driver's, from inside the greenlet."""
        return await_only(awaitable)

    @contextmanager
    def driven(self, sql: str, *, cause: str, keys: int | None = None) -> Iterator[Driven]:
        """Count what the driver runs by itself in the block as one statement, and translate its errors.

        Args:
            sql: its text, for the report.
            cause: what needs it.
            keys: how many rows it is about.

        Raises:
            StatementBudgetExceeded: the scope has run all its statements.
            sqlalchemy.exc.DBAPIError: as SQLAlchemy itself would raise it. A connection that is lost is given up.
        """
        meter = self._meter
        meter.begin(cause)
        started = perf_counter()
        driven = Driven()
        try:
            yield driven
        except Exception as error:
            meter.end(cause, sql, keys, 0, perf_counter() - started)
            if isinstance(error, _REFUSED_VALUE):
                raise _refused_value(error, sql) from error
            self._raise_as_sqlalchemy(error, sql)
            raise
        except BaseException:
            meter.abandon()
            # Cancelled in the middle of an answer: nobody can use the connection any more, as with SQLAlchemy.
            self.connection.invalidate()
            raise
        meter.end(cause, sql, keys, driven.rows, perf_counter() - started)

    def _raise_as_sqlalchemy(self, error: Exception, sql: str) -> None:
        dbapi = self.connection.dialect.loaded_dbapi
        adapted: BaseException = error
        translate = getattr(self.connection.connection.dbapi_connection, "_handle_exception", None)
        if translate is not None:
            try:
                translate(error)
            except Exception as translated:  # noqa: BLE001  the driver's adapter raises what its error is
                adapted = translated
        if isinstance(adapted, dbapi.Error):
            self.connection._handle_dbapi_exception(adapted, sql, None, None, None)
