"""strawberry-chemist: types by hand, connections and relations that it loads by Strawberry's DataLoaders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import strawberry
import strawberry_chemist
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from strawberry import auto
from strawberry_chemist import Connection, CursorPagination

from benchmarks import models
from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_graphql.document import CACHES, QUERY, ask

sc: Any = strawberry_chemist  # whose fields have types of their own, and its decorator none

CONNECTION = "latestComments(first: 3) {{ edges {{ node {{ {} }} }} }}"
_COMMENT = "id body createdAt author { id name }"
CHEMIST_QUERY = QUERY.replace(f"latestComments {{ {_COMMENT} }}", CONNECTION.format(_COMMENT))


@sc.type(model=models.Author)
class Author:
    id: int
    name: str


@sc.type(model=models.Tag)
class Tag:
    id: int
    name: str


@sc.type(model=models.Comment)
class Comment:
    id: int
    body: str
    created_at: auto
    author: Author = sc.relationship("author")


@sc.type(model=models.Post)
class Post:
    id: int
    title: str
    body: str
    created_at: auto
    author: Author = sc.relationship("author")
    tags: list[Tag] = sc.relationship("tags")
    latest_comments: Connection[Comment] = sc.connection(
        source="comments",
        default_order_by=(models.Comment.created_at.desc(), models.Comment.id.desc()),
        pagination=CursorPagination(max_limit=50),
    )


@strawberry.type
class Query:
    posts: Connection[Post] = sc.connection(
        default_order_by=(models.Post.created_at.desc(), models.Post.id.desc()),
        pagination=CursorPagination(max_limit=50),
    )


class Context:
    """What it asks for sessions; it puts its loaders there."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions

    def get_session(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self._sessions()


@asynccontextmanager
async def _open(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    schema = strawberry.Schema(Query, extensions=[*sc.extensions(), *CACHES])

    async def request() -> dict[str, Any]:
        return await ask(schema, Context(sessions), CHEMIST_QUERY)

    try:
        yield request
    finally:
        await engine.dispose()


CHEMIST = Stack(
    "strawberry_chemist", "strawberry-chemist: types by hand, its connections and relations", _open
)
