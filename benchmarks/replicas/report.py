"""What a run with replicas tells: a table for people, records for programs."""

from __future__ import annotations

from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.replicas.workload import ReplicaWorkload, Routed
from benchmarks.report import show_targets, target_records


def replica_records(workload: ReplicaWorkload, measured: dict[str, Routed]) -> list[dict[str, Any]]:
    """One record for each setting, then one for each target.

    Rates and times (in ms) are medians of all runs; counts are of all runs together.
    """
    settings = [
        {
            "workload": workload.name,
            "stack": name,
            "requests_per_s": round(median(found.rates), 1),
            "p50_ms": round(median(found.p50), 2),
            "p95_ms": round(median(found.p95), 2),
            "cpu_ms": round(median(found.cpu), 3),
            "primary_cpu_ms": round(median(found.primary_cpu), 3),
            "writes": found.tally.writes,
            "reads": dict(sorted(found.tally.reads.items())),
            "stale": found.tally.stale,
            "waited": len(found.tally.waited),
            "waited_ms": round(mean(found.tally.waited), 2) if found.tally.waited else 0.0,
        }
        for name, found in measured.items()
    ]
    return [*settings, *target_records(workload.name, workload.targets, measured)]


def show_replicas(console: Console, workload: ReplicaWorkload, measured: dict[str, Routed]) -> bool:
    """Print the table of a workload and its targets. True unless a target is missed."""
    table = Table(title=f"{workload.name}: {workload.title}", title_justify="left", title_style="bold")
    table.add_column("policy", no_wrap=True)
    for heading in (
        "requests/s",
        "p50 ms",
        "p95 ms",
        "CPU ms",
        "of primary",
        "writes",
        "reads on primary / replicas",
        "stale",
        "waited",
        "ms each",
    ):
        table.add_column(heading, justify="right")
    for setting in workload.settings:
        found = measured[setting.name]
        tally = found.tally
        replicas = sorted(name for name in tally.reads if name != "primary")
        table.add_row(
            setting.name,
            f"{median(found.rates):.0f}",
            f"{median(found.p50):.1f}",
            f"{median(found.p95):.1f}",
            f"{median(found.cpu):.2f}",
            f"{median(found.primary_cpu):.2f}",
            f"{tally.writes}",
            " / ".join(str(tally.reads[name]) for name in ("primary", *replicas)),
            f"{tally.stale}",
            f"{len(tally.waited)}",
            f"{mean(tally.waited):.1f}" if tally.waited else "-",
        )
    console.print(table)
    return show_targets(console, target_records(workload.name, workload.targets, measured))
