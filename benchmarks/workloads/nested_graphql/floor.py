"""Strawberry alone: objects that were made before, and no database. What no stack can pass with Strawberry's executor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import strawberry

from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_graphql.document import CACHES, ask, plain
from benchmarks.workloads.nested_graphql.ours import OURS


@strawberry.type
class Author:
    id: int
    name: str


@strawberry.type
class Tag:
    id: int
    name: str


@strawberry.type
class Comment:
    id: int
    body: str
    created_at: datetime
    author: Author


@strawberry.type
class Post:
    id: int
    title: str
    body: str
    created_at: datetime
    author: Author
    tags: list[Tag]
    latest_comments: list[Comment]


@strawberry.type
class PostEdge:
    node: Post


@strawberry.type
class PostConnection:
    edges: list[PostEdge]


@asynccontextmanager
async def _open(dataset: Dataset) -> AsyncIterator[Request]:
    async with OURS.open(dataset) as read:
        prebuilt = [PostEdge(node=_post(row)) for row in plain(await read())]

    @strawberry.type
    class Query:
        @strawberry.field
        async def posts(self, first: int) -> PostConnection:
            return PostConnection(edges=prebuilt[:first])

    schema = strawberry.Schema(Query, extensions=[*CACHES])

    async def request() -> dict[str, Any]:
        return await ask(schema)

    yield request


def _post(row: dict[str, Any]) -> Post:
    return Post(
        id=row["id"],
        title=row["title"],
        body=row["body"],
        created_at=row["createdAt"],
        author=Author(**row["author"]),
        tags=[Tag(**tag) for tag in row["tags"]],
        latest_comments=[
            Comment(
                id=comment["id"],
                body=comment["body"],
                created_at=comment["createdAt"],
                author=Author(**comment["author"]),
            )
            for comment in row["latestComments"]
        ],
    )


FLOOR = Stack("floor", "Strawberry, prebuilt objects, no database", _open)
