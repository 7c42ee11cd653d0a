"""DataLoaders by hand, one for each relation: Strawberry's over Core and over the ORM, aiodataloader over Core."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import strawberry
from aiodataloader import DataLoader as AioDataLoader
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from strawberry.dataloader import DataLoader

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_graphql.document import CACHES, ask
from benchmarks.workloads.nested_graphql.floor import Author, Tag
from benchmarks.workloads.nested_list import core, orm

PARENT = core.COMMENTS.selected_columns[0].label("parent_id")
COMMENTS = core.COMMENTS.with_only_columns(PARENT, *list(core.COMMENTS.selected_columns)[1:])

Groups = dict[int, list[Any]]
Loader = DataLoader[int, Any] | AioDataLoader[int, Any]


@dataclass
class Loaders:
    """The loaders of one request."""

    posts: Callable[[], Awaitable[Sequence[Any]]]
    authors: Loader
    tags: Loader
    latest_comments: Loader


Info = strawberry.Info[Loaders, None]


@strawberry.type
class Comment:
    id: int
    body: str
    created_at: datetime
    author_id: strawberry.Private[int]

    @strawberry.field
    async def author(self, info: Info) -> Author:
        found: Author = await info.context.authors.load(self.author_id)
        return found


@strawberry.type
class Post:
    id: int
    title: str
    body: str
    created_at: datetime
    author_id: strawberry.Private[int]

    @strawberry.field
    async def author(self, info: Info) -> Author:
        found: Author = await info.context.authors.load(self.author_id)
        return found

    @strawberry.field
    async def tags(self, info: Info) -> list[Tag]:
        found: list[Tag] = await info.context.tags.load(self.id)
        return found

    @strawberry.field
    async def latest_comments(self, info: Info) -> list[Comment]:
        found: list[Comment] = await info.context.latest_comments.load(self.id)
        return found


@strawberry.type
class PostEdge:
    node: Post


@strawberry.type
class PostConnection:
    edges: list[PostEdge]


@strawberry.type
class Query:
    @strawberry.field
    async def posts(self, info: Info, first: int) -> PostConnection:
        # Rows and entities have the attributes of the types: to make objects of these would be slower.
        posts = await info.context.posts()
        return PostConnection(edges=[PostEdge(node=post) for post in posts[:first]])


def _grouped(keys: Sequence[int], groups: Groups) -> list[list[Any]]:
    return [groups.get(key, []) for key in keys]


def _core_loaders(engine: AsyncEngine, loader: Callable[[Any], Loader]) -> Loaders:
    async def rows(statement: Any, **parameters: Any) -> Sequence[Any]:
        async with engine.connect() as connection:
            return (await connection.execute(statement, parameters)).all()

    async def authors(keys: list[int]) -> list[Any]:
        found = {row.id: row for row in await rows(core.AUTHORS, ids=keys)}
        return [found[key] for key in keys]

    async def grouped(statement: Any, keys: list[int]) -> list[list[Any]]:
        groups: Groups = defaultdict(list)
        for row in await rows(statement, ids=keys):
            groups[row[0]].append(row)
        return _grouped(keys, groups)

    async def tags(keys: list[int]) -> list[list[Any]]:
        return await grouped(core.TAGS, keys)

    async def comments(keys: list[int]) -> list[list[Any]]:
        return await grouped(COMMENTS, keys)

    return Loaders(
        posts=lambda: rows(core.POSTS),
        authors=loader(authors),
        tags=loader(tags),
        latest_comments=loader(comments),
    )


def _orm_loaders(sessions: async_sessionmaker[AsyncSession]) -> Loaders:
    # A session for each batch: loaders run at once, and a session is not for two tasks.
    async def posts() -> Sequence[Any]:
        async with sessions() as session:
            return (await session.scalars(orm.NEWEST)).all()

    async def authors(keys: list[int]) -> list[Any]:
        async with sessions() as session:
            found = {author.id: author for author in await session.scalars(orm.AUTHORS, {"ids": keys})}
        return [found[key] for key in keys]

    async def tags(keys: list[int]) -> list[list[Any]]:
        groups: Groups = defaultdict(list)
        async with sessions() as session:
            for post_id, tag in await session.execute(orm.TAGS, {"ids": keys}):
                groups[post_id].append(tag)
        return _grouped(keys, groups)

    async def comments(keys: list[int]) -> list[list[Any]]:
        groups: Groups = defaultdict(list)
        async with sessions() as session:
            for comment in await session.scalars(orm.COMMENTS, {"ids": keys}):
                groups[comment.post_id].append(comment)
        return _grouped(keys, groups)

    return Loaders(
        posts=posts,
        authors=DataLoader(authors),
        tags=DataLoader(tags),
        latest_comments=DataLoader(comments),
    )


def _opened(
    prepared: Callable[[AsyncEngine], Callable[[], Loaders]],
) -> Callable[[Dataset], Any]:
    @asynccontextmanager
    async def open_(dataset: Dataset) -> AsyncIterator[Request]:
        engine = reading_engine(dataset)
        schema = strawberry.Schema(Query, extensions=[*CACHES])
        loaders = prepared(engine)

        async def request() -> dict[str, Any]:
            return await ask(schema, loaders())

        try:
            yield request
        finally:
            await engine.dispose()

    return open_


def _over_core(loader: Callable[[Any], Loader]) -> Callable[[AsyncEngine], Callable[[], Loaders]]:
    return lambda engine: lambda: _core_loaders(engine, loader)


def _over_orm(engine: AsyncEngine) -> Callable[[], Loaders]:
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    return lambda: _orm_loaders(sessions)


CORE_LOADERS = Stack(
    "loaders_core", "Strawberry's DataLoaders by hand over Core", _opened(_over_core(DataLoader))
)
AIO_LOADERS = Stack(
    "aiodataloader_core", "aiodataloader by hand over Core", _opened(_over_core(AioDataLoader))
)
ORM_LOADERS = Stack("loaders_orm", "Strawberry's DataLoaders by hand over the ORM", _opened(_over_orm))
