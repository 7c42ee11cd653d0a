"""How old what a replica has may be, by where the primary was and when.

Clocks of servers do not come into it, and an idle primary is not a lagging replica: a replica that has replayed the place
where the primary was at a moment has everything that was committed before that moment.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchrepo.routing.positions import Position

SAMPLES = 3_600
"""How many moments are remembered."""


class PrimaryPositions:
    """Where the primary was, at the latest moments when it was asked."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Position]] = deque(maxlen=SAMPLES)

    def note(self, moment: float, position: Position) -> None:
        """The primary was there when it was asked at this moment."""
        self._samples.append((moment, position))

    @property
    def latest(self) -> Position | None:
        """Where it was last seen."""
        return self._samples[-1][1] if self._samples else None

    def age(self, position: Position, now: float) -> float | None:
        """How many seconds ago everything was already written that a server at this position has, at least.

        Returns:
            An upper bound for its lag; infinite where it is behind all that is remembered; None without a sample.
        """
        if not self._samples:
            return None
        for moment, reached in reversed(self._samples):
            if position.covers(reached):
                return now - moment
        return float("inf")
