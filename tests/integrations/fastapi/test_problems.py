"""Errors as problem details: what a client is told, and what only the log is."""

import logging

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse
from sqlalchemy import func

from batchrepo import (
    BatchRepoError,
    BatchTimeout,
    Database,
    DatabaseUnavailable,
    InvalidArgument,
    LazyLoad,
    MissingContext,
    NotFound,
    Scope,
    ScopeClosed,
    StatementBudgetExceeded,
    UnsavedChanges,
)
from batchrepo.integrations.fastapi import Problem, Provide, install
from examples.chinook.models import Album
from examples.chinook.repositories import REPOSITORIES, AlbumRepository
from examples.chinook.store import open_store
from tests.support.websockets import connect_websocket

GENERAL = "The server could not answer this request."
SECRET = "SELECT secret FROM vault"

TOLD = [
    (NotFound("Album", [7]), 404, "Not Found", "NOT_FOUND", "Album has no row for key 7."),
    (InvalidArgument("first: 0"), 400, "Bad Request", "INVALID_ARGUMENT", "first: 0"),
]
KEPT = [
    (MissingContext(SECRET), 500, "Internal Server Error", "MISSING_CONTEXT", GENERAL),
    (LazyLoad(SECRET), 500, "Internal Server Error", "INTERNAL", GENERAL),
    (ScopeClosed(SECRET), 500, "Internal Server Error", "INTERNAL", GENERAL),
    (UnsavedChanges(SECRET), 500, "Internal Server Error", "INTERNAL", GENERAL),
    (BatchRepoError(SECRET), 500, "Internal Server Error", "INTERNAL", GENERAL),
    (
        StatementBudgetExceeded(SECRET),
        500,
        "Internal Server Error",
        "STATEMENT_BUDGET_EXCEEDED",
        "Answering this takes more work than one request may do.",
    ),
    (
        DatabaseUnavailable(SECRET),
        503,
        "Service Unavailable",
        "DATABASE_UNAVAILABLE",
        "The database cannot be reached at the moment.",
    ),
    (
        BatchTimeout(SECRET),
        504,
        "Gateway Timeout",
        "TIMEOUT",
        "A source that the answer depends on took too long.",
    ),
]


def failing(database: Database, error: Exception, **options: object) -> FastAPI:
    app = FastAPI(**options)
    install(app, database)

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> None:
        await albums.count()
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "status", "title", "code", "detail"),
    TOLD + KEPT,
    ids=[type(row[0]).__name__ for row in TOLD + KEPT],
)
async def test_every_error_has_its_problem(sqlite_store, client, error, status, title, code, detail):
    async with client(failing(sqlite_store, error)) as http:
        answer = await http.get("/")
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["X-Statements"] == "1"
    expected = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code}
    assert answer.json() == expected
    assert Problem.model_validate(answer.json())


@pytest.mark.parametrize(("error", "logged"), [(TOLD[0][0], 0), (KEPT[1][0], 1)])
async def test_the_log_gets_what_is_not_the_clients_fault(sqlite_store, client, caplog, error, logged):
    async with client(failing(sqlite_store, error)) as http:
        await http.get("/")
    records = [record for record in caplog.records if record.name == "batchrepo"]
    assert len(records) == logged
    for record in records:
        assert record.levelno == logging.ERROR
        assert record.getMessage() == f"GET / failed: {SECRET}"
        assert record.exc_info[1] is error


async def test_an_application_in_debug_mode_tells_all(sqlite_store, client):
    async with client(failing(sqlite_store, LazyLoad(SECRET), debug=True)) as http:
        assert (await http.get("/")).json()["detail"] == SECRET


@pytest.mark.parametrize("before", [True, False])
async def test_a_handler_of_the_application_comes_first(sqlite_store, client, before):
    async def mine(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("mine", 410)

    app = FastAPI()
    if before:
        app.add_exception_handler(BatchRepoError, mine)
    install(app, sqlite_store)
    if not before:
        app.add_exception_handler(NotFound, mine)

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> None:
        await albums.get(9999)

    async with client(app) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.text) == (410, "mine")


async def test_an_error_of_the_database_never_shows_its_statement(store, client):
    app = FastAPI()
    install(app, store)

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> None:
        await albums.find(func.no_such_function(Album.id) == 1)

    async with client(app, raises=False) as http:
        answer = await http.get("/")
    assert answer.status_code == 500
    assert "no_such_function" not in answer.text
    assert "SELECT" not in answer.text
    assert store.engine.pool.checkedout() == 0


async def test_a_database_that_does_not_answer_is_a_503(client):
    # Port 1 is reserved and nothing listens there.
    async with open_store("postgresql+asyncpg://nobody@127.0.0.1:1/nothing") as database:
        app = FastAPI()
        install(app, database)

        @app.get("/")
        async def endpoint(albums: Provide[AlbumRepository]) -> None:
            await albums.get(1)

        async with client(app) as http:
            answer = await http.get("/")
    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert answer.headers["Retry-After"] == "5"
    assert "127.0.0.1" not in answer.text


async def test_a_budget_holds_over_the_whole_request(chinook_sqlite, client, caplog):
    async with Database(chinook_sqlite, repositories=REPOSITORIES, max_statements=2) as database:
        app = FastAPI()
        install(app, database)

        @app.get("/")
        async def endpoint(albums: Provide[AlbumRepository], scope: Provide[Scope]) -> None:
            album = await albums.get(1)
            await scope.related(album, Album.artist)
            await scope.related(album, Album.tracks)

        async with client(app) as http:
            answer = await http.get("/")
    assert (answer.status_code, answer.json()["code"]) == (500, "STATEMENT_BUDGET_EXCEEDED")
    assert answer.headers["X-Statements"] == "2"
    assert "Album.tracks" in caplog.text


async def test_in_a_websocket_the_error_is_the_applications(sqlite_store):
    app = FastAPI()
    install(app, sqlite_store)

    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        async with sqlite_store.scope() as scope:
            await AlbumRepository(scope).get(9999)

    with pytest.raises(NotFound):
        await connect_websocket(app, "/")
