"""Raw asyncpg by hand: one statement for each level on one connection, rows to dicts, orjson."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from benchmarks.data import Dataset
from benchmarks.pools import asyncpg_pool
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_list.by_hand import posts_joined, posts_with, tags_by_post

POSTS = """
SELECT id, title, body, created_at, author_id FROM post ORDER BY created_at DESC, id DESC LIMIT 50"""

POSTS_WITH_AUTHOR = """
SELECT post.id, post.title, post.body, post.created_at, post.author_id, author.name
FROM post JOIN author ON author.id = post.author_id ORDER BY post.created_at DESC, post.id DESC LIMIT 50"""

_TAGS = """
SELECT post_tag.post_id, tag.id, tag.name FROM post_tag JOIN tag ON tag.id = post_tag.tag_id
WHERE post_tag.post_id = ANY($1::int[]) ORDER BY tag.id"""

_LATEST = """
SELECT parents.id AS post_id, latest.* FROM unnest($1::int[]) parents(id) JOIN LATERAL (
    SELECT id, body, created_at, author_id FROM comment
    WHERE post_id = parents.id ORDER BY created_at DESC, id DESC LIMIT 3
) latest ON true"""

COMMENTS = f"{_LATEST} ORDER BY post_id, created_at DESC, id DESC"
# Materialized, or the authors might be scanned once for each post.
COMMENTS_WITH_AUTHOR = f"""
WITH latest AS MATERIALIZED ({_LATEST})
SELECT latest.*, author.name FROM latest JOIN author ON author.id = latest.author_id
ORDER BY post_id, created_at DESC, latest.id DESC"""

_AUTHORS = "SELECT id, name FROM author WHERE id = ANY($1::int[])"


@asynccontextmanager
async def _batched(dataset: Dataset) -> AsyncIterator[Request]:
    async with asyncpg_pool(dataset) as pool:

        async def request() -> bytes:
            async with pool.acquire() as connection:
                posts = await connection.fetch(POSTS)
                ids = [post[0] for post in posts]
                tags = await connection.fetch(_TAGS, ids)
                comments = await connection.fetch(COMMENTS, ids)
                # The authors of both: one statement, since nothing else waits for those of the posts.
                wanted = {post[4] for post in posts}
                wanted.update(comment[4] for comment in comments)
                found = await connection.fetch(_AUTHORS, list(wanted))
            authors = {id_: {"id": id_, "name": name} for id_, name in found}
            answer = posts_with(posts, tags_by_post(ids, tags), comments, authors)
            return orjson.dumps(answer, option=orjson.OPT_UTC_Z)

        yield request


@asynccontextmanager
async def _fewest(dataset: Dataset) -> AsyncIterator[Request]:
    async with asyncpg_pool(dataset) as pool:

        async def request() -> bytes:
            async with pool.acquire() as connection:
                posts = await connection.fetch(POSTS_WITH_AUTHOR)
                ids = [post[0] for post in posts]
                tags = await connection.fetch(_TAGS, ids)
                comments = await connection.fetch(COMMENTS_WITH_AUTHOR, ids)
            answer = posts_joined(posts, tags_by_post(ids, tags), comments)
            return orjson.dumps(answer, option=orjson.OPT_UTC_Z)

        yield request


RAW = Stack("raw_asyncpg", "raw asyncpg by hand, 4 statements on its own pool, orjson", _batched)
RAW_FEWEST = Stack("raw_asyncpg_fewest", "the same, authors joined: 3 statements", _fewest)
