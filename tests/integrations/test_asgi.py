"""The plain ASGI middleware: one scope per HTTP request, in any framework."""

import asyncio
import logging
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from batchrepo import (
    Database,
    DeclarationError,
    LazyLoad,
    NotFound,
    Repository,
    ScopeError,
    UnsavedChanges,
    current_scope,
    match,
)
from batchrepo.integrations.asgi import ScopeMiddleware, request_scope
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album
from examples.chinook.repositories import AlbumRepository, TrackRepository
from examples.chinook.views import AlbumItem, TrackItem
from tests.support.websockets import connect_websocket


class OwnAlbums(Repository[Album]):
    """Only the albums of the artist that the context is."""

    criteria = (match(Album.artist_id, lambda artist_id: artist_id),)


def application(endpoint: Any, database: Database, *before: Middleware, **options: Any) -> Starlette:
    middleware = [Middleware(ScopeMiddleware, database=database, **options), *before]
    return Starlette(routes=[Route("/", endpoint), Route("/{key:int}", endpoint)], middleware=middleware)


async def first_album(request: Request) -> Response:
    album = await AlbumRepository(current_scope()).get(1, AlbumItem)
    return PlainTextResponse(album.title)


# --- one scope ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lazy", [False, True])
async def test_a_request_has_one_scope(store, client, lazy):
    seen = []

    async def endpoint(request: Request) -> Response:
        assert (current_scope() is None) is lazy
        scope = await request_scope(request.scope)
        assert scope is current_scope() is await request_scope(request.scope)
        seen.append(scope)
        return JSONResponse((await AlbumRepository(scope).get(1, AlbumItem)).id)

    async with client(application(endpoint, store, lazy=lazy)) as http:
        with statement_counter(store.engine) as counted:
            first = await http.get("/")
        second = await http.get("/")
    assert (first.json(), second.json()) == (1, 1)
    assert counted.count == 3
    assert first.headers["X-Statements"] == "3"
    assert seen[0] is not seen[1]
    assert all(scope.closed for scope in seen)
    assert current_scope() is None
    assert store.engine.pool.checkedout() == 0


async def test_tasks_that_ask_at_once_get_the_same_scope(sqlite_store, client):
    async def context(asgi_scope: Any) -> str:
        await asyncio.sleep(0)
        return asgi_scope["path"]

    async def endpoint(request: Request) -> Response:
        first, second = await asyncio.gather(request_scope(request.scope), request_scope(request.scope))
        assert first is second
        return PlainTextResponse(first.context)

    async with client(application(endpoint, sqlite_store, lazy=True, context=context)) as http:
        assert (await http.get("/")).text == "/"


async def test_concurrent_requests_have_a_scope_each(store, client):
    scopes = set()

    async def endpoint(request: Request) -> Response:
        scopes.add(current_scope())
        album = await AlbumRepository(current_scope()).get(request.path_params["key"], AlbumItem)
        return JSONResponse(album.id)

    async with client(application(endpoint, store)) as http:
        answers = await asyncio.gather(*(http.get(f"/{n}") for n in range(1, 31)))
    assert [answer.json() for answer in answers] == list(range(1, 31))
    assert {answer.headers["X-Statements"] for answer in answers} == {"3"}
    assert len(scopes) == 30
    assert store.engine.pool.checkedout() == 0


async def test_a_request_that_asks_for_no_scope_opens_none(sqlite_store, client):
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("public")

    async with client(application(endpoint, sqlite_store, lazy=True)) as http:
        assert "X-Statements" not in (await http.get("/")).headers


async def test_it_knows_no_framework(sqlite_store, client):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        album = await AlbumRepository(current_scope()).get(1)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": album.title.encode()})

    async with client(ScopeMiddleware(app, sqlite_store)) as http:
        answer = await http.get("/")
    assert answer.text == "For Those About To Rock We Salute You"
    assert dict(answer.headers) == {"x-statements": "1"}


