"""Services that tests need, and what happens when one is missing."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRED_SERVICES = frozenset(
    name.strip() for name in os.environ.get("BATCHREPO_REQUIRE", "").split(",") if name.strip()
)
"""Services whose absence is a failure: the names in BATCHREPO_REQUIRE, separated by commas."""


def service_missing(name: str, reason: str, *, required: frozenset[str] = REQUIRED_SERVICES) -> NoReturn:
    """Ends the test: a visible skip, or a failure where the service is required.

    Args:
        name: the service, as it is written in BATCHREPO_REQUIRE: `redis`, `mysql`, `valgrind`.
        reason: why it cannot be used here.
        required: the names that are required.
    """
    if name in required:
        pytest.fail(f"{name} is required by BATCHREPO_REQUIRE and missing: {reason}", pytrace=False)
    pytest.skip(f"{name} is missing: {reason} (BATCHREPO_REQUIRE={name} makes this a failure)")
