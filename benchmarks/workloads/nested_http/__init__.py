"""The nested list under 20 clients at once: pages of 50 posts with author, tags and latest 3 comments with their authors."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.http.report import median_load_ratio
from benchmarks.http.workload import HttpWorkload, Load
from benchmarks.workload import Target
from benchmarks.workloads.list_http.views import paths
from benchmarks.workloads.nested_http.floor import CORE, EMPTY
from benchmarks.workloads.nested_http.orm import SELECTINLOAD
from benchmarks.workloads.nested_http.ours import FIND, RESOURCE


def _items(body: bytes) -> Any:
    answer = json.loads(body)
    return answer["items"] if isinstance(answer, dict) else answer


def _rates(load: Load) -> list[float]:
    return load.rates


NESTED_HTTP = HttpWorkload(
    name="nested_http",
    title="50 posts with author, tags and latest 3 comments with their authors over HTTP, 20 clients at once",
    servers=(RESOURCE, FIND, SELECTINLOAD, CORE, EMPTY),
    baseline=SELECTINLOAD.name,
    paths=paths,
    plain=_items,
    targets=(
        Target(
            "batchrepo requests/s / FastAPI + selectinload + response_model",
            median_load_ratio(_rates, RESOURCE, SELECTINLOAD),
            at_least=6,
        ),
        Target(
            "batchrepo p99 / FastAPI + selectinload + response_model",
            median_load_ratio(lambda load: load.p99, RESOURCE, SELECTINLOAD),
            at_most=1,
        ),
    ),
)
