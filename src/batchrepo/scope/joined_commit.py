"""A scope in a user's session: what is to run after the commit waits for the commit of that session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import event
from sqlalchemy.util.concurrency import await_only, in_greenlet

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.orm import Session, SessionTransaction


_WAITING = "batchrepo_after_commit"
"""Where a session keeps what is to run after its commit."""


def after_commit(session: Session, run: Callable[[], Awaitable[None]]) -> None:
    """Run something when the session's transaction is committed; never when it ends otherwise.

    Args:
        session: of the user, in whose transaction something was written.
        run: makes the coroutine. It runs before ``await session.commit()`` returns.
    """
    waiting: list[Callable[[], Awaitable[None]]] | None = session.info.get(_WAITING)
    if waiting is None:
        waiting = session.info[_WAITING] = []
        event.listen(session, "after_commit", _committed)
        event.listen(session, "after_transaction_end", _ended)
    waiting.append(run)


def _committed(session: Session) -> None:
    if session.in_nested_transaction() or not in_greenlet():
        return
    waiting: list[Callable[[], Awaitable[None]]] = session.info[_WAITING]
    now, waiting[:] = waiting[:], []
    for run in now:
        await_only(run())


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info[_WAITING].clear()
