"""How a LIMIT goes into a statement: written out where that lets the database keep its plan.

PostgreSQL plans a statement anew at each execution when its LIMIT is a parameter, since a plan for any number of
rows would be a bad one; with the number in the text it plans a few times and then keeps the plan. That takes a third
to a half off the time of a page. Numbers come from clients, and each is another statement in every cache: so only
small and usual ones are written out.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

USUAL = frozenset({12, 15, 16, 20, 24, 25, 30, 40, 50, 60, 75, 80, 100, 150, 200, 250, 500, 1_000})
"""Sizes that pages usually have."""

SMALL = 10
"""Up to here every number is written out."""


def is_written(rows: int) -> bool:
    """Whether so many rows, or one more than a page has, stand in the text of a statement."""
    return rows <= SMALL + 1 or rows in USUAL or rows - 1 in USUAL


def limit_of(rows: int) -> Any:
    """A number of rows for a LIMIT: written out or a parameter."""
    return sa.literal_column(str(rows), sa.Integer()) if is_written(rows) else rows
