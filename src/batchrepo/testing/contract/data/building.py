"""Small pieces that data sets are built from: value pools, tables as tuples, strategies for rows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = dict[str, Any]
"""One row: column name to value."""

Rows = dict[str, list[Row]]
"""A data set: table name to rows. Rows that others refer to stand before those that refer to them."""

KEYS: Sequence[int] = (1, 2, 0, -7, 3, 2**31 - 1)
"""Whole-number keys: 0 and negative ones are keys like any other."""

NAMES: Sequence[str] = ("a", "b", "", "A", "ä", "a,b", "%", "long")
"""Texts that are easily confused: empty, in another case, with a separator, with a wildcard."""

TIMES: Sequence[dt.datetime] = tuple(
    dt.datetime(2024, 3, 1, hour, 30, tzinfo=dt.timezone(dt.timedelta(hours=offset)))
    for hour, offset in ((0, 0), (1, 0), (2, 0), (5, 5), (20, -5))
)
"""Aware datetimes with several offsets; the first and the fourth are one instant."""

names = st.sampled_from(NAMES)
"""Texts of `NAMES`."""

ranks = st.none() | st.integers(min_value=0, max_value=2)
"""Values for order columns: ties are likely, NULLs are there."""


def table(columns: str, *rows: tuple[Any, ...]) -> list[Row]:
    """Rows written as tuples.

    Args:
        columns: the column names, separated by spaces.
        *rows: the values of each row, in that order.
    """
    names_in_order = columns.split()
    return [dict(zip(names_in_order, row, strict=True)) for row in rows]


def pick(pool: Sequence[Any], *, at_most: int = 5) -> st.SearchStrategy[list[Any]]:
    """Lists of distinct members of a pool, in any order, the empty list included."""
    return st.lists(st.sampled_from(pool), unique=True, max_size=at_most)


@st.composite
def keyed(
    draw: st.DrawFn,
    /,
    key: str,
    pool: Sequence[Any] = KEYS,
    *,
    at_most: int = 5,
    **columns: st.SearchStrategy[Any],
) -> list[Row]:
    """Rows with distinct keys.

    Args:
        draw: given by hypothesis.
        key: the key's column name; several, separated by spaces, for a composite key.
        pool: the keys that may be drawn; tuples for a composite key.
        at_most: the largest number of rows.
        **columns: a strategy for each other column.
    """
    key_names = key.split()
    rows = []
    for value in draw(pick(pool, at_most=at_most)):
        parts = value if len(key_names) > 1 else (value,)
        row = dict(zip(key_names, parts, strict=True))
        rows.append(row | {name: draw(strategy) for name, strategy in columns.items()})
    return rows


def reference(rows: Iterable[Row], column: str = "id") -> st.SearchStrategy[Any]:
    """None, or the value that one of the rows has in a column."""
    values = [row[column] for row in rows]
    return st.none() | st.sampled_from(values) if values else st.none()


def links(
    left: Sequence[Row], right: Sequence[Row], *, repeat: bool = False, at_most: int = 8
) -> st.SearchStrategy[list[tuple[Row, Row]]]:
    """Pairs of rows for a link table, each pair once or, with `repeat`, several times."""
    if not left or not right:
        return st.just([])
    places = st.tuples(st.integers(0, len(left) - 1), st.integers(0, len(right) - 1))
    chosen = st.lists(places, unique=not repeat, max_size=at_most)
    return chosen.map(lambda pairs: [(left[i], right[j]) for i, j in pairs])
