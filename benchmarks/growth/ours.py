"""batchrepo for N posts: JSON and views, by key, and a loop that asks for each relation of each entity."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from batchrepo import Database, Scope
from benchmarks.data import Dataset
from benchmarks.growth.workload import Sized, Way
from benchmarks.models import Comment, Post
from benchmarks.workloads.nested_list.ours import NEWEST, AuthorRepository, PostRepository
from benchmarks.workloads.nested_list.views import AuthorView, CommentView, PostView, TagView

_Read = Callable[[Scope, int, Dataset], Awaitable[Any]]


def _opening(read: _Read) -> Callable[[Dataset], AbstractAsyncContextManager[Sized]]:
    @asynccontextmanager
    async def opened(dataset: Dataset) -> AsyncIterator[Sized]:
        async with Database(
            dataset.url, repositories=[PostRepository, AuthorRepository], views=[PostView]
        ) as db:

            async def request(size: int) -> Any:
                async with db.scope() as scope:
                    return await read(scope, size, dataset)

            yield request

    return opened


async def _auto_json(scope: Scope, size: int, _: Dataset) -> bytes:
    return await PostRepository(scope).find_json(PostView, order_by=NEWEST, limit=size)


async def _single_json(scope: Scope, size: int, _: Dataset) -> bytes:
    return await PostRepository(scope).find_json(PostView, order_by=NEWEST, limit=size, strategy="single")


async def _batched_json(scope: Scope, size: int, _: Dataset) -> bytes:
    return await PostRepository(scope).find_json(PostView, order_by=NEWEST, limit=size, strategy="batched")


async def _views(scope: Scope, size: int, _: Dataset) -> list[PostView]:
    return await PostRepository(scope).find(PostView, order_by=NEWEST, limit=size)


async def _get_many(scope: Scope, size: int, dataset: Dataset) -> list[PostView]:
    # Posts are made in the order of their keys: these are the newest ones.
    newest = range(dataset.posts, dataset.posts - size, -1)
    return await PostRepository(scope).get_many(newest, PostView)


async def _loop(scope: Scope, size: int, _: Dataset) -> list[PostView]:
    answer = []
    for post in await PostRepository(scope).find(order_by=NEWEST, limit=size):
        author = await scope.related(post, Post.author)
        tags = await scope.related(post, Post.tags)
        comments = []
        for comment in await scope.related(post, PostRepository.latest_comments):
            writer = await scope.related(comment, Comment.author)
            comments.append(
                CommentView(
                    id=comment.id,
                    body=comment.body,
                    created_at=comment.created_at,
                    author=AuthorView(id=writer.id, name=writer.name),
                )
            )
        view = PostView(
            id=post.id,
            title=post.title,
            body=post.body,
            created_at=post.created_at,
            author=AuthorView(id=author.id, name=author.name),
            tags=[TagView(id=tag.id, name=tag.name) for tag in tags],
            latest_comments=comments,
        )
        answer.append(view)
    return answer


AUTO_JSON = Way(
    "batchrepo_auto", "find_json, as AUTO chooses: one statement up to 500 posts", _opening(_auto_json)
)
SINGLE_JSON = Way("batchrepo_single", "find_json by one statement, whatever the size", _opening(_single_json))
BATCHED_JSON = Way("batchrepo_json", "find_json by the batched strategy", _opening(_batched_json))
BATCHED_VIEWS = Way("batchrepo_views", "find of views", _opening(_views))
GET_MANY = Way("batchrepo_get_many", "get_many of views by their keys", _opening(_get_many))
LOOP = Way(
    "batchrepo_loop",
    "entities in a plain loop, scope.related for each relation of each one: peers load together",
    _opening(_loop),
)
