"""Times: all stacks of a workload in one process, in turn, so that a slow minute hits all of them."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from time import perf_counter, process_time
from typing import Any

from benchmarks.data import Dataset
from benchmarks.server_cpu import ServerCpu
from benchmarks.workload import Ground, Measured, Request, Stack, Workload

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
    rounds: int = 240
    counted: int = 10
    runs: int = 8
    seconds: float = 2.0
    requests: int = 4_000

    def of(self, workload: Workload) -> Effort:
        """What is left of it for a workload whose requests are long."""
        if workload.weight == 1:
            return self
        return replace(
            self,
            warm_up=max(1, self.warm_up // workload.weight),
            rounds=max(2, self.rounds // workload.weight),
            counted=0,
        )


QUICK = Effort(warm_up=6, rounds=20, counted=0, runs=2, seconds=1.0)
"""For a look in two minutes: ratios, whose last tenth is noise."""

QUICK_SCALE = 0.05
"""Of the data, for such a look."""


async def measure(
    workload: Workload, dataset: Dataset, effort: Effort, progress: Callable[[int], None]
) -> dict[str, Measured]:
    """Check that all stacks answer equally, then measure their times.

    Args:
        workload: the workload.
        dataset: what they read.
        effort: how often, already weighed.
        progress: called with the number of finished rounds.

    Returns:
        What was measured, by stack; without instructions.

    Raises:
        AssertionError: two stacks gave different answers.
    """
    measured = {stack.name: Measured([], []) for stack in workload.measurable}
    async with AsyncExitStack() as opened:
        ground = await opened.enter_async_context(workload.ground(dataset))
        requests = [
            (stack, await opened.enter_async_context(stack.open(ground.dataset)))
            for stack in workload.measurable
        ]
        await check_equal(workload, requests, ground)
        for stack, request in requests:
            for _ in range(min(2, effort.warm_up) if stack.slow else effort.warm_up):
                await ground.reset()
                await request()
        server = await ServerCpu.of(dataset.url)
        gc.collect()
        gc.freeze()
        try:
            order = random.Random(1)
            for number in range(effort.rounds):
                for stack, request in order.sample(requests, len(requests)):
                    if not stack.slow or number % SLOW_EVERY == 0:
                        await ground.reset()
                        await _once(request, measured[stack.name], server)
                progress(number + 1)
        finally:
            gc.unfreeze()
    return measured


async def check_equal(
    workload: Workload, requests: list[tuple[Stack, Request]], ground: Ground
) -> dict[str, Any]:
    """All stacks give the answer of the baseline of their case, and leave the same behind.

    Returns:
        The answer of each case, as `Workload.plain` and `Ground.left` make it.

    Raises:
        AssertionError: one does not, or the answer is empty.
    """
    answers = {}
    for stack, request in requests:
        await ground.reset()
        answers[stack.name] = await ground.left(workload.plain(await request()))
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


async def _once(request: Request, measured: Measured, server: ServerCpu | None) -> None:
    before = server.spent() if server else 0.0
    started, cpu = perf_counter(), process_time()
    await request()
    measured.cpu.append((process_time() - cpu) * 1e3)
    measured.times.append((perf_counter() - started) * 1e3)
    if server:
        measured.server.append(server.spent() - before)
