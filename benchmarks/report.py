"""What a run tells: a table for people, records for programs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.summary import spread
from benchmarks.workload import M, Measured, Target, Workload


def records(workload: Workload, measured: dict[str, Measured]) -> list[dict[str, Any]]:
    """One record for each stack, then one for each target.

    Times are in ms, spread is the 10th and the 90th percentile, instructions are millions per request.
    """
    stacks = [
        {
            "workload": workload.name,
            "stack": name,
            "baseline": workload.baseline_of(workload.stack(name)),
            "median_ms": round(median(found.times), 3),
            "spread": [round(value, 3) for value in spread(found.times)],
            "cpu_ms": round(median(found.cpu), 3),
            "server_cpu_ms": round(median(found.server), 3) if found.server else None,
            "instructions": None if found.instructions is None else round(found.instructions, 3),
        }
        for name, found in measured.items()
    ]
    return [*stacks, *target_records(workload.name, workload.targets, measured)]


def target_records(
    workload: str, targets: Sequence[Target[M]], measured: dict[str, M]
) -> list[dict[str, Any]]:
    """One record for each target."""
    written = []
    for target in targets:
        value = target.value(measured)
        written.append(
            {
                "workload": workload,
                "target": target.said,
                "value": None if value is None else round(value, 3),
                "met": target.met(value),
            }
        )
    return written


def show(console: Console, workload: Workload, measured: dict[str, Measured]) -> bool:
    """Print the table of a workload and its targets. True unless a target is missed."""
    table = Table(title=f"{workload.name}: {workload.title}", title_justify="left", title_style="bold")
    table.add_column("stack", no_wrap=True)
    for heading in (
        "median ms",
        "p10 .. p90",
        f"x {' / '.join(workload.baselines)}",
        "CPU ms",
        "server",
        "Mi",
        "runs",
    ):
        table.add_column(heading, justify="right")
    for stack in workload.measurable:
        found, baseline = measured[stack.name], measured[workload.baseline_of(stack)]
        low, high = spread(found.times)
        table.add_row(
            stack.name,
            f"{median(found.times):.2f}",
            f"{low:.2f} .. {high:.2f}",
            f"{median(found.times) / median(baseline.times):.2f}",
            f"{median(found.cpu):.2f}",
            f"{median(found.server):.2f}" if found.server else "-",
            "-" if found.instructions is None else f"{found.instructions:.2f}",
            str(len(found.times)),
        )
    console.print(table)
    for what in dict.fromkeys(stack.what for stack in workload.measurable):
        names = ", ".join(stack.name for stack in workload.measurable if stack.what == what)
        console.print(f"  {names}: {what}", style="dim", soft_wrap=True)
    for stack in workload.stacks:
        if stack.needs:
            console.print(f"  [yellow]{stack.name} is not measured: {stack.needs}.[/]", soft_wrap=True)
    return show_targets(console, target_records(workload.name, workload.targets, measured))


def show_targets(console: Console, written: Sequence[dict[str, Any]]) -> bool:
    """Print the records of targets. True unless one is missed."""
    met = [_show_target(console, record) for record in written]  # all of them, whatever the first says
    return all(met)


def _show_target(console: Console, record: dict[str, Any]) -> bool:
    text = {True: "[green]met[/]", None: "[yellow]not measured[/]", False: "[bold white on red] MISSED [/]"}
    value = "" if record["value"] is None else f"{record['value']:.2f}"
    console.print(f"  {text[record['met']]} {record['target']}: {value}")
    return record["met"] is not False
