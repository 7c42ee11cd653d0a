"""Which files are made of the results. One function says what is in them; a test compares them with it."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures.bars import bars
from benchmarks.figures.growing import growing
from benchmarks.figures.page import page
from benchmarks.figures.readme import with_tables
from benchmarks.results import Results

ROOT = Path(__file__).parents[2]
README = "README.md"
PAGE = "docs/benchmarks.md"
BARS = "docs/benchmarks-stacks.svg"
GROWING = "docs/benchmarks-growth.svg"


def figures(results: Results, readme: str) -> dict[str, str]:
    """All files that show results, by their path in the project.

    Args:
        results: what was measured.
        readme: the text of README.md, in which only the marked tables change.
    """
    return {
        PAGE: page(results),
        BARS: bars(results),
        GROWING: growing(results),
        README: with_tables(readme, results),
    }


def write_figures(results: Results, root: Path = ROOT) -> list[str]:
    """Write them. Returns their paths in the project."""
    made = figures(results, (root / README).read_text(encoding="utf-8"))
    for name, text in made.items():
        (root / name).write_text(text, encoding="utf-8")
    return list(made)
