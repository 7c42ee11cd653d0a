"""What the request returns, and the keys that it asks for."""

from __future__ import annotations

import random
from datetime import datetime

from pydantic import BaseModel

from benchmarks.data import Dataset


class PostLine(BaseModel):
    id: int
    title: str
    created_at: datetime
    author_id: int


def keys(dataset: Dataset) -> list[int]:
    """1,000 keys (fewer if there are fewer posts), scattered, in no order, none twice."""
    return random.Random(7).sample(range(1, dataset.posts + 1), min(1_000, dataset.posts))
