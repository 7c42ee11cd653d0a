"""The child process: does each section a few times, and says when it begins and ends."""

from __future__ import annotations

import asyncio
import gc
import sys

from benchmarks.data import Dataset
from benchmarks.parts.sections import opened

WARM_UP = 5


async def main(url: str, scale: str, requests: str) -> None:
    """Say "ready", then each section's name, wait for a line, do it, say "done", wait for a line; at last say "end"."""
    async with opened(Dataset(url, float(scale))) as sections:
        _wait("ready")
        for name, section in sections.items():
            for _ in range(WARM_UP):
                await section()
            gc.collect()
            gc.freeze()
            _wait(name)
            for _ in range(int(requests)):
                await section()
            _wait("done")
        _wait("end")


def _wait(word: str) -> None:
    # Blocking is right: nothing else may run, or it would be counted.
    print(word, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
