"""Writing without leaving anything behind: `?dry_run=true`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

DryRun = Annotated[
    bool, Query(description="Do everything, answer as usual, and take it back.", examples=[True])
]
"""Whether a write is only tried, for `scope.transaction(dry_run=...)`."""
