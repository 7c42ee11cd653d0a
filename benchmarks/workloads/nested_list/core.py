"""Hand-written SQLAlchemy Core: constant statements, rows to dicts, orjson, one connection per request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.models import Author, Comment, Post, Tag, post_tag
from benchmarks.workload import Request, Stack
from benchmarks.workloads.nested_list.by_hand import posts_joined, posts_with, tags_by_post

_AUTHOR, _TAG, _POST, _COMMENT = (entity.__table__.c for entity in (Author, Tag, Post, Comment))
_ids = sa.bindparam("ids", type_=ARRAY(sa.Integer))
_parents = sa.func.unnest(_ids).table_valued(sa.column("id", sa.Integer)).render_derived(name="parents")

POSTS = (
    sa.select(_POST.id, _POST.title, _POST.body, _POST.created_at, _POST.author_id)
    .order_by(_POST.created_at.desc(), _POST.id.desc())
    .limit(50)
)
AUTHORS = sa.select(_AUTHOR.id, _AUTHOR.name).where(_AUTHOR.id == sa.func.any(_ids))
TAGS = (
    sa.select(post_tag.c.post_id, _TAG.id, _TAG.name)
    .join_from(post_tag, Tag.__table__)
    .where(post_tag.c.post_id == sa.func.any(_ids))
    .order_by(_TAG.id)
)
_latest = (
    sa.select(_COMMENT.id, _COMMENT.body, _COMMENT.created_at, _COMMENT.author_id)
    .where(_COMMENT.post_id == _parents.c.id)
    .order_by(_COMMENT.created_at.desc(), _COMMENT.id.desc())
    .limit(3)
    .correlate(_parents)
    .lateral("latest")
)
_l = _latest.c
COMMENTS = (
    sa.select(_parents.c.id, _l.id, _l.body, _l.created_at, _l.author_id)
    .select_from(_parents.join(_latest, sa.true()))
    .order_by(_parents.c.id, _l.created_at.desc(), _l.id.desc())
)
POSTS_WITH_AUTHOR = POSTS.add_columns(_AUTHOR.name).join_from(Post.__table__, Author.__table__)
# Materialized, or the authors might be scanned once for each post.
_found = (
    sa.select(_parents.c.id.label("post_id"), _l.id, _l.body, _l.created_at, _l.author_id)
    .select_from(_parents.join(_latest, sa.true()))
    .cte("found")
    .prefix_with("MATERIALIZED")
)
_f = _found.c
COMMENTS_WITH_AUTHOR = (
    sa.select(_f.post_id, _f.id, _f.body, _f.created_at, _f.author_id, _AUTHOR.name)
    .join_from(_found, Author.__table__, _AUTHOR.id == _f.author_id)
    .order_by(_f.post_id, _f.created_at.desc(), _f.id.desc())
)


@asynccontextmanager
async def _core(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)

    async def request() -> bytes:
        async with engine.connect() as connection:
            rows = (await connection.execute(POSTS)).all()
            ids = [row[0] for row in rows]
            wanted = list({row[4] for row in rows})
            authors = {
                id_: {"id": id_, "name": name}
                for id_, name in await connection.execute(AUTHORS, {"ids": wanted})
            }
            tags = tags_by_post(ids, (await connection.execute(TAGS, {"ids": ids})).all())
            found = (await connection.execute(COMMENTS, {"ids": ids})).all()
            missing = list({row[4] for row in found} - authors.keys())
            if missing:
                for id_, name in await connection.execute(AUTHORS, {"ids": missing}):
                    authors[id_] = {"id": id_, "name": name}
        answer = posts_with(rows, tags, found, authors)
        return orjson.dumps(answer, option=orjson.OPT_UTC_Z)

    try:
        yield request
    finally:
        await engine.dispose()


@asynccontextmanager
async def _core_fewest(dataset: Dataset) -> AsyncIterator[Request]:
    engine = reading_engine(dataset)

    async def request() -> bytes:
        async with engine.connect() as connection:
            rows = (await connection.execute(POSTS_WITH_AUTHOR)).all()
            ids = [row[0] for row in rows]
            tags = tags_by_post(ids, (await connection.execute(TAGS, {"ids": ids})).all())
            found = (await connection.execute(COMMENTS_WITH_AUTHOR, {"ids": ids})).all()
        answer = posts_joined(rows, tags, found)
        return orjson.dumps(answer, option=orjson.OPT_UTC_Z)

    try:
        yield request
    finally:
        await engine.dispose()


CORE = Stack("core", "hand-written Core, ANY + LATERAL, the same 5 statements as batchrepo, orjson", _core)
CORE_FEWEST = Stack("core_fewest", "hand-written Core, authors joined: 3 statements, orjson", _core_fewest)
