"""Each writer writes all rows once, in a process of its own; memory hardly differs from time to time."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable

import sqlalchemy as sa

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.memory.child import FIRST
from benchmarks.memory.workload import Grown, MemoryWorkload, rows_of
from benchmarks.workloads.bulk.grounds import empty
from benchmarks.workloads.bulk.remarks import Remark

LIMIT_SECONDS = 600
"""When a child that does not end is killed."""


async def measure_memory(
    workload: MemoryWorkload, dataset: Dataset, progress: Callable[[str], None]
) -> dict[str, Grown]:
    """Let every writer write.

    Args:
        workload: the workload.
        dataset: where, and how many rows.
        progress: called with the name of each writer.

    Returns:
        What was measured, by writer.

    Raises:
        AssertionError: not all rows were written.
        RuntimeError: a writer failed; the message has its output.
    """
    measured = {}
    async with empty(dataset) as ground:
        for writer in workload.writers:
            progress(writer.name)
            await ground.reset()
            measured[writer.name] = await asyncio.to_thread(
                _write, workload.name, writer.name, dataset, rows_of(dataset)
            )
            written = await _count(dataset)
            assert written == FIRST + rows_of(dataset), f"{workload.name}/{writer.name} wrote {written} rows."
    return measured


def _write(workload: str, writer: str, dataset: Dataset, rows: int) -> Grown:
    command = [sys.executable, "-m", "benchmarks.memory.child", dataset.url, workload, writer, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{workload}/{writer} failed:\n{done.stderr[-3_000:]}")
    return Grown(**json.loads(done.stdout))


async def _count(dataset: Dataset) -> int:
    engine = reading_engine(dataset)
    try:
        async with engine.connect() as connection:
            return await connection.scalar(sa.select(sa.func.count()).select_from(Remark)) or 0
    finally:
        await engine.dispose()
