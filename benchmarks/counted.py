"""The child process of `benchmarks.instructions`: answers one workload with one stack, on command."""

from __future__ import annotations

import asyncio
import gc
import sys

from benchmarks.data import Dataset
from benchmarks.workloads import workload


async def main(
    url: str, scale: str, workload_name: str, stack_name: str, warm_up: str, requests: str
) -> None:
    """Warm up, say "ready", wait for a line, answer the requests, say "done", wait for a line."""
    stack = workload(workload_name).stack(stack_name)
    async with stack.open(Dataset(url, float(scale))) as request:
        for _ in range(int(warm_up)):
            await request()
        gc.collect()
        gc.freeze()
        _wait("ready")
        for _ in range(int(requests)):
            await request()
        _wait("done")


def _wait(word: str) -> None:
    # Blocking is right: nothing else may run, or it would be counted.
    print(word, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
