"""`install`: the Database of an application, the header, and the context of its scopes."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Header, HTTPException, Query, Request, Response

from batchrepo import Database, DeclarationError, Repository, Scope, match
from batchrepo.integrations.fastapi import Provide, install
from examples.chinook.models import Album
from examples.chinook.repositories import AlbumRepository


class OwnAlbums(Repository[Album]):
    """Only the albums of the artist that the context is."""

    criteria = (match(Album.artist_id, lambda artist_id: artist_id),)


@pytest.fixture
async def own_albums(chinook_sqlite):
    async with Database(chinook_sqlite, repositories=[OwnAlbums]) as database:
        yield database


# --- the application ------------------------------------------------------------------------------


def test_a_second_call_is_refused(sqlite_store):
    app = FastAPI()
    install(app, sqlite_store)
    with pytest.raises(DeclarationError, match="called before for this application"):
        install(app, sqlite_store)


async def test_a_call_after_the_start_is_refused(sqlite_store, client):
    app = FastAPI()
    async with client(app) as http:
        await http.get("/")
    with pytest.raises(DeclarationError, match="came after the application's start"):
        install(app, sqlite_store)


# --- the header -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"x-statements": "2"}),
        ({"statement_header": "X-SQL"}, {"x-sql": "2"}),
        ({"statement_header": None}, {}),
    ],
)
async def test_the_header_says_how_many_statements_were_run(sqlite_store, client, options, expected):
    app = FastAPI()
    install(app, sqlite_store, **options)

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> int:
        return await albums.count() + await albums.count(Album.id < 0)

    async with client(app) as http:
        answer = await http.get("/")
    assert answer.json() == 347
    assert {name: value for name, value in answer.headers.items() if name.startswith("x-")} == expected


async def test_a_request_that_opens_no_scope_has_no_header(sqlite_store, client):
    app = FastAPI()
    install(app, sqlite_store)

    @app.get("/")
    async def endpoint() -> None: ...

    async with client(app) as http:
        assert "X-Statements" not in (await http.get("/")).headers


@pytest.mark.parametrize("header", ["", "X Statements", "X-Größe", "X:"])
def test_a_header_that_is_no_field_name_is_refused(sqlite_store, header):
    with pytest.raises(
        DeclarationError, match=r"is no name of a header. Expected one such as 'X-Statements'"
    ):
        install(FastAPI(), sqlite_store, statement_header=header)


# --- the context ----------------------------------------------------------------------------------


def application(database: Database, context: Any) -> FastAPI:
    app = FastAPI()
    install(app, database, context=context)

    @app.get("/")
    async def endpoint(albums: Provide[OwnAlbums], scope: Provide[Scope]) -> tuple[Any, list[int]]:
        return scope.context, [album.id for album in await albums.find(order_by=Album.id)]

    @app.get("/public")
    async def public() -> str:
        return "public"

    return app


def current_artist(artist: Annotated[int, Header()]) -> int:
    return artist


async def from_a_dependency(artist: Annotated[int, Depends(current_artist)]) -> int:
    return artist


async def from_the_request(request: Request) -> int:
    return int(request.headers["artist"])


async def with_an_end(artist: Annotated[int, Header()]) -> AsyncIterator[int]:
    yield artist


@pytest.mark.parametrize("context", [current_artist, from_a_dependency, from_the_request, with_an_end])
async def test_the_context_comes_from_a_dependency(own_albums, client, context):
    async with client(application(own_albums, context)) as http:
        first = await http.get("/", headers={"artist": "1"})
        second = await http.get("/", headers={"artist": "2"})
    assert first.json() == [1, [1, 4]]
    assert second.json() == [2, [2, 3]]


async def test_what_the_dependency_needs_is_validated(own_albums, client):
    async with client(application(own_albums, current_artist)) as http:
        missing = await http.get("/")
        wrong = await http.get("/", headers={"artist": "AC/DC"})
        public = await http.get("/public")
    assert (missing.status_code, missing.json()["detail"]) == (422, "artist: Field required")
    assert (wrong.status_code, wrong.json()["errors"][0]["in"]) == (422, "header")
    assert (public.status_code, public.json()) == (200, "public")


async def test_the_dependency_may_refuse_the_request(own_albums, client):
    async def nobody() -> int:
        raise HTTPException(401, "Who are you?")

    async with client(application(own_albums, nobody)) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()["detail"]) == (401, "Who are you?")


async def test_the_dependency_is_solved_once_in_a_request(own_albums, client):
    solved = []

    async def context(artist: Annotated[int, Query()] = 1) -> int:
        solved.append(artist)
        return artist

    async with client(application(own_albums, context)) as http:
        await http.get("/?artist=2")
    assert solved == [2]


async def test_the_dependency_may_be_overridden_in_tests(own_albums, client):
    app = application(own_albums, from_a_dependency)
    app.dependency_overrides[current_artist] = lambda: 2
    async with client(app) as http:
        assert (await http.get("/")).json() == [2, [2, 3]]


async def test_the_dependency_may_set_headers_add_tasks_and_clean_up(own_albums, client):
    done = []

    async def context(response: Response, background: BackgroundTasks) -> AsyncIterator[int]:
        response.headers["X-Artist"] = "1"
        background.add_task(done.append, "task")
        yield 1
        done.append("end")

    async with client(application(own_albums, context)) as http:
        answer = await http.get("/")
    assert answer.headers["X-Artist"] == "1"
    assert done == ["task", "end"]


def test_a_dependency_that_fastapi_cannot_use_is_refused_when_it_is_installed(own_albums):
    def context(socket: httpx.Client) -> None: ...

    with pytest.raises(Exception, match=r"valid Pydantic field type"):
        install(FastAPI(), own_albums, context=context)


async def test_criteria_without_a_context_are_an_error_of_the_server(own_albums, client, caplog):
    async with client(application(own_albums, None)) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()["code"]) == (500, "MISSING_CONTEXT")
    assert "OwnAlbums" not in answer.text
    assert "artist_id" in caplog.text
