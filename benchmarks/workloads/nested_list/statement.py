"""One hand-written statement whose JSON the database makes, by raw asyncpg: the fastest way by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import make_url

from benchmarks.data import Dataset
from benchmarks.workload import Request, Stack

_UTC = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""

WHOLE = f"""
WITH posts AS MATERIALIZED (
    SELECT id, title, body, created_at, author_id FROM post ORDER BY created_at DESC, id DESC LIMIT 50
), tags AS (
    SELECT post_tag.post_id, json_agg(json_build_object('id', tag.id, 'name', tag.name) ORDER BY tag.id) AS list
    FROM post_tag JOIN tag ON tag.id = post_tag.tag_id
    WHERE post_tag.post_id IN (SELECT id FROM posts) GROUP BY post_tag.post_id
), comments AS (
    SELECT posts.id AS post_id, json_agg(
        json_build_object('id', latest.id, 'body', latest.body, 'created_at', {_UTC.format("latest.created_at")},
                          'author', json_build_object('id', author.id, 'name', author.name))
        ORDER BY latest.created_at DESC, latest.id DESC) AS list
    FROM posts JOIN LATERAL (
        SELECT id, body, created_at, author_id FROM comment
        WHERE post_id = posts.id ORDER BY created_at DESC, id DESC LIMIT 3
    ) latest ON true JOIN author ON author.id = latest.author_id GROUP BY posts.id
)
SELECT json_agg(
    json_build_object('id', posts.id, 'title', posts.title, 'body', posts.body,
                      'created_at', {_UTC.format("posts.created_at")},
                      'author', json_build_object('id', author.id, 'name', author.name),
                      'tags', coalesce(tags.list, '[]'), 'latest_comments', coalesce(comments.list, '[]'))
    ORDER BY posts.created_at DESC, posts.id DESC)::text
FROM posts JOIN author ON author.id = posts.author_id
LEFT JOIN tags ON tags.post_id = posts.id LEFT JOIN comments ON comments.post_id = posts.id"""


@asynccontextmanager
async def _whole(dataset: Dataset) -> AsyncIterator[Request]:
    url = make_url(dataset.url)
    host = url.query.get("host", url.host)
    pool = asyncpg.create_pool(
        host=host,
        port=url.port,
        user=url.username,
        password=url.password,
        database=url.database,
        min_size=1,
        max_size=5,
        reset=_nothing,
    )
    async with pool:

        async def request() -> bytes:
            async with pool.acquire() as connection:
                text: str = await connection.fetchval(WHOLE)
            return text.encode()

        yield request


async def _nothing(_connection: object) -> None:
    """Nothing is sent when a connection is returned."""


STATEMENT = Stack(
    "statement_by_hand", "one statement by hand with json_agg, raw asyncpg and its pool", _whole
)
