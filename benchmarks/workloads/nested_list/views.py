"""What the request returns."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


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
