"""SQLAlchemy's ORM: selectinload for relations, a LATERAL by hand for the latest comments, Pydantic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import aliased, selectinload

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Author, Comment, Post, Tag, post_tag
from benchmarks.workload import Stack
from benchmarks.workloads.nested_list.views import SIZE, Listing, PostView

_ids = sa.bindparam("ids", type_=ARRAY(sa.Integer))
_parents = sa.func.unnest(_ids).table_valued(sa.column("id", sa.Integer)).render_derived(name="parents")
LATEST = aliased(
    Comment,
    sa.select(Comment)
    .where(Comment.post_id == _parents.c.id)
    .order_by(Comment.created_at.desc(), Comment.id.desc())
    .limit(3)
    .correlate(_parents)
    .lateral("latest"),
)
NEWEST = sa.select(Post).order_by(Post.created_at.desc(), Post.id.desc()).limit(SIZE)
POSTS = NEWEST.options(selectinload(Post.author), selectinload(Post.tags))
COMMENTS = (
    sa.select(LATEST)
    .select_from(_parents.join(LATEST, sa.true()))
    .order_by(LATEST.post_id, LATEST.created_at.desc(), LATEST.id.desc())
)
LATEST_COMMENTS = COMMENTS.options(selectinload(LATEST.author))

# For whoever loads relations by loaders.
AUTHORS = sa.select(Author).where(Author.id == sa.func.any(_ids))
TAGS = (
    sa.select(post_tag.c.post_id, Tag)
    .join_from(post_tag, Tag)
    .where(post_tag.c.post_id == sa.func.any(_ids))
    .order_by(Tag.id)
)


@asynccontextmanager
async def selectinload_posts(dataset: Dataset) -> AsyncIterator[Listing]:
    engine = reading_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)
    adapter = TypeAdapter(list[PostView])

    async def request(size: int = SIZE) -> bytes:
        statement = POSTS if size == SIZE else POSTS.limit(size)
        async with sessions() as session:
            posts = {post.id: post for post in await session.scalars(statement)}
            for post in posts.values():
                post.latest_comments = []  # type: ignore[attr-defined]  # not mapped: only for the view
            for comment in await session.scalars(LATEST_COMMENTS, {"ids": list(posts)}):
                posts[comment.post_id].latest_comments.append(comment)  # type: ignore[attr-defined]
            return adapter.dump_json(adapter.validate_python(list(posts.values())))

    try:
        yield request
    finally:
        await engine.dispose()


SELECTINLOAD = Stack(
    "orm_selectinload",
    "ORM selectinload, LATERAL by hand for the comments, Pydantic from attributes",
    selectinload_posts,
)
