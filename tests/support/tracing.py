"""Coverage is measured by the first cases of each test function; the others run at full speed.

Up to Python 3.13 coverage traces every call, of every library, which makes a test twice as slow. The many cases of one
function run the same lines, so that the first few on each database show them. Every case still runs; what is
reported can only be less than what all of them cover. `TRACED_CASES=all make test` measures them all.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from collections.abc import Generator

import coverage
import pytest

from tests.support.databases import EVERY_DRIVER

TRACED_CASES = os.environ.get("TRACED_CASES", "3")
"""How many cases of a test function are traced on each database: a number, or `all`."""

_UNTRACED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says of each case whether it is traced: by what is collected, so that every worker says the same."""
    if TRACED_CASES == "all":
        return
    seen = Counter[tuple[object, ...]]()
    for item in items:
        function = getattr(item, "function", None), getattr(item, "cls", None)
        callspec = getattr(item, "callspec", None)
        values = callspec.params.values() if callspec else ()
        case = (*function, *(value for value in values if isinstance(value, str) and value in EVERY_DRIVER))
        seen[case] += 1
        item.stash[_UNTRACED] = seen[case] > int(TRACED_CASES)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Stops tracing while a case runs that is not traced."""
    if not item.stash.get(_UNTRACED, False) or coverage.Coverage.current() is None:
        return (yield)
    here, in_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        threading.settrace(in_threads)
        sys.settrace(here)
