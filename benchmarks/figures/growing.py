"""The picture of growth: milliseconds against parents on logarithmic axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from benchmarks.figures.names import OURS, label, sort_of
from benchmarks.figures.svg import dot, line, path, picture, text
from benchmarks.results import Results

WIDTH, HEIGHT = 860.0, 520.0
LEFT, RIGHT, TOP, BOTTOM = 92.0, 545.0, 84.0, 452.0
APART = 19.0
"""Pixels between the names of lines."""
DASHES = ("", "7 4", "2 4", "10 3 2 3", "4 2")
"""Lines of one sort differ by these."""


@dataclass(frozen=True)
class Curve:
    """One way.

    Attributes:
        stack: its name.
        points: median ms by parents.
        exponent: that fits where the fixed cost is not most of it; None where it was asked for too few.
    """

    stack: str
    points: dict[int, float]
    exponent: float | None


def curves_of(results: Results) -> list[Curve]:
    """All ways of the workload `growth`."""
    points: dict[str, dict[int, float]] = {}
    exponents: dict[str, float | None] = {}
    for record in results.of("growth"):
        if "parents" in record:
            points.setdefault(record["stack"], {})[record["parents"]] = record["median_ms"]
        elif "exponent" in record:
            exponents[record["stack"]] = record["exponent_settled"]
    return [Curve(stack, dict(sorted(of.items())), exponents.get(stack)) for stack, of in points.items()]


def growing(results: Results) -> str:
    """The picture, as SVG."""
    curves = curves_of(results)
    title = "What a request costs against the number of its parents"
    if not curves:
        return picture(WIDTH, HEIGHT, title, "Not measured yet.", [text(40, 60, "Not measured yet.")])
    sizes = sorted({size for curve in curves for size in curve.points})
    costs = [cost for curve in curves for cost in curve.points.values()]
    scale = _Scale(sizes[0], sizes[-1], 10.0 ** floor(log10(min(costs))), 10.0 ** ceil(log10(max(costs))))
    shapes = [
        text(28, 36, "Cost against the number of parents", size=19, bold=True),
        text(28, 58, "N posts with author, tags and latest 3 comments; both axes logarithmic", "quiet"),
        *_axes(scale, sizes),
        *_proportional(scale),
        *_curves(scale, curves),
    ]
    told = "Median milliseconds. " + " ".join(
        f"{label('growth', curve.stack)}: "
        + ", ".join(f"{size:,} posts {cost:,.1f}" for size, cost in curve.points.items())
        + ("." if curve.exponent is None else f"; exponent {curve.exponent:.2f} from 100 posts on.")
        for curve in curves
    )
    return picture(WIDTH, HEIGHT, title, told, shapes)


@dataclass(frozen=True)
class _Scale:
    fewest: float
    most: float
    least: float
    greatest: float

    def x(self, size: float) -> float:
        return LEFT + (RIGHT - LEFT) * log10(size / self.fewest) / log10(self.most / self.fewest)

    def y(self, cost: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * log10(cost / self.least) / log10(self.greatest / self.least)


def _axes(scale: _Scale, sizes: Sequence[int]) -> Iterator[str]:
    cost = scale.least
    while cost <= scale.greatest * 1.001:
        y = scale.y(cost)
        yield line(LEFT, y, RIGHT, y, "grid")
        yield text(
            LEFT - 10,
            y + 4,
            f"{cost:,.0f} ms" if cost >= 1 else f"{cost:g} ms",
            "quiet",
            size=12,
            anchor="end",
        )
        cost *= 10
    for size in sizes:
        x = scale.x(size)
        yield line(x, TOP, x, BOTTOM + 5, "grid")
        yield text(x, BOTTOM + 22, f"{size:,}", "quiet", size=12, anchor="middle")
    yield text((LEFT + RIGHT) / 2, BOTTOM + 46, "posts in the answer", "quiet", anchor="middle")


def _proportional(scale: _Scale) -> Iterator[str]:
    """The slope of a cost that is proportional, from a corner where no line is."""
    size, cost = scale.most / 40, scale.least * 2
    most = min(scale.most, size * scale.greatest / cost)
    start, end = (scale.x(size), scale.y(cost)), (scale.x(most), scale.y(cost * most / size))
    yield path([start, end], "quiet", width=1.2, dashed="3 4")
    yield text(start[0] - 8, start[1] + 4, "slope of exponent 1", "quiet", size=12, anchor="end")


def _curves(scale: _Scale, curves: Sequence[Curve]) -> Iterator[str]:
    ends = [(curve, *_last(scale, curve)) for curve in curves]
    ends.sort(key=lambda end: end[2])
    whole = [y for curve, x, y in ends if x >= RIGHT - 1]
    places = dict(zip(whole, spread_apart(whole), strict=True))
    seen: dict[str, int] = {}
    for curve, x, y in ends:
        sort = sort_of(curve.stack)
        dashed = DASHES[seen.setdefault(sort, 0) % len(DASHES)]
        seen[sort] += 1
        yield path(
            [(scale.x(size), scale.y(cost)) for size, cost in curve.points.items()],
            sort,
            width=2.2,
            dashed=dashed,
        )
        for size, cost in curve.points.items():
            yield dot(scale.x(size), scale.y(cost), sort)
        said = label("growth", curve.stack)
        if x >= RIGHT - 1:
            place = places[y]
            yield path([(x + 6, y), (x + 22, place), (x + 50, place)], sort, width=1.6, dashed=dashed)
            yield text(x + 57, place + 4.5, said, sort, bold=sort == OURS)
            if curve.exponent is not None:
                yield text(WIDTH - 24, place + 4.5, f"{curve.exponent:.2f}", "text", anchor="end", bold=True)
        else:
            yield text(x - 10, y - 9, said, sort, anchor="end")
    if whole:
        top = min(places.values())
        yield text(WIDTH - 24, top - 18, "exponent, N ≥ 100", "quiet", size=12, anchor="end")


def _last(scale: _Scale, curve: Curve) -> tuple[float, float]:
    size, cost = max(curve.points.items())
    return scale.x(size), scale.y(cost)


def spread_apart(places: Sequence[float]) -> list[float]:
    """The same places in their order, moved as little as it takes to be apart."""
    groups: list[tuple[float, int]] = []  # middle, how many
    for place in places:
        middle, many = place, 1
        while groups and groups[-1][0] + groups[-1][1] * APART / 2 > middle - many * APART / 2:
            before, count = groups.pop()
            middle, many = (before * count + middle * many) / (count + many), count + many
        groups.append((middle, many))
    return [middle + (number - (many - 1) / 2) * APART for middle, many in groups for number in range(many)]
