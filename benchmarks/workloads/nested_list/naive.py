"""The loop that everybody writes first: relations are loaded when they are needed, one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Comment, Post
from benchmarks.workload import Stack
from benchmarks.workloads.nested_list.views import SIZE, AuthorView, CommentView, Listing, PostView, TagView


@asynccontextmanager
async def lazy_posts(dataset: Dataset) -> AsyncIterator[Listing]:
    engine = reading_engine(dataset)
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    adapter = TypeAdapter(list[PostView])

    async def request(size: int = SIZE) -> bytes:
        answer = []
        async with sessions() as session:
            newest = sa.select(Post).order_by(Post.created_at.desc(), Post.id.desc()).limit(size)
            for post in await session.scalars(newest):
                latest = (
                    sa.select(Comment)
                    .where(Comment.post_id == post.id)
                    .order_by(Comment.created_at.desc(), Comment.id.desc())
                    .limit(3)
                )
                comments = [
                    CommentView(
                        id=comment.id,
                        body=comment.body,
                        created_at=comment.created_at,
                        author=AuthorView.model_validate(await comment.awaitable_attrs.author),
                    )
                    for comment in await session.scalars(latest)
                ]
                view = PostView(
                    id=post.id,
                    title=post.title,
                    body=post.body,
                    created_at=post.created_at,
                    author=AuthorView.model_validate(await post.awaitable_attrs.author),
                    tags=[TagView.model_validate(tag) for tag in await post.awaitable_attrs.tags],
                    latest_comments=comments,
                )
                answer.append(view)
        return adapter.dump_json(answer)

    try:
        yield request
    finally:
        await engine.dispose()


NAIVE = Stack("naive_loop", "ORM, every relation loaded when it is needed, Pydantic", lazy_posts, slow=True)
