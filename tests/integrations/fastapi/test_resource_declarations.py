"""Mistakes in a `resource` are found when it is declared, or when the application starts."""

import re

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from batchrepo import Database, DeclarationError, Repository
from batchrepo.integrations.fastapi import install, lifespan, related, resource
from examples.chinook.models import Album, Track
from examples.chinook.repositories import AlbumRepository, ArtistRepository, TrackRepository
from examples.chinook.views import AlbumItem, TrackItem


class NoEntity(Repository):
    pass


class Misspelled(BaseModel):
    id: int
    titel: str


GOOD = {"view": AlbumItem, "prefix": "/albums"}


@pytest.mark.parametrize(
    ("repository", "options", "message"),
    [
        (Album, {}, "resource() expects a Repository class, such as AlbumRepository; got Album."),
        (NoEntity, {}, "NoEntity does not name its entity."),
        (AlbumRepository, {"view": Album}, "view= expects a view, which is a Pydantic model; got Album."),
        (
            AlbumRepository,
            {"list_view": int},
            "list_view= expects a view, which is a Pydantic model; got int.",
        ),
        (AlbumRepository, {"prefix": "albums"}, "prefix= expects a path without an end, such as '/albums'"),
        (AlbumRepository, {"prefix": "/albums/"}, "got '/albums/'"),
        (AlbumRepository, {"prefix": ""}, "got ''"),
        (
            AlbumRepository,
            {"operations": ["lists"]},
            "operations= expects some of list, one, many, count, create, update, delete, bulk; got",
        ),
        (AlbumRepository, {"operations": "list"}, "got 'list'"),
        (AlbumRepository, {"totals": {}}, "totals= expects names for ways to count"),
        (
            AlbumRepository,
            {"related": {"tracks": Album.tracks}},
            "related['tracks'] expects related(Album.tracks, TrackView); got Album.tracks.",
        ),
        (
            AlbumRepository,
            {"related": {"a/b": related(Album.tracks, TrackItem)}},
            "related['a/b']: expected a part of a path",
        ),
        (
            AlbumRepository,
            {"related": {"tracks": related(Album.tracks, Track)}},
            "related['tracks'] expects a view, which is a Pydantic model; got Track.",
        ),
        (
            AlbumRepository,
            {"related": {"tracks": related(Track.genre, TrackItem)}},
            "related['tracks']: Track.genre is not a relationship of Album.",
        ),
        (
            AlbumRepository,
            {"related": {"title": related(Album.title, TrackItem)}},
            "related['title']: Album.title is not a relationship of Album. It has: artist, tracks.",
        ),
        (
            AlbumRepository,
            {"related": {"tracks": related(Album.tracks, TrackItem, repository=ArtistRepository)}},
            "related['tracks']: ArtistRepository is not a repository of Track.",
        ),
    ],
)
def test_mistakes_are_named(repository, options, message):
    with pytest.raises(DeclarationError, match=re.escape(message)):
        resource(repository, **{**GOOD, **options})


def test_it_is_declared_before_there_is_a_database():
    assert resource(AlbumRepository, **GOOD).routes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"view": Misspelled}, "Misspelled.titel: Album has no attribute 'titel'. Did you mean 'title'?"),
        ({"list_view": Misspelled}, "Misspelled.titel"),
        (
            {"related": {"artist": related(Album.artist, AlbumItem)}},
            "AlbumItem.title: Artist has no attribute",
        ),
        (
            {"related": {"tracks": related(Album.tracks, Misspelled)}},
            "Misspelled.titel: Track has no attribute",
        ),
    ],
)
async def test_a_view_that_does_not_fit_keeps_the_application_from_starting(sqlite_store, options, message):
    app = FastAPI()
    install(app, sqlite_store)
    app.include_router(resource(AlbumRepository, **{**GOOD, **options}))
    with pytest.raises(DeclarationError, match=re.escape(message)):
        async with app.router.lifespan_context(app):
            raise AssertionError("it started")


async def test_a_repository_that_is_not_registered_keeps_it_from_starting(chinook_sqlite):
    database = Database(chinook_sqlite, repositories=[ArtistRepository, TrackRepository])
    app = FastAPI(lifespan=lifespan(database))
    install(app, database)
    app.include_router(resource(AlbumRepository, **GOOD))
    with pytest.raises(DeclarationError, match=r"AlbumRepository is not registered. Name it in Database\("):
        async with app.router.lifespan_context(app):
            raise AssertionError("it started")


async def test_a_resource_that_is_right_starts(sqlite_store):
    app = FastAPI(lifespan=lifespan(sqlite_store))
    install(app, sqlite_store)
    app.include_router(
        resource(
            AlbumRepository,
            **GOOD,
            related={"tracks": related(Album.tracks, TrackItem, repository=TrackRepository)},
        )
    )
    app.include_router(resource(ArtistRepository, view=Named, prefix="/artists"))
    started = []
    async with app.router.lifespan_context(app):
        started.append(True)
    assert started


class Named(BaseModel):
    id: int
    name: str


def test_names_of_operations_are_readable_and_may_be_chosen(sqlite_store):
    def operations(**options):
        app = FastAPI()
        shown = {"tracks": related(Album.tracks, TrackItem), "the-artist": related(Album.artist, Named)}
        app.include_router(resource(AlbumRepository, **{**GOOD, **options}, related=shown))
        return {each["get"]["operationId"] for each in app.openapi()["paths"].values()}

    assert operations() == {
        "list_albums",
        "get_album",
        "get_many_albums",
        "count_albums",
        "list_album_tracks",
        "get_album_the_artist",
    }
    assert {"get_admin_album", "list_admin_albums"} <= operations(prefix="/admin/albums")
    assert {"get_records_album", "list_records"} <= operations(prefix="/records")
    assert {"get_record", "list_records"} <= operations(names=("record", "records"))
