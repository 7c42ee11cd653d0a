"""`python -m benchmarks.figures`: make the pages and pictures again from `results.json`."""

from __future__ import annotations

from benchmarks.figures.files import write_figures
from benchmarks.results import read

if __name__ == "__main__":
    print("\n".join(write_figures(read())))
