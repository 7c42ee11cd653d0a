"""A nested list to JSON: the 50 newest posts, their author, tags, and latest 3 comments with their authors."""

from __future__ import annotations

import json

from benchmarks.summary import instructions_of, median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.nested_list.advanced import ADVANCED
from benchmarks.workloads.nested_list.core import CORE, CORE_FEWEST
from benchmarks.workloads.nested_list.loaders import CORE_LOADERS, ORM_LOADERS
from benchmarks.workloads.nested_list.naive import NAIVE
from benchmarks.workloads.nested_list.orm import SELECTINLOAD
from benchmarks.workloads.nested_list.ours import INLINE, JSON, SINGLE, VIEWS
from benchmarks.workloads.nested_list.pydantic_resolve import RESOLVE
from benchmarks.workloads.nested_list.raw import RAW, RAW_FEWEST
from benchmarks.workloads.nested_list.statement import STATEMENT, STATEMENT_ARRAYS, STATEMENT_TEXTS

NESTED_LIST = Workload(
    name="nested_list",
    title="50 posts with author, tags and latest 3 comments with their authors, to JSON",
    stacks=(
        *(SINGLE, JSON, INLINE, VIEWS),
        *(STATEMENT, STATEMENT_TEXTS, STATEMENT_ARRAYS, RAW, RAW_FEWEST, CORE, CORE_FEWEST),
        *(CORE_LOADERS, ORM_LOADERS, RESOLVE, ADVANCED, SELECTINLOAD, NAIVE),
    ),
    baselines=(CORE.name,),
    plain=json.loads,
    targets=(
        Target(
            "one statement / the fastest one by hand",
            median_ratio(SINGLE, STATEMENT, STATEMENT_TEXTS, STATEMENT_ARRAYS),
            at_most=1.15,
        ),
        Target("one statement, million instructions", instructions_of(SINGLE), at_most=2.5),
        Target(
            "batchrepo JSON / the faster raw asyncpg by hand",
            median_ratio(JSON, RAW, RAW_FEWEST),
            at_most=1.15,
        ),
        Target(
            "inline_lookups / the faster raw asyncpg by hand",
            median_ratio(INLINE, RAW, RAW_FEWEST),
            at_most=1.15,
        ),
        Target("batchrepo JSON, million instructions", instructions_of(JSON), at_most=7),
        Target("selectinload + Pydantic / batchrepo JSON", median_ratio(SELECTINLOAD, JSON), at_least=4),
    ),
)
