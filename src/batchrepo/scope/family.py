"""A scope and those that `scope.without` made of it: they share transactions, and what one writes is old in all."""

from __future__ import annotations

import asyncio
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrepo.routing import Consistency
    from batchrepo.scope.transaction import Transaction
    from batchrepo.scope.writes import ScopeWrites


class Family:
    """What they share.

    Args:
        consistency: what their reads must have seen.

    Attributes:
        members: the scopes that are open.
        transaction: the one that is open, whoever opened it.
        consistency: as it was given; every commit is told to it.
    """

    def __init__(self, consistency: Consistency) -> None:
        self.consistency = consistency
        self.members: list[ScopeWrites] = []
        self.transaction: Transaction | None = None

    @cached_property
    def turn(self) -> asyncio.Lock:
        """Held while a transaction is open; made when the first one is."""
        return asyncio.Lock()
