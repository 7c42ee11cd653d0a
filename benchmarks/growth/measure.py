"""Times of all ways and sizes in one process, in turn, so that a slow minute bends no line."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from time import perf_counter
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.data import Dataset
from benchmarks.growth.workload import Grown, GrowthWorkload, Sized, Way
from benchmarks.measure import Effort

PARENTS = 50
"""So many parents in a round: of larger sizes there are fewer rounds, of smaller ones no more."""

FEWEST = 5
"""Rounds of the largest size."""


async def measure_growth(
    workload: GrowthWorkload, dataset: Dataset, effort: Effort, progress: Callable[[int], None]
) -> dict[str, Grown]:
    """Check that all ways answer equally with each size, count their statements, then measure their times.

    Args:
        workload: the workload.
        dataset: what they read.
        effort: how often the smallest size is asked for.
        progress: called with the number of finished rounds.

    Returns:
        What was measured, by way.

    Raises:
        AssertionError: two ways gave different answers.
    """
    measured = {way.name: Grown() for way in workload.ways}
    sizes = workload.sizes_in(dataset)
    for way in workload.ways:
        # Before anything is timed, with engines of their own: who listens changes what is measured.
        async with way.open(dataset) as request:
            await request(min(sizes))  # what a driver asks once belongs to no request
            for size in filter(way.takes, sizes):
                with _statements() as seen:
                    await request(size)
                measured[way.name].statements[size] = len(seen)
    async with AsyncExitStack() as opened:
        requests = [(way, await opened.enter_async_context(way.open(dataset))) for way in workload.ways]
        for size in sizes:
            await check_equal_growth(workload, requests, size)
        for way, request in requests:
            for size in filter(way.takes, sizes):
                measured[way.name].times[size] = []
                for _ in range(max(1, min(effort.warm_up, effort.warm_up * PARENTS // size))):
                    await request(size)
        gc.collect()
        gc.freeze()
        try:
            order = random.Random(1)
            every = {size: effort.rounds // rounds_of(size, effort) for size in sizes}
            for number in range(effort.rounds):
                due = [
                    (way, request, size)
                    for way, request in requests
                    for size in sizes
                    if way.takes(size) and number % every[size] == 0
                ]
                for way, request, size in order.sample(due, len(due)):
                    started = perf_counter()
                    await request(size)
                    measured[way.name].times[size].append((perf_counter() - started) * 1e3)
                progress(number + 1)
        finally:
            gc.unfreeze()
    return measured


def rounds_of(size: int, effort: Effort) -> int:
    """How often a size is asked for."""
    return min(effort.rounds, max(FEWEST, effort.rounds * PARENTS // size))


async def check_equal_growth(
    workload: GrowthWorkload, requests: list[tuple[Way, Sized]], size: int
) -> list[Any]:
    """All ways give the answer of the baseline.

    Returns:
        The answer, as `GrowthWorkload.plain` makes it.

    Raises:
        AssertionError: one does not, or it has not so many parents.
    """
    answers = {way.name: workload.plain(await request(size)) for way, request in requests if way.takes(size)}
    expected: list[Any] = answers[workload.baseline]
    if len(expected) != size:
        raise AssertionError(f"{workload.name}: expected {size} parents; got {len(expected)}.")
    for name, answer in answers.items():
        if answer != expected:
            raise AssertionError(
                f"{workload.name}: {name} and {workload.baseline} answer differently for {size} parents.\n"
                f"{name}: {answer!r:.500}\n{workload.baseline}: {expected!r:.500}"
            )
    return expected


@contextmanager
def _statements() -> Iterator[list[str]]:
    """What all engines execute meanwhile; beginning, ending and pinging are not statements."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        if statement != ";":  # how asyncpg's dialect pings
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
