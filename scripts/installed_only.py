"""A pytest plugin that stops the run unless batchrepo comes from the installed wheel.

Of each test function it runs the first case on each database. A wheel may lack a module, a file or a dependency, which
shows in the first case; all cases ran against the same source by `make test`. `WHEEL_CASES=all make wheel-test` runs
them all again.
"""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest

import batchrepo
from tests.support.cases import numbered

WHEEL_CASES = os.environ.get("WHEEL_CASES", "1")
"""How many cases of a test function run on each database: a number, or `all`."""


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
    cases = list(numbered(items))
    items[:] = [item for item, number in cases if number <= int(WHEEL_CASES)]
    config.hook.pytest_deselected(items=[item for item, number in cases if number > int(WHEEL_CASES)])


def pytest_report_header() -> str:
    """Says which copy is under test."""
    return f"batchrepo: {Path(batchrepo.__file__).parent}"
