"""Hostile fieldsets: each is an InvalidFields at once, no statement is sent, and nothing of the view is let out."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from batchrepo import Database, InvalidFields, parse_fields
from batchrepo.plan.fieldsets import check_fields
from batchrepo.testing import assert_statements
from examples.chinook.repositories import REPOSITORIES, AlbumRepository
from examples.chinook.views import AlbumView


@pytest_asyncio.fixture
async def db(chinook_sqlite: str) -> AsyncIterator[Database]:
    async with Database(chinook_sqlite, repositories=REPOSITORIES, views=[AlbumView]) as opened:
        yield opened


HOSTILE = [
    "(" * 10_000,
    ")" * 10_000,
    "artist(" * 10_000,
    "a." * 100_000,
    "," * 10_000,
    "a(" * 500 + "a" + ")" * 500,
    "tracks(genre(" * 100,
    "x" * 1_000_000,
    ",".join(f"name_{i}" for i in range(1_000)),
    ",".join(["id"] * 1_000),
    "id" + " " * 10_000,
    "__class__",
    "__class__.__mro__",
    "artist.__init__.__globals__",
    "model_config",
    "model_fields",
    "metadata",
    "_sa_instance_state",
    "artist_id",
    "artist.albums.artist",
    "tracks.album_id",
    "id; DROP TABLE album",
    "id' OR '1'='1",
    'id"',
    "id--",
    "id/*",
    "*",
    "tracks(*)",
    "{artist}",
    "%s",
    "{0.__class__}",
    "id\x00",
    "\x00",
    "\ud800",
    "\u202eid",
    "\uff49\uff44",
    "i\u0307d",
    "ID",
    "\u0130d",
    "\U0001f600" * 900,
    "id=1",
    "id:title",
    "[id]",
    "-id",
    "id title",
    "null",
    "None",
]


@pytest.mark.parametrize("fields", HOSTILE, ids=lambda text: ascii(text)[:30])
async def test_a_hostile_text_is_refused_at_once(db: Database, fields: str):
    started = time.perf_counter()
    async with db.scope() as scope:
        with assert_statements(0, db), pytest.raises(InvalidFields) as caught:
            await AlbumRepository(scope).find_json(AlbumView, fields=fields)
    assert time.perf_counter() - started < 2
    assert len(str(caught.value)) < 500, "the message is as bounded as the text"


@pytest.mark.parametrize(
    "fields", [0, 1.5, True, b"id", ["id"], ("id",), {"id"}, {"id": None}, object(), AlbumView]
)
async def test_what_is_no_text_is_refused(db: Database, fields: Any):
    async with db.scope() as scope:
        with assert_statements(0, db), pytest.raises(InvalidFields, match="fields= expects a text"):
            await AlbumRepository(scope).find_json(AlbumView, fields=fields)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    st.lists(st.sampled_from([*"(),. ", "id", "tracks", "genre", "name", "é", "\x00"]), max_size=30).map(
        "".join
    )
)
def test_nothing_else_than_an_invalid_fields_comes_out(text: str):
    """Of the text and of the names: the example's database is not even there."""
    reading = Database("sqlite+aiosqlite://", repositories=REPOSITORIES).reading
    info = reading.catalog.by_class[AlbumRepository]
    try:
        delivery, _ = reading.views(AlbumView, info.entity, info, fields=text)
    except InvalidFields:
        return
    assert delivery.narrowed is not None
    assert str(delivery.narrowed.fieldset) == str(parse_fields(text))


def test_near_names_are_names_of_the_view():
    """Album.artist_id and Track.album_id are columns, and nearer than anything that the view has."""
    with pytest.raises(InvalidFields, match=r"'artist_id'. Did you mean 'artist'\?$"):
        check_fields(parse_fields("artist_id"), AlbumView)
    with pytest.raises(
        InvalidFields, match=r"'albumid' \(in tracks\). It has: composer, genre, id, milliseconds, name.$"
    ):
        check_fields(parse_fields("tracks.albumid"), AlbumView)


class Tree(BaseModel):
    """A value that contains itself: how deep it can be asked for is up to the text."""

    name: str
    below: list[Tree]


def test_a_model_that_contains_itself_has_no_end_but_the_text_has():
    check_fields(parse_fields("below." * 9 + "name"), Tree)
    with pytest.raises(InvalidFields, match="Tree has no field 'nam'"):
        check_fields(parse_fields("below." * 9 + "nam"), Tree)


def test_repeated_names_do_not_multiply_work():
    """2 ** 10 paths, if each repetition were followed by itself."""
    text = "a"
    for _ in range(6):
        text = f"a({text}),a({text})"
    assert str(parse_fields(text)) == "a(a(a(a(a(a(a))))))"
