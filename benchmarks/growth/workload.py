"""What a benchmark of growth is made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.data import Dataset
from benchmarks.growth.fit import exponent, local_exponents
from benchmarks.workload import Target

Sized = Callable[[int], Awaitable[Any]]
"""Answers the workload once, for so many parents."""

SETTLED = 100
"""From this size on the fixed cost of a request is not most of it."""


@dataclass(frozen=True)
class Way:
    """One way to answer the requests.

    Attributes:
        name: in tables and results.
        what: how it is made, in one line, so that a reader can judge whether it is fair.
        open: makes engine and pool, once.
        most: the largest size that it is asked for; None for all of them.
    """

    name: str
    what: str
    open: Callable[[Dataset], AbstractAsyncContextManager[Sized]]
    most: int | None = None

    def takes(self, size: int) -> bool:
        """Whether it is asked for so many."""
        return self.most is None or size <= self.most


@dataclass
class Grown:
    """What was measured of one way, by size.

    Attributes:
        times: wall time of each request, in ms.
        statements: what one request sent to the database.
    """

    times: dict[int, list[float]] = field(default_factory=dict)
    statements: dict[int, int] = field(default_factory=dict)

    @property
    def medians(self) -> dict[int, float]:
        """The median time by size, in ms."""
        return {size: median(times) for size, times in sorted(self.times.items())}


@dataclass(frozen=True)
class GrowthWorkload:
    """One request for ever more parents, and all that answer it.

    Attributes:
        name: in tables and results.
        title: what the request is.
        ways: in the order of the table.
        sizes: how many parents, ascending.
        baseline: the name of the way that the others are compared with.
        plain: turns any way's answer into what must be equal between them.
        targets: the promises.
    """

    name: str
    title: str
    ways: Sequence[Way]
    sizes: Sequence[int]
    baseline: str
    plain: Callable[[Any], Any]
    targets: Sequence[Target[Grown]]

    def sizes_in(self, dataset: Dataset) -> list[int]:
        """The sizes that the data suffice for."""
        return [size for size in self.sizes if size <= dataset.posts]


def fitted_exponent(way: Way) -> Callable[[dict[str, Grown]], float | None]:
    """A target's value: the exponent that fits all sizes; None where there is one size only."""

    def fitted(measured: dict[str, Grown]) -> float | None:
        return exponent(measured[way.name].medians)

    return fitted


def worst_exponent(way: Way) -> Callable[[dict[str, Grown]], float | None]:
    """A target's value: the largest exponent between a size and the next; None where there is one size only."""

    def worst(measured: dict[str, Grown]) -> float | None:
        return max(local_exponents(measured[way.name].medians), default=None)

    return worst


def most_statements(way: Way) -> Callable[[dict[str, Grown]], float | None]:
    """A target's value: how many statements more than for the fewest parents it takes for any number."""

    def growth(measured: dict[str, Grown]) -> float | None:
        counts = measured[way.name].statements
        return max(counts.values()) - counts[min(counts)]

    return growth
