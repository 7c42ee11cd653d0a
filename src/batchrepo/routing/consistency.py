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

    Attributes:
        commits: how many commits there were; a route that was chosen before the latest one is chosen anew.
    """

    __slots__ = ("_asked_for", "_token", "commits")

    def __init__(self, token: ConsistencyToken | None) -> None:
        self._token = token
        self._asked_for = 0
        self.commits = 0

    def committed(self) -> None:
        """The scope has written something."""
        self.commits += 1

    @property
    def has_writes(self) -> bool:
        """Whether there is anything that must be seen."""
        return self._token is not None or self.commits > 0

    async def token(self, router: Router, events: EventLog) -> ConsistencyToken | None:
        """What must be seen; None if that is nothing."""
        commits = self.commits
        if commits > self._asked_for:
            own = ConsistencyToken(await router.primary_position(events), time())
            self._token = own.merge(self._token)
            self._asked_for = max(commits, self._asked_for)
        return self._token
