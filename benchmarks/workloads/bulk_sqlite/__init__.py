"""50,000 rows into an empty table of an SQLite file."""

from __future__ import annotations

from typing import Any

from benchmarks.workload import Stack, Workload
from benchmarks.workloads.bulk.grounds import empty_file
from benchmarks.workloads.bulk_insert.core import executemany

EXECUTEMANY = Stack("core_executemany", "one Core INSERT with a list of dicts", executemany)


def _plain(answer: Any) -> Any:
    return answer


BULK_SQLITE = Workload(
    name="bulk_sqlite",
    title="50,000 rows into an empty table of an SQLite file, with COMMIT",
    stacks=(EXECUTEMANY,),
    baselines=(EXECUTEMANY.name,),
    plain=_plain,
    targets=(),
    ground=empty_file,
    weight=10,
)
