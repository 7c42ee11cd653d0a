"""The strategies that a Database offers its planner, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrepo.strategies.batched import BatchedStrategy
from batchrepo.strategies.eager import EagerStrategy
from batchrepo.strategies.single import SingleStrategy

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from batchrepo.plan.planner import Strategy


def strategies(dialect: Dialect) -> tuple[Strategy, ...]:
    """One of each, for a database."""
    return (BatchedStrategy(), EagerStrategy(), SingleStrategy(dialect))
