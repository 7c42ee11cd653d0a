"""`python -m benchmarks`: measure all workloads on a private PostgreSQL."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from benchmarks.data import Dataset, fill
from benchmarks.http.instructions import count_http_instructions
from benchmarks.http.measure import measure_http
from benchmarks.http.report import http_records, show_http
from benchmarks.http.workload import HttpWorkload, Load
from benchmarks.instructions import count_instructions, valgrind_missing
from benchmarks.measure import GC_NOTE, QUICK, Effort, measure
from benchmarks.memory.bulk import MEMORY_WORKLOADS
from benchmarks.memory.measure import measure_memory
from benchmarks.memory.report import memory_records, show_memory
from benchmarks.memory.workload import Grown, MemoryWorkload
from benchmarks.replicas.measure import measure_replicas
from benchmarks.replicas.own_posts import REPLICA_WORKLOADS
from benchmarks.replicas.report import replica_records, show_replicas
from benchmarks.replicas.workload import ReplicaWorkload, Routed
from benchmarks.report import RESULTS, records, show, write
from benchmarks.server import private_postgres
from benchmarks.workload import Measured, Workload
from benchmarks.workloads import WORKLOADS
from benchmarks.workloads.over_http import HTTP_WORKLOADS

EVERYTHING: tuple[Workload | MemoryWorkload | HttpWorkload | ReplicaWorkload, ...] = (
    *(*WORKLOADS, *MEMORY_WORKLOADS, *HTTP_WORKLOADS, *REPLICA_WORKLOADS),
)
"""In the order in which they run."""


def main() -> None:
    """Run what the command line asks for. A missed target is shown, it is not a failure."""
    options = _options()
    console = Console()
    effort = QUICK if options.quick else Effort()
    scale = float(os.environ.get("BENCH_SCALE", "0.1" if options.quick else "1"))
    chosen = [item for item in EVERYTHING if not options.workload or item.name in options.workload]
    missing = "not asked for" if options.no_instructions else valgrind_missing()
    if missing:
        console.print(f"[yellow]Instructions are not counted: {missing}.[/]")
        effort = dataclasses.replace(effort, counted=0)
    with private_postgres() as url:
        dataset = Dataset(url, scale)
        console.print(
            f"PostgreSQL with {dataset.authors:,} authors, {dataset.posts:,} posts, {dataset.comments:,} comments; "
            f"{effort.rounds} rounds; {GC_NOTE}."
        )
        with console.status("") as status:
            asyncio.run(fill(dataset, lambda step: status.update(f"{step} ...")))
        written: list[dict[str, Any]] = []
        all_met = True
        for workload in chosen:
            if isinstance(workload, HttpWorkload):
                loads = _run_http(console, workload, dataset, effort)
                all_met &= show_http(console, workload, loads)
                written += http_records(workload, loads)
            elif isinstance(workload, MemoryWorkload):
                grown = _run_memory(console, workload, dataset)
                all_met &= show_memory(console, workload, grown)
                written += memory_records(workload, grown)
            elif isinstance(workload, ReplicaWorkload):
                routed = _run_replicas(console, workload, scale, effort)
                all_met &= show_replicas(console, workload, routed)
                written += replica_records(workload, routed)
            else:
                measured = _run(console, workload, dataset, effort)
                all_met &= show(console, workload, measured)
                written += records(workload, measured)
    if options.quick:
        console.print(f"{RESULTS.name} stays as it is: less data and fewer rounds do not compare with it.")
    elif options.results:
        write(written)
        console.print(f"Records: {RESULTS}")
    if not all_met:
        console.print("[bold white on red] A target was missed: see above. [/]")


def _run(console: Console, workload: Workload, dataset: Dataset, effort: Effort) -> dict[str, Measured]:
    effort = effort.of(workload)
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(workload.name, total=effort.rounds)
        measured = asyncio.run(
            measure(workload, dataset, effort, lambda done: progress.update(task, completed=done))
        )
    if effort.counted:
        try:
            _count(console, workload, dataset, effort, measured)
        except RuntimeError as error:
            console.print(f"[bold white on red] Instructions could not be counted: {escape(str(error))} [/]")
    return measured


def _run_memory(console: Console, workload: MemoryWorkload, dataset: Dataset) -> dict[str, Grown]:
    with console.status("") as status:
        return asyncio.run(
            measure_memory(
                workload, dataset, lambda writer: status.update(f"{workload.name}: {writer} writes ...")
            )
        )


def _run_http(console: Console, workload: HttpWorkload, dataset: Dataset, effort: Effort) -> dict[str, Load]:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(workload.name, total=effort.runs)
        loads = measure_http(workload, dataset, effort, lambda done: progress.update(task, completed=done))
    if effort.counted:
        try:
            with console.status("") as status:
                for server in workload.servers:
                    status.update(f"{workload.name}: counting instructions of {server.name} ...")
                    counted = count_http_instructions(workload, server, dataset, effort.counted)
                    loads[server.name] = dataclasses.replace(loads[server.name], instructions=counted)
        except RuntimeError as error:
            console.print(f"[bold white on red] Instructions could not be counted: {escape(str(error))} [/]")
    return loads


def _run_replicas(
    console: Console, workload: ReplicaWorkload, scale: float, effort: Effort
) -> dict[str, Routed]:
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(workload.name, total=effort.runs)
        return asyncio.run(
            measure_replicas(workload, scale, effort, lambda done: progress.update(task, completed=done))
        )


def _count(
    console: Console, workload: Workload, dataset: Dataset, effort: Effort, measured: dict[str, Measured]
) -> None:
    """Complete what was measured with the instructions of every stack that is not slow."""
    with console.status("") as status:
        for stack in workload.measurable:
            if not stack.slow:
                status.update(f"{workload.name}: counting instructions of {stack.name} ...")
                counted = count_instructions(workload, stack, dataset, effort.counted)
                measured[stack.name] = dataclasses.replace(measured[stack.name], instructions=counted)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure batchrepo side by side with hand-written code, on a private PostgreSQL.",
        epilog="BENCH_SCALE sets the size of the data: 1 is 100,000 posts.",
    )
    names = [item.name for item in EVERYTHING]
    parser.add_argument(
        "workload", nargs="*", choices=[*names, []], help=f"default: all ({', '.join(names)})"
    )
    parser.add_argument("--quick", action="store_true", help="less data, fewer rounds")
    parser.add_argument("--no-instructions", action="store_true", help="do not run valgrind")
    parser.add_argument(
        "--no-results", dest="results", action="store_false", help="leave results.json as it is"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
