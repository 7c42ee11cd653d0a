"""The child process of `benchmarks.memory.measure`: writes rows once, and says how much larger it became."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

import psutil

from benchmarks.data import Dataset
from benchmarks.memory.bulk import MEMORY_WORKLOADS
from benchmarks.memory.workload import Grown
from benchmarks.workloads.bulk.remarks import Row, made_rows

FIRST = 1_000
"""Rows that are written before anything counts: what is made once belongs to no row."""


async def rows_one_by_one(count: int) -> AsyncIterator[Row]:
    """Rows that nobody keeps."""
    for row in made_rows(count):
        yield row


async def main(url: str, workload_name: str, writer_name: str, rows: str) -> None:
    """Write a few rows, then all, and print a `Grown` as JSON."""
    workload = {item.name: item for item in MEMORY_WORKLOADS}[workload_name]
    async with workload.writer(writer_name).open(Dataset(url)) as write:
        await write(rows_one_by_one(FIRST))
        before = psutil.Process().memory_info().rss
        started = perf_counter()
        await write(rows_one_by_one(int(rows)))
        seconds = perf_counter() - started
    print(json.dumps(asdict(Grown(int(rows), (_highest() - before) / 1e6, seconds))))


def _highest() -> int:
    """The most memory that this process ever had, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux's getrusage tells the parent's where that was larger.
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    import resource

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
