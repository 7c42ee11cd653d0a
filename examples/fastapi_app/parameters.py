"""What the endpoints take."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

Id = Annotated[int, Path(ge=1, le=2**31 - 1, examples=[1])]
"""The primary key of a row."""

Limit = Annotated[int, Query(ge=1, le=1_000, description="At most so many rows.")]
"""How much of a list is asked for."""

Search = Annotated[
    str | None, Query(max_length=100, description="Part of the name, in any case.", examples=["rock"])
]
"""Text to look for."""
