"""All workloads, in the order in which they run."""

from __future__ import annotations

from benchmarks.http.workload import HttpWorkload
from benchmarks.workload import Workload
from benchmarks.workloads.deep_page import DEEP_PAGES
from benchmarks.workloads.list_http import LIST_HTTP
from benchmarks.workloads.nested_list import NESTED_LIST
from benchmarks.workloads.sparse_fields import SPARSE_FIELDS
from benchmarks.workloads.thousand_keys import THOUSAND_KEYS

WORKLOADS: tuple[Workload, ...] = (NESTED_LIST, THOUSAND_KEYS, *DEEP_PAGES, SPARSE_FIELDS)

HTTP_WORKLOADS: tuple[HttpWorkload, ...] = (LIST_HTTP,)


def workload(name: str) -> Workload:
    """The workload with this name.

    Raises:
        KeyError: there is none.
    """
    return {item.name: item for item in WORKLOADS}[name]


def http_workload(name: str) -> HttpWorkload:
    """The workload over HTTP with this name.

    Raises:
        KeyError: there is none.
    """
    return {item.name: item for item in HTTP_WORKLOADS}[name]
