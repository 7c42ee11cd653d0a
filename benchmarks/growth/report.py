"""What a run of growth tells: a table for people, records for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.growth.fit import exponent, local_exponents
from benchmarks.growth.workload import SETTLED, Grown, GrowthWorkload
from benchmarks.report import show_targets, target_records
from benchmarks.summary import spread


def growth_records(workload: GrowthWorkload, measured: dict[str, Grown]) -> list[dict[str, Any]]:
    """One record for each way and size, one of exponents for each way, then one for each target; times in ms."""
    written: list[dict[str, Any]] = []
    for way in workload.ways:
        grown = measured[way.name]
        written += [
            {
                "workload": workload.name,
                "stack": way.name,
                "parents": size,
                "median_ms": round(median, 3),
                "spread": [round(value, 3) for value in spread(grown.times[size])],
                "statements": grown.statements[size],
            }
            for size, median in grown.medians.items()
        ]
        whole, settled = exponent(grown.medians), exponent(grown.medians, SETTLED)
        written.append(
            {
                "workload": workload.name,
                "stack": way.name,
                "exponent": None if whole is None else round(whole, 3),
                "exponent_settled": None if settled is None else round(settled, 3),
                "local_exponents": [round(value, 3) for value in local_exponents(grown.medians)],
            }
        )
    return [*written, *target_records(workload.name, workload.targets, measured)]


def show_growth(console: Console, workload: GrowthWorkload, measured: dict[str, Grown]) -> bool:
    """Print the table of a workload and its targets. True unless a target is missed."""
    table = Table(title=f"{workload.name}: {workload.title}", title_justify="left", title_style="bold")
    table.add_column("way", no_wrap=True)
    sizes = sorted({size for grown in measured.values() for size in grown.times})
    for heading in (
        *(f"ms, N = {size:,}" for size in sizes),
        "statements",
        "exponent",
        f"N >= {SETTLED}",
        "local",
    ):
        table.add_column(heading, justify="right")
    for way in workload.ways:
        medians, counts = measured[way.name].medians, measured[way.name].statements
        table.add_row(
            way.name,
            *(f"{medians[size]:.2f}" if size in medians else "" for size in sizes),
            " ".join(f"{counts[size]:,}" for size in sorted(counts)),
            _said(exponent(medians)),
            _said(exponent(medians, SETTLED)),
            " ".join(_said(value) for value in local_exponents(medians)),
        )
    console.print(table)
    for way in workload.ways:
        console.print(f"  {way.name}: {way.what}", style="dim", soft_wrap=True)
    return show_targets(console, target_records(workload.name, workload.targets, measured))


def _said(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
