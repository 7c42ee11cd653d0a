"""A run: one workload after the other, whatever becomes of each."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.markup import escape

from benchmarks.data import Dataset
from benchmarks.kinds import AnyWorkload, run
from benchmarks.machine import BUSY, busy
from benchmarks.measure import Effort
from benchmarks.results import Record
from benchmarks.timing import Estimate


@dataclass
class Outcome:
    """What a run gave.

    Attributes:
        records: of all workloads that were measured.
        workloads: what is to be said of each of them, by name.
        failed: why a workload failed, or its instructions could not be counted, by name.
        met: whether no target was missed.
    """

    records: list[Record] = field(default_factory=list)
    workloads: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    met: bool = True


def run_all(
    console: Console, workloads: Sequence[AnyWorkload], dataset: Dataset, effort: Effort, estimate: Estimate
) -> Outcome:
    """Measure workloads and print their tables. One that fails is told of, and the others go on.

    Args:
        console: where tables and progress go.
        workloads: in their order.
        dataset: what they read.
        effort: how often.
        estimate: of how long they take.
    """
    outcome = Outcome()
    for number, workload in enumerate(workloads, 1):
        console.rule(f"[bold]{number} of {len(workloads)}[/]: {workload.name}; {estimate.said()}")
        used = _warned(console)
        started = perf_counter()
        try:
            ran = run(console, workload, dataset, effort)
        except Exception as error:  # noqa: BLE001  whatever it is, the others go on
            console.print(escape(traceback.format_exc()), style="red")
            outcome.failed[workload.name] = f"{type(error).__name__}: {error}"
            continue
        finally:
            seconds = perf_counter() - started
            estimate.finished(workload.name, seconds)
        outcome.met &= ran.met
        outcome.records += ran.records
        if ran.problem:
            outcome.failed[workload.name] = ran.problem
        outcome.workloads[workload.name] = {
            "title": workload.title,
            "stacks": ran.stacks,
            "rounds": ran.rounds,
            "seconds": round(seconds),
            "busy": round(used, 2),
        }
    return outcome


def _warned(console: Console) -> float:
    """The part of all processors' time that others use; with a line of warning where it is much."""
    used = busy()
    if used > BUSY:
        console.print(
            f"[bold yellow]The machine is busy: {used:.0%} of its processors' time, load {os.getloadavg()[0]:.1f}. "
            "Times will be too long and far spread; ratios suffer less.[/]"
        )
    return used
