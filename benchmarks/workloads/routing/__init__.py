"""What routing costs a nested list: the request of `nested_list`, without routing, without replicas, and with two."""

from __future__ import annotations

import json

from benchmarks.summary import instructions_ratio, median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.nested_list.core import CORE
from benchmarks.workloads.routing.ours import NO_REPLICAS, NO_ROUTING, TWO_REPLICAS

ROUTING = Workload(
    name="routing",
    title="the 50 posts of nested_list by a Database without replicas, and by one with two",
    stacks=(NO_ROUTING, NO_REPLICAS, TWO_REPLICAS, CORE),
    baselines=(NO_ROUTING.name,),
    plain=json.loads,
    targets=(
        Target("no replicas / no routing", median_ratio(NO_REPLICAS, NO_ROUTING), at_most=1.05),
        Target(
            "no replicas / no routing, instructions",
            instructions_ratio(NO_REPLICAS, NO_ROUTING),
            at_most=1.05,
        ),
        Target("two replicas / no replicas", median_ratio(TWO_REPLICAS, NO_REPLICAS), at_most=1.05),
        Target(
            "two replicas / no replicas, instructions",
            instructions_ratio(TWO_REPLICAS, NO_REPLICAS),
            at_most=1.05,
        ),
    ),
)
