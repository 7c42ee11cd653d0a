"""What is told of memory: a table for people, records for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.memory.workload import Grown, MemoryWorkload
from benchmarks.report import show_targets, target_records


def memory_records(workload: MemoryWorkload, measured: dict[str, Grown]) -> list[dict[str, Any]]:
    """One record for each writer, then one for each target."""
    writers = [
        {
            "workload": workload.name,
            "stack": name,
            "rows": grown.rows,
            "peak_mb": round(grown.peak, 1),
            "seconds": round(grown.seconds, 2),
        }
        for name, grown in measured.items()
    ]
    return [*writers, *target_records(workload.name, workload.targets, measured)]


def show_memory(console: Console, workload: MemoryWorkload, measured: dict[str, Grown]) -> bool:
    """Print the table of a workload and its targets. True unless a target is missed."""
    table = Table(title=f"{workload.name}: {workload.title}", title_justify="left", title_style="bold")
    table.add_column("writer", no_wrap=True)
    for heading in ("peak MB", "seconds", "rows"):
        table.add_column(heading, justify="right")
    for writer in workload.writers:
        grown = measured[writer.name]
        table.add_row(writer.name, f"{grown.peak:.1f}", f"{grown.seconds:.2f}", f"{grown.rows:,}")
    console.print(table)
    for writer in workload.writers:
        console.print(f"  {writer.name}: {writer.what}", style="dim", soft_wrap=True)
    return show_targets(console, target_records(workload.name, workload.targets, measured))
