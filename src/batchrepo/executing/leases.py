"""Which task gets which connection: a small pool for one scope, as plain state changes without I/O.

Every method is synchronous and leaves the state whole; what remains to be done (open a connection, close
some) is returned to the caller.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import Final, Literal

from sqlalchemy.engine import Connection

from batchrepo.errors import DatabaseUnavailable


class Permit(Enum):
    """Permission to open a connection."""

    OPEN = "open"


OPEN: Final = Permit.OPEN

Grant = Connection | Literal[Permit.OPEN]
"""What a task gets: an open connection, or the permission to open one."""


class Leases:
    """Connections of a scope: at most ``limit``, waiters served in the order they came.

    Invariant: a connection is idle only while nobody waits. Hence a task that comes later cannot
    overtake one that waits.

    Args:
        limit: how many connections may be open at once.
    """

    __slots__ = ("holders", "idle", "limit", "opened", "waiters")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.opened = 0
        self.holders = 0
        self.idle: list[Connection] = []
        self.waiters: deque[asyncio.Future[Grant]] = deque()

    def __repr__(self) -> str:
        return f"<Leases {self.opened}/{self.limit} open, {len(self.idle)} idle, {len(self.waiters)} waiting>"

    def take(self, *, room: bool) -> Grant | asyncio.Future[Grant]:
        """An idle connection, a permission to open one, or a place in the queue.

        Args:
            room: whether the engine's pool could give another connection at once. If not, a scope that has
                one waits for its own: holding connections while waiting for the pool, all scopes together
                could wait for ever. A scope that has none must wait for the pool.
        """
        if self.idle:
            return self.idle.pop()
        if self.opened == 0 or (self.opened < self.limit and room and not self.waiters):
            self.opened += 1
            return OPEN
        waiter: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return waiter

    def give(self, connection: Connection) -> Connection | None:
        """A healthy connection comes back. Returns it if it is to be closed now."""
        if self._pass_on(connection):
            return None
        if self.holders:
            self.idle.append(connection)
            return None
        self.opened -= 1
        return connection

    def lost(self) -> None:
        """A connection is gone, or was never opened: the next waiter may open one."""
        if not self._pass_on(OPEN):
            self.opened -= 1

    def put_back(self, grant: Grant) -> Connection | None:
        """A grant was not used (its task was cancelled). Returns a connection to close now, if any."""
        if isinstance(grant, Connection):
            return self.give(grant)
        self.lost()
        return None

    def refused(self, error: DatabaseUnavailable) -> bool:
        """No connection could be opened. False if the task should wait for one of those that are open.

        If none is, nobody who waits can be served: each gets the same error now, rather than after a
        timeout of its own, one behind the other.
        """
        self.opened -= 1
        if self.opened:
            return False
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                copy = DatabaseUnavailable(*error.args)
                copy.__cause__ = error.__cause__
                waiter.set_exception(copy)
        return True

    def drain(self) -> list[Connection]:
        """All idle connections, to be closed now."""
        idle, self.idle = self.idle, []
        self.opened -= len(idle)
        return idle

    def _pass_on(self, grant: Grant) -> bool:
        while self.waiters:
            waiter = self.waiters.popleft()
            if not waiter.done():
                waiter.set_result(grant)
                return True
        return False
