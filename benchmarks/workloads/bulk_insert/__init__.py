"""50,000 rows into an empty table: nothing asked back, and their keys asked back in the order of the rows."""

from __future__ import annotations

from typing import Any

from benchmarks.summary import median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.bulk.grounds import empty
from benchmarks.workloads.bulk_insert.copy import COPY, COPY_KEYS
from benchmarks.workloads.bulk_insert.core import EXECUTEMANY, INSERTMANYVALUES
from benchmarks.workloads.bulk_insert.orm import ADD_ALL, ADD_ALL_KEYS, SESSION_EXECUTE
from benchmarks.workloads.bulk_insert.ours import OURS, OURS_KEYS
from benchmarks.workloads.bulk_insert.peer import PEER, PEER_KEYS


def _plain(answer: Any) -> Any:
    return answer


BULK_INSERT = Workload(
    name="bulk_insert",
    title="50,000 rows into an empty table, with COMMIT",
    stacks=(
        *(OURS, COPY, EXECUTEMANY, SESSION_EXECUTE, ADD_ALL, PEER),
        *(OURS_KEYS, COPY_KEYS, INSERTMANYVALUES, ADD_ALL_KEYS, PEER_KEYS),
    ),
    baselines=(COPY.name, INSERTMANYVALUES.name),
    plain=_plain,
    targets=(
        Target("batchrepo / COPY by hand", median_ratio(OURS, COPY), at_most=1.25),
        Target(
            "batchrepo with keys / insertmanyvalues", median_ratio(OURS_KEYS, INSERTMANYVALUES), at_most=0.7
        ),
    ),
    ground=empty,
    weight=10,
)
