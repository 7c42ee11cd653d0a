"""A pytest plugin that stops the run unless batchrepo comes from the installed wheel.

Of each test function it runs the first case, on one of its databases, which take turns. A wheel may lack a module, a file
or a dependency, which shows in the first case; all cases ran against the same source by `make test`.
`WHEEL_CASES=all make wheel-test` runs them all again.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest

import batchrepo
from tests.support.cases import numbered, one_database_each

WHEEL_CASES = os.environ.get("WHEEL_CASES", "1")
"""How many cases of a test function run, on one of its databases: a number; or `all`, on all of them."""


def pytest_configure() -> None:
    """Compares where batchrepo was imported from with where pip installs packages."""
    found = Path(batchrepo.__file__).resolve()
    expected = Path(sysconfig.get_path("purelib")).resolve()
    if not found.is_relative_to(expected):
        raise pytest.UsageError(
            f"batchrepo was imported from {found}, expected it below {expected}. "
            f"Remove other copies from the path, or run `make wheel-test`."
        )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the further cases out, and lets pytest say how many."""
    if WHEEL_CASES == "all":
        return
    few = {item for item, number in numbered(one_database_each(items)) if number <= int(WHEEL_CASES)}
    left_out = [item for item in items if item not in few]
    items[:] = [item for item in items if item in few]
    config.hook.pytest_deselected(items=left_out)


def pytest_report_header() -> str:
    """Says which copy is under test."""
    return f"batchrepo: {Path(batchrepo.__file__).parent}"
