"""All workloads in the order in which they run; those over HTTP come after them, in `over_http`."""

from __future__ import annotations

from benchmarks.workload import Workload
from benchmarks.workloads.bulk_insert import BULK_INSERT
from benchmarks.workloads.bulk_sqlite import BULK_SQLITE
from benchmarks.workloads.bulk_update import BULK_UPDATE
from benchmarks.workloads.bulk_upsert import BULK_UPSERT
from benchmarks.workloads.deep_page import DEEP_PAGES
from benchmarks.workloads.nested_graphql import NESTED_GRAPHQL
from benchmarks.workloads.nested_list import NESTED_LIST
from benchmarks.workloads.network import NETWORK
from benchmarks.workloads.routing import ROUTING
from benchmarks.workloads.sparse_fields import SPARSE_FIELDS
from benchmarks.workloads.thousand_keys import THOUSAND_KEYS

WORKLOADS: tuple[Workload, ...] = (
    *(NESTED_LIST, NETWORK, NESTED_GRAPHQL, THOUSAND_KEYS, *DEEP_PAGES, SPARSE_FIELDS, ROUTING),
    *(BULK_INSERT, BULK_UPDATE, BULK_UPSERT, BULK_SQLITE),
)


def workload(name: str) -> Workload:
    """The workload with this name.

    Raises:
        KeyError: there is none.
    """
    return {item.name: item for item in WORKLOADS}[name]
