"""batchrepo in FastAPI: its `resource`; and for comparison endpoints by hand, of bytes and through response_model."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from pydantic import BaseModel

from batchrepo import Database, Page, Repository, ge, lt
from batchrepo.integrations.fastapi import Provide, install, json_response, lifespan, resource
from benchmarks.data import Dataset
from benchmarks.http.workload import Server
from benchmarks.models import Author, Post
from benchmarks.workloads.list_http.views import CONNECTIONS, SIZE, SORT, PostView


class AuthorRepository(Repository[Author]):
    pass


class PostRepository(Repository[Post]):
    page_size = SIZE
    sortable = (Post.created_at, Post.id, Post.title)
    filterable = {Post.created_at: (ge, lt)}  # noqa: RUF012  as it is declared


REPOSITORIES = (PostRepository, AuthorRepository)


def prepared(
    dataset: Dataset, repositories: Sequence[type[Repository[Any]]], view: type[BaseModel]
) -> FastAPI:
    """An application whose Database has a connection for each client."""
    database = Database(
        dataset.url,
        repositories=repositories,
        views=[view],
        pool_size=CONNECTIONS,
        max_overflow=0,
    )
    app = FastAPI(lifespan=lifespan(database))
    install(app, database)
    return app


def _resource(dataset: Dataset) -> FastAPI:
    app = prepared(dataset, REPOSITORIES, PostView)
    app.include_router(resource(PostRepository, view=PostView, prefix="/posts", operations=["list"]))
    return app


def _bytes(dataset: Dataset) -> FastAPI:
    app = prepared(dataset, REPOSITORIES, PostView)

    @app.get("/posts", response_model=Page[PostView])
    async def list_posts(
        request: Request,
        posts: Provide[PostRepository],
        created_at__lt: datetime | None = None,
        sort: str = SORT,
        first: Annotated[int, Query(ge=1, le=100)] = SIZE,
    ) -> Response:
        where = [] if created_at__lt is None else [Post.created_at < created_at__lt]
        page = await posts.page_json(PostView, *where, order_by=posts.sorting(sort), first=first)
        return json_response(request, page)

    return app


def _response_model(dataset: Dataset) -> FastAPI:
    app = prepared(dataset, REPOSITORIES, PostView)

    @app.get("/posts", response_model=Page[PostView])
    async def list_posts(
        posts: Provide[PostRepository],
        created_at__lt: datetime | None = None,
        sort: str = SORT,
        first: Annotated[int, Query(ge=1, le=100)] = SIZE,
    ) -> Page[PostView]:
        where = [] if created_at__lt is None else [Post.created_at < created_at__lt]
        return await posts.page(PostView, *where, order_by=posts.sorting(sort), first=first)

    return app


RESOURCE = Server(
    "batchrepo", "resource(PostRepository, ...): the list endpoint as it is declared", _resource
)
BYTES = Server("batchrepo_bytes", "an endpoint by hand that returns page_json as it is", _bytes)
RESPONSE_MODEL = Server(
    "batchrepo_response_model", "the same endpoint with page, through response_model", _response_model
)
