"""Which strategy runs a plan, and why. Strategies register themselves; the planner knows their names only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from batchrepo.bounded import Bounded
from batchrepo.errors import InvalidArgument, StrategyRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.declare.repository_info import Catalog
    from batchrepo.plan.read import ReadPlan

Output = Literal["views", "plain views", "json", "entities"]
"""What a read delivers: views of which nothing is known, views whose values are those of their rows, JSON of such
views, or entities."""

CHOICES = 2_048
"""How many choices are remembered."""


class Strategy(Protocol):
    """A way to execute a plan."""

    @property
    def name(self) -> str:
        """Unique, as written in ``strategy=`` and shown by explain."""
        ...

    def why_not(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """Why it cannot run this plan; None if it can."""
        ...

    def avoids(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """Why AUTO should leave this plan, which it can run, to others; None where it need not."""
        ...

    def prefers(self, plan: ReadPlan, output: Output, catalog: Catalog) -> str | None:
        """Why AUTO should take it for this plan; None where others are as good."""
        ...


@dataclass(frozen=True)
class Choice:
    """A decision of the planner.

    Attributes:
        strategy: the name of the chosen one.
        reason: why it was chosen.
        refusals: why others were not: (name, reason).
    """

    strategy: str
    reason: str
    refusals: tuple[tuple[str, str], ...]


class Planner:
    """Chooses among the strategies that were registered, best first."""

    def __init__(self, strategies: Sequence[Strategy], catalog: Catalog) -> None:
        self.strategies = {strategy.name: strategy for strategy in strategies}
        self.catalog = catalog
        # Clients that ask for fieldsets make new plans all the time.
        self._choices: Bounded[tuple[ReadPlan, Output], Choice] = Bounded(CHOICES)

    def choose(self, plan: ReadPlan, output: Output, asked: str | None = None) -> Choice:
        """The strategy for a plan.

        Args:
            plan: what to read.
            output: what is delivered.
            asked: the name of a strategy that the caller insists on, or None for AUTO.

        Raises:
            InvalidArgument: there is no strategy with that name.
            StrategyRefused: the strategy that was asked for cannot run the plan.
        """
        if asked is not None:
            return self._asked(plan, output, asked)
        choice = self._choices.get((plan, output))
        if choice is None:
            choice = self._automatic(plan, output)
            self._choices[plan, output] = choice
        return choice

    def _automatic(self, plan: ReadPlan, output: Output) -> Choice:
        refusals: list[tuple[str, str]] = []
        able: list[Strategy] = []
        for strategy in self.strategies.values():
            refusal = strategy.why_not(plan, output, self.catalog)
            if refusal is None:
                refusal = strategy.avoids(plan, output, self.catalog)
            if refusal is None:
                able.append(strategy)
            else:
                refusals.append((strategy.name, refusal))
        for strategy in able:
            reason = strategy.prefers(plan, output, self.catalog)
            if reason is not None:
                return Choice(strategy.name, reason, tuple(refusals))
        if not able:
            raise StrategyRefused(f"No strategy can run {plan!r}: {refusals}.")
        return Choice(able[0].name, "AUTO: nothing else is preferred", tuple(refusals))

    def _asked(self, plan: ReadPlan, output: Output, asked: str) -> Choice:
        strategy = self.strategies.get(asked)
        if strategy is None:
            raise InvalidArgument(
                f"There is no strategy {asked!r}. Expected one of {', '.join(self.strategies)}, or None for AUTO."
            )
        refusal = strategy.why_not(plan, output, self.catalog)
        if refusal is not None:
            raise StrategyRefused(f"The strategy {asked!r} cannot run {plan!r}: {refusal}.")
        return Choice(asked, "asked for by name", ())
