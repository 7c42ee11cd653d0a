"""Two columns of 50,000 rows by their keys."""

from __future__ import annotations

from typing import Any

from benchmarks.summary import median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.bulk.grounds import full
from benchmarks.workloads.bulk_update.copy import COPY
from benchmarks.workloads.bulk_update.core import EXECUTEMANY
from benchmarks.workloads.bulk_update.orm import FLUSH, SESSION_EXECUTE
from benchmarks.workloads.bulk_update.ours import OURS


def _plain(answer: Any) -> Any:
    return answer


BULK_UPDATE = Workload(
    name="bulk_update",
    title="2 of 6 columns of 50,000 rows by key, in no order, with COMMIT",
    stacks=(OURS, COPY, EXECUTEMANY, SESSION_EXECUTE, FLUSH),
    baselines=(COPY.name,),
    plain=_plain,
    targets=(Target("batchrepo / COPY and UPDATE FROM by hand", median_ratio(OURS, COPY), at_most=1.2),),
    ground=full,
    weight=10,
)
