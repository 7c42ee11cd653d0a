"""What the requests are, and what they return."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict

from benchmarks.data import Dataset

SIZE = 50
"""Posts on a page."""

CONNECTIONS = 20
"""Connections of each server's pool: one for each client, so that nobody waits for one."""

SORT = "-created_at,-id"


class View(BaseModel):
    # Only the ORM stack makes views from objects; it changes nothing for the others.
    model_config = ConfigDict(from_attributes=True)


class AuthorView(View):
    id: int
    name: str


class TagView(View):
    id: int
    name: str


class PostView(View):
    id: int
    title: str
    created_at: datetime
    author: AuthorView
    tags: list[TagView]


def paths(dataset: Dataset) -> list[str]:
    """200 pages from all over the posts: those written before a moment, newest first."""
    found = []
    for post in random.Random(5).choices(range(SIZE + 1, dataset.posts + 1), k=200):
        # `benchmarks.data` makes a post every 17 minutes.
        before = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=17 * post)
        found.append(f"/posts?created_at__lt={before:%Y-%m-%dT%H:%M:%SZ}&sort={SORT}&first={SIZE}")
    return found
