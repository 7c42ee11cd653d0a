"""Three of twenty columns of 1,000 rows to JSON."""

from __future__ import annotations

import json

from benchmarks.summary import median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.sparse_fields.core import CORE, CORE_ALL
from benchmarks.workloads.sparse_fields.orm import ENTITY, LOAD_ONLY
from benchmarks.workloads.sparse_fields.ours import FIELDS, VIEW

SPARSE_FIELDS = Workload(
    name="sparse_fields",
    title="3 of 20 columns of 1,000 profiles, to JSON",
    stacks=(FIELDS, VIEW, CORE, CORE_ALL, LOAD_ONLY, ENTITY),
    baselines=(CORE.name,),
    plain=json.loads,
    targets=(
        Target("batchrepo fields= / Core tuples + msgspec", median_ratio(FIELDS, CORE), at_most=1.6),
        Target("ORM load_only + Pydantic / batchrepo fields=", median_ratio(LOAD_ONLY, FIELDS), at_least=4),
    ),
)
