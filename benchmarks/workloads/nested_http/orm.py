"""FastAPI as its documentation shows it: a session for each request, selectinload, response_model; a LATERAL by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Query
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import selectinload

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.http.workload import Server
from benchmarks.models import Post
from benchmarks.workloads.list_http.orm import sorting
from benchmarks.workloads.list_http.views import CONNECTIONS, SIZE, SORT
from benchmarks.workloads.nested_list.orm import LATEST_COMMENTS
from benchmarks.workloads.nested_list.views import PostView, View

_POSTS = sa.select(Post).options(selectinload(Post.author), selectinload(Post.tags))


class PostPage(View):
    items: list[PostView]
    has_next: bool


def _app(dataset: Dataset) -> FastAPI:
    engine = reading_engine(dataset, pool_size=CONNECTIONS, max_overflow=0)
    sessions = async_sessionmaker(engine, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    async def request_session() -> AsyncIterator[AsyncSession]:
        async with sessions() as opened:
            yield opened

    app = FastAPI(lifespan=lifespan)

    @app.get("/posts", response_model=PostPage)
    async def list_posts(
        session: Annotated[AsyncSession, Depends(request_session)],
        created_at__lt: datetime,
        sort: str = SORT,
        first: Annotated[int, Query(ge=1, le=100)] = SIZE,
    ) -> Any:
        statement = _POSTS.where(Post.created_at < created_at__lt).order_by(*sorting(sort)).limit(first + 1)
        found = (await session.scalars(statement)).all()
        posts: dict[int, Any] = {post.id: post for post in found[:first]}
        for post in posts.values():
            post.latest_comments = []  # not mapped: only for the view
        for comment in await session.scalars(LATEST_COMMENTS, {"ids": list(posts)}):
            posts[comment.post_id].latest_comments.append(comment)
        return {"items": list(posts.values()), "has_next": len(found) > first}

    return app


SELECTINLOAD = Server(
    "fastapi_selectinload",
    "FastAPI, ORM with selectinload, LATERAL by hand for the comments, response_model",
    _app,
)
