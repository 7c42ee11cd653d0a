"""What is paged: the orders, and the pages that are read in each."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Comment
from benchmarks.workload import Request, Stack

SIZE = 20
"""Comments on a page."""


class CommentLine(BaseModel):
    # Only the ORM stacks make views from objects; it changes nothing for the others.
    model_config = ConfigDict(from_attributes=True)

    id: int
    body: str
    created_at: datetime
    edited_at: datetime | None
    post_id: int
    author_id: int


@dataclass(frozen=True)
class Order:
    """An order of all comments.

    Attributes:
        name: of its workload.
        title: in tables.
        column: what rows are sorted by; then by id.
        terms: the same as SQL.
    """

    name: str
    title: str
    column: Any
    terms: tuple[Any, Any]


ROW_VALUE = Order(
    "deep_page",
    "created_at and id, both descending",
    Comment.created_at,
    (Comment.created_at.desc(), Comment.id.desc()),
)
MIXED = Order(
    "deep_page_mixed",
    "created_at descending, id ascending",
    Comment.created_at,
    (Comment.created_at.desc(), Comment.id.asc()),
)
NULLS_LAST = Order(
    "deep_page_nulls_last",
    "edited_at and id descending, NULLs last; neither page has any",
    Comment.edited_at,
    (Comment.edited_at.desc().nulls_last(), Comment.id.desc()),
)
NULLS_FIRST = Order(
    "deep_page_nulls_first",
    "edited_at and id ascending, NULLs first; both pages have nothing else",
    Comment.edited_at,
    (Comment.edited_at.asc().nulls_first(), Comment.id.asc()),
)
ORDERS = (ROW_VALUE, MIXED, NULLS_LAST, NULLS_FIRST)

Place = tuple[datetime | None, int]
"""The order's values of a row."""

Opened = Callable[[Order, int, Dataset], AbstractAsyncContextManager[Request]]
"""Opens a stack for one order and the page with a number, counted from 1."""


def deep_page(dataset: Dataset) -> int:
    """The number of the deep page: 5,000 of 25,000, and as deep in less data."""
    return dataset.comments // SIZE // 5


def both_pages(
    name: str, what: str, opened: Opened, order: Order, *, slow: Collection[str] = ()
) -> list[Stack]:
    """Page 1 and the deep page by the same means; `slow` names the cases that are."""

    def deep(dataset: Dataset) -> AbstractAsyncContextManager[Request]:
        return opened(order, deep_page(dataset), dataset)

    return [
        Stack(f"{name}_first", what, partial(opened, order, 1), "first" in slow, "first"),
        Stack(f"{name}_deep", what, deep, "deep" in slow, "deep"),
    ]


async def place_before(dataset: Dataset, order: Order, page: int) -> Place | None:
    """The place of the last row before a page; None for page 1."""
    if page == 1:
        return None
    engine = reading_engine(dataset)
    row = sa.select(order.column, Comment.id).order_by(*order.terms).offset((page - 1) * SIZE - 1).limit(1)
    try:
        async with engine.connect() as connection:
            value, key = (await connection.execute(row)).one()
    finally:
        await engine.dispose()
    return value, key
