"""50,000 rows into an empty table of an SQLite file."""

from __future__ import annotations

from typing import Any

from benchmarks.summary import median_ratio
from benchmarks.workload import Stack, Target, Workload
from benchmarks.workloads.bulk.grounds import empty_file
from benchmarks.workloads.bulk_insert.core import executemany
from benchmarks.workloads.bulk_insert.ours import OURS

EXECUTEMANY = Stack("core_executemany", "one Core INSERT with a list of dicts", executemany)


def _plain(answer: Any) -> Any:
    return answer


BULK_SQLITE = Workload(
    name="bulk_sqlite",
    title="50,000 rows into an empty table of an SQLite file, with COMMIT",
    stacks=(OURS, EXECUTEMANY),
    baselines=(EXECUTEMANY.name,),
    plain=_plain,
    targets=(Target("batchrepo / Core executemany", median_ratio(OURS, EXECUTEMANY), at_most=1.0),),
    ground=empty_file,
    weight=10,
)
