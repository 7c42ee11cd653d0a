"""What nobody who uses FastAPI and SQLAlchemy can get below: an endpoint that reads nothing, and one of nothing but Core."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import orjson
import sqlalchemy as sa
from fastapi import FastAPI, Query, Response
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.http.workload import Server
from benchmarks.models import Author, Post, Tag, post_tag
from benchmarks.workloads.list_http.orm import sorting
from benchmarks.workloads.list_http.views import CONNECTIONS, SIZE, SORT

_PAGE = sa.select(Post.id, Post.title, Post.created_at, Post.author_id).where(
    Post.created_at < sa.bindparam("before", type_=Post.created_at.type)
)
_AUTHORS = sa.select(Author.id, Author.name).where(
    Author.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Integer)))
)
_TAGS = (
    sa.select(post_tag.c.post_id, Tag.id, Tag.name)
    .join(Tag, Tag.id == post_tag.c.tag_id)
    .where(post_tag.c.post_id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Integer))))
    .order_by(post_tag.c.post_id, Tag.id)
)


Items = Callable[[AsyncConnection, Sequence[Any]], Awaitable[list[dict[str, Any]]]]
"""From rows of posts to the items of the answer, with what belongs to them read."""


def empty_app(items: list[dict[str, Any]]) -> FastAPI:
    """An application that parses the parameters of a list and answers the same bytes every time."""
    app = FastAPI()
    body = orjson.dumps({"items": items})

    @app.get("/posts")
    async def list_posts(
        created_at__lt: datetime, sort: str = SORT, first: Annotated[int, Query(ge=1, le=100)] = SIZE
    ) -> Response:
        del created_at__lt, sort, first  # parsed, that is all
        return Response(body, media_type="application/json")

    return app


def core_app(dataset: Dataset, page: sa.Select[*tuple[Any, ...]], items: Items) -> FastAPI:
    """An application that reads a list by Core.

    Args:
        dataset: what it reads.
        page: selects posts before the parameter ``before``.
        items: makes the answer of its rows.
    """
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
        statement = page.order_by(*sorting(sort)).limit(first + 1)
        async with engine.connect() as connection:
            posts = (await connection.execute(statement, {"before": created_at__lt})).all()
            read = await items(connection, posts[:first])
        return Response(
            orjson.dumps({"items": read, "has_next": len(posts) > first}, option=orjson.OPT_UTC_Z),
            media_type="application/json",
        )

    return app


def _empty(_dataset: Dataset) -> FastAPI:
    item = {"id": 1, "title": "Post number 1", "created_at": "2020-01-01T00:00:00Z"}
    return empty_app([item | {"author": {"id": 1, "name": "Author 1"}, "tags": []}] * SIZE)


def _core(dataset: Dataset) -> FastAPI:
    return core_app(dataset, _PAGE, _items)


async def _items(connection: AsyncConnection, posts: Sequence[Any]) -> list[dict[str, Any]]:
    authors = {
        key: {"id": key, "name": name}
        for key, name in await connection.execute(_AUTHORS, {"ids": [post.author_id for post in posts]})
    }
    tags: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for post, key, name in await connection.execute(_TAGS, {"ids": [post.id for post in posts]}):
        tags[post].append({"id": key, "name": name})
    return [
        {"id": key, "title": title, "created_at": at, "author": authors[author], "tags": tags[key]}
        for key, title, at, author in posts
    ]


EMPTY = Server(
    "fastapi_empty", "FastAPI, an endpoint that returns the same bytes every time", _empty, floor=True
)
CORE = Server("fastapi_core", "FastAPI, Core by hand: the same three statements, and orjson", _core)
