"""50,000 rows into an empty table: nothing asked back, and their keys asked back in the order of the rows."""

from __future__ import annotations

from typing import Any

from benchmarks.workload import Workload
from benchmarks.workloads.bulk.grounds import empty
from benchmarks.workloads.bulk_insert.copy import COPY, COPY_KEYS
from benchmarks.workloads.bulk_insert.core import EXECUTEMANY, INSERTMANYVALUES
from benchmarks.workloads.bulk_insert.orm import ADD_ALL, ADD_ALL_KEYS, SESSION_EXECUTE
from benchmarks.workloads.bulk_insert.peer import PEER, PEER_KEYS


def _plain(answer: Any) -> Any:
    return answer


BULK_INSERT = Workload(
    name="bulk_insert",
    title="50,000 rows into an empty table, with COMMIT",
    stacks=(
        *(COPY, EXECUTEMANY, SESSION_EXECUTE, ADD_ALL, PEER),
        *(COPY_KEYS, INSERTMANYVALUES, ADD_ALL_KEYS, PEER_KEYS),
    ),
    baselines=(COPY.name, INSERTMANYVALUES.name),
    plain=_plain,
    targets=(),
    ground=empty,
    weight=10,
)
