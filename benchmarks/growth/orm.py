"""The stacks of `nested_list` that need no repository, for N posts."""

from __future__ import annotations

from benchmarks.growth.workload import Way
from benchmarks.workloads.nested_list import naive, orm

SELECTINLOAD = Way(orm.SELECTINLOAD.name, orm.SELECTINLOAD.what, orm.selectinload_posts)
NAIVE = Way(naive.NAIVE.name, naive.NAIVE.what, naive.lazy_posts, most=100)
