"""The strategies that a Database offers its planner, best first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrepo.strategies.batched import BatchedStrategy
from batchrepo.strategies.eager import EagerStrategy

if TYPE_CHECKING:
    from batchrepo.plan.planner import Strategy


def strategies() -> tuple[Strategy, ...]:
    """One of each."""
    return (BatchedStrategy(), EagerStrategy())
