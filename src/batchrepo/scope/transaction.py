"""A transaction of a scope: entities attached to a session of its own, one commit, savepoints inside it.

While it is open, everything that the scope reads goes through its connection and sees what it wrote. What it
changes is told to the scope at once, and to the outside when it is committed.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from contextvars import ContextVar
from inspect import isawaitable
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from batchrepo.changes import Changes
from batchrepo.errors import InvalidArgument, TransactionError
from batchrepo.events import CallbackFailed, TransactionEvent
from batchrepo.executing.border import finish
from batchrepo.scope.joined_commit import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from types import TracebackType

    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncSession

    from batchrepo.changes import Change
    from batchrepo.declare.criteria import Guards
    from batchrepo.executing import Isolation, Writer
    from batchrepo.executing.session_work import SessionWork
    from batchrepo.scope.scope import Scope
    from batchrepo.strategies.reading import Reading

T = TypeVar("T")

logger = logging.getLogger(__name__)

Mark = tuple[int, int, int]
"""How many changes, callbacks and unknown statements a transaction had."""

_inside: ContextVar[tuple[Transaction, ...]] = ContextVar("batchrepo_transactions", default=())


class Transaction:
    """An open transaction: what ``async with scope.transaction() as transaction`` gives.

    Attributes:
        dry_run: whether it is rolled back at its end, whatever happens.
        read_only: whether the database refuses writes in it.
        joined: whether it is that of a user's session, who ends it.
        committed: whether it has ended so.
        ended: whether it has ended, one way or the other.
    """

    def __init__(
        self,
        scope: Scope,
        door: SessionWork,
        session: AsyncSession,
        *,
        dry_run: bool = False,
        read_only: bool = False,
        joined: bool = False,
    ) -> None:
        self.dry_run = dry_run
        self.read_only = read_only
        self.joined = joined
        self._scope = scope
        self._door = door
        self._session = session
        self._owner = asyncio.current_task()
        self._changes: list[Change] = []
        self._anything = 0
        self._callbacks: list[Callable[[Changes], object]] = []
        self._started = perf_counter()
        self._bulk = asyncio.Lock()
        self._bulk_owner: asyncio.Task[Any] | None = None
        self._notes = self._told = 0
        self._spoiled = ""
        self.committed = False
        self.ended = False

    @property
    def scope(self) -> Scope:
        """The scope that opened it."""
        return self._scope

    @property
    def changes(self) -> Changes:
        """What it has written so far; flush first to have what is pending."""
        return Changes(_merged(self._changes), self._scope.context, self._anything > 0)

    def after_commit(self, callback: Callable[[Changes], object]) -> None:
        """Run a function after the commit, before the code behind the block goes on; never after a rollback.

        Args:
            callback: takes the `Changes`; may be async. What it raises is reported (an event, and the log) and undoes
                nothing. Registered inside a savepoint that is rolled back, it does not run.

        Raises:
            InvalidArgument: it cannot be called.
        """
        if not callable(callback):
            raise InvalidArgument(
                f"after_commit() expects a function of the Changes, async or not; got {callback!r:.200}."
            )
        self._callbacks.append(callback)
        self._wait_for_commit()

    # --- what bulk writes need (WriteContext) ---------------------------------------------------

    @property
    def dialect(self) -> Dialect:
        """Of the database that is written to."""
        return self._door.dialect

    @property
    def guards(self) -> Guards:
        """The row criteria of the scope."""
        return self._scope.guards

    @property
    def reading(self) -> Reading:
        """Plans and settings that all scopes share."""
        return self._scope.reading

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Run work on the connection, after a flush of what is pending."""
        try:
            return await self._door.write(work)
        except asyncio.CancelledError:
            # It runs to its end all the same, and nobody will say what it wrote.
            self._scope.wrote_beside(())
            raise

    def savepoint(self) -> Savepoint:
        """A block whose writes are taken back where it is left with an error: a bulk write's."""
        return Savepoint(self, bulk=True)

    def changed(self, change: Change) -> None:
        """Rows were written beside the session: its entities forget them, and so does the scope."""
        self._told += 1
        self._scope.wrote_beside((change,))

    # --- for the scope --------------------------------------------------------------------------

    @asynccontextmanager
    async def bulk(self) -> AsyncIterator[None]:
        """One bulk write at a time: the savepoints of two would be inside each other."""
        task = asyncio.current_task()
        if self._bulk_owner is task:
            yield  # a source of rows that writes by itself
            return
        async with self._bulk:
            self._bulk_owner = task
            try:
                yield
            finally:
                self._bulk_owner = None

    @property
    def pending(self) -> bool:
        """Whether its session has something to flush."""
        return not self._session.sync_session._is_clean()

    @property
    def session(self) -> AsyncSession:
        """In which its entities live."""
        return self._session

    @property
    def door(self) -> SessionWork:
        """The way to its connection."""
        return self._door

    def note(self, changes: Sequence[Change]) -> None:
        """Something was written; no changes: nobody knows what."""
        self._changes += changes
        self._anything += not changes
        self._notes += 1
        self._wait_for_commit()

    @property
    def by_session(self) -> int:
        """How often its session has written by itself: flushes, and statements of the user's own."""
        return self._notes - self._told

    def spoil(self, why: str) -> None:
        """It must not be committed any more."""
        self._spoiled = why

    def mark(self) -> Mark:
        """What it has so far, for `back_to`."""
        return (len(self._changes), len(self._callbacks), self._anything)

    def back_to(self, mark: Mark) -> Sequence[Change] | None:
        """Whatever came after the mark was taken back.

        Returns:
            The changes that were; none of them means that nobody knows which, None that there were none.
        """
        changes, callbacks, anything = mark
        undone: list[Change] | None = self._changes[changes:] or None
        if self._anything > anything:
            undone = []
        del self._changes[changes:]
        del self._callbacks[callbacks:]
        self._anything = min(self._anything, anything)
        return undone

    def _wait_for_commit(self) -> None:
        if self.joined:
            follow(self._session.sync_session, self)

    def check_owner(self) -> None:
        """Refuse savepoints of other tasks than the one that opened the transaction.

        Raises:
            TransactionError: the running task is another one.
        """
        if asyncio.current_task() is not self._owner:
            raise TransactionError(
                "This transaction was opened by another task, which is waiting for this one: savepoints are for the "
                "owner. Open the transaction in the task that writes, or write in the owner after gather()."
            )

    async def flush_all(self) -> None:
        """Flush what is pending, while the scope still reads in this transaction."""
        if self.pending:
            await self._door.flush()

    async def end(self, *, commit: bool) -> None:
        """Commit (unless it is a dry run) or roll back, and give the connection back.

        Raises:
            sqlalchemy.exc.DBAPIError: the database refused the commit; everything was rolled back.
            TransactionError: it was rolled back with its scope, and should be committed.
        """
        if self.ended:
            if commit:
                raise TransactionError(
                    "The scope was closed while this transaction was open in another task, which rolled it back. Await "
                    "what works in a scope before the scope ends."
                )
            return
        self.ended = True
        spoiled = self._spoiled if commit else ""
        commit = commit and not self.dry_run and not spoiled
        session: Any = self._session.sync_session
        session.ending = True
        door: Any = self._door
        try:
            await door.end(commit=commit)
            self.committed = commit
        finally:
            outcome: Any = "committed" if self.committed else "dry run" if self.dry_run else "rolled back"
            self._scope.events.emit(
                TransactionEvent(outcome, len(self._changes), perf_counter() - self._started)
            )
            await self._door.aclose()
        if spoiled:
            raise TransactionError(spoiled)

    async def run_callbacks(self) -> None:
        """Run what is to run after the commit."""
        changes = self.changes
        if self.joined:
            self._scope.committed()
        callbacks = [*self._callbacks, *(self._scope.on_commit if changes else ())]
        if self.joined:  # the user's session may begin another one
            self._changes.clear()
            self._callbacks.clear()
            self._anything = 0
        for callback in callbacks:
            try:
                waiting = callback(changes)
                if isawaitable(waiting):
                    await waiting
            except Exception as error:
                name = getattr(callback, "__qualname__", repr(callback))
                self._scope.events.emit(CallbackFailed(name, error))
                logger.exception("%s failed after a commit, which stands.", name)

    def __repr__(self) -> str:
        return f"<Transaction {len(self._changes)} changes{', dry run' if self.dry_run else ''}>"


