"""50,000 rows by their keys, half of which exist."""

from __future__ import annotations

from typing import Any

from benchmarks.summary import median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.bulk.grounds import half
from benchmarks.workloads.bulk_upsert.copy import COPY
from benchmarks.workloads.bulk_upsert.core import EXECUTEMANY
from benchmarks.workloads.bulk_upsert.ours import OURS
from benchmarks.workloads.bulk_upsert.peer import PEER


def _plain(answer: Any) -> Any:
    return answer


BULK_UPSERT = Workload(
    name="bulk_upsert",
    title="50,000 rows by key, in no order, of which half exist, with COMMIT",
    stacks=(OURS, COPY, EXECUTEMANY, PEER),
    baselines=(COPY.name,),
    plain=_plain,
    targets=(Target("batchrepo / COPY and ON CONFLICT by hand", median_ratio(OURS, COPY), at_most=1.25),),
    ground=half,
    weight=10,
)
