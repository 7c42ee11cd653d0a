"""1,000 rows by primary key as views, in the order of the keys."""

from __future__ import annotations

from typing import Any

from benchmarks.summary import median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.thousand_keys.core import CORE
from benchmarks.workloads.thousand_keys.loaders import AIODATALOADER, STRAWBERRY
from benchmarks.workloads.thousand_keys.ours import GATHER, GET_MANY
from benchmarks.workloads.thousand_keys.raw import RAW
from benchmarks.workloads.thousand_keys.views import PostLine


def _plain(answer: list[PostLine]) -> Any:
    return [view.model_dump() for view in answer]


THOUSAND_KEYS = Workload(
    name="thousand_keys",
    title="1,000 posts by primary key as Pydantic views, in the order of the keys",
    stacks=(GET_MANY, GATHER, RAW, CORE, AIODATALOADER, STRAWBERRY),
    baselines=(CORE.name,),
    plain=_plain,
    targets=(
        Target("batchrepo get_many / one Core statement", median_ratio(GET_MANY, CORE), at_most=1.2),
        Target("batchrepo gather of gets / one Core statement", median_ratio(GATHER, CORE), at_most=2.5),
    ),
)