async def test_a_handler_in_another_task_has_it_too(sqlite_store, client):
    """Starlette's BaseHTTPMiddleware runs what is inside in a task of its own."""

    async def through(request: Request, call: Any) -> Response:
        return await call(request)

    inner = Middleware(BaseHTTPMiddleware, dispatch=through)
    for lazy in (True, False):

        async def endpoint(request: Request) -> Response:
            scope = await request_scope(request.scope)
            assert current_scope() is scope
            return await first_album(request)

        async with client(application(endpoint, sqlite_store, inner, lazy=lazy)) as http:
            answer = await http.get("/")
        assert (answer.status_code, answer.headers["X-Statements"]) == (200, "3")
        assert current_scope() is None


# --- how long it lives ----------------------------------------------------------------------------


async def test_a_streamed_body_and_a_background_task_may_read(store, client):
    scopes, titles = [], []

    async def endpoint(request: Request) -> Response:
        scope = current_scope()
        scopes.append(scope)

        async def lines():
            async for track in TrackRepository(scope).stream(TrackItem):
                yield track.model_dump_json() + "\n"

        async def later():
            titles.append((await AlbumRepository(scope).get(1)).title)

        return StreamingResponse(lines(), background=BackgroundTask(later))

    async with client(application(endpoint, store)) as http:
        answer = await http.get("/")
    assert len(answer.text.splitlines()) == 3503
    assert answer.headers["X-Statements"] == "0"  # when the response started
    assert titles == ["For Those About To Rock We Salute You"]
    assert scopes[0].closed
    assert store.engine.pool.checkedout() == 0


async def test_a_cancelled_request_closes_its_scope(store, client):
    scopes, reading = [], asyncio.Event()

    async def endpoint(request: Request) -> Response:
        scopes.append(current_scope())
        await AlbumRepository(current_scope()).get(1)
        reading.set()
        await asyncio.Event().wait()

    async with client(application(endpoint, store)) as http:
        request = asyncio.create_task(http.get("/"))
        await reading.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    assert scopes[0].closed
    assert store.engine.pool.checkedout() == 0


# --- the context ----------------------------------------------------------------------------------


async def artist_of(asgi_scope: Any) -> int:
    return int(dict(asgi_scope["headers"])[b"artist"])


@pytest.mark.parametrize("context", [artist_of, lambda scope: int(dict(scope["headers"])[b"artist"])])
async def test_the_context_comes_from_the_asgi_scope(chinook_sqlite, client, context):
    async def endpoint(request: Request) -> Response:
        albums = await OwnAlbums(current_scope()).find(order_by=Album.id)
        return JSONResponse([album.id for album in albums])

    async with (
        Database(chinook_sqlite, repositories=[OwnAlbums]) as database,
        client(application(endpoint, database, context=context)) as http,
    ):
        first = await http.get("/", headers={"artist": "1"})
        second = await http.get("/", headers={"artist": "2"})
    assert (first.json(), second.json()) == ([1, 4], [2, 3])


async def test_the_user_of_a_middleware_around_it_may_be_the_context(sqlite_store, client):
    from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser

    class Everybody(AuthenticationBackend):
        async def authenticate(self, conn: Any) -> Any:
            return AuthCredentials(), SimpleUser("ada")

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(current_scope().context.display_name)

    inside = application(endpoint, sqlite_store, context=lambda scope: scope["user"])
    async with client(AuthenticationMiddleware(inside, Everybody())) as http:
        assert (await http.get("/")).text == "ada"


async def test_a_context_that_is_not_found_is_answered(sqlite_store, client):
    def nobody(asgi_scope: Any) -> None:
        raise NotFound("User", ["ada"])

    async with client(application(first_album, sqlite_store, context=nobody)) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()["detail"]) == (404, "User has no row for key 'ada'.")
    assert "X-Statements" not in answer.headers


# --- errors ---------------------------------------------------------------------------------------


async def missing(request: Request) -> Response:
    await AlbumRepository(current_scope()).get(9999)


async def test_errors_become_problem_details(store, client):
    async with client(application(missing, store)) as http:
        answer = await http.get("/")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["X-Statements"] == "1"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Album has no row for key 9999.",
        "code": "NOT_FOUND",
    }


