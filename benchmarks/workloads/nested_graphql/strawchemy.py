"""strawchemy: types from models, one statement for each root field."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import strawberry
from sqlalchemy.ext.asyncio import async_sessionmaker
from strawchemy import Strawchemy, StrawchemyAsyncRepository, StrawchemyConfig

from benchmarks import models
from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_graphql.document import CACHES, FIELDS, ask

LATEST = "latestComments(limit: 3, orderBy: [{ createdAt: DESC }, { id: DESC }]) {"
QUERY = f"{{ posts(limit: 50) {{ {FIELDS} }} }}".replace("latestComments {", LATEST)


def _schema() -> strawberry.Schema:
    # What is below comes from a registry of its own for each instance.
    mapped = Strawchemy(StrawchemyConfig("postgresql", repository_type=StrawchemyAsyncRepository))

    @mapped.type(models.Author, include=["id", "name"])
    class AuthorType: ...

    @mapped.type(models.Tag, include=["id", "name"])
    class TagType: ...

    @mapped.order(models.Comment, include=["created_at", "id"])
    class CommentOrder: ...

    @mapped.type(models.Comment, include=["id", "body", "created_at", "author"])
    class CommentType: ...

    @mapped.type(models.Post, include=["id", "title", "body", "created_at", "author", "tags"])
    class PostType:
        latest_comments: list[CommentType] = mapped.field(
            model_field="comments",
            pagination=True,
            order_by_input=CommentOrder,  # type: ignore[arg-type]  # a class that `order` has made one
            root_field=False,
        )

    @strawberry.type
    class Query:
        posts: list[PostType] = mapped.field(
            pagination=True, default_order_by=(models.Post.created_at.desc(), models.Post.id.desc())
        )

    return strawberry.Schema(Query, extensions=[*CACHES])


@asynccontextmanager
async def _open(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    schema = _schema()

    async def request() -> dict[str, Any]:
        async with sessions() as session:
            return await ask(schema, {"session": session}, QUERY)

    try:
        yield request
    finally:
        await engine.dispose()


STRAWCHEMY = Stack("strawchemy", "types from models, one statement for each root field", _open)
