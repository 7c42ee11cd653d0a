"""FastAPI as its documentation shows it: a session for each request, selectinload, response_model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException, Query
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import selectinload

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.http.workload import Server
from benchmarks.models import Post
from benchmarks.workloads.list_http.views import CONNECTIONS, SIZE, SORT, PostView, View

_SORTABLE: dict[str, Any] = {"created_at": Post.created_at, "id": Post.id, "title": Post.title}


class PostPage(View):
    items: list[PostView]
    has_next: bool


def sorting(sort: str) -> list[Any]:
    terms = []
    for name in sort.split(","):
        column = _SORTABLE.get(name.removeprefix("-"))
        if column is None:
            raise HTTPException(400, f"Posts cannot be sorted by {name}.")
        terms.append(column.desc() if name.startswith("-") else column.asc())
    return terms


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
        created_at__lt: datetime | None = None,
        sort: str = SORT,
        first: Annotated[int, Query(ge=1, le=100)] = SIZE,
    ) -> Any:
        statement = (
            sa.select(Post)
            .options(selectinload(Post.author), selectinload(Post.tags))
            .order_by(*sorting(sort))
            .limit(first + 1)
        )
        if created_at__lt is not None:
            statement = statement.where(Post.created_at < created_at__lt)
        posts = (await session.scalars(statement)).all()
        return {"items": posts[:first], "has_next": len(posts) > first}

    return app


SELECTINLOAD = Server("fastapi_selectinload", "FastAPI, ORM with selectinload, response_model", _app)
