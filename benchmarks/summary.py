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


def median_ratio(stack: Stack, *others: Stack) -> Callable[[dict[str, Measured]], float | None]:
    """A target's value: the median time of `stack` divided by that of the fastest of `others`.

    None where one of them is not measured.
    """

    def ratio(measured: dict[str, Measured]) -> float | None:
        if any(one.name not in measured for one in (stack, *others)):
            return None
        return median(measured[stack.name].times) / min(median(measured[one.name].times) for one in others)

    return ratio


def instructions_of(stack: Stack) -> Callable[[dict[str, Measured]], float | None]:
    """A target's value: the instructions of `stack` in millions; None where they were not counted."""

    def instructions(measured: dict[str, Measured]) -> float | None:
        return measured[stack.name].instructions if stack.name in measured else None

    return instructions


def instructions_ratio(stack: Stack, other: Stack) -> Callable[[dict[str, Measured]], float | None]:
    """A target's value: the instructions of `stack` divided by those of `other`; None where they were not counted."""

    def ratio(measured: dict[str, Measured]) -> float | None:
        mine, others = (measured[one.name].instructions for one in (stack, other))
        return None if mine is None or others is None else mine / others

    return ratio
