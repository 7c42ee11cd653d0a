"""What the reads of a scope must have seen: its own commits, and the writes that a token stands for."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from batchrepo.routing.tokens import ConsistencyToken

if TYPE_CHECKING:
    from batchrepo.events import EventLog
    from batchrepo.routing.router import Router


class Consistency:
    """Shared by a scope and those that are made of it.

    The primary's position is asked for when somebody needs it, not at each commit: a later one covers the commit as well.

    A scope that is opened inside another one serves the same user: what either of them wrote, both must see.
    """

    __slots__ = ("_asked_for", "_commits", "_outer", "_token")

    def __init__(self, token: ConsistencyToken | None) -> None:
        self._token = token
        self._asked_for = 0
        self._commits = 0
        self._outer: Consistency | None = None

    def inside(self, outer: Consistency) -> None:
        """The scope is opened inside another one."""
        self._outer = outer

    def committed(self) -> None:
        """The scope has written something."""
        self._commits += 1
        if self._outer is not None:
            self._outer.committed()

    @property
    def commits(self) -> int:
        """Raised by every commit that must be seen; a route that was chosen before the latest one is chosen anew."""
        return self._commits + (0 if self._outer is None else self._outer.commits)

    @property
    def has_writes(self) -> bool:
        """Whether there is anything that must be seen."""
        return self.commits > 0 or self._given is not None

    async def token(self, router: Router, events: EventLog) -> ConsistencyToken | None:
        """What must be seen; None if that is nothing."""
        commits = self.commits
        if commits > self._asked_for:
            own = ConsistencyToken(await router.primary_position(events), time())
            self._token = own.merge(self._token)
            self._asked_for = max(commits, self._asked_for)
        return self._given

    @property
    def _given(self) -> ConsistencyToken | None:
        outer = None if self._outer is None else self._outer._given
        return outer if self._token is None else self._token.merge(outer)
