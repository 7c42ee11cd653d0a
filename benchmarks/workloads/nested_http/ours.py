"""batchrepo in FastAPI: its `resource`, and an endpoint by hand that returns a plain list."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from batchrepo import Repository, ge, lt, top
from batchrepo.integrations.fastapi import Provide, json_response, resource
from benchmarks.data import Dataset
from benchmarks.http.workload import Server
from benchmarks.models import Comment, Post
from benchmarks.workloads.list_http.ours import AuthorRepository, prepared
from benchmarks.workloads.list_http.views import SIZE, SORT
from benchmarks.workloads.nested_list.views import PostView


class PostRepository(Repository[Post]):
    page_size = SIZE
    sortable = (Post.created_at, Post.id, Post.title)
    filterable = {Post.created_at: (ge, lt)}  # noqa: RUF012  as it is declared
    latest_comments = top(Post.comments, 3, order_by=(Comment.created_at.desc(), Comment.id.desc()))


def _resource(dataset: Dataset) -> FastAPI:
    app = prepared(dataset, [PostRepository, AuthorRepository], PostView)
    app.include_router(resource(PostRepository, view=PostView, prefix="/posts", operations=["list"]))
    return app


def _find(dataset: Dataset) -> FastAPI:
    app = prepared(dataset, [PostRepository, AuthorRepository], PostView)

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
