"""The session of a transaction: entities in it may be changed; only its transaction commits it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import StaleDataError

from batchrepo.errors import TransactionError
from batchrepo.mapping import entity_info
from batchrepo.scope.flushing import Flushing, reload_expired
from batchrepo.scope.lazy import ScopeSession
from batchrepo.scope.session_changes import changes_of_flush

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection
    from sqlalchemy.orm import InstanceState, Session, SessionTransaction

    from batchrepo.executing import TransactionDoor
    from batchrepo.scope.flush_criteria import FlushCriteria
    from batchrepo.scope.lazy import LazyLoads


class WriteSession(ScopeSession):
    """The synchronous half of a transaction's session."""

    read_only = False
    ending = True  # until it is open
    criteria: FlushCriteria | None = None
    shares = True
    door: TransactionDoor | None = None
    _underway: Flushing | None = None

    def exclusively(self) -> AbstractContextManager[None]:
        """The connection's turn: the scope reads on it too."""
        return nullcontext() if self.door is None else self.door.exclusively()

    @property
    def at_work(self) -> bool:
        """Whether the running code has that turn."""
        return self.door is not None and self.door.at_work

    def flush(self, objects: Any = None) -> None:
        """As in SQLAlchemy; then columns that it expired are read, and what was set meanwhile stays to be written."""
        with self.exclusively():
            self._flush_alone(objects)

    def _flush_alone(self, objects: Any) -> None:
        if self._flushing:
            super().flush(objects)  # which refuses it
        flushing = self._underway = Flushing(self)
        try:
            super().flush(objects)
        except StaleDataError as error:
            raise flushing.stale(error) from error
        finally:
            self._underway = None
        flushing.keep_late()
        reload_expired(self, flushing.states)

    def commit(self) -> None:
        """Only the end of the block commits.

        Raises:
            TransactionError: always, elsewhere.
        """
        self._refuse_ending("commit")
        super().commit()

    def rollback(self) -> None:
        """Only the end of the block, with an error, rolls back.

        Raises:
            TransactionError: always, elsewhere.
        """
        self._refuse_ending("rollback")
        super().rollback()

    def _refuse_ending(self, call: str) -> None:
        if not self.ending:
            raise TransactionError(
                f"session.{call}() inside scope.transaction(): the end of the block commits, and an error that leaves "
                f"it rolls back. A part that may fail alone is a transaction() of its own inside it."
            )


class Opening:
    """A session of a transaction that is waiting for its connection.

    Args:
        door: to the connection.
        lazy_loads: answers lazy loads, and is told what is written.
        criteria: checks what is written, where there are any.
        nested: whether the connection is in a transaction of somebody else's.

    Attributes:
        session: the session.
    """

    def __init__(
        self, door: TransactionDoor, lazy_loads: LazyLoads, criteria: FlushCriteria | None, *, nested: bool
    ) -> None:
        self.session = AsyncSession(
            sync_session_class=WriteSession,
            autoflush=True,
            expire_on_commit=False,
            # In a transaction of somebody else's, such as a test's, ours is a savepoint.
            join_transaction_mode="create_savepoint" if nested else "control_fully",
        )
        own: Any = self.session.sync_session
        own.door = door
        own.lazy_loads = lazy_loads
        own.criteria = criteria

    def joined_to(self, connection: Connection) -> Session:
        """The session, on a connection whose transaction has begun."""
        own = self.session.sync_session
        own.bind = connection
        return own

    def opened(self) -> None:
        """It is the transaction's block that ends it, from now on."""
        own: Any = self.session.sync_session
        own.ending = False


@event.listens_for(WriteSession, "before_flush")
def _before_flush(session: Session, *_: object) -> None:
    if isinstance(session, WriteSession) and session.criteria is not None:
        session.criteria.before(session)


@event.listens_for(WriteSession, "after_flush")
def _after_flush(session: Session, flush_context: Any) -> None:
    if isinstance(session, WriteSession) and session.lazy_loads is not None:
        if session._underway is not None:
            session._underway.written(flush_context)
            if session.criteria is not None:
                session.criteria.after(session, session._underway.states)
        session.lazy_loads.wrote(changes_of_flush(flush_context))


@event.listens_for(WriteSession, "after_soft_rollback")
def _after_soft_rollback(session: Session, previous: SessionTransaction) -> None:
    """Entities that were changed in a savepoint have lost everything with it: the block around it goes on with them."""
    if previous.nested and session.is_active and isinstance(session, WriteSession) and not session.ending:
        states = session.identity_map.all_states()
        reload_expired(session, [state for state in states if not _has_key(state)])


def _has_key(state: InstanceState[Any]) -> bool:
    return state.expired_attributes.isdisjoint(entity_info(state.mapper.class_).key_names)
