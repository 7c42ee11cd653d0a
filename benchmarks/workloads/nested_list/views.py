"""What the request returns."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import Protocol

from pydantic import BaseModel, ConfigDict

SIZE = 50
"""Posts of a request, where nothing else is asked for."""


class Listing(Protocol):
    """Answers the request for so many posts."""

    def __call__(self, size: int = SIZE) -> Awaitable[bytes]: ...


class View(BaseModel):
    # Only the ORM stacks make views from objects; it changes nothing for the others.
    model_config = ConfigDict(from_attributes=True)


class AuthorView(View):
    id: int
    name: str


class TagView(View):
    id: int
    name: str


class CommentView(View):
    id: int
    body: str
    created_at: datetime
    author: AuthorView


class PostView(View):
    id: int
    title: str
    body: str
    created_at: datetime
    author: AuthorView
    tags: list[TagView]
    latest_comments: list[CommentView]
