"""What the reads of a scope must have seen: its own commits, and the writes that a token stands for."""

from __future__ import annotations

import asyncio
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
        commits: how many commits there were.
        version: how often there was more to be seen; a route that was chosen before the latest one is chosen anew.
    """

    __slots__ = ("_asked_for", "_asking", "_token", "commits", "version")

    def __init__(self, token: ConsistencyToken | None = None) -> None:
        self._token = token
        self._asked_for = 0
        self._asking: asyncio.Lock | None = None
        self.commits = 0
        self.version = 0

    def committed(self) -> None:
        """The scope has written something."""
        self.commits += 1
        self.version += 1

    def require(self, token: ConsistencyToken) -> None:
        """What this token stands for must be seen too, from now on."""
        merged = token.merge(self._token)
        if merged != self._token:
            self._token = merged
            self.version += 1

    @property
    def has_writes(self) -> bool:
        """Whether there is anything that must be seen."""
        return self._token is not None or self.commits > 0

    async def token(self, router: Router, events: EventLog) -> ConsistencyToken | None:
        """What must be seen; None if that is nothing."""
        if self.commits > self._asked_for:
            if self._asking is None:
                self._asking = asyncio.Lock()
            async with self._asking:  # tasks that read at once after a commit ask once
                await self._ask(router, events)
        return self._token

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
