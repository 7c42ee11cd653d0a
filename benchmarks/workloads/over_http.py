"""The workloads over HTTP. They import a web framework, which the others do not need to be measured."""

from __future__ import annotations

from benchmarks.http.workload import HttpWorkload
from benchmarks.workloads.list_http import LIST_HTTP
from benchmarks.workloads.nested_http import NESTED_HTTP

HTTP_WORKLOADS: tuple[HttpWorkload, ...] = (NESTED_HTTP, LIST_HTTP)


def http_workload(name: str) -> HttpWorkload:
    """The workload over HTTP with this name.

    Raises:
        KeyError: there is none.
    """
    return {item.name: item for item in HTTP_WORKLOADS}[name]
