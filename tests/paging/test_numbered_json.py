"""Pages by number as bytes: the same as views, and only the fields that were asked for."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, Field

from batchrepo import Database, InvalidArgument, InvalidFields
from batchrepo.plan.pages import etag_of
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album
from examples.chinook.repositories import REPOSITORIES, AlbumRepository
from examples.chinook.views import AlbumView


class Aliased(BaseModel):
    id: int
    title: str = Field(serialization_alias="name")


@pytest.fixture
async def albums(chinook_url):
    async with Database(chinook_url, repositories=REPOSITORIES) as database, database.scope() as scope:
        yield AlbumRepository(scope)


@pytest.mark.parametrize("total", ["exact", None])
@pytest.mark.parametrize("view", [AlbumView, Aliased])
async def test_it_equals_the_page_of_views(albums, view, total):
    asked = {"number": 3, "size": 7, "order_by": Album.id.desc(), "total": total}
    page = await albums.numbered_page(view, Album.id > 9, **asked)
    reply = await albums.numbered_page_json(view, Album.id > 9, **asked)
    assert json.loads(reply.body) == json.loads(page.model_dump_json(by_alias=True))
    assert (reply.number, reply.size, reply.total, reply.pages) == (3, 7, page.total, page.pages)
    assert reply.etag == etag_of(reply.body)
    names = await albums.numbered_page_json(view, Album.id > 9, **asked, by_alias=False)
    assert json.loads(names.items) == json.loads(page.model_dump_json(by_alias=False))["items"]


async def test_only_the_fields_that_were_asked_for_are_read(albums):
    with statement_counter(albums.scope.reading.engine) as seen:
        reply = await albums.numbered_page_json(AlbumView, size=2, fields="title", total=None)
    assert seen.count == 1
    assert [list(album) for album in json.loads(reply.items)] == [["title"], ["title"]]
    assert json.loads(reply.body)["pages"] is None


async def test_a_page_past_the_end_is_empty(albums):
    reply = await albums.numbered_page_json(AlbumView, number=400)
    assert (reply.items, reply.total, reply.pages) == (b"[]", 347, 18)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"number": 0}, InvalidArgument),
        ({"size": 1001}, InvalidArgument),
        ({"number": 10**9}, InvalidArgument),
        ({"total": "estimated"}, InvalidArgument),
        ({"fields": "titel"}, InvalidFields),
    ],
)
async def test_what_is_wrong_takes_no_statement(albums, asked, error):
    with statement_counter(albums.scope.reading.engine) as seen, pytest.raises(error):
        await albums.numbered_page_json(AlbumView, **asked)
    assert seen.count == 0
