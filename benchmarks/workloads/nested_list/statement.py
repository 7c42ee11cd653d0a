"""One hand-written statement by raw asyncpg: the fastest ways by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import orjson

from benchmarks.data import Dataset
from benchmarks.pools import asyncpg_pool
from benchmarks.workload import Request, Stack

_POSTS = """
WITH posts AS MATERIALIZED (
    SELECT id, title, body, created_at, author_id FROM post ORDER BY created_at DESC, id DESC LIMIT 50
), tags AS (
    SELECT post_tag.post_id, {tags}
    FROM post_tag JOIN tag ON tag.id = post_tag.tag_id
    WHERE post_tag.post_id IN (SELECT id FROM posts) GROUP BY post_tag.post_id
), latest AS MATERIALIZED (
    SELECT posts.id AS post_id, latest.* FROM posts JOIN LATERAL (
        SELECT id, body, created_at, author_id FROM comment
        WHERE post_id = posts.id ORDER BY created_at DESC, id DESC LIMIT 3
    ) latest ON true
), comments AS (
    SELECT latest.post_id, {comments}
    FROM latest JOIN author ON author.id = latest.author_id GROUP BY latest.post_id
)
SELECT {answer}
FROM posts JOIN author ON author.id = posts.author_id
LEFT JOIN tags ON tags.post_id = posts.id LEFT JOIN comments ON comments.post_id = posts.id"""

_NEWEST = "ORDER BY posts.created_at DESC, posts.id DESC"
_LATEST = "ORDER BY latest.created_at DESC, latest.id DESC"
_UTC = """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""

WHOLE = _POSTS.format(
    tags="json_agg(json_build_object('id', tag.id, 'name', tag.name) ORDER BY tag.id) AS list",
    comments=f"""json_agg(
        json_build_object('id', latest.id, 'body', latest.body, 'created_at', {_UTC.format("latest.created_at")},
                          'author', json_build_object('id', author.id, 'name', author.name)) {_LATEST}) AS list""",
    answer=f"""json_agg(
    json_build_object('id', posts.id, 'title', posts.title, 'body', posts.body,
                      'created_at', {_UTC.format("posts.created_at")},
                      'author', json_build_object('id', author.id, 'name', author.name),
                      'tags', coalesce(tags.list, '[]'), 'latest_comments', coalesce(comments.list, '[]'))
    {_NEWEST})::text""",
)


_AUTHOR = """',"author":{"id":', author.id, ',"name":', to_json(author.name), '}'"""


TEXTS = _POSTS.format(
    tags="""string_agg(concat('{"id":', tag.id, ',"name":', to_json(tag.name), '}'), ',' ORDER BY tag.id) AS list""",
    comments=f"""string_agg(concat(
        '{{"id":', latest.id, ',"body":', to_json(latest.body),
        ',"created_at":"', {_UTC.format("latest.created_at")}, '"', {_AUTHOR}, '}}'), ',' {_LATEST}) AS list""",
    answer=f"""concat('[', string_agg(concat(
    '{{"id":', posts.id, ',"title":', to_json(posts.title), ',"body":', to_json(posts.body),
    ',"created_at":"', {_UTC.format("posts.created_at")}, '"', {_AUTHOR},
    ',"tags":[', tags.list, '],"latest_comments":[', comments.list, ']}}'), ',' {_NEWEST}), ']')""",
)

ARRAYS = (
    _POSTS.format(
        tags="array_agg(tag.id ORDER BY tag.id) AS ids, array_agg(tag.name ORDER BY tag.id) AS names",
        comments=", ".join(
            f"array_agg({value} {_LATEST}) AS {name}"
            for name, value in (
                ("ids", "latest.id"),
                ("bodies", "latest.body"),
                ("moments", "latest.created_at"),
                ("author_ids", "author.id"),
                ("authors", "author.name"),
            )
        ),
        answer="""posts.id, posts.title, posts.body, posts.created_at, author.id, author.name, tags.ids, tags.names,
    comments.ids, comments.bodies, comments.moments, comments.author_ids, comments.authors""",
    )
    + f" {_NEWEST}"
)


def _text(statement: str) -> Callable[[Dataset], AbstractAsyncContextManager[Request]]:
    @asynccontextmanager
    async def opened(dataset: Dataset) -> AsyncIterator[Request]:
        async with asyncpg_pool(dataset) as pool:

            async def request() -> bytes:
                async with pool.acquire() as connection:
                    text: str = await connection.fetchval(statement)
                return text.encode()

            yield request

    return opened


@asynccontextmanager
async def _arrays(dataset: Dataset) -> AsyncIterator[Request]:
    async with asyncpg_pool(dataset) as pool:

        async def request() -> bytes:
            async with pool.acquire() as connection:
                rows = await connection.fetch(ARRAYS)
            return orjson.dumps([_post(*row) for row in rows], option=orjson.OPT_UTC_Z)

        yield request


def _post(
    id_: int,
    title: str,
    body: str,
    created_at: Any,
    author_id: int,
    author: str,
    tag_ids: list[int] | None,
    tags: list[str] | None,
    comment_ids: list[int] | None,
    *of_comments: Any,
) -> dict[str, Any]:
    return {
        "id": id_,
        "title": title,
        "body": body,
        "created_at": created_at,
        "author": {"id": author_id, "name": author},
        "tags": [{"id": tag_id, "name": tag} for tag_id, tag in zip(tag_ids, tags or (), strict=True)]
        if tag_ids
        else [],
        "latest_comments": [
            {"id": comment_id, "body": text, "created_at": moment, "author": {"id": by, "name": name}}
            for comment_id, text, moment, by, name in zip(comment_ids, *of_comments, strict=True)
        ]
        if comment_ids
        else [],
    }


STATEMENT = Stack(
    "statement_by_hand",
    "one statement by hand with json_agg, raw asyncpg and its pool",
    _text(WHOLE),
)
STATEMENT_TEXTS = Stack("statement_texts", "the same, JSON made by concatenating texts", _text(TEXTS))
STATEMENT_ARRAYS = Stack(
    "statement_arrays", "one statement by hand with arrays for what belongs to a post, dicts, orjson", _arrays
)
