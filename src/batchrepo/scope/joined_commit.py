"""A scope in a user's session: what is to run after the commit waits for the commit of that session.

What the session takes back by itself (a rollback, a savepoint of the user's) is taken back there, too. What is pending
when the scope closes is flushed by the user's commit, and told with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.util.concurrency import await_only, in_greenlet

from batchrepo.scope.session_changes import changes_of_flush

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session, SessionTransaction

    from batchrepo.changes import Change


class Follower(Protocol):
    """The transaction of a scope, inside that of a user's session."""

    def note(self, changes: Sequence[Change]) -> None:
        """The session has written something."""
        ...

    def mark(self) -> Any:
        """What it knows so far."""
        ...

    def back_to(self, mark: Any) -> Any:
        """What came after the mark was taken back."""
        ...

    async def run_callbacks(self) -> None:
        """The session has committed."""
        ...


class _Following:
    """Who waits for the end of a session's transaction.

    Attributes:
        waiting: those that have something to tell after a commit.
        left: those whose scope has closed, while the session may have something to flush.
    """

    __slots__ = ("left", "waiting")

    def __init__(self) -> None:
        self.waiting: dict[Follower, None] = {}
        self.left: dict[Follower, None] = {}


_KEY = "batchrepo_following"
"""Where a session keeps them."""

_NOTHING = (0, 0, 0)


def follow(session: Session, follower: Follower) -> None:
    """Tell a transaction of the next commit of the session. It runs before ``await session.commit()`` returns."""
    _following(session).waiting[follower] = None


def leave(session: Session, follower: Follower) -> None:
    """Its scope has closed: until the session's transaction ends, what is still pending is told to it."""
    if session.in_transaction() or session._new or session._deleted or session.dirty:
        _following(session).left[follower] = None


def mark_savepoints(session: Session, follower: Follower) -> Callable[[], None]:
    """Let the follower forget what the session rolls back.

    Returns:
        A function that ends it.
    """
    _following(session)  # listens from now on; in an event of the session it could not begin to
    marks: WeakKeyDictionary[SessionTransaction, Any] = WeakKeyDictionary()

    def begun(_: Session, transaction: SessionTransaction) -> None:
        if transaction.nested:
            marks[transaction] = follower.mark()

    def undone(_: Session, transaction: SessionTransaction) -> None:
        if transaction.nested:
            mark = marks.pop(transaction, None)
            if mark is not None:
                follower.back_to(mark)
        elif transaction.parent is None:
            follower.back_to(_NOTHING)

    event.listen(session, "after_transaction_create", begun)
    event.listen(session, "after_soft_rollback", undone)

    def stop() -> None:
        event.remove(session, "after_transaction_create", begun)
        event.remove(session, "after_soft_rollback", undone)

    return stop


def _following(session: Session) -> _Following:
    found: _Following | None = session.info.get(_KEY)
    if found is None:
        found = session.info[_KEY] = _Following()
        event.listen(session, "after_flush", _flushed)
        event.listen(session, "after_commit", _committed)
        event.listen(session, "after_transaction_end", _ended)
    return found


def _flushed(session: Session, flush_context: Any) -> None:
    for follower in tuple(_following(session).left):
        follower.note(changes_of_flush(flush_context))


def _committed(session: Session) -> None:
    if session.in_nested_transaction() or not in_greenlet():
        return
    following = _following(session)
    now = tuple(following.waiting)
    following.waiting.clear()
    for follower in now:
        await_only(follower.run_callbacks())


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        following = _following(session)
        following.waiting.clear()
        following.left.clear()
