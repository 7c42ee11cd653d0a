"""What docs/transactions.md shows runs on the Chinook store, and gives what it says."""

from decimal import Decimal

import pytest

import batchrepo
from batchrepo.changes import Change
from examples.chinook import models
from examples.chinook.models import Album, Artist
from examples.chinook.repositories import AlbumRepository, ArtistRepository, TrackRepository
from examples.chinook.store import open_store
from tests.docs.pages import ROOT, names_of

PAGE = ROOT / "docs" / "transactions.md"


@pytest.fixture
def writable_url(request, database_url_name):
    return request.getfixturevalue(database_url_name)


@pytest.fixture(params=["chinook_sqlite", "chinook_postgres_copy"])
def database_url_name(request):
    return request.param


@pytest.fixture
async def db(writable_url):
    async with open_store(writable_url) as opened:
        yield opened


async def test_what_the_page_shows(db):
    names = await names_of(
        PAGE,
        **{name: getattr(batchrepo, name) for name in batchrepo.__all__},
        **{name: getattr(models, name) for name in ("Album", "Artist", "Track")},
        db=db,
        AlbumRepository=AlbumRepository,
        TrackRepository=TrackRepository,
    )
    assert names["price"] == Decimal("1.99")
    assert names["sent"][0] == "mail"
    assert names["change"] == Change(Artist, "insert", names["change"].keys)
    assert len(names["queue"]) == 10
    assert [track.id for track in names["both"]] == [2, 3]
    async with db.scope() as scope:
        assert (await AlbumRepository(scope).get(1)).title == "Restless and Wild (live)"
        (added,) = await ArtistRepository(scope).find(Artist.name == "AC/DC again")
        assert [album.title for album in await scope.related(added, Artist.albums)] == [
            "Back in Black, again"
        ]
        assert await AlbumRepository(scope).exists(Album.title == "Back in Black, again")
