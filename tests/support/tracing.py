"""Coverage is measured by the first case of each test function on each database; the others run at full speed.

Up to Python 3.13 coverage traces every call, of every library, which makes a test twice as slow. The many cases of one
function run the same lines, so that the first one on each database shows them. Tests whose data Hypothesis makes are not
traced: they compare with an oracle what other tests have run line by line. Nor are those of the benchmarks, which are not
part of the package and start programs, which would be traced too. Every case still runs; what is
reported can only be less than what all of them cover. `TRACED_CASES=all make test` measures them all.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

from tests.support.cases import numbered

TRACED_CASES = os.environ.get("TRACED_CASES", "1")
"""How many cases of a test function are traced on each database: a number, or `all`."""

_UNTRACED = pytest.StashKey[bool]()
_BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
_OF_PROGRAMS = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage traces the programs that a test starts."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Says of each case whether it is traced."""
    if TRACED_CASES == "all":
        return
    for item, number in numbered(items):
        generated = getattr(getattr(item, "function", None), "is_hypothesis_test", False)
        beside = _BENCHMARKS in item.path.parents
        item.stash[_UNTRACED] = generated or beside or number > int(TRACED_CASES)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Stops tracing while a case runs that is not traced."""
    if not item.stash.get(_UNTRACED, False) or coverage.Coverage.current() is None:
        return (yield)
    here, in_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    programs = os.environ.pop(_OF_PROGRAMS, None)
    try:
        return (yield)
    finally:
        if programs is not None:
            os.environ[_OF_PROGRAMS] = programs
        threading.settrace(in_threads)
        sys.settrace(here)
