"""What docs/paging.md shows runs on the Chinook store, and gives what it says."""

from typing import Annotated

import pytest
from pydantic import BaseModel

import batchrepo
from batchrepo.testing import assert_statements
from examples.chinook import models
from examples.chinook.repositories import AlbumRepository, ArtistRepository, TrackRepository
from examples.chinook.store import open_store
from examples.chinook.views import AlbumItem
from tests.docs.pages import ROOT, names_of, python_blocks

PAGE = ROOT / "docs" / "paging.md"


class AlbumLine(BaseModel):
    id: int
    title: str


class TrackLine(BaseModel):
    id: int
    name: str


@pytest.fixture
async def db(chinook_url):
    async with open_store(chinook_url) as opened:
        yield opened


@pytest.fixture
async def names(db):
    async with db.scope() as scope:
        yield await names_of(
            PAGE,
            **{name: getattr(batchrepo, name) for name in batchrepo.__all__},
            **{name: getattr(models, name) for name in ("Album", "Artist", "Track")},
            scope=scope,
            albums=AlbumRepository(scope),
            AlbumRepository=AlbumRepository,
            ArtistRepository=ArtistRepository,
            TrackRepository=TrackRepository,
            AlbumView=AlbumItem,
            AlbumLine=AlbumLine,
            TrackLine=TrackLine,
            BaseModel=BaseModel,
            Annotated=Annotated,
        )


async def test_the_pages_follow_each_other(names):
    assert len(names["more"].items) == 20
    assert names["more"].has_previous
    assert names["back"].items[0].title == "...And Justice For All"
    assert not names["back"].has_previous


async def test_orders(names):
    assert names["longest"].items[0].title == "Lost, Season 3"


async def test_totals(names):
    assert (names["page"].total, names["page"].total_is) == (100, "at_least")


async def test_a_foreign_cursor_is_refused(names):
    assert names["reason"] == "order"


async def test_pages_of_relations(names):
    (ac_dc,) = (artist for artist in names["artists"].items if artist.name == "AC/DC")
    assert (len(ac_dc.albums.items), ac_dc.albums.total) == (2, 2)
    assert len(names["rest"].items) == 3
    assert [album.id for album in names["of_one"].items] == [94, 95, 96]


async def test_a_loop_loads_the_first_page_of_all_with_one_statement(db):
    async with db.scope() as scope:
        artists = await ArtistRepository(scope).find(models.Artist.name.in_(["Iron Maiden", "Metallica"]))
        with assert_statements(1, db):
            for artist in artists:
                await scope.related_page(artist, models.Artist.albums, AlbumLine, first=3)


async def test_chunks_and_numbers(names):
    assert names["place"] == names["chunk"].end_cursor
    assert not names["chunk"].has_next
    assert (names["third"].number, names["third"].total, names["third"].pages) == (3, 347, 18)


def test_the_page_has_these_blocks():
    assert len(python_blocks(PAGE)) == 8
