"""One workload of any kind: measure it, show it, and give its records."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

from benchmarks.data import Dataset
from benchmarks.growth.measure import measure_growth
from benchmarks.growth.nested import GROWTH_WORKLOADS
from benchmarks.growth.report import growth_records, show_growth
from benchmarks.growth.workload import GrowthWorkload
from benchmarks.http.instructions import count_http_instructions
from benchmarks.http.measure import measure_http
from benchmarks.http.report import http_records, show_http
from benchmarks.http.workload import HttpWorkload
from benchmarks.instructions import count_instructions
from benchmarks.measure import Effort, measure
from benchmarks.memory.bulk import MEMORY_WORKLOADS
from benchmarks.memory.measure import measure_memory
from benchmarks.memory.report import memory_records, show_memory
from benchmarks.memory.workload import MemoryWorkload
from benchmarks.replicas.measure import measure_replicas
from benchmarks.replicas.own_posts import REPLICA_WORKLOADS
from benchmarks.replicas.report import replica_records, show_replicas
from benchmarks.replicas.workload import ReplicaWorkload
from benchmarks.report import records, show
from benchmarks.results import Record
from benchmarks.workload import Workload
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.over_http import HTTP_WORKLOADS

AnyWorkload = Workload | GrowthWorkload | MemoryWorkload | HttpWorkload | ReplicaWorkload

EVERYTHING: tuple[AnyWorkload, ...] = (
    *WORKLOADS,
    *GROWTH_WORKLOADS,
    *MEMORY_WORKLOADS,
    *HTTP_WORKLOADS,
    *REPLICA_WORKLOADS,
)
"""In the order in which they run."""

QUICKLY = (
    *("nested_list", "network", "nested_graphql", "thousand_keys", "deep_page", "sparse_fields"),
    *("bulk_insert", "growth", "nested_http"),
)
"""The workloads of `make bench-quick`: one of each sort."""

S = TypeVar("S")


@dataclass(frozen=True)
class Ran:
    """What became of a workload.

    Attributes:
        records: for programs.
        met: False where a target is missed.
        stacks: what each stack is, by name; of those that were not measured, why.
        rounds: how often each was measured; of some fewer.
        problem: why its instructions could not be counted; "" where they were, or were not asked for.
    """

    records: list[Record]
    met: bool
    stacks: dict[str, str]
    rounds: int
    problem: str = ""


def run(console: Console, workload: AnyWorkload, dataset: Dataset, effort: Effort) -> Ran:
    """Measure a workload and print its table.

    Raises:
        Exception: whatever went wrong; nothing of it was measured then.
    """
    match workload:
        case Workload():
            return _run(console, workload, dataset, effort)
        case GrowthWorkload():
            return _run_growth(console, workload, dataset, effort)
        case MemoryWorkload():
            return _run_memory(console, workload, dataset)
        case HttpWorkload():
            return _run_http(console, workload, dataset, effort)
        case ReplicaWorkload():
            return _run_replicas(console, workload, dataset, effort)


def _run(console: Console, workload: Workload, dataset: Dataset, effort: Effort) -> Ran:
    effort = effort.of(workload)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(workload.name, total=effort.rounds)
        measured = asyncio.run(
            measure(workload, dataset, effort, lambda done: progress.update(task, completed=done))
        )
    problem = ""
    if effort.counted:
        counts, problem = _count(
            console,
            workload.name,
            [stack for stack in workload.measurable if not stack.slow],
            lambda stack: count_instructions(workload, stack, dataset, effort.counted),
        )
        for stack, count in counts:
            measured[stack.name] = dataclasses.replace(measured[stack.name], instructions=count)
    met = show(console, workload, measured)
    stacks = {
        stack.name: f"{stack.what}; not measured: {stack.needs}" if stack.needs else stack.what
        for stack in workload.stacks
    }
    return Ran(records(workload, measured), met, stacks, effort.rounds, problem)


def _run_growth(console: Console, workload: GrowthWorkload, dataset: Dataset, effort: Effort) -> Ran:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(workload.name, total=effort.rounds)
        measured = asyncio.run(
            measure_growth(workload, dataset, effort, lambda done: progress.update(task, completed=done))
        )
    met = show_growth(console, workload, measured)
    return Ran(
        growth_records(workload, measured), met, {way.name: way.what for way in workload.ways}, effort.rounds
    )


def _run_memory(console: Console, workload: MemoryWorkload, dataset: Dataset) -> Ran:
    with console.status("") as status:
        measured = asyncio.run(
            measure_memory(
                workload, dataset, lambda writer: status.update(f"{workload.name}: {writer} writes ...")
            )
        )
    met = show_memory(console, workload, measured)
    stacks = {writer.name: writer.what for writer in workload.writers}
    return Ran(memory_records(workload, measured), met, stacks, 1)


def _run_http(console: Console, workload: HttpWorkload, dataset: Dataset, effort: Effort) -> Ran:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(workload.name, total=effort.runs)
        measured = measure_http(workload, dataset, effort, lambda done: progress.update(task, completed=done))
    problem = ""
    if effort.counted:
        counts, problem = _count(
            console,
            workload.name,
            workload.servers,
            lambda server: count_http_instructions(workload, server, dataset, effort.counted),
        )
        for server, count in counts:
            measured[server.name] = dataclasses.replace(measured[server.name], instructions=count)
    met = show_http(console, workload, measured)
    stacks = {server.name: server.what for server in workload.servers}
    return Ran(http_records(workload, measured), met, stacks, effort.runs, problem)


def _run_replicas(console: Console, workload: ReplicaWorkload, dataset: Dataset, effort: Effort) -> Ran:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(workload.name, total=effort.runs)
        measured = asyncio.run(
            measure_replicas(
                workload, dataset.scale, effort, lambda done: progress.update(task, completed=done)
            )
        )
    met = show_replicas(console, workload, measured)
    stacks = {setting.name: f"the policy {setting.name}" for setting in workload.settings}
    return Ran(replica_records(workload, measured), met, stacks, effort.runs)


def _count(
    console: Console, name: str, stacks: Iterable[S], count: Callable[[S], float]
) -> tuple[list[tuple[S, float]], str]:
    """Instructions of each stack, or why there are none. The clock does not matter: each processor counts one."""
    stacks = list(stacks)
    with (
        console.status(f"{name}: counting instructions ..."),
        ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as workers,
    ):
        try:
            return list(zip(stacks, workers.map(count, stacks), strict=True)), ""
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            return [], f"Instructions could not be counted: {error}"
