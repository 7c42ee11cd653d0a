"""A scope and those that `scope.without` made of it: they share transactions, and what one writes is old in all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from batchrepo.scope.transaction import Transaction
    from batchrepo.scope.writes import ScopeWrites


class Family:
    """What they share.

    Attributes:
        members: the scopes.
        transaction: the one that is open, whoever opened it.
        turn: held while one is open.
    """

    __slots__ = ("members", "transaction", "turn")

    def __init__(self) -> None:
        self.members: WeakSet[ScopeWrites] = WeakSet()
        self.transaction: Transaction | None = None
        self.turn = asyncio.Lock()
