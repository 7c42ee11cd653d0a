"""All workloads in the order in which they run; those over HTTP come after them, in `over_http`."""

from __future__ import annotations

from benchmarks.workload import Workload
from benchmarks.workloads.deep_page import DEEP_PAGES
from benchmarks.workloads.nested_graphql import NESTED_GRAPHQL
from benchmarks.workloads.nested_list import NESTED_LIST
from benchmarks.workloads.sparse_fields import SPARSE_FIELDS
from benchmarks.workloads.thousand_keys import THOUSAND_KEYS

WORKLOADS: tuple[Workload, ...] = (NESTED_LIST, NESTED_GRAPHQL, THOUSAND_KEYS, *DEEP_PAGES, SPARSE_FIELDS)


def workload(name: str) -> Workload:
    """The workload with this name.

    Raises:
        KeyError: there is none.
    """
    return {item.name: item for item in WORKLOADS}[name]
