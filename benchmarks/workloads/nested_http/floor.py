"""What is left without most of FastAPI's work: an endpoint that reads nothing, and one of nothing but Core."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.data import Dataset
from benchmarks.http.workload import Server
from benchmarks.models import Author, Post
from benchmarks.workloads.list_http.floor import core_app, empty_app
from benchmarks.workloads.list_http.views import SIZE
from benchmarks.workloads.nested_list.by_hand import posts_joined, tags_by_post
from benchmarks.workloads.nested_list.core import COMMENTS_WITH_AUTHOR, TAGS

_PAGE = (
    sa.select(Post.id, Post.title, Post.body, Post.created_at, Post.author_id, Author.name)
    .join_from(Post, Author, Author.id == Post.author_id)
    .where(Post.created_at < sa.bindparam("before", type_=Post.created_at.type))
)


def _empty(_dataset: Dataset) -> FastAPI:
    author = {"id": 1, "name": "Author 1"}
    written = {"id": 1, "body": "I could not agree more. " * 4, "created_at": "2024-01-01T00:00:00Z"}
    item = written | {"title": "Post number 1", "body": "All work and no play makes a dull text. " * 12}
    item |= {"author": author, "tags": [author] * 3, "latest_comments": [written | {"author": author}] * 3}
    return empty_app([item] * SIZE)


def _core(dataset: Dataset) -> FastAPI:
    return core_app(dataset, _PAGE, _items)


async def _items(connection: AsyncConnection, posts: Sequence[Any]) -> list[dict[str, Any]]:
    ids = [post.id for post in posts]
    tags = tags_by_post(ids, await connection.execute(TAGS, {"ids": ids}))
    return posts_joined(posts, tags, await connection.execute(COMMENTS_WITH_AUTHOR, {"ids": ids}))


EMPTY = Server(
    "fastapi_empty", "FastAPI, an endpoint that returns the same 65 KB every time", _empty, floor=True
)
CORE = Server("fastapi_core", "FastAPI, Core by hand: 3 statements, authors joined, and orjson", _core)
