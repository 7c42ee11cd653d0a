"""advanced-alchemy, where it is installed."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from benchmarks.workloads.bulk.remarks import Remark

MISSING = "" if find_spec("advanced_alchemy") else "advanced-alchemy is not installed"
"""Why it cannot be measured, or ""."""


def peer_repository_class() -> Any:
    """A repository of remarks, to be made for a session."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of SQLAlchemy 2.1, about a decorator that it uses
        base: Any = import_module("advanced_alchemy.repository").SQLAlchemyAsyncRepository
    return type("RemarkRepository", (base,), {"model_type": Remark})