class Savepoint:
    """A part of a transaction that can be taken back alone."""

    def __init__(self, transaction: Transaction, *, bulk: bool = False) -> None:
        self._transaction = transaction
        self._bulk = bulk
        self._by_session = 0
        self._nested: Any = None
        self._mark: Mark = (0, 0, 0)

    async def __aenter__(self) -> Transaction:
        transaction = self._transaction
        self._nested = await transaction.door.begin_nested()
        # After the flush that it begins with.
        self._mark = transaction.mark()
        self._by_session = transaction.by_session
        return transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                await finish(self._transaction.door.end_nested(self._nested, commit=True))
            except BaseException:
                await finish(self._take_back())
                raise
        else:
            await finish(self._take_back())

    async def _take_back(self) -> None:
        transaction = self._transaction
        try:
            await transaction.door.end_nested(self._nested, commit=False)
        finally:
            if self._bulk and transaction.by_session > self._by_session and not self._nested.kept:
                transaction.spoil(_SPOILED)
            if not self._nested.kept:  # who was cancelled while it was released has left it behind
                undone = transaction.back_to(self._mark)
                if undone is not None:
                    # What was read after these changes is as old as they are.
                    transaction._scope.undone(undone)


_SPOILED = (
    "Nothing was committed: while a bulk write was under way, another task flushed entities (or ran a statement), and the bulk "
    "write failed, which took them back with it. Flush before the bulk write, or after it."
)


