"""A pytest plugin that stops the run unless batchrepo comes from the installed wheel."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest

import batchrepo


def pytest_configure() -> None:
    """Compares where batchrepo was imported from with where pip installs packages."""
    found = Path(batchrepo.__file__).resolve()
    expected = Path(sysconfig.get_path("purelib")).resolve()
    if not found.is_relative_to(expected):
        raise pytest.UsageError(
            f"batchrepo was imported from {found}, expected it below {expected}. "
            f"Remove other copies from the path, or run `make wheel-test`."
        )


def pytest_report_header() -> str:
    """Says which copy is under test."""
    return f"batchrepo: {Path(batchrepo.__file__).parent}"
