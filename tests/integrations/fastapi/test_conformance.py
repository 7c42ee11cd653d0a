"""Whatever a client sends within OpenAPI's description or beside it: no error of the server, and an answer as described."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
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
from tests.support.databases import EVERY_DATABASE, sqlite_file_url
from tests.support.serving import served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


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


SCHEMA = schemathesis.openapi.from_dict(application(open_catalogue("sqlite+aiosqlite://")).openapi())
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CASES = [
    pytest.param(operation, mode, id=f"{mode} {operation.label}")
    for operation in (result.ok() for result in SCHEMA.get_all_operations())
    for mode in (POSITIVE, NEGATIVE)
    if mode is POSITIVE
    or operation.definition.raw.get("parameters")  # without any there is nothing to get wrong
]


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


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_an_operation(address: str, operation: Any, mode: Any):
    @settings(
        max_examples=10,
        derandomize=True,  # the same requests in every run
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        case.call_and_validate(base_url=address, checks=CHECKS)

    holds()