class TransactionBlock:
    """``async with scope.transaction()``: opens a transaction, or a savepoint inside one."""

    def __init__(self, scope: Scope, *, isolation: Isolation | None, read_only: bool, dry_run: bool) -> None:
        self._scope = scope
        self._isolation: Isolation | None = isolation
        self._read_only = read_only
        self._dry_run = dry_run
        self._transaction: Transaction | None = None
        self._savepoint: Savepoint | None = None

    async def __aenter__(self) -> Transaction:
        self._scope.check_open()
        outer = self._scope.open_transaction
        if outer is not None and (outer.joined or is_inside(outer)):
            if not outer.joined:
                outer.check_owner()
            self._refuse_settings()
            self._savepoint = Savepoint(outer)
            return await self._savepoint.__aenter__()
        self._transaction = await self._scope.begin(self._isolation, self._read_only, self._dry_run)
        _inside.set((*_inside.get(), self._transaction))
        return self._transaction

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._savepoint is not None:
            await self._savepoint.__aexit__(kind, error, trace)
            return
        transaction = self._transaction
        assert transaction is not None
        _inside.set(tuple(one for one in _inside.get() if one is not transaction))
        await self._scope.end(transaction, commit=error is None)

    def _refuse_settings(self) -> None:
        if self._isolation is not None or self._read_only or self._dry_run:
            raise InvalidArgument(
                "isolation=, read_only= and dry_run= belong to the outer transaction(); inside it, transaction() is a "
                "savepoint and has none of them."
            )


def is_inside(transaction: Transaction) -> bool:
    """Whether the running code is inside the block of a transaction; tasks that are started there are, too."""
    return transaction in _inside.get()


def _merged(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Changes of one entity, operation and set of columns as one, each key once."""
    grouped: dict[Any, Change] = {}
    for change in changes:
        same = (change.entity, change.operation, change.columns)
        known = grouped.get(same)
        if known is None:
            grouped[same] = change
        elif known.keys is not None:
            keys = None if change.keys is None else tuple(dict.fromkeys((*known.keys, *change.keys)))
            grouped[same] = type(change)(change.entity, change.operation, keys, change.columns)
    return tuple(grouped.values())
