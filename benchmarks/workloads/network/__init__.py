"""The nested list with 1 ms of network round trip: what a statement more costs where the database is elsewhere."""

from __future__ import annotations

import json
from statistics import median

from benchmarks.network.ground import EACH_WAY_MS, behind_a_network
from benchmarks.network.round_trip import SELECT_1
from benchmarks.summary import median_ratio
from benchmarks.workload import Measured, Target, Workload
from benchmarks.workloads.nested_list import NESTED_LIST

_LIST = [
    stack
    for stack in NESTED_LIST.stacks
    if stack.name
    in (
        "batchrepo_single",
        "batchrepo_json",
        "statement_by_hand",
        "raw_asyncpg",
        "core",
        "core_fewest",
        "orm_selectinload",
        "naive_loop",
    )
]
_SINGLE, _BATCHED, _CORE, _SELECTINLOAD = (
    NESTED_LIST.stack(name) for name in ("batchrepo_single", "batchrepo_json", "core", "orm_selectinload")
)


def _round_trip(measured: dict[str, Measured]) -> float:
    return median(measured[SELECT_1.name].times)


NETWORK = Workload(
    name="network",
    title=f"the nested list, {2 * EACH_WAY_MS:g} ms away: a process between client and PostgreSQL holds back"
    f" what passes for {EACH_WAY_MS:g} ms each way",
    stacks=(SELECT_1, *_LIST),
    baselines=(_CORE.name, SELECT_1.name),
    plain=json.loads,
    targets=(
        Target(
            "round trip of SELECT 1 in ms", _round_trip, at_least=2 * EACH_WAY_MS, at_most=4 * EACH_WAY_MS
        ),
        Target("one statement / hand-written Core", median_ratio(_SINGLE, _CORE), at_most=0.6),
        Target("batchrepo JSON / hand-written Core", median_ratio(_BATCHED, _CORE), at_most=1.1),
        Target("selectinload + Pydantic / one statement", median_ratio(_SELECTINLOAD, _SINGLE), at_least=4),
    ),
    ground=behind_a_network,
    weight=2,
)
