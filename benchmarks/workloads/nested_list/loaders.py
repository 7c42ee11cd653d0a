"""aiodataloader by hand, a loader for each relation, over Core and over the ORM."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiodataloader import DataLoader
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm.attributes import set_committed_value

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Author, Comment, Post, Tag
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_list import core, orm
from benchmarks.workloads.nested_list.views import PostView

Loader = DataLoader[int, Any]


class CoreLoaders:
    """The loaders of one request. Each batch takes a connection, since batches of a level run at once."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self.authors: Loader = DataLoader(self._authors)
        self.tags: Loader = DataLoader(self._tags)
        self.comments: Loader = DataLoader(self._comments)

    async def rows(self, statement: Any, ids: Sequence[int] | None = None) -> Sequence[Any]:
        async with self._engine.connect() as connection:
            return (await connection.execute(statement, {} if ids is None else {"ids": ids})).all()

    async def _authors(self, keys: list[int]) -> list[dict[str, Any]]:
        found = {id_: {"id": id_, "name": name} for id_, name in await self.rows(core.AUTHORS, keys)}
        return [found[key] for key in keys]

    async def _tags(self, keys: list[int]) -> list[list[dict[str, Any]]]:
        groups: dict[int, list[dict[str, Any]]] = {key: [] for key in keys}
        for post_id, id_, name in await self.rows(core.TAGS, keys):
            groups[post_id].append({"id": id_, "name": name})
        return list(groups.values())

    async def _comments(self, keys: list[int]) -> list[list[Any]]:
        groups: dict[int, list[Any]] = {key: [] for key in keys}
        for row in await self.rows(core.COMMENTS, keys):
            groups[row[0]].append(row)
        return list(groups.values())


class OrmLoaders:
    """The same, with entities. A session for each batch: a session is not for two tasks."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self.authors: Loader = DataLoader(self._authors)
        self.tags: Loader = DataLoader(self._tags)
        self.comments: Loader = DataLoader(self._comments)

    async def posts(self) -> Sequence[Post]:
        async with self._sessions() as session:
            return (await session.scalars(orm.NEWEST)).all()

    async def _authors(self, keys: list[int]) -> list[Author]:
        async with self._sessions() as session:
            found = {author.id: author for author in await session.scalars(orm.AUTHORS, {"ids": keys})}
        return [found[key] for key in keys]

    async def _tags(self, keys: list[int]) -> list[list[Tag]]:
        groups: dict[int, list[Tag]] = defaultdict(list)
        async with self._sessions() as session:
            for post_id, tag in await session.execute(orm.TAGS, {"ids": keys}):
                groups[post_id].append(tag)
        return [groups[key] for key in keys]

    async def _comments(self, keys: list[int]) -> list[list[Comment]]:
        groups: dict[int, list[Comment]] = defaultdict(list)
        async with self._sessions() as session:
            for comment in await session.scalars(orm.COMMENTS, {"ids": keys}):
                groups[comment.post_id].append(comment)
        return [groups[key] for key in keys]


@asynccontextmanager
async def _over_core(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)

    async def request() -> bytes:
        loaders = CoreLoaders(engine)
        posts = await loaders.rows(core.POSTS)
        ids = [post[0] for post in posts]
        authors, tags, comments = await asyncio.gather(
            loaders.authors.load_many([post[4] for post in posts]),
            loaders.tags.load_many(ids),
            loaders.comments.load_many(ids),
        )
        latest = [row for rows in comments for row in rows]
        writers = iter(await loaders.authors.load_many([row[4] for row in latest]))
        answer = [
            {
                "id": post[0],
                "title": post[1],
                "body": post[2],
                "created_at": post[3],
                "author": author,
                "tags": its_tags,
                "latest_comments": [
                    {"id": row[1], "body": row[2], "created_at": row[3], "author": next(writers)}
                    for row in rows
                ],
            }
            for post, author, its_tags, rows in zip(posts, authors, tags, comments, strict=True)
        ]
        return orjson.dumps(answer, option=orjson.OPT_UTC_Z)

    try:
        yield request
    finally:
        await engine.dispose()


@asynccontextmanager
async def _over_orm(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    adapter = TypeAdapter(list[PostView])

    async def request() -> bytes:
        loaders = OrmLoaders(sessions)
        posts = await loaders.posts()
        ids = [post.id for post in posts]
        authors, tags, comments = await asyncio.gather(
            loaders.authors.load_many([post.author_id for post in posts]),
            loaders.tags.load_many(ids),
            loaders.comments.load_many(ids),
        )
        latest = [comment for group in comments for comment in group]
        writers = await loaders.authors.load_many([comment.author_id for comment in latest])
        for comment, author in zip(latest, writers, strict=True):
            set_committed_value(comment, "author", author)
        for post, author, its_tags, its_comments in zip(posts, authors, tags, comments, strict=True):
            set_committed_value(post, "author", author)
            set_committed_value(post, "tags", its_tags)
            post.latest_comments = its_comments  # type: ignore[attr-defined]  # not mapped: only for the view
        return adapter.dump_json(adapter.validate_python(posts))

    try:
        yield request
    finally:
        await engine.dispose()


CORE_LOADERS = Stack(
    "aiodataloader_core", "aiodataloader by hand over Core, load_many level by level, orjson", _over_core
)
ORM_LOADERS = Stack(
    "aiodataloader_orm",
    "aiodataloader by hand over the ORM, load_many level by level, Pydantic from attributes",
    _over_orm,
)
