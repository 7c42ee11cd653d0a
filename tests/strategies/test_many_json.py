"""Many rows by their keys, as JSON of batches: all of them or an error, and nothing is read for the error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from batchrepo import Database, NotFound
from batchrepo.events import Event, StatementEvent, observe
from batchrepo.testing import assert_statements
from examples.chinook.repositories import REPOSITORIES, AlbumRepository
from examples.chinook.views import AlbumView

BATCHED = "batched"


@pytest_asyncio.fixture
async def db(chinook_url: str) -> AsyncIterator[Database]:
    async with Database(chinook_url, repositories=REPOSITORIES) as database:
        yield database


@pytest_asyncio.fixture
async def albums(db: Database) -> AsyncIterator[AlbumRepository]:
    async with db.scope() as scope:
        yield AlbumRepository(scope)


async def test_it_equals_the_views(albums):
    keys = [94, 3, 1, 3]
    found = json.loads(await albums.get_many_json(keys, AlbumView, strategy=BATCHED))
    assert found == [view.model_dump() for view in await albums.get_many(keys, AlbumView)]
    assert await albums.get_many_json([], AlbumView) == b"[]"


async def test_what_belongs_to_rows_that_nobody_sees_is_not_read(db, albums):
    with assert_statements(1, db), pytest.raises(NotFound, match=r"^Album has no row for key 9999\.$"):
        await albums.get_many_json([1, 9999, 3], AlbumView, strategy=BATCHED)


async def test_each_caller_of_a_round_gets_its_own_answer(db, albums):
    """What belongs to a row is read if any caller sees the row."""
    events: list[Event] = []
    stop = observe(events.append)
    one, many, refused, missing = await asyncio.gather(
        albums.get_json(3, AlbumView, strategy=BATCHED),
        albums.get_many_json([1, 3], AlbumView, strategy=BATCHED),
        albums.get_many_json([1, 9999, 94], AlbumView, strategy=BATCHED),
        albums.get_json(8888, AlbumView, strategy=BATCHED),
        return_exceptions=True,
    )
    stop()
    assert json.loads(one) == json.loads(many)[1]
    assert [album["id"] for album in json.loads(many)] == [1, 3]
    assert isinstance(refused, NotFound)
    assert isinstance(missing, NotFound)
    assert (refused.keys, missing.keys) == ((9999,), (8888,))
    # Albums 1, 3, 94, 8888 and 9999, then what belongs to 1 and 3.
    assert sorted((event.cause, event.keys) for event in events if isinstance(event, StatementEvent)) == [
        ("Album by id", 5),
        ("Album.tracks", 2),
        ("Artist by id", 2),
        ("Genre by id", 1),
        ("count of Artist.albums", 2),
    ]
    with assert_statements(5, db):
        assert (
            json.loads(await albums.get_many_json([94], AlbumView, strategy=BATCHED))[0]["artist"]["name"]
            == "Iron Maiden"
        )
