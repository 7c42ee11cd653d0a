"""The nested list for ever more posts: their author, tags, and latest 3 comments with their authors."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.growth.orm import NAIVE, SELECTINLOAD
from benchmarks.growth.ours import AUTO_JSON, BATCHED_JSON, BATCHED_VIEWS, GET_MANY, LOOP, SINGLE_JSON
from benchmarks.growth.workload import GrowthWorkload, fitted_exponent, most_statements, worst_exponent
from benchmarks.workload import Target

OURS = (AUTO_JSON, SINGLE_JSON, BATCHED_JSON, BATCHED_VIEWS, GET_MANY, LOOP)


def _plain(answer: bytes | list[Any]) -> Any:
    if isinstance(answer, bytes):
        return json.loads(answer)
    return [post.model_dump(mode="json") for post in answer]


GROWTH = GrowthWorkload(
    name="growth",
    title="N posts with author, tags and latest 3 comments with their authors",
    ways=(*OURS, SELECTINLOAD, NAIVE),
    sizes=(10, 100, 1_000, 10_000),
    baseline=SELECTINLOAD.name,
    plain=_plain,
    targets=(
        *(Target(f"{way.name}, exponent", fitted_exponent(way), at_most=1.05) for way in OURS),
        *(Target(f"{way.name}, worst exponent", worst_exponent(way), at_most=1.05) for way in OURS),
        *(Target(f"{way.name}, statements more", most_statements(way), at_most=0) for way in OURS[1:]),
    ),
)

GROWTH_WORKLOADS: tuple[GrowthWorkload, ...] = (GROWTH,)
