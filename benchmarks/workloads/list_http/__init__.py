"""A list endpoint under 20 clients at once: pages of 50 posts with author and tags, filtered and sorted by parameters."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.http.report import median_load_ratio
from benchmarks.http.workload import HttpWorkload, Load
from benchmarks.workload import Target
from benchmarks.workloads.list_http.floor import CORE, EMPTY
from benchmarks.workloads.list_http.orm import SELECTINLOAD
from benchmarks.workloads.list_http.ours import BYTES, RESOURCE, RESPONSE_MODEL
from benchmarks.workloads.list_http.views import paths


def _items(body: bytes) -> Any:
    return json.loads(body)["items"]


def _rates(load: Load) -> list[float]:
    return load.rates


LIST_HTTP = HttpWorkload(
    name="list_http",
    title="pages of 50 posts with author and tags over HTTP, 20 clients at once",
    servers=(RESOURCE, BYTES, RESPONSE_MODEL, SELECTINLOAD, CORE, EMPTY),
    baseline=SELECTINLOAD.name,
    paths=paths,
    plain=_items,
    targets=(
        Target(
            "batchrepo requests/s / FastAPI + selectinload + response_model",
            median_load_ratio(_rates, RESOURCE, SELECTINLOAD),
            at_least=2.5,
        ),
        Target(
            "batchrepo p95 / FastAPI + selectinload + response_model",
            median_load_ratio(lambda load: load.p95, RESOURCE, SELECTINLOAD),
            at_most=1,
        ),
        # CPU time: the difference is a tenth, less than the noise of requests per second.
        Target(
            "bytes, CPU / the same page through response_model",
            median_load_ratio(lambda load: load.cpu, BYTES, RESPONSE_MODEL),
            at_most=1,
        ),
    ),
)
