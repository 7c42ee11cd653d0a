"""Whatever a client sends within OpenAPI's description or beside it: no error of the server, and an answer as described."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import URL

from batchrepo import Database
from batchrepo.integrations.fastapi import install, lifespan, related, resource
from examples.chinook.models import Album, Employee, Playlist
from examples.chinook.repositories import ArtistRepository, EmployeeRepository, PlaylistRepository
from examples.chinook.views import (
    AlbumItem,
    ArtistView,
    EmployeeItem,
    EmployeeView,
    PlaylistItem,
    TrackItem,
)
from tests.integrations.fastapi.catalogue import Albums, Invoices, InvoiceView, Tracks, TrackView
from tests.support.conformance import cases_of, check
from tests.support.databases import EVERY_DATABASE, sqlite_file_url
from tests.support.serving import served

REPOSITORIES = (Albums, ArtistRepository, EmployeeRepository, Invoices, PlaylistRepository, Tracks)


def open_catalogue(url: str | URL) -> Database:
    return Database(url, repositories=REPOSITORIES, secret="secret")


def application(store: Database) -> FastAPI:
    app = FastAPI(lifespan=lifespan(store))
    install(app, store)
    tracks = {"tracks": related(Album.tracks, TrackView, repository=Tracks)}
    albums = tracks | {"artist": related(Album.artist, ArtistView)}
    boss = related(Employee.reports_to, EmployeeItem)
    staff = {"boss": boss, "reports": related(Employee.reports, EmployeeItem)}
    songs = {"tracks": related(Playlist.tracks, TrackItem)}
    for router in (
        resource(Albums, view=AlbumItem, prefix="/albums", related=albums),
        resource(EmployeeRepository, view=EmployeeView, prefix="/employees", related=staff),
        resource(Invoices, view=InvoiceView, prefix="/invoices", operations=["list", "count"]),
        resource(PlaylistRepository, view=PlaylistItem, prefix="/playlists", related=songs, numbered=True),
        resource(Tracks, view=TrackView, prefix="/tracks", numbered=True, operations=["list"]),
    ):
        app.include_router(router)
    return app


@pytest.fixture(scope="module", params=EVERY_DATABASE)
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The application on each database in turn."""
    if request.param == "sqlite":
        original = request.getfixturevalue("chinook_sqlite_original")
        copied = shutil.copyfile(original, tmp_path_factory.mktemp("served") / "chinook.db")
        url: Any = sqlite_file_url(copied)
    else:
        url = request.getfixturevalue("chinook_postgres")
    with served(application(open_catalogue(url))) as found:
        yield found


RIGHT, WRONG = cases_of(application(open_catalogue("sqlite+aiosqlite://")))


@pytest.mark.parametrize(("operation", "mode"), [*RIGHT, *WRONG])
def test_an_operation(address: str, operation: Any, mode: Any):
    check(operation, mode, address, examples=10)
