"""How long a run will still take, by how long it took before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

UNKNOWN = 60.0
"""Seconds of a workload that was never measured."""


class Estimate:
    """What remains of a run.

    The seconds of an earlier run say how much of the work each workload is; what has been done so far says how
    fast this machine does it, with this much data and so many rounds.
    """

    def __init__(self, before: Mapping[str, float], workloads: Sequence[str]) -> None:
        """
        Args:
            before: seconds of workloads in an earlier run.
            workloads: those of this run, in their order.
        """
        self._left = {name: before.get(name, UNKNOWN) for name in workloads}
        self._expected = 0.0
        self._took = 0.0

    def finished(self, name: str, seconds: float) -> None:
        """A workload took so long."""
        self._expected += self._left.pop(name)
        self._took += seconds

    @property
    def seconds(self) -> float:
        """What remains."""
        pace = self._took / self._expected if self._expected else 1.0
        return sum(self._left.values()) * pace

    def said(self) -> str:
        """What remains, for people."""
        if self.seconds < 90:
            return f"about {max(5, round(self.seconds / 5) * 5)} seconds remain"
        return f"about {round(self.seconds / 60)} minutes remain"
