"""The exponent of a cost that grows as a power of a size: a slope on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import log
from statistics import linear_regression


def exponent(costs: Mapping[int, float], above: int = 0) -> float | None:
    """The exponent that fits best: the slope of the line with the least squares through log(size), log(cost).

    Args:
        costs: by size.
        above: smaller sizes are left out. Where a fixed cost is most of the cost, the slope says nothing of growth.

    Returns:
        None where there are fewer than two sizes.
    """
    points = [(log(size), log(cost)) for size, cost in sorted(costs.items()) if size >= above]
    if len(points) < 2:
        return None
    return linear_regression(*zip(*points, strict=True)).slope


def local_exponents(costs: Mapping[int, float]) -> list[float]:
    """The exponent between each size and the next: what a fit over all of them may hide."""
    return [
        (log(cost) - log(before)) / (log(size) - log(smaller))
        for (smaller, before), (size, cost) in pairwise(sorted(costs.items()))
    ]
