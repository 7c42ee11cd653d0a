"""Numbers from many measurements of the same thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median, quantiles

from benchmarks.workload import Measured, Stack


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The 10th and the 90th percentile."""
    if len(values) < 2:
        return values[0], values[0]
    tenths = quantiles(values, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def median_ratio(stack: Stack, other: Stack) -> Callable[[dict[str, Measured]], float | None]:
    """A target's value: the median time of `stack` divided by that of `other`; None where one is not measured."""

    def ratio(measured: dict[str, Measured]) -> float | None:
        if stack.name not in measured or other.name not in measured:
            return None
        return median(measured[stack.name].times) / median(measured[other.name].times)

    return ratio


def instructions_ratio(stack: Stack, other: Stack) -> Callable[[dict[str, Measured]], float | None]:
    """A target's value: the instructions of `stack` divided by those of `other`; None where they were not counted."""

    def ratio(measured: dict[str, Measured]) -> float | None:
        mine, others = (measured[one.name].instructions for one in (stack, other))
        return None if mine is None or others is None else mine / others

    return ratio
