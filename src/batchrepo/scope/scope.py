"""Scope: one request or one job. It owns the scheduler, the way to the database, the session and the report."""

from __future__ import annotations

import asyncio
import contextvars
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from batchrepo.errors import InvalidArgument, NestedScope, ScopeClosed, ScopeError, UnsavedChanges
from batchrepo.events import LiftedEvent
from batchrepo.executing.border import finish
from batchrepo.loading import Scheduler
from batchrepo.report import Report
from batchrepo.routing import surrounding
from batchrepo.scope.coherence import Stale
from batchrepo.scope.doors import make_door
from batchrepo.scope.joined_commit import leave, mark_savepoints
from batchrepo.scope.lazy import join_session, open_session
from batchrepo.scope.loaders import Loaders
from batchrepo.scope.peers import FetchMode, Peers
from batchrepo.scope.reads import ScopeReads
from batchrepo.scope.references import check_references
from batchrepo.scope.related import Related
from batchrepo.scope.related_pages import PagesOfRelated
from batchrepo.scope.routes import ScopeRoutes
from batchrepo.scope.session_changes import note_writes
from batchrepo.scope.transaction import Transaction
from batchrepo.scope.unsaved import describe_unsaved, refuse_flush, unsaved_changes
from batchrepo.scope.writes import ScopeWrites

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from batchrepo.declare.computed import Fetched
    from batchrepo.declare.criteria import Criterion, Guards
    from batchrepo.events import EventLog
    from batchrepo.routing import Consistency, Route
    from batchrepo.scope.family import Family
    from batchrepo.sql.touched import Tables
    from batchrepo.strategies.reading import Reading

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V", bound=BaseModel)

_current: ContextVar[Scope | None] = ContextVar("batchrepo_scope", default=None)


