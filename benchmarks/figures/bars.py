"""The picture of stacks side by side: how many times as long as batchrepo each of them takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.figures.names import OURS, SORTS, label, sort_of
from benchmarks.figures.svg import bar, line, pair, path, picture, text
from benchmarks.results import Record, Results

WIDTH, MARGIN = 860.0, 28.0
LABELS = 232.0
"""How much of the width the names take."""
VALUES = 150.0
"""How much of it is left for what is written behind the longest bar."""
ROW, THICK = 25.0, 15.0
HEAD, LEGEND, GAP = 44.0, 66.0, 26.0
TIMES = "\N{MULTIPLICATION SIGN}"
CUT = 16.0
"""Longer bars than this many times batchrepo's are cut off, and say so."""


@dataclass(frozen=True)
class Panel:
    """One workload of the picture.

    Attributes:
        workload: its name.
        heading: what it is.
        ours: the stack that is 1.
    """

    workload: str
    heading: str
    ours: str


PANELS = (
    Panel(
        "nested_list", "Nested read to JSON: 50 posts, author, tags, latest 3 comments", "batchrepo_single"
    ),
    Panel("nested_graphql", "The same through GraphQL (Strawberry), without HTTP", "batchrepo"),
    Panel("nested_http", "The same over HTTP (FastAPI), 20 clients at once", "batchrepo"),
)


@dataclass(frozen=True)
class Bar:
    """A stack of a panel.

    Attributes:
        stack: its name.
        times: how many times as long as ours a request takes.
        said: the number behind it, with a unit.
    """

    stack: str
    times: float
    said: str


def bars_of(panel: Panel, records: Sequence[Record]) -> list[Bar]:
    """The bars of a panel, the shortest first."""
    stacks = {record["stack"]: record for record in records if "stack" in record}
    if panel.ours not in stacks:
        return []
    one = stacks[panel.ours]
    found = []
    for name, record in stacks.items():
        if "requests_per_s" in record:
            rate = record["requests_per_s"]
            found.append(Bar(name, one["requests_per_s"] / rate, f"{rate:,.0f} requests/s"))
        else:
            took = record["median_ms"]
            found.append(Bar(name, took / one["median_ms"], f"{took:,.1f} ms"))
    return sorted(found, key=lambda bar: bar.times)


def bars(results: Results) -> str:
    """The picture, as SVG."""
    panels = [(panel, found) for panel in PANELS if (found := bars_of(panel, results.of(panel.workload)))]
    shapes = [
        text(MARGIN, 36, "How many times as long as batchrepo", size=19, bold=True),
        text(WIDTH - MARGIN, 36, "shorter is better", "quiet", anchor="end"),
        *_legend(MARGIN, LEGEND),
    ]
    y = LEGEND + GAP
    for panel, found in panels:
        shapes += _panel(panel, found, y)
        y += HEAD + ROW * len(found) + GAP
    told = " ".join(
        f"{panel.heading}: "
        + ", ".join(f"{label(panel.workload, bar.stack)} {bar.times:.1f} times ({bar.said})" for bar in found)
        + "."
        for panel, found in panels
    )
    return picture(WIDTH, y, "batchrepo side by side with other stacks", told, shapes)


def _legend(x: float, y: float) -> Iterator[str]:
    for sort, said in SORTS.items():
        yield bar(x, y - 10, 18, 11, sort)
        yield text(x + 25, y, said, "quiet")
        x += 25 + 7.2 * len(said) + 26


def _panel(panel: Panel, found: Sequence[Bar], top: float) -> Iterator[str]:
    left, right = MARGIN + LABELS, WIDTH - MARGIN - VALUES
    longest = min(CUT, max(each.times for each in found))
    unit = (right - left) / longest
    bottom = top + HEAD + ROW * len(found)
    yield text(MARGIN, top + 16, panel.heading, size=14.5, bold=True)
    step = next(step for step in (1, 2, 5) if longest / step <= 8)
    for tick in range(0, int(longest) + 1, step):
        x = left + tick * unit
        yield line(x, top + HEAD - 8, x, bottom - 2, "grid")
        yield text(x, top + HEAD - 13, f"{tick}{TIMES}" if tick else "0", "quiet", size=11, anchor="middle")
    for number, each in enumerate(found):
        y = top + HEAD + ROW * number
        ours, sort = each.stack == panel.ours, sort_of(each.stack)
        width = min(each.times, CUT) * unit
        yield text(left - 10, y + 14, label(panel.workload, each.stack), anchor="end", bold=sort == OURS)
        yield bar(left, y + 2, max(width, 2), THICK, sort)
        if each.times > CUT:
            yield from _cut(left + width - 22, y + 2)
        times = f"{each.times:.{0 if ours or each.times >= 20 else 1}f}{TIMES}"
        yield pair(left + width + 8, y + 14, times, each.said)


def _cut(x: float, y: float) -> Iterator[str]:
    """Two slanted lines through a bar: it goes on."""
    for offset in (0, 6):
        yield path([(x + offset, y + THICK + 2), (x + offset + 6, y - 2)], "card", width=2.5)
