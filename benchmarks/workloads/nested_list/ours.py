"""batchrepo, as its documentation recommends: its own engine settings, one scope for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from pydantic import TypeAdapter

from batchrepo import Database, Repository, top
from benchmarks.data import Dataset
from benchmarks.models import Author, Comment, Post
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_list.views import PostView

NEWEST = (Post.created_at.desc(), Post.id.desc())


class AuthorRepository(Repository[Author]):
    pass


class PostRepository(Repository[Post]):
    latest_comments = top(Post.comments, 3, order_by=(Comment.created_at.desc(), Comment.id.desc()))


def _database(dataset: Dataset, inline_lookups: int = 0) -> Database:
    return Database(
        dataset.url,
        repositories=[PostRepository, AuthorRepository],
        views=[PostView],
        inline_lookups=inline_lookups,
    )


def _json(
    strategy: str | None, inline_lookups: int = 0
) -> Callable[[Dataset], AbstractAsyncContextManager[Request]]:
    @asynccontextmanager
    async def opened(dataset: Dataset) -> AsyncIterator[Request]:
        async with _database(dataset, inline_lookups) as db:

            async def request() -> bytes:
                async with db.scope() as scope:
                    return await PostRepository(scope).find_json(
                        PostView, order_by=NEWEST, limit=50, strategy=strategy
                    )

            yield request

    return opened


@asynccontextmanager
async def _views(dataset: Dataset) -> AsyncIterator[Request]:
    adapter = TypeAdapter(list[PostView])
    async with _database(dataset) as db:

        async def request() -> bytes:
            async with db.scope() as scope:
                return adapter.dump_json(
                    await PostRepository(scope).find(PostView, order_by=NEWEST, limit=50)
                )

        yield request


SINGLE = Stack("batchrepo_single", "find_json in a fresh scope: one statement, as AUTO chooses", _json(None))
JSON = Stack("batchrepo_json", "find_json in a fresh scope, by the batched strategy", _json("batched"))
INLINE = Stack(
    "batchrepo_inline",
    "the same with inline_lookups=300: to-one relations inside of the statements, 3 of them",
    _json("batched", 300),
)
VIEWS = Stack("batchrepo_views", "find of views in a fresh scope, dumped by Pydantic", _views)
