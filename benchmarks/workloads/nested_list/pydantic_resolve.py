"""pydantic-resolve: views that say how they are completed, by loaders over Core."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiodataloader import DataLoader
from pydantic import BaseModel, Field, TypeAdapter
from pydantic_resolve import Loader, Resolver  # type: ignore[import-untyped]
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_list import core


async def _rows(engine: AsyncEngine, statement: Any, ids: Sequence[int] | None = None) -> Sequence[Any]:
    # A connection for each batch, since batches of a level run at once.
    async with engine.connect() as connection:
        return (await connection.execute(statement, {} if ids is None else {"ids": ids})).all()


class AuthorView(BaseModel):
    id: int
    name: str


class TagView(BaseModel):
    id: int
    name: str


class AuthorLoader(DataLoader[int, AuthorView]):
    engine: AsyncEngine  # given by the Resolver

    async def batch_load_fn(self, keys: list[int]) -> list[AuthorView]:
        rows = await _rows(self.engine, core.AUTHORS, keys)
        found = {row[0]: AuthorView(id=row[0], name=row[1]) for row in rows}
        return [found[key] for key in keys]


class TagLoader(DataLoader[int, list[TagView]]):
    engine: AsyncEngine

    async def batch_load_fn(self, keys: list[int]) -> list[list[TagView]]:
        groups: dict[int, list[TagView]] = defaultdict(list)
        for post_id, id_, name in await _rows(self.engine, core.TAGS, keys):
            groups[post_id].append(TagView(id=id_, name=name))
        return [groups[key] for key in keys]


class CommentView(BaseModel):
    id: int
    body: str
    created_at: datetime
    author_id: int = Field(exclude=True)
    author: AuthorView | None = None

    def resolve_author(self, loader: Any = Loader(AuthorLoader)) -> Any:  # noqa: B008  its own spelling
        return loader.load(self.author_id)


class CommentLoader(DataLoader[int, list[CommentView]]):
    engine: AsyncEngine

    async def batch_load_fn(self, keys: list[int]) -> list[list[CommentView]]:
        groups: dict[int, list[CommentView]] = defaultdict(list)
        for post_id, id_, body, created_at, author_id in await _rows(self.engine, core.COMMENTS, keys):
            comment = CommentView(id=id_, body=body, created_at=created_at, author_id=author_id)
            groups[post_id].append(comment)
        return [groups[key] for key in keys]


class PostView(BaseModel):
    id: int
    title: str
    body: str
    created_at: datetime
    author_id: int = Field(exclude=True)
    author: AuthorView | None = None
    tags: list[TagView] = []
    latest_comments: list[CommentView] = []

    def resolve_author(self, loader: Any = Loader(AuthorLoader)) -> Any:  # noqa: B008
        return loader.load(self.author_id)

    def resolve_tags(self, loader: Any = Loader(TagLoader)) -> Any:  # noqa: B008
        return loader.load(self.id)

    def resolve_latest_comments(self, loader: Any = Loader(CommentLoader)) -> Any:  # noqa: B008
        return loader.load(self.id)


@asynccontextmanager
async def _resolved(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    adapter = TypeAdapter(list[PostView])

    async def request() -> bytes:
        posts = [
            PostView(id=id_, title=title, body=body, created_at=created_at, author_id=author_id)
            for id_, title, body, created_at, author_id in await _rows(engine, core.POSTS)
        ]
        return adapter.dump_json(await Resolver(global_loader_param={"engine": engine}).resolve(posts))

    try:
        yield request
    finally:
        await engine.dispose()


RESOLVE = Stack(
    "pydantic_resolve",
    "pydantic-resolve, a fresh Resolver, loaders over Core that give views as they are, Pydantic",
    _resolved,
)
