"""What a bulk write needs of a scope. It knows this, and not the scope itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.engine import Dialect

    from batchrepo.changes import Change
    from batchrepo.declare.criteria import Guards
    from batchrepo.executing.writer import Writer
    from batchrepo.strategies.reading import Reading

T = TypeVar("T")


class WritePlace(Protocol):
    """What the choice of a way depends on."""

    @property
    def dialect(self) -> Dialect:
        """Of the database that is written to."""
        ...

    @property
    def guards(self) -> Guards:
        """The row criteria."""
        ...


class WriteContext(WritePlace, Protocol):
    """What bulk writes need of a scope that is in a transaction."""

    @property
    def reading(self) -> Reading:
        """Plans and settings that all scopes share."""
        ...

    async def write(self, work: Callable[[Writer], T]) -> T:
        """Run work on the connection of the open transaction, in a greenlet; its turn comes after what is running.

        What the session has pending is flushed first.
        """
        ...

    def savepoint(self) -> AbstractAsyncContextManager[Any]:
        """A savepoint: left with an error, it takes back what was written in it."""
        ...

    def changed(self, change: Change) -> None:
        """Say what was written: the scope forgets what is stale now, and hands it on at the commit."""
        ...


class WriteScope(Protocol):
    """Where bulk writes get their transaction."""

    def writing(self) -> AbstractAsyncContextManager[WriteContext]:
        """The open transaction of the running task, or one for the length of the block."""
        ...

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction of the running task is open already."""
        ...
