"""The table that is written, and the rows that are.

It has no index but its primary key and no foreign keys: what the database does for each row would be the same for
all, and hide what they do themselves.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.data import Dataset


class BulkBase(DeclarativeBase):
    type_annotation_map = {datetime: sa.DateTime(timezone=True)}  # noqa: RUF012  SQLAlchemy's own spelling


class Remark(BulkBase):
    __tablename__ = "remark"

    id: Mapped[int] = mapped_column(primary_key=True)
    post_id: Mapped[int]
    author_id: Mapped[int]
    body: Mapped[str]
    created_at: Mapped[datetime]
    score: Mapped[int | None]


TABLE = cast(sa.Table, Remark.__table__)

Row = dict[str, Any]

FIELDS = ("post_id", "author_id", "body", "created_at", "score")
"""All columns but the key."""

_AWKWARD = 'Tabs\tand lines\nand "quotes", \\N and \\., commas and ünï¢ode. '
_START = datetime(2024, 1, 1, tzinfo=UTC)


def count_of(dataset: Dataset) -> int:
    """How many rows are written: 50,000, and fewer in less data."""
    return max(200, int(50_000 * dataset.scale))


def made_rows(count: int, seed: int = 1) -> Iterator[Row]:
    """Rows without keys, one by one. No two have the same `created_at`; every twentieth has no score."""
    chance = random.Random(seed)
    for number in range(count):
        yield {
            "post_id": chance.randrange(1, 100_000),
            "author_id": chance.randrange(1, 2_000),
            "body": ("I could not agree more. " if number % 50 else _AWKWARD) * (2 + number % 5),
            "created_at": _START + timedelta(seconds=40 * number, microseconds=number),
            "score": chance.randrange(-1_000, 1_000) if number % 20 else None,
        }


def new_rows(count: int, seed: int = 1) -> list[Row]:
    """The same, all at once."""
    return list(made_rows(count, seed))


def changed_rows(count: int) -> list[Row]:
    """A new body and score for each of the keys 1 to `count`, in no order."""
    chance = random.Random(2)
    keys = chance.sample(range(1, count + 1), count)
    return [
        {
            "id": key,
            "body": "On second thoughts, I do not. " * (1 + key % 5),
            "score": chance.randrange(-1_000, 1_000) if key % 30 else None,
        }
        for key in keys
    ]


def keyed_rows(count: int) -> list[Row]:
    """Whole rows with the keys 1 to `count`, in no order, other than those of `new_rows`."""
    keys = random.Random(3).sample(range(1, count + 1), count)
    return [{"id": key, **row} for key, row in zip(keys, new_rows(count, seed=4), strict=True)]
