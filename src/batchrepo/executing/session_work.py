"""What a door does for a session that writes on its connection: flushes, savepoints, work with the connection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from batchrepo.executing.door import Door, Work
from batchrepo.executing.meter import watch
from batchrepo.executing.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import Session, SessionTransaction

T = TypeVar("T")

NOTHING: Any = None
"""The statement of work that is no single statement."""


class Nested:
    """A savepoint.

    Attributes:
        transaction: what SQLAlchemy calls it.
        kept: whether it was released: it cannot be taken back any more.
    """

    __slots__ = ("kept", "transaction")

    def __init__(self, transaction: SessionTransaction) -> None:
        self.transaction = transaction
        self.kept = False


class SessionWork(Door):
    """A door to the connection of a session that writes."""

    _session: Any
    """The session, once it is there."""

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Run work with a `Writer` on the connection, after a flush of what the session has pending."""
        return await self._call(Work(NOTHING, partial(self._write, work)))

    async def flush(self) -> None:
        """Write what the session has pending."""
        await self._call(Work(NOTHING, self.flush_on))

    async def begin_nested(self) -> Nested:
        """Begin a savepoint, after a flush of what the session has pending."""
        return await self._call(Work(NOTHING, self._begin_nested))

    async def end_nested(self, nested: Nested, *, commit: bool) -> None:
        """Keep or take back what was written since a savepoint began. One that was kept is left alone.

        What is pending is written before it is kept. Before it is taken back nothing is: it may be what fails.
        """
        run = partial(self._end_nested, nested, commit)
        await self._call(Work(NOTHING, run, autoflush=commit))

    def flush_on(self, connection: Connection, *, autoflush: bool = False) -> None:
        """Flush, inside a greenlet; its statements are counted.

        Args:
            connection: of the session.
            autoflush: only where the session flushes by itself.
        """
        session: Session = self._session
        if session._is_clean() or (autoflush and not session.autoflush):
            return
        with watch(connection, self._meter, "flush", None):
            session.flush()

    def _write(self, work: Callable[[Writer], T], connection: Connection) -> T:
        self.flush_on(connection)
        return work(Writer(connection, self._session, self._meter))

    def _begin_nested(self, connection: Connection) -> Nested:
        self.flush_on(connection)
        with watch(connection, self._meter, "savepoint", None):
            nested: SessionTransaction = self._session.begin_nested()
            self._session.connection()  # SQLAlchemy sends SAVEPOINT when the connection is first asked for
        return Nested(nested)

    def _end_nested(self, nested: Nested, commit: bool, connection: Connection | None) -> None:
        if nested.kept:
            return
        if connection is None:  # a flush failed: the session gives no connection before its rollback
            nested.transaction.rollback()
            return
        if commit:
            self.flush_on(connection)
        with watch(connection, self._meter, "savepoint", None):
            if commit:
                nested.transaction.commit()
                nested.kept = True
            elif not connection.invalidated:
                nested.transaction.rollback()
