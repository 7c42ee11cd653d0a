"""Counting statements, and the budget of a scope."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from batchrepo.errors import StatementBudgetExceeded
from batchrepo.events import EventLog, StatementEvent, current_origin

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from types import TracebackType
    from typing import Self

    from sqlalchemy.engine import Connection, Engine


class Meter:
    """Emits one event per statement, and refuses statements beyond the budget.

    Args:
        events: the log of the scope.
        max_statements: how many statements the scope may run, or None for any number.
        endpoint: the name of the server, where there are several.
    """

    __slots__ = ("_running", "endpoint", "events", "last_seconds", "max_statements")

    def __init__(self, events: EventLog, max_statements: int | None, endpoint: str = "") -> None:
        self.endpoint = endpoint
        self.events = events
        self.max_statements = max_statements
        self._running = 0
        self.last_seconds = 0.0

    def begin(self, cause: str) -> None:
        """Take one statement from the budget; ``end`` or ``abandon`` must follow.

        Raises:
            StatementBudgetExceeded: all statements of the budget have run or are running.
        """
        limit = self.max_statements
        # What runs at this moment counts as well, or concurrent statements would slip through together.
        if limit is not None and self.events.statement_count + self._running >= limit:
            raise StatementBudgetExceeded(self._refusal(cause, limit))
        self._running += 1

    def end(
        self, cause: str, sql: str, keys: int | None, rows: int, seconds: float, *, direct: bool = False
    ) -> None:
        """The statement has run."""
        self._running -= 1
        self.last_seconds = seconds
        self.events.emit(
            StatementEvent(cause, sql, keys, rows, seconds, current_origin.get(), direct, self.endpoint)
        )

    def abandon(self) -> None:
        """The statement did not reach the database, or was cancelled."""
        self._running -= 1

    def _refusal(self, cause: str, limit: int) -> str:
        worst = self.events.statements_by_cause.most_common(3)
        ran = ", ".join(f"{count} x {name}" for name, count in worst) or "none yet"
        return (
            f"The scope may run {limit} statement{'' if limit == 1 else 's'} and wanted one more, for "
            f"{cause}. Most statements so far: {ran}. If one of them runs once per row, load it for all rows "
            f"at once (a relation, a view or a batched function); otherwise raise max_statements."
        )


class Timed:
    """One statement from its beginning to its end: ``with Timed(meter, cause, keys) as timed``.

    A statement that the database refused was still a statement; any other error means that it was none.

    Attributes:
        sql: the text as sent; to be set within the block.
        rows: how many came back; to be set within the block.
    """

    __slots__ = ("_cause", "_direct", "_keys", "_meter", "_started", "rows", "sql")

    def __init__(self, meter: Meter, cause: str, keys: int | None, *, direct: bool = False) -> None:
        self._meter = meter
        self._cause = cause
        self._keys = keys
        self._direct = direct
        self.sql = ""
        self.rows = 0

    def __enter__(self) -> Self:
        self._meter.begin(self._cause)
        self._started = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, DBAPIError):
            self._meter.abandon()
            return
        sql, rows = (self.sql, self.rows) if error is None else (error.statement or "", 0)
        seconds = perf_counter() - self._started
        self._meter.end(self._cause, sql, self._keys, rows, seconds, direct=self._direct)


class _Watch:
    """The statements of one call of the ORM: its own, and those that eager loading adds."""

    __slots__ = ("begun", "cause", "connection", "keys", "meter", "sql", "started")

    def __init__(self, connection: Connection, meter: Meter, cause: str, keys: int | None) -> None:
        self.connection = connection
        self.meter = meter
        self.cause = cause
        self.keys = keys
        self.begun = False
        self.sql = ""
        self.started = 0.0

    def before(self, sql: str) -> None:
        self.meter.begin(self.cause)
        self.begun = True
        self.sql = sql
        self.started = perf_counter()

    def after(self, rows: int) -> None:
        self.begun = False
        self.meter.end(self.cause, self.sql, self.keys, rows, perf_counter() - self.started)
        # The keys are those of the first statement; eager loads have their own, which nobody told us.
        self.keys = None

    def close(self, *, failed: bool) -> None:
        """End of the call; a statement that the database refused was still a statement."""
        if self.begun and failed:
            self.after(0)
        elif self.begun:
            self.begun = False
            self.meter.abandon()


_watch: ContextVar[_Watch | None] = ContextVar("batchrepo_watch", default=None)
_watched: WeakSet[Connection] = WeakSet()


@contextmanager
def watch(connection: Connection, meter: Meter, cause: str, keys: int | None) -> Iterator[None]:
    """Count every statement that the running task sends over this connection within the block."""
    if connection not in _watched:
        # Listeners on a connection stay until the connection object goes; outside such a block they
        # return at once.
        event.listen(connection, "before_cursor_execute", _before)
        event.listen(connection, "after_cursor_execute", _after)
        _watched.add(connection)
    current = _Watch(connection, meter, cause, keys)
    token = _watch.set(current)
    failed = False
    try:
        yield
    except Exception:
        failed = True
        raise
    finally:
        _watch.reset(token)
        current.close(failed=failed)


def listeners_of_ours(source: Engine | Connection) -> Collection[str]:
    """The events that `watch` listens to, with one listener each."""
    return ("before_cursor_execute", "after_cursor_execute") if source in _watched else ()


def _watching(connection: Connection) -> _Watch | None:
    # A task that was started within the block inherits its watch; it has a connection of its own.
    current = _watch.get()
    return current if current is not None and current.connection is connection else None


def _before(connection: Connection, _cursor: Any, statement: str, *_: object) -> None:
    if (current := _watching(connection)) is not None:
        current.before(statement)


def _after(connection: Connection, cursor: Any, *_: object) -> None:
    if (current := _watching(connection)) is not None:
        current.after(_rows_received(cursor))


def _rows_received(cursor: Any) -> int:
    """Rows that the driver has fetched: all of them, before SQLAlchemy sees the first."""
    received = getattr(cursor, "_rows", None)
    return len(received) if received is not None else max(cursor.rowcount, 0)
