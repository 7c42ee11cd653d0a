"""Reading inside the transaction of a session that the user has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.util import greenlet_spawn

from batchrepo.errors import InvalidArgument
from batchrepo.executing.border import connecting
from batchrepo.executing.session_work import NOTHING, SessionWork

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement
    from sqlalchemy.engine import Dialect
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from batchrepo.events import EventLog
    from batchrepo.executing.door import Call, Work

T = TypeVar("T")


class JoinedDoor(SessionWork):
    """Statements run one after the other on the session's own connection.

    They see what the session has written. As in any query of the session, pending changes are flushed
    first if its autoflush is on. It is never committed, rolled back or closed here. A statement that is
    cancelled invalidates the session's connection, as SQLAlchemy's own statements do; closing the door
    waits for a running statement instead.

    Args:
        session: the user's session; entities may be loaded into it.
        events: one event for each statement goes here.
        dialect: the dialect, where the session has no single bind to ask.
        max_statements: how many statements the scope may run, or None.

    Raises:
        InvalidArgument: the session has no bind, and no dialect was given.
    """

    def __init__(
        self,
        session: AsyncSession,
        events: EventLog,
        *,
        dialect: Dialect | None = None,
        max_statements: int | None = None,
    ) -> None:
        if dialect is None:
            try:
                dialect = session.sync_session.get_bind().dialect
            except UnboundExecutionError as error:
                msg = (
                    "The session is not bound to one engine, so its SQL dialect is unknown. Give it one with "
                    "AsyncSession(engine), or pass dialect=."
                )
                raise InvalidArgument(msg) from error
        super().__init__(dialect, events, max_statements)
        self._session = session.sync_session
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<JoinedDoor {type(self._session).__name__}{' closed' if self._closed else ''}>"

    def _check_session(self, session: Session) -> None:
        if session is not self._session:
            super()._check_session(session)

    async def _run(self, work: Work[T], call: Call) -> T:
        async with self._turn:
            call.abortable = False
            return await greenlet_spawn(lambda: self._in_transaction(work))

    def _in_transaction(self, work: Work[T]) -> T:
        session = self._session
        if work.statement is NOTHING and not session.is_active:
            return work.run(_NO_CONNECTION)
        clause = cast(
            "ClauseElement", work.statement
        )  # every statement is one; the type says it of some only
        with connecting(session.get_bind(clause=clause).engine):
            connection = session.connection(bind_arguments={"clause": clause})
        # Before the work, which counts the statements on this connection: those of a flush are the user's.
        if session.autoflush and work.autoflush:
            session.flush()
        return work.run(connection)

    async def _release(self) -> None:
        """Nothing is ours."""


_NO_CONNECTION: Any = None
"""What a session whose flush has failed gives, until it is rolled back."""
