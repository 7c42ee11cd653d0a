"""Times: all stacks of a workload in one process, in turn, so that a slow minute hits all of them."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

from benchmarks.data import Dataset
from benchmarks.workload import Measured, Request, Stack, Workload

GC_NOTE = "cyclic GC on with CPython's default thresholds; collected and frozen once, after warm-up"
"""What results say about garbage collection: as in production, its cost belongs to who causes it."""

SLOW_EVERY = 10
"""A slow stack runs once in so many rounds."""


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Attributes:
        warm_up: requests of each stack before anything counts: caches fill, and every pooled connection
            prepares every statement.
        rounds: in each round every stack answers once, in an order that is shuffled anew.
        counted: requests under valgrind, or 0 for none.
        runs: over HTTP, how often the clients ask each server.
        seconds: how long each of these runs is.
        requests: after how many requests a run ends before that.
    """

    warm_up: int = 40
    rounds: int = 300
    counted: int = 10
    runs: int = 15
    seconds: float = 2.0
    requests: int = 4_000


QUICK = Effort(warm_up=20, rounds=60, counted=5, runs=5, seconds=1.0)


async def measure(
    workload: Workload, dataset: Dataset, effort: Effort, progress: Callable[[int], None]
) -> dict[str, Measured]:
    """Check that all stacks answer equally, then measure their times.

    Args:
        workload: the workload.
        dataset: what they read.
        effort: how often.
        progress: called with the number of finished rounds.

    Returns:
        What was measured, by stack; without instructions.

    Raises:
        AssertionError: two stacks gave different answers.
    """
    measured = {stack.name: Measured([], []) for stack in workload.stacks}
    async with AsyncExitStack() as opened:
        requests = [
            (stack, await opened.enter_async_context(stack.open(dataset))) for stack in workload.stacks
        ]
        await check_equal(workload, requests)
        for stack, request in requests:
            for _ in range(2 if stack.slow else effort.warm_up):
                await request()
        gc.collect()
        gc.freeze()
        try:
            order = random.Random(1)
            for number in range(effort.rounds):
                for stack, request in order.sample(requests, len(requests)):
                    if not stack.slow or number % SLOW_EVERY == 0:
                        await _once(request, measured[stack.name])
                progress(number + 1)
        finally:
            gc.unfreeze()
    return measured


async def check_equal(workload: Workload, requests: list[tuple[Stack, Request]]) -> dict[str, Any]:
    """All stacks give the answer of the baseline of their case.

    Returns:
        The answer of each case, as `Workload.plain` makes it.

    Raises:
        AssertionError: one does not, or the answer is empty.
    """
    answers = {stack.name: workload.plain(await request()) for stack, request in requests}
    for stack, _ in requests:
        baseline = workload.baseline_of(stack)
        answer, expected = answers[stack.name], answers[baseline]
        if not expected:
            raise AssertionError(f"{workload.name}: the baseline {baseline} gave an empty answer.")
        if answer != expected:
            raise AssertionError(
                f"{workload.name}: {stack.name} and {baseline} answer differently.\n"
                f"{stack.name}: {answer!r:.500}\n{baseline}: {expected!r:.500}"
            )
    return {workload.stack(name).case: answers[name] for name in workload.baselines}


async def _once(request: Request, measured: Measured) -> None:
    started, cpu = perf_counter(), process_time()
    await request()
    measured.cpu.append((process_time() - cpu) * 1e3)
    measured.times.append((perf_counter() - started) * 1e3)
