"""batchrepo in FastAPI: its `resource`, and an endpoint by hand that returns a plain list."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from batchrepo import Database, Repository, ge, lt, top
from batchrepo.integrations.fastapi import Provide, install, json_response, lifespan, resource
from benchmarks.data import Dataset
from benchmarks.http.workload import Server
from benchmarks.models import Author, Comment, Post
from benchmarks.workloads.list_http.views import CONNECTIONS, SIZE, SORT
from benchmarks.workloads.nested_list.views import PostView


class AuthorRepository(Repository[Author]):
    pass


class PostRepository(Repository[Post]):
    page_size = SIZE
    sortable = (Post.created_at, Post.id, Post.title)
    filterable = {Post.created_at: (ge, lt)}  # noqa: RUF012  as it is declared
    latest_comments = top(Post.comments, 3, order_by=(Comment.created_at.desc(), Comment.id.desc()))


def _prepared(dataset: Dataset) -> FastAPI:
    database = Database(
        dataset.url,
        repositories=[PostRepository, AuthorRepository],
        views=[PostView],
        pool_size=CONNECTIONS,
        max_overflow=0,
    )
    app = FastAPI(lifespan=lifespan(database))
    install(app, database)
    return app


def _resource(dataset: Dataset) -> FastAPI:
    app = _prepared(dataset)
    app.include_router(resource(PostRepository, view=PostView, prefix="/posts", operations=["list"]))
    return app


def _find(dataset: Dataset) -> FastAPI:
    app = _prepared(dataset)

    @app.get("/posts", response_model=list[PostView])
    async def list_posts(
        request: Request,
        posts: Provide[PostRepository],
        created_at__lt: datetime,
        sort: str = SORT,
        first: Annotated[int, Query(ge=1, le=100)] = SIZE,
    ) -> Response:
        found = await posts.find_json(
            PostView, Post.created_at < created_at__lt, order_by=posts.sorting(sort), limit=first
        )
        return json_response(request, found)

    return app


RESOURCE = Server(
    "batchrepo",
    "resource(PostRepository, ...): the list endpoint as it is declared, with its pages",
    _resource,
)
FIND = Server("batchrepo_find", "an endpoint by hand that returns find_json as it is: a list, no page", _find)