@pytest.mark.parametrize(
    "error", [LazyLoad("SELECT secret"), OperationalError("SELECT secret", {}, Exception())]
)
async def test_errors_of_the_server_go_to_the_log_only(sqlite_store, client, caplog, error):
    async def endpoint(request: Request) -> Response:
        raise error

    async with client(application(endpoint, sqlite_store)) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert "secret" not in answer.text
    (record,) = [record for record in caplog.records if record.name == "batchrepo"]
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("GET / failed: ")
    assert record.exc_info[1] is error


async def test_a_database_that_does_not_answer_is_asked_again_later(client):
    # Port 1 is reserved and nothing listens there.
    async with (
        Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing", repositories=[AlbumRepository]) as db,
        client(application(first_album, db)) as http,
    ):
        answer = await http.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


async def test_other_errors_and_answers_are_the_frameworks(sqlite_store, client):
    async def endpoint(request: Request) -> Response:
        raise HTTPException(418) if request.url.path == "/" else KeyError("mine")

    async with client(application(endpoint, sqlite_store)) as http:
        assert (await http.get("/")).text == "I'm a Teapot"
        with pytest.raises(KeyError):
            await http.get("/1")


async def test_errors_may_be_left_to_the_framework(sqlite_store, client):
    async with client(application(missing, sqlite_store, problems=False)) as http:
        with pytest.raises(NotFound):
            await http.get("/")


async def test_an_error_after_the_response_has_started_goes_to_the_server(sqlite_store, client):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await AlbumRepository(current_scope()).get(9999)

    async with client(ScopeMiddleware(app, sqlite_store)) as http:
        with pytest.raises(NotFound):
            await http.get("/")


# --- unsaved changes ------------------------------------------------------------------------------


async def change(status: int) -> Response:
    album = await AlbumRepository(current_scope()).get(1)
    album.title = "Changed"
    return PlainTextResponse("saved", status)


@pytest.mark.parametrize("handled", [False, True])
async def test_unsaved_changes_are_an_error_before_the_response_starts(sqlite_store, client, caplog, handled):
    """Also where the framework turns an error while it sends into another one, as Starlette does if it has a
    handler for it."""

    async def endpoint(request: Request) -> Response:
        return await change(200)

    app = application(endpoint, sqlite_store)
    if handled:
        app.add_exception_handler(UnsavedChanges, lambda request, error: PlainTextResponse("handled"))
    async with client(app) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert "Album 1 (title)" in caplog.text


async def test_an_answer_that_is_an_error_goes_out_in_spite_of_unsaved_changes(sqlite_store, client, caplog):
    async def endpoint(request: Request) -> Response:
        return await change(409)

    async with client(application(endpoint, sqlite_store)) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.text) == (409, "saved")
    assert "Album 1" not in caplog.text


async def test_unsaved_changes_of_a_background_task_go_to_the_server(sqlite_store, client):
    async def endpoint(request: Request) -> Response:
        async def later() -> None:
            await change(200)

        return PlainTextResponse("sent", background=BackgroundTask(later))

    async with client(application(endpoint, sqlite_store)) as http:
        with pytest.raises(UnsavedChanges):
            await http.get("/")


# --- what is no request ---------------------------------------------------------------------------


async def test_a_websocket_has_no_scope(sqlite_store):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert current_scope() is None
        await request_scope(scope)

    with pytest.raises(
        ScopeError, match=r"This websocket connection has no scope.* async with database.scope"
    ):
        await connect_websocket(ScopeMiddleware(app, sqlite_store), "/")


async def test_without_the_middleware_the_error_says_what_to_do():
    with pytest.raises(ScopeError, match=r"HTTP requests get one from ScopeMiddleware\(app, database\)"):
        await request_scope({"type": "http"})


def test_a_header_that_is_no_field_name_is_refused(sqlite_store):
    with pytest.raises(DeclarationError, match="is no name of a header"):
        ScopeMiddleware(None, sqlite_store, statement_header="X Statements")
