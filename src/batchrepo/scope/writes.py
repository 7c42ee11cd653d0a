"""What a caller writes with a scope: transactions, entities, and what the scope must forget afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstanceState
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.util import greenlet_spawn

from batchrepo.changes import Change
from batchrepo.errors import DatabaseUnavailable, InvalidArgument, TransactionError
from batchrepo.executing import TransactionDoor
from batchrepo.executing.border import finish
from batchrepo.mapping import entity_info
from batchrepo.routing import Endpoint, RoutedTransaction
from batchrepo.scope.coherence import Stale, follow_keys, outdate
from batchrepo.scope.flush_criteria import FlushCriteria
from batchrepo.scope.taking_part import take_part
from batchrepo.scope.transaction import Transaction, TransactionBlock, is_inside
from batchrepo.scope.write_session import Opening, WriteSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

    from batchrepo.changes import Changes
    from batchrepo.declare.criteria import Guards
    from batchrepo.events import EventLog
    from batchrepo.executing import Isolation
    from batchrepo.mapping import RelationInfo
    from batchrepo.routing import Route
    from batchrepo.scope.family import Family
    from batchrepo.scope.peers import Peers
    from batchrepo.scope.related import Related
    from batchrepo.sql.touched import Tables
    from batchrepo.strategies.reading import Reading


class ScopeWrites(ABC):
    """The writing side of `Scope`, whose life and parts are its own."""

    guards: Guards
    events: EventLog
    _peers: Peers
    _reading: Reading
    _joined: AsyncSession | None
    _snapshot: bool
    _max_statements: int | None
    _door: Any
    _stale: Stale
    _family: Family
    _joined_transaction: Transaction | None
    _route: Route

    @cached_property
    @abstractmethod
    def _related(self) -> Related: ...

    @abstractmethod
    def forget(self, written: Tables | None) -> None:
        """What was loaded from these tables is read again; None for all of them."""

    @abstractmethod
    def check_open(self) -> None:
        """Raise unless the scope is open."""

    @abstractmethod
    def _own_sessions(self) -> list[AsyncSession]:
        """The sessions of the scope itself."""

    @property
    @abstractmethod
    def session(self) -> AsyncSession:
        """The session in which the scope's entities live."""

    def transaction(
        self, *, isolation: Isolation | None = None, read_only: bool = False, dry_run: bool = False
    ) -> TransactionBlock:
        """A transaction for the length of a block: ``async with scope.transaction() as transaction``.

        What the scope reads inside it goes through its connection and sees what it wrote; entities that are read
        inside it may be changed. It is committed when the block ends, and rolled back when it ends with an error or
        is cancelled. Inside another one of the same task it is a savepoint. Other tasks' transactions on the same
        scope wait for it.

        Args:
            isolation: another level than the database's own, such as ``"SERIALIZABLE"``; see `Database.run`, which
                tries again what such a transaction refuses.
            read_only: the database refuses writes in it.
            dry_run: do everything, and roll it back at the end; what is to run after a commit does not.

        Raises:
            DatabaseUnavailable: no connection could be had.
            TransactionError: the scope reads a snapshot; or the running task is not the one that opened the outer
                transaction.
        """
        self.check_open()
        if self._snapshot:
            raise TransactionError(
                "This scope was opened with snapshot=True: it reads one state of the database and writes nothing. Open "
                'a scope without it; transaction(isolation="REPEATABLE READ") sees one state, too.'
            )
        return TransactionBlock(self, isolation=isolation, read_only=read_only, dry_run=dry_run)  # type: ignore[arg-type]

    def add(self, *entities: Any) -> None:
        """Insert new entities with the next flush; or let entities that were read before the transaction take part.

        What they refer to by relationships is added with them, as in SQLAlchemy.

        Raises:
            TransactionError: there is no open transaction; or the entity was read again inside it.
        """
        session = self._write_session("add()").sync_session
        for entity in entities:
            _checked(entity, "add")
            take_part(entity, session, self._sync_sessions())
            if isinstance(session, WriteSession) and session.criteria is not None:
                session.criteria.admit(instance_state(entity), self.guards)

    async def delete(self, *entities: Any) -> None:
        """Delete entities with the next flush, and what their relationships cascade to.

        Where their repository declares ``soft_delete(...)`` they are marked instead, without their relations, and are
        not found any more.

        Raises:
            TransactionError: there is no open transaction.
        """
        session = self._write_session("delete()").sync_session
        for entity in entities:
            _checked(entity, "delete")
            if instance_state(entity).session is not session:
                take_part(entity, session, self._sync_sessions())
            soft = self._reading.catalog.soft_delete(entity_info(type(entity)))
            if soft is not None:
                setattr(entity, soft.column, soft.value())
                self._peers.uncheck(instance_state(entity))
                continue
            # What it cascades to may have to be read.
            await greenlet_spawn(session.delete, entity)

    async def flush(self) -> None:
        """Write what is pending: new entities have their keys then, and nothing is committed.

        Raises:
            TransactionError: there is no open transaction.
            StaleRows: somebody else has changed or deleted a row since it was read.
        """
        self._write_session("flush()")
        assert self.open_transaction is not None
        await self.open_transaction.door.flush()

    def touch(self, *entities: type[Any]) -> None:
        """Rows of these classes were written by somebody else: read them again where they are asked for.

        For writes beside the scope, such as a trigger's, or of SQL that ran on another connection.
        """
        self.check_open()
        self.wrote_beside([Change(entity_info(entity).cls, "unknown") for entity in entities])

    # --- for bulk writes (WriteScope) -----------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether the running task is inside a transaction of this scope (or the scope in one of the user's)."""
        return self._joined is not None or (
            self._family.transaction is not None and is_inside(self._family.transaction)
        )

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Transaction]:
        """The open transaction of the running task, or one for the length of the block."""
        self.check_open()
        transaction = self.open_transaction
        if transaction is None or not (transaction.joined or is_inside(transaction)):
            async with self.transaction() as transaction:
                yield transaction
            return
        async with transaction.bulk():
            yield transaction

    # --- for transactions -----------------------------------------------------------------------

    @property
    def open_transaction(self) -> Transaction | None:
        """The transaction that is open in this scope, whoever opened it; in a joined scope that of the session."""
        return self._family.transaction or self._joined_transaction

    @property
    def on_commit(self) -> Sequence[Callable[[Changes], object]]:
        """What the application wants to run after each commit."""
        return self._reading.on_commit

    async def begin(self, isolation: Isolation | None, read_only: bool, dry_run: bool) -> Transaction:
        """Open a transaction, when those of other tasks have ended."""
        family = self._family
        await family.turn.acquire()
        try:
            door, session = await self._opened(isolation, read_only)
            session.opened()
            family.transaction = Transaction(
                self,  # type: ignore[arg-type]
                door,
                session.session,
                dry_run=dry_run,
                read_only=read_only,
            )
            for scope in tuple(family.members):
                scope.forget(None)
        except BaseException:
            family.turn.release()
            raise
        return family.transaction

    async def _opened(self, isolation: Isolation | None, read_only: bool) -> tuple[TransactionDoor, Opening]:
        connection = self._reading.connection
        if connection is not None or not self._route.router.replicas:
            return await self._open(connection or self._reading.engine, isolation, read_only)
        return await self._route.begin(
            lambda endpoint: self._open(endpoint, isolation, read_only), isolation, read_only
        )

    async def _open(
        self,
        source: AsyncConnection | AsyncEngine | Endpoint,
        isolation: Isolation | None,
        read_only: bool,
    ) -> tuple[TransactionDoor, Opening]:
        settings: Any = {
            "isolation": isolation,
            "read_only": read_only,
            "max_statements": self._max_statements,
        }
        if isinstance(source, Endpoint):
            door: TransactionDoor = RoutedTransaction(self._route, source, self.events, **settings)
        else:
            door = TransactionDoor(source, self.events, **settings)
        criteria = FlushCriteria(self, self._family) if self.guards.criteria else None
        session = Opening(door, self._related, criteria, nested=self._reading.connection is not None)
        await door.open(session.joined_to)
        return door, session

    async def end(self, transaction: Transaction, *, commit: bool) -> None:
        """Commit or roll back, and let the scope read outside of it again. Once begun it is not interrupted.

        Raises:
            sqlalchemy.exc.DBAPIError: the database refused what was written; everything was rolled back.
            TransactionError: the scope was closed meanwhile, and everything rolled back with it.
        """
        if commit:
            try:
                await transaction.flush_all()
            except BaseException:
                await finish(self._end(transaction, commit=False))
                raise
        await finish(self._end(transaction, commit=commit))

    async def _end(self, transaction: Transaction, *, commit: bool) -> None:
        family = self._family
        if family.transaction is transaction:
            family.transaction = None
        try:
            try:
                await transaction.end(commit=commit)
            except (DBAPIError, DatabaseUnavailable) as error:
                lost = not isinstance(error, DBAPIError) or error.connection_invalidated
                if commit and lost and not transaction.read_only:
                    # The connection went, perhaps behind the commit: only the primary knows.
                    self.committed()
                raise
            if transaction.committed:
                if not transaction.read_only:
                    self.committed()
                # Entities that are being read at this moment may have values from before it.
                for scope in tuple(family.members):
                    await scope._door.quiet()
        finally:
            try:
                self._after(transaction)
                self._adopt(transaction)
            finally:
                family.turn.release()
        if transaction.committed:
            await transaction.run_callbacks()

    def committed(self) -> None:
        """Something was written: what is read from now on must have seen it."""
        self._family.consistency.committed()

    def wrote(self, changes: Sequence[Change]) -> None:
        """A session wrote rows: what may have come from them is read again. No changes: any rows may have been."""
        for scope in tuple(self._family.members):
            for session in scope._sync_sessions():
                follow_keys(session, changes, scope._peers)
        self._forget(changes)
        if self.open_transaction is not None:
            self.open_transaction.note(changes)

    def wrote_beside(self, changes: Sequence[Change]) -> None:
        """Rows were written by a statement that the sessions know nothing of: their entities forget them, too."""
        self._outdate(changes)
        self.wrote(changes)

    def undone(self, changes: Sequence[Change]) -> None:
        """Changes were taken back; what was read after them is read again. None: any may have been."""
        self._outdate(changes, undone=True)
        self._forget(changes)

    def _outdate(self, changes: Sequence[Change], *, undone: bool = False) -> None:
        for scope in tuple(self._family.members):
            for session in scope._sync_sessions():
                outdate(session, changes, scope._peers, undone=undone)

    def _forget(self, changes: Sequence[Change]) -> None:
        for scope in tuple(self._family.members):
            scope.forget(scope._stale.note(changes))

    def is_stale(self, relation: RelationInfo) -> bool:
        """Whether what an entity has for a relation may be older than a write of this scope."""
        return self._stale.relation(relation)

    async def flush_pending(self) -> None:
        """Write what is pending in the open transaction, before something is looked up that depends on it."""
        transaction = self.open_transaction
        if transaction is not None and transaction.pending and transaction.session.sync_session.autoflush:
            await transaction.door.flush()

    def _after(self, transaction: Transaction) -> None:
        """Reads that ran beside the end may have seen what was before it."""
        written = transaction.changes
        if written:
            changes = () if written.anything else written.changes
            undone = not transaction.committed
            self._outdate(changes, undone=undone)
            if undone:  # they live on, too
                outdate(transaction.session.sync_session, changes, self._peers, undone=True)
        for scope in tuple(self._family.members):
            scope.forget(None)

    def _adopt(self, transaction: Transaction) -> None:
        """Entities of a transaction live on in the scope, so that what they lead to can still be loaded."""
        ended = transaction.session.sync_session
        left = list(ended)
        ended.expunge_all()
        ended.close()
        if not left or transaction.scope.closed:
            return
        session = self._reading_session().sync_session
        for entity in left:
            state = instance_state(entity)
            key = state.key
            if key is None:  # a new one, which the rollback has made transient
                continue
            other = session.identity_map.get(key)
            if other is not None:
                if not transaction.committed:
                    continue
                session._expunge_states([instance_state(other)])
            # Not add(), which takes along what it leads to: deleted entities, and those of other sessions.
            session._update_impl(state)

    @abstractmethod
    def _reading_session(self) -> AsyncSession:
        """The session in which entities live outside of transactions."""

    def _write_session(self, call: str) -> AsyncSession:
        self.check_open()
        if self._joined is not None:
            return self._joined
        transaction = self._family.transaction
        if transaction is None:
            raise TransactionError(
                f"scope.{call} needs an open transaction: async with scope.transaction(): ... Nothing would commit it."
            )
        return transaction.session

    def _sync_sessions(self) -> list[Any]:
        sessions = [session.sync_session for session in self._own_sessions()]
        if self._family.transaction is not None:
            sessions.append(self._family.transaction.session.sync_session)
        if self._joined is not None:
            sessions.append(self._joined.sync_session)
        return sessions


def _checked(entity: Any, call: str) -> None:
    if not isinstance(getattr(entity, "_sa_instance_state", None), InstanceState):
        raise InvalidArgument(
            f"scope.{call}() expects entities (instances of mapped classes); got {type(entity).__name__}. "
            f"Rows as dicts go to a repository's insert_many()."
        )
