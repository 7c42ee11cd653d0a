"""What is left without most of FastAPI's work: an endpoint that reads nothing, and one of nothing but Core."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from fastapi import FastAPI, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.http.workload import Server
from benchmarks.models import Author, Post
from benchmarks.workloads.list_http.orm import sorting
from benchmarks.workloads.list_http.views import CONNECTIONS, SIZE, SORT
from benchmarks.workloads.nested_list.core import COMMENTS_WITH_AUTHOR, TAGS

_PAGE = (
    sa.select(Post.id, Post.title, Post.body, Post.created_at, Post.author_id, Author.name)
    .join_from(Post, Author, Author.id == Post.author_id)
    .where(Post.created_at < sa.bindparam("before", type_=Post.created_at.type))
)


def _empty(_dataset: Dataset) -> FastAPI:
    app = FastAPI()
    author = {"id": 1, "name": "Author 1"}
    written = {"id": 1, "body": "I could not agree more. " * 4, "created_at": "2024-01-01T00:00:00Z"}
    item = written | {"title": "Post number 1", "body": "All work and no play makes a dull text. " * 12}
    item |= {"author": author, "tags": [author] * 3, "latest_comments": [written | {"author": author}] * 3}
    body = orjson.dumps({"items": [item] * SIZE})

    @app.get("/posts")
    async def list_posts(
        created_at__lt: datetime, sort: str = SORT, first: Annotated[int, Query(ge=1, le=100)] = SIZE
    ) -> Response:
        del created_at__lt, sort, first  # parsed, that is all
        return Response(body, media_type="application/json")

    return app


def _core(dataset: Dataset) -> FastAPI:
    # Half a pool: those of all servers together are more than PostgreSQL's 100 connections.
    engine = reading_engine(dataset, pool_size=CONNECTIONS // 2, max_overflow=0)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)

    @app.get("/posts")
    async def list_posts(
        created_at__lt: datetime, sort: str = SORT, first: Annotated[int, Query(ge=1, le=100)] = SIZE
    ) -> Response:
        statement = _PAGE.order_by(*sorting(sort)).limit(first + 1)
        async with engine.connect() as connection:
            posts = (await connection.execute(statement, {"before": created_at__lt})).all()
            items = await _items(connection, posts[:first])
        return Response(
            orjson.dumps({"items": items, "has_next": len(posts) > first}, option=orjson.OPT_UTC_Z),
            media_type="application/json",
        )

    return app


async def _items(connection: AsyncConnection, posts: Sequence[Any]) -> list[dict[str, Any]]:
    ids = [post.id for post in posts]
    tags: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for post, key, name in await connection.execute(TAGS, {"ids": ids}):
        tags[post].append({"id": key, "name": name})
    comments: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for post, key, body, at, author, name in await connection.execute(COMMENTS_WITH_AUTHOR, {"ids": ids}):
        comments[post].append(
            {"id": key, "body": body, "created_at": at, "author": {"id": author, "name": name}}
        )
    return [
        {
            "id": key,
            "title": title,
            "body": body,
            "created_at": at,
            "author": {"id": author, "name": name},
            "tags": tags[key],
            "latest_comments": comments[key],
        }
        for key, title, body, at, author, name in posts
    ]


EMPTY = Server(
    "fastapi_empty", "FastAPI, an endpoint that returns the same 65 KB every time", _empty, floor=True
)
CORE = Server("fastapi_core", "FastAPI, Core by hand: 3 statements, authors joined, and orjson", _core)
