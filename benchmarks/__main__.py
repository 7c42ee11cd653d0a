"""`python -m benchmarks`: measure all workloads on a private PostgreSQL."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from benchmarks.data import Dataset, fill
from benchmarks.figures.files import write_figures
from benchmarks.instructions import valgrind_missing
from benchmarks.kinds import EVERYTHING, QUICKLY, AnyWorkload
from benchmarks.machine import run_header, server_version
from benchmarks.measure import GC_NOTE, QUICK, QUICK_SCALE, Effort
from benchmarks.results import RESULTS, read, write
from benchmarks.running import run_all
from benchmarks.server import private_postgres
from benchmarks.timing import UNKNOWN, Estimate


def main() -> None:
    """Run what the command line asks for. Ends with 1 if a workload failed; a missed target is no failure."""
    options = _options()
    console = Console()
    if options.list:
        _list(console)
        return
    names = options.workload or (QUICKLY if options.quick else _names(EVERYTHING))
    chosen = [item for item in EVERYTHING if item.name in names]
    effort, scale = _effort(console, options)
    known = read()
    took = {name: known.about(name)["seconds"] or UNKNOWN for name in known.workloads}
    with private_postgres() as url:
        dataset = Dataset(url, scale)
        console.print(
            f"PostgreSQL with {dataset.authors:,} authors, {dataset.posts:,} posts, {dataset.comments:,} comments; "
            f"{effort.rounds} rounds; {GC_NOTE}."
        )
        with console.status("") as status:
            asyncio.run(fill(dataset, lambda step: status.update(f"{step} ...")))
        header = run_header(asyncio.run(server_version(url)), scale)
        outcome = run_all(console, chosen, dataset, effort, Estimate(took, _names(chosen)))
    if options.quick:
        console.print(f"{RESULTS.name} stays as it is: less data and fewer rounds do not compare with it.")
    elif options.results and outcome.records:
        results = known.followed_by(
            header | {"workloads": outcome.workloads}, outcome.records, _names(EVERYTHING)
        )
        write(results)
        console.print(f"Records: {RESULTS.name}. Made of them: {', '.join(write_figures(results))}.")
    if not outcome.met:
        console.print("[bold white on red] A target was missed: see above. [/]")
    for name, problem in outcome.failed.items():
        console.print(f"[bold white on red] {name} failed: [/] {escape(problem)}")
    sys.exit(1 if outcome.failed else 0)


def _effort(console: Console, options: argparse.Namespace) -> tuple[Effort, float]:
    """How often to measure, and the scale of the data."""
    effort = QUICK if options.quick else Effort()
    missing = "not asked for" if options.no_instructions or options.quick else valgrind_missing()
    if missing:
        console.print(f"[yellow]Instructions are not counted: {missing}.[/]")
        effort = dataclasses.replace(effort, counted=0)
    return effort, float(os.environ.get("BENCH_SCALE", QUICK_SCALE if options.quick else 1))


def _names(workloads: Sequence[AnyWorkload]) -> list[str]:
    return [item.name for item in workloads]


def _list(console: Console) -> None:
    """Print all workloads, and what they promise."""
    for workload in EVERYTHING:
        console.print(f"[bold]{workload.name}[/]: {escape(workload.title)}", soft_wrap=True)
        for target in workload.targets:
            console.print(f"  {escape(target.said)}", style="dim", soft_wrap=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure batchrepo side by side with hand-written code, on a private PostgreSQL.",
        epilog="BENCH_SCALE sets the size of the data: 1 is 100,000 posts.",
    )
    names = _names(EVERYTHING)
    parser.add_argument(
        "workload", nargs="*", choices=[*names, []], help=f"default: all ({', '.join(names)})"
    )
    parser.add_argument("--list", action="store_true", help="say what there is to measure, and stop")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"less data, fewer rounds, no valgrind; by default {', '.join(QUICKLY)}",
    )
    parser.add_argument("--no-instructions", action="store_true", help="do not run valgrind")
    parser.add_argument(
        "--no-results",
        dest="results",
        action="store_false",
        help="leave results.json, and what is made of it, as it is",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
