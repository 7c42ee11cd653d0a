"""What is measured: the peak of a process's memory above what it had before."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from benchmarks.data import Dataset
from benchmarks.workload import Target
from benchmarks.workloads.bulk.remarks import Row

Write = Callable[[AsyncIterator[Row]], Awaitable[object]]
"""Writes all rows of an asynchronous iterator in one transaction."""


@dataclass(frozen=True)
class Writer:
    """One way to write them.

    Attributes:
        name: in tables and results.
        what: how it is made, in one line.
        open: makes engine and pool.
    """

    name: str
    what: str
    open: Callable[[Dataset], AbstractAsyncContextManager[Write]]


@dataclass(frozen=True)
class Grown:
    """What was measured of one writer.

    Attributes:
        rows: how many it wrote.
        peak: how much larger its process became meanwhile, in MB (1,000,000 bytes).
        seconds: how long it took.
    """

    rows: int
    peak: float
    seconds: float


@dataclass(frozen=True)
class MemoryWorkload:
    """Rows that are never all in memory.

    Attributes:
        name: in tables and results.
        title: what is written.
        writers: in the order of the table.
        targets: the promises.
    """

    name: str
    title: str
    writers: Sequence[Writer]
    targets: Sequence[Target[Grown]]

    def writer(self, name: str) -> Writer:
        """The writer with this name."""
        return next(writer for writer in self.writers if writer.name == name)


def rows_of(dataset: Dataset) -> int:
    """1,000,000 rows, and fewer in less data."""
    return max(2_000, int(1_000_000 * dataset.scale))
