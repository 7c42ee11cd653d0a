"""A nested list to JSON: the 50 newest posts, their author, tags, and latest 3 comments with their authors."""

from __future__ import annotations

import json

from benchmarks.summary import median_ratio
from benchmarks.workload import Measured, Target, Workload
from benchmarks.workloads.nested_list.core import CORE, CORE_FEWEST
from benchmarks.workloads.nested_list.naive import NAIVE
from benchmarks.workloads.nested_list.orm import SELECTINLOAD
from benchmarks.workloads.nested_list.ours import JSON, SINGLE, VIEWS
from benchmarks.workloads.nested_list.statement import STATEMENT


def _instructions(measured: dict[str, Measured]) -> float | None:
    return measured[JSON.name].instructions


def _single_instructions(measured: dict[str, Measured]) -> float | None:
    return measured[SINGLE.name].instructions


NESTED_LIST = Workload(
    name="nested_list",
    title="50 posts with author, tags and latest 3 comments with their authors, to JSON",
    stacks=(SINGLE, JSON, VIEWS, STATEMENT, CORE, CORE_FEWEST, SELECTINLOAD, NAIVE),
    baselines=(CORE.name,),
    plain=json.loads,
    targets=(
        Target("one statement / the fastest one by hand", median_ratio(SINGLE, STATEMENT), at_most=1.15),
        Target("one statement, million instructions", _single_instructions, at_most=2.5),
        Target("batchrepo JSON / hand-written Core", median_ratio(JSON, CORE), at_most=1.35),
        Target("batchrepo JSON, million instructions", _instructions, at_most=12),
        Target("selectinload + Pydantic / batchrepo JSON", median_ratio(SELECTINLOAD, JSON), at_least=2.5),
    ),
)
