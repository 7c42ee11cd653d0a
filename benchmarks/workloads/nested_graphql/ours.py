"""batchrepo's plug: types from repositories, and all that the query selects as one plan."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import strawberry
from strawberry import auto

from batchrepo import Database, Repository, top
from batchrepo.integrations.strawberry import Connection, ScopeExtension, connection, repository_type
from benchmarks.data import Dataset
from benchmarks.models import Author, Comment, Post, Tag
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_graphql.document import ask

NEWEST = (Post.created_at.desc(), Post.id.desc())


class AuthorRepository(Repository[Author]):
    pass


class TagRepository(Repository[Tag]):
    pass


class CommentRepository(Repository[Comment]):
    pass


class PostRepository(Repository[Post]):
    default_order = NEWEST
    latest_comments = top(Post.comments, 3, order_by=(Comment.created_at.desc(), Comment.id.desc()))


@repository_type(AuthorRepository)
class AuthorType:
    id: auto
    name: auto


@repository_type(TagRepository)
class TagType:
    id: auto
    name: auto


@repository_type(CommentRepository)
class CommentType:
    id: auto
    body: auto
    created_at: auto
    author: AuthorType


@repository_type(PostRepository)
class PostType:
    id: auto
    title: auto
    body: auto
    created_at: auto
    author: AuthorType
    tags: list[TagType]
    latest_comments: list[CommentType]


@strawberry.type
class Query:
    posts: Connection[PostType] = connection()


def _opened(**options: Any) -> Callable[[Dataset], AbstractAsyncContextManager[Request]]:
    @asynccontextmanager
    async def open_(dataset: Dataset) -> AsyncIterator[Request]:
        repositories: list[type[Repository[Any]]] = [
            PostRepository,
            AuthorRepository,
            TagRepository,
            CommentRepository,
        ]
        async with Database(dataset.url, repositories=repositories) as db:
            schema = strawberry.Schema(Query, extensions=[lambda: ScopeExtension(db, **options)])

            async def request() -> dict[str, Any]:
                return await ask(schema)

            yield request

    return open_


OURS = Stack(
    "batchrepo",
    "repository types, a scope for each request, an answer that one statement writes (AUTO)",
    _opened(),
)
ROWS = Stack(
    "batchrepo_rows",
    "the same with the batched strategy: look-ahead, and rows that pass through",
    _opened(strategy="batched"),
)
VISITED = Stack("batchrepo_visited", "the same without the pass-through", _opened(pass_through=False))