class Scope(ScopeReads, ScopeWrites, ScopeRoutes):
    """One request or one job: opened with ``async with db.scope() as scope``.

    Everything read in a scope shares its loaders: a row is read once, lookups are batched, and calls may
    be made by any number of concurrent tasks. After its end the entities are detached and every use of
    the scope is an error.

    Attributes:
        context: what row criteria see, such as the user or tenant.
        resources: shared objects of the application, such as an HTTP client, as given to the Database.
        events: everything that happened.
    """

    def __init__(
        self,
        reading: Reading,
        guards: Guards,
        route: Route,
        *,
        context: Any,
        resources: Mapping[str, Any],
        session: AsyncSession | None,
        snapshot: bool,
        mode: FetchMode,
        max_statements: int | None,
        events: EventLog,
        manual: bool,
        family: Family,
    ) -> None:
        self.context = context
        self.resources = resources
        self.events = events
        self.guards = guards
        self.mode = mode
        self._reading = reading
        self._joined = session
        self._snapshot = snapshot
        self._max_statements = max_statements
        self._manual = manual
        self._peers = Peers(shared=session is not None)
        self._parent: Scope | None = None
        self._own_session: AsyncSession | None = None
        self._unfiltered: AsyncSession | None = None
        self._stop_listening: tuple[Callable[[], None], ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stale = Stale()
        self._family = family
        self._route = route
        self._joined_transaction: Transaction | None = None
        self._state = "new"

    # --- life -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise ScopeClosed("A scope is opened once. Call db.scope() for another one.")
        self._loop = asyncio.get_running_loop()
        self._parent = _current.get()
        self._refuse_other_context()
        self._door = make_door(
            self._reading,
            self._route,
            self.events,
            session=self._joined,
            snapshot=self._snapshot,
            max_statements=self._max_statements,
        )
        _current.set(self)
        self._variables = contextvars.copy_context()
        if self._joined is not None:
            self._joined_transaction = Transaction(self, self._door, self._joined, joined=True)
            self._stop_listening = (
                join_session(self._joined, self._related),
                note_writes(self._joined, self._related),
                mark_savepoints(self._joined.sync_session, self._joined_transaction),
                *((check_references(self._joined, self._related),) if self.guards.criteria else ()),
            )
        around = self._consistency_around()
        if not self._family.members and around is not None:
            self._family.consistency.inside(around)
        self._family.members.append(self)
        self._state = "open"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._state == "closed":
            return
        self.check_open(anywhere=True)
        self._state = "closed"
        if (
            _current.get() is self
        ):  # not so where an inner scope was left open, or another task opened this one
            _current.set(self._open_parent())
        own = self._own_sessions()
        unsaved = [change for session in own for change in unsaved_changes(session.sync_session)]
        transaction = self._family.transaction
        self._family.members.remove(self)
        try:
            if transaction is not None and transaction.scope is self:
                await finish(transaction.end(commit=False))
            if "_scheduler" in self.__dict__:
                await self._scheduler.aclose()
        finally:
            if "_loaders" in self.__dict__:
                self._loaders.close()
            try:
                await self._door.aclose()
            finally:
                for stop in self._stop_listening:
                    stop()
                if self._joined is not None and self._joined_transaction is not None:
                    leave(self._joined.sync_session, self._joined_transaction)
                for session in own:
                    session.expunge_all()
                    await session.close()
        if unsaved and error is None:
            raise UnsavedChanges(describe_unsaved(unsaved))

    # Made when they are first asked for: many requests read one view, and need none of them.

    @cached_property
    def _scheduler(self) -> Scheduler:
        return Scheduler(manual=self._manual, events=self.events, context=self._variables)

    @cached_property
    def _loaders(self) -> Loaders:
        return Loaders(self, self._scheduler, self._peers)

    @cached_property
    def _related(self) -> Related:
        return Related(self, self._loaders, self._peers)

    @cached_property
    def _related_pages(self) -> PagesOfRelated:
        return PagesOfRelated(self, self._loaders, self._related)

    def forget(self, written: Tables | None) -> None:
        """What was loaded from these tables is read again; None for all of them."""
        if "_loaders" in self.__dict__:
            self._related.forget(written)

    @property
    def closed(self) -> bool:
        """Whether the scope has ended."""
        return self._state == "closed"

    def check_open(self, *, anywhere: bool = False) -> None:
        """Raise unless the scope is open, and the running code in the event loop that opened it.

        Args:
            anywhere: in another event loop too.

        Raises:
            ScopeClosed: it has ended, or was never opened.
            ScopeError: another event loop is running. Connections and loaders belong to one.
        """
        if self._state == "open":
            # Code without a loop, such as a plain function in a thread, cannot await anything here.
            if anywhere or asyncio._get_running_loop() in (self._loop, None):
                return
            raise ScopeError(
                "This scope was opened in another event loop. Open a scope in each loop; from a thread, ask the "
                "scope's own loop: asyncio.run_coroutine_threadsafe(albums.get(1), loop).result()"
            )
        if self._state == "new":
            raise ScopeClosed(
                "This scope is not open yet. Use it inside: async with db.scope() as scope: ..."
            )
        raise ScopeClosed(
            "This scope has ended. What it read stays usable as far as it was loaded; open another scope to read more."
        )

    def refuse_unsaved(self) -> None:
        """Raise what closing the scope would raise: for whoever answers before the scope closes.

        Raises:
            UnsavedChanges: an entity was changed outside a transaction, where nothing saves it.
        """
        self.check_open()
        for session in self._own_sessions():
            refuse_flush(session.sync_session)

    def _own_sessions(self) -> list[AsyncSession]:
        return [session for session in (self._own_session, self._unfiltered) if session is not None]

    def _open_parent(self) -> Scope | None:
        """The innermost scope around this one that is still open."""
        parent = self._parent
        while parent is not None and parent.closed:
            parent = parent._parent
        return parent

    def _consistency_around(self) -> Consistency | None:
        outer = self._open_parent()
        if outer is not None and outer._reading is self._reading:
            return outer._family.consistency
        return surrounding(self._route.router)

    def _refuse_other_context(self) -> None:
        outer = self._parent
        if outer is None or outer.closed or outer._reading is not self._reading:
            return
        if outer.context != self.context:
            raise NestedScope(
                f"A scope with context={self.context!r} was opened inside one with context={outer.context!r}. "
                f"Use the outer scope, or scope.without(criterion, reason=...) to see more rows."
            )

    def _open_session(self) -> AsyncSession:
        return open_session(self._reading.connection or self._reading.engine, self._related)

    def _unfiltered_session(self) -> AsyncSession:
        """Where rows live that were read without the criteria, so that nothing else finds them by their key."""
        if self._unfiltered is None:
            self._unfiltered = self._open_session()
        return self._unfiltered

    def owns(self, session: Session | None) -> bool:
        """Whether a session is this scope's own, so that nobody else reads into it."""
        transaction = self._family.transaction
        if transaction is not None and transaction.session.sync_session is session:
            return True
        return session is not None and any(own.sync_session is session for own in self._own_sessions())

    @property
    def joined(self) -> bool:
        """Whether the scope reads in a session of the user's."""
        return self._joined is not None

    # --- what strategies need -------------------------------------------------------------------

    @property
    def door(self) -> Any:
        """The way to the database: that of the open transaction, if there is one."""
        self.check_open()
        transaction = self._family.transaction
        return self._door if transaction is None else transaction.door

    @property
    def session(self) -> AsyncSession:
        """The SQLAlchemy session in which this scope's entities live: the way out.

        Statements that you run in it are yours: row criteria are not put on them.
        """
        self.check_open()
        if self._joined is not None:
            return self._joined
        if self._family.transaction is not None:
            return self._family.transaction.session
        return self._reading_session()

    def _reading_session(self) -> AsyncSession:
        if self._own_session is None:
            # Made when entities are read: views need none.
            self._own_session = self._open_session()
        return self._own_session

    @property
    def loaders(self) -> Loaders:
        """The loaders of this scope."""
        self.check_open()
        transaction = self.open_transaction
        if transaction is not None and transaction.pending and transaction.session.sync_session.autoflush:
            # What they remember is older than what the next statement will flush before it runs.
            self.forget(None)
        return self._loaders

    @property
    def scheduler(self) -> Scheduler:
        """Decides when loaders go out; with ``db.scope(manual=True)`` a test does."""
        self.check_open()
        return self._scheduler

    @property
    def reading(self) -> Reading:
        """Plans, strategies and settings of the Database."""
        return self._reading

    @property
    def peers(self) -> Peers:
        """Which entities came from one result."""
        return self._peers

    async def load_fetched(self, fetched: Fetched[Any], keys: Sequence[Any]) -> Sequence[Any]:
        """The values of a batched function, in the order of the keys."""
        return await self.loaders.batched(fetched.source).load_many(keys)

    @property
    def related_pages(self) -> PagesOfRelated:
        """Reads pages of relations by keys, for repositories."""
        self.check_open()
        return self._related_pages

    def without(self, *criteria: Criterion, reason: str) -> Scope:
        """Another scope, inside this one, in which some row criteria do not hold.

        Args:
            criteria: the objects that a repository declares.
            reason: why; it is kept in the report.
        """
        self.check_open()
        if not reason.strip():
            raise InvalidArgument("scope.without() needs a reason, for whoever reads the report.")
        guards = self.guards.without(criteria)
        self.events.emit(LiftedEvent(tuple(criterion.name for criterion in criteria), reason))
        return self._inner(guards, self._route)

    def _inner(self, guards: Guards, route: Route) -> Scope:
        return Scope(
            self._reading,
            guards,
            route,
            context=self.context,
            resources=self.resources,
            session=self._joined,
            snapshot=self._snapshot,
            mode=self.mode,
            max_statements=self._max_statements,
            events=self.events,
            manual=self._manual,
            family=self._family,
        )

    def report(self) -> Report:
        """What this scope did: rounds, batches and statements with their causes. Prints as a tree."""
        return Report(self.events)

    def __repr__(self) -> str:
        if self._state != "open":
            return f"<Scope {self._state}>"
        return f"<Scope {len(self._loaders)} loaders, {self._scheduler.pending} pending>"


def current_scope() -> Scope | None:
    """The innermost open scope of the running task, or None."""
    scope = _current.get()
    return scope if scope is not None and not scope.closed else None
