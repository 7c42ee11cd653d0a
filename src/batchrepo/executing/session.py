"""A session for entities outside a transaction: it hydrates, a door brings the connection.

SQLAlchemy's session would take a connection of its own and begin a transaction on it with the first
statement, and keep both. Entities of a scope live longer than that, and several statements may load into
the same identity map at once, each on its own connection. Hydration itself is synchronous, so two
statements can only interleave between their parts (a main statement and its select-in loads), each of
which knows its own query context.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection


class _Loan:
    """A connection lent to one session for the length of one call."""

    __slots__ = ("connection", "session")

    def __init__(self, session: Session, connection: Connection) -> None:
        self.session: Session | None = session
        self.connection = connection


_loan: ContextVar[_Loan | None] = ContextVar("batchrepo_loan", default=None)


class ReadSession(Session):
    """The synchronous half of a scope's session: ``AsyncSession(engine, sync_session_class=ReadSession)``.

    Statements that a door runs use the door's connection, and no transaction of the session begins.
    Anything else that a user does with the session behaves as in SQLAlchemy. Nothing is flushed or
    expired by itself: the defaults of ``autoflush`` and ``expire_on_commit`` are False.
    """

    def __init__(self, bind: Any = None, **options: Any) -> None:
        super().__init__(bind, **{"autoflush": False, "expire_on_commit": False, **options})

    def _connection_for_bind(self, engine: Any, *args: Any, **options: Any) -> Connection:
        """Called by SQLAlchemy for each statement of the session, the nested ones included."""
        loan = _loan.get()
        if loan is not None and loan.session is self:
            return loan.connection
        return super()._connection_for_bind(engine, *args, **options)


@contextmanager
def lend(session: ReadSession, connection: Connection) -> Iterator[None]:
    """Let the session's statements, within the block, run on this connection.

    Holds for the running task only. A task that is started within the block inherits the loan, but not
    beyond the block's end: then the connection may be somebody else's.
    """
    loan = _Loan(session, connection)
    token = _loan.set(loan)
    try:
        yield
    finally:
        _loan.reset(token)
        loan.session = None


def lent(session: Session) -> bool:
    """Whether the running task is inside a door's statement on this session.

    Such a statement is already on its way: whoever hooks into the session lets it pass, and must not wait
    for another statement, since a door may have one connection only.
    """
    loan = _loan.get()
    return loan is not None and loan.session is session
