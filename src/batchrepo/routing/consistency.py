"""What the reads of a scope must have seen: its own commits, and the writes that a token stands for."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from time import time
from typing import TYPE_CHECKING

from batchrepo.routing.tokens import ConsistencyToken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrepo.events import EventLog
    from batchrepo.routing.router import Router


_surrounding: ContextVar[tuple[Router, Consistency] | None] = ContextVar(
    "batchrepo_consistency", default=None
)


class Consistency:
    """Shared by a scope and those that are made of it.

    The primary's position is asked for when somebody needs it, not at each commit: a later one covers the commit as well.

    A scope that is opened inside another one serves the same user: what either of them writes, both must see.
    """

    __slots__ = ("_asked_for", "_asking", "_commits", "_outer", "_token", "_version")

    def __init__(self, token: ConsistencyToken | None = None) -> None:
        self._token = token
        self._asked_for = 0
        self._asking: asyncio.Lock | None = None
        self._commits = 0
        self._version = 0
        self._outer: Consistency | None = None

    def inside(self, outer: Consistency) -> None:
        """The scope is opened inside another one; of several that share this the first one says inside of which."""
        if self._outer is None and not outer._is_inside(self):
            self._outer = outer

    def _is_inside(self, other: Consistency) -> bool:
        return self is other or (self._outer is not None and self._outer._is_inside(other))

    @property
    def commits(self) -> int:
        """Raised by every commit."""
        return self._commits + (0 if self._outer is None else self._outer.commits)

    @property
    def version(self) -> int:
        """Raised whenever there is more to be seen; a route that was chosen before is chosen anew."""
        return self._version + (0 if self._outer is None else self._outer.version)

    def committed(self) -> None:
        """The scope has written something."""
        self._commits += 1
        self._version += 1
        if self._outer is not None:
            self._outer.committed()

    def require(self, token: ConsistencyToken) -> None:
        """What this token stands for must be seen too, from now on."""
        merged = token.merge(self._token)
        if merged != self._token:
            self._token = merged
            self._version += 1

    @property
    def has_writes(self) -> bool:
        """Whether there is anything that must be seen."""
        return self._required is not None or self.commits > 0

    async def token(self, router: Router, events: EventLog) -> ConsistencyToken | None:
        """What must be seen; None if that is nothing."""
        if self.commits > self._asked_for:
            if self._asking is None:
                self._asking = asyncio.Lock()
            async with self._asking:  # tasks that read at once after a commit ask once
                await self._ask(router, events)
        return self._required

    @property
    def _required(self) -> ConsistencyToken | None:
        outer = None if self._outer is None else self._outer._required
        return outer if self._token is None else self._token.merge(outer)

    async def _ask(self, router: Router, events: EventLog) -> None:
        commits = self.commits
        if commits <= self._asked_for:
            return
        own = ConsistencyToken(await router.primary_position(events), time())
        given, self._asked_for = self._token, commits
        if own.position is not None and given is not None and given.position is None:
            # What only the primary could show is before the place where it is now.
            self._token = own
        else:
            self._token = own.merge(given)


def surrounding(router: Router) -> Consistency | None:
    """What the scopes of this Database share that are opened here; None if each is for itself."""
    found = _surrounding.get()
    return found[1] if found is not None and found[0] is router else None


@contextmanager
def surround(router: Router, consistency: Consistency) -> Iterator[None]:
    """Let all scopes of a Database that are opened inside share what must be seen."""
    before = _surrounding.set((router, consistency))
    try:
        yield
    finally:
        _surrounding.reset(before)
