"""What a run over HTTP tells: a table for people, records for programs."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.http.workload import HttpWorkload, Load, Server
from benchmarks.report import show_targets, target_records


def http_records(workload: HttpWorkload, measured: dict[str, Load]) -> list[dict[str, Any]]:
    """One record for each server, then one for each target; medians of all runs, times in ms."""
    servers = [
        {
            "workload": workload.name,
            "stack": name,
            "baseline": workload.baseline,
            "requests_per_s": round(median(load.rates), 1),
            "p50_ms": round(median(load.p50), 2),
            "p95_ms": round(median(load.p95), 2),
            "p99_ms": round(median(load.p99), 2),
            "cpu_ms": round(median(load.cpu), 3),
            "instructions_mi": None if load.instructions is None else round(load.instructions, 2),
        }
        for name, load in measured.items()
    ]
    return [*servers, *target_records(workload.name, workload.targets, measured)]


def show_http(console: Console, workload: HttpWorkload, measured: dict[str, Load]) -> bool:
    """Print the table of a workload and its targets. True unless a target is missed."""
    baseline = measured[workload.baseline]
    table = Table(title=f"{workload.name}: {workload.title}", title_justify="left", title_style="bold")
    table.add_column("server", no_wrap=True)
    for heading in (
        "requests/s",
        f"x {workload.baseline}",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "CPU ms",
        "Mi",
        "client",
        "runs",
    ):
        table.add_column(heading, justify="right")
    for server in workload.servers:
        load = measured[server.name]
        table.add_row(
            server.name,
            f"{median(load.rates):.0f}",
            f"{median(load.rates) / median(baseline.rates):.2f}",
            f"{median(load.p50):.1f}",
            f"{median(load.p95):.1f}",
            f"{median(load.p99):.1f}",
            f"{median(load.cpu):.2f}",
            "-" if load.instructions is None else f"{load.instructions:.2f}",
            f"{median(load.client):.0%}",
            str(len(load.rates)),
        )
    console.print(table)
    for server in workload.servers:
        console.print(f"  {server.name}: {server.what}", style="dim", soft_wrap=True)
    return show_targets(console, target_records(workload.name, workload.targets, measured))


def median_load_ratio(
    values: Callable[[Load], list[float]], server: Server, other: Server
) -> Callable[[dict[str, Load]], float | None]:
    """A target's value: the median of `values` of `server` divided by that of `other`."""

    def ratio(measured: dict[str, Load]) -> float | None:
        return median(values(measured[server.name])) / median(values(measured[other.name]))

    return ratio
