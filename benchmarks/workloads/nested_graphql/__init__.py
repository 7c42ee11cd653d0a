"""The nested list through Strawberry's `schema.execute`, without HTTP."""

from __future__ import annotations

from benchmarks.summary import median_ratio
from benchmarks.workload import Target, Workload
from benchmarks.workloads.nested_graphql.chemist import CHEMIST
from benchmarks.workloads.nested_graphql.document import plain
from benchmarks.workloads.nested_graphql.floor import FLOOR
from benchmarks.workloads.nested_graphql.loaders import AIO_LOADERS, CORE_LOADERS, ORM_LOADERS
from benchmarks.workloads.nested_graphql.ours import OURS, VISITED
from benchmarks.workloads.nested_graphql.strawchemy import STRAWCHEMY

NESTED_GRAPHQL = Workload(
    name="nested_graphql",
    title="50 posts with author, tags and latest 3 comments with their authors, by schema.execute",
    stacks=(OURS, VISITED, FLOOR, CORE_LOADERS, AIO_LOADERS, ORM_LOADERS, STRAWCHEMY, CHEMIST),
    baselines=(FLOOR.name,),
    plain=plain,
    targets=(
        Target("batchrepo / prebuilt objects", median_ratio(OURS, FLOOR), at_most=0.6),
        Target("without pass-through / prebuilt objects", median_ratio(VISITED, FLOOR), at_most=1.5),
        Target("loaders over Core / batchrepo", median_ratio(CORE_LOADERS, OURS), at_least=5),
        Target("aiodataloader over Core / batchrepo", median_ratio(AIO_LOADERS, OURS), at_least=5),
        Target("loaders over the ORM / batchrepo", median_ratio(ORM_LOADERS, OURS), at_least=5),
        Target("strawchemy / batchrepo", median_ratio(STRAWCHEMY, OURS), at_least=5),
        Target("strawberry-chemist / batchrepo", median_ratio(CHEMIST, OURS), at_least=5),
    ),
)
