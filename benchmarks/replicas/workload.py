"""What a benchmark with real replicas is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from batchrepo import RoutingPolicy
from benchmarks.workload import Target


@dataclass(frozen=True)
class Setting:
    """One way to route.

    Attributes:
        name: in tables and results.
        policy: of every scope.
    """

    name: str
    policy: RoutingPolicy


@dataclass
class Tally:
    """What the scopes of one setting did, over all runs.

    Attributes:
        reads: requests that read, by the name of the endpoint that answered.
        writes: requests that wrote.
        stale: reads that did not see what the same client had written.
        waited: how long each read that asked replicas how far they are waited for one, in ms.
    """

    reads: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    stale: int = 0
    waited: list[float] = field(default_factory=list)

    @property
    def on_replicas(self) -> float:
        """The part of the reads that replicas answered."""
        return 1 - self.reads["primary"] / self.reads.total()


@dataclass(frozen=True)
class Routed:
    """What was measured of one setting: one value for each run, and its tally.

    Attributes:
        rates: requests per second.
        p50: the time of half of the requests, in ms; p95 likewise.
        cpu: CPU time of this process for each request, in ms.
        primary_cpu: CPU time of the primary's connections for each request, in ms.
        tally: of all runs.
    """

    rates: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    primary_cpu: list[float] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True)
class ReplicaWorkload:
    """Requests of many clients to a primary and two replicas, routed in several ways.

    Attributes:
        name: in tables and results.
        title: what the requests are.
        settings: in the order of the table; the others are compared with the first.
        targets: the promises.
        behind: how many ms the replicas hold back what they have received.
        clients: how many ask at once; each waits for its answer before it asks again.
        writes: which part of the requests writes.
    """

    name: str
    title: str
    settings: Sequence[Setting]
    targets: Sequence[Target[Routed]]
    behind: int = 0
    clients: int = 20
    writes: float = 0.1


def of(setting: Setting, value: Callable[[Tally], float]) -> Callable[[dict[str, Routed]], float | None]:
    """A target's value: something of the tally of a setting."""

    def read(measured: dict[str, Routed]) -> float | None:
        return value(measured[setting.name].tally)

    return read
