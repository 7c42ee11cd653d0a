"""The nested list with 1 ms of network round trip: what a statement more costs where the database is elsewhere."""

from __future__ import annotations

import json
from statistics import median

from benchmarks.network.ground import EACH_WAY_MS, behind_a_network
from benchmarks.network.round_trip import SELECT_1
from benchmarks.summary import median_ratio
from benchmarks.workload import Measured, Target, Workload
from benchmarks.workloads.nested_list.core import CORE, CORE_FEWEST
from benchmarks.workloads.nested_list.naive import NAIVE
from benchmarks.workloads.nested_list.orm import SELECTINLOAD
from benchmarks.workloads.nested_list.ours import JSON, SINGLE
from benchmarks.workloads.nested_list.raw import RAW, RAW_FEWEST
from benchmarks.workloads.nested_list.statement import STATEMENT, STATEMENT_TEXTS


def _round_trip(measured: dict[str, Measured]) -> float:
    return median(measured[SELECT_1.name].times)


NETWORK = Workload(
    name="network",
    title=f"the nested list, {2 * EACH_WAY_MS:g} ms away: a process between client and PostgreSQL holds back"
    f" what passes for {EACH_WAY_MS:g} ms each way",
    stacks=(
        SELECT_1,
        SINGLE,
        JSON,
        STATEMENT,
        STATEMENT_TEXTS,
        RAW,
        RAW_FEWEST,
        CORE,
        CORE_FEWEST,
        SELECTINLOAD,
        NAIVE,
    ),
    baselines=(CORE.name, SELECT_1.name),
    plain=json.loads,
    targets=(
        Target(
            "round trip of SELECT 1 in ms", _round_trip, at_least=2 * EACH_WAY_MS, at_most=4 * EACH_WAY_MS
        ),
        Target("one statement / hand-written Core", median_ratio(SINGLE, CORE), at_most=0.6),
        Target("batchrepo JSON / hand-written Core", median_ratio(JSON, CORE), at_most=1.1),
        Target("selectinload + Pydantic / one statement", median_ratio(SELECTINLOAD, SINGLE), at_least=4),
    ),
    ground=behind_a_network,
    weight=2,
)
