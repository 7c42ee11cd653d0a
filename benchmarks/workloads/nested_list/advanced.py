"""advanced-alchemy: a service with eager `load` options and `to_schema`, a LATERAL by hand for the comments."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Post
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_list.orm import LATEST_COMMENTS

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of SQLAlchemy 2.1, about a decorator that it uses
    from advanced_alchemy.filters import LimitOffset, OrderBy
    from advanced_alchemy.repository import SQLAlchemyAsyncRepository
    from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService

NEWEST = (LimitOffset(50, 0), OrderBy("created_at", "desc"), OrderBy("id", "desc"))


class AuthorStruct(msgspec.Struct):
    id: int
    name: str


class TagStruct(msgspec.Struct):
    id: int
    name: str


class CommentStruct(msgspec.Struct):
    id: int
    body: str
    created_at: datetime
    author: AuthorStruct


class PostStruct(msgspec.Struct):
    id: int
    title: str
    body: str
    created_at: datetime
    author: AuthorStruct
    tags: list[TagStruct]
    latest_comments: list[CommentStruct]


class PostRepository(SQLAlchemyAsyncRepository[Post]):
    model_type = Post


class PostService(SQLAlchemyAsyncRepositoryService[Post, PostRepository]):
    repository_type = PostRepository


@asynccontextmanager
async def _service(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    encoder = msgspec.json.Encoder()

    async def request() -> bytes:
        async with sessions() as session:
            service = PostService(session=session)
            # Of attributes it makes a JOIN for the author and selectinload for the tags.
            posts = {post.id: post for post in await service.get_many(*NEWEST, load=[Post.author, Post.tags])}
            for post in posts.values():
                post.latest_comments = []  # type: ignore[attr-defined]  # not mapped: only for the schema
            for comment in await session.scalars(LATEST_COMMENTS, {"ids": list(posts)}):
                posts[comment.post_id].latest_comments.append(comment)  # type: ignore[attr-defined]
            return encoder.encode(service.to_schema(list(posts.values()), schema_type=PostStruct).items)

    try:
        yield request
    finally:
        await engine.dispose()


ADVANCED = Stack(
    "advanced_alchemy",
    "advanced-alchemy's service: get_many with load, to_schema with msgspec; LATERAL by hand for the comments",
    _service,
)
