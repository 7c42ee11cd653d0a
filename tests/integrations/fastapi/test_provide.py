"""`Provide`: one scope per request, for as long as the request needs it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse
from sqlalchemy import event

from batchrepo import DeclarationError, Repository, Scope, ScopeError, UnsavedChanges, current_scope
from batchrepo.integrations.asgi import ScopeMiddleware
from batchrepo.integrations.fastapi import Provide, install
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album, Genre, MediaType, Track
from examples.chinook.repositories import AlbumRepository, ArtistRepository, TrackRepository
from examples.chinook.views import AlbumItem, TrackItem
from tests.support.websockets import connect_websocket


class MediaTypeRepository(Repository[MediaType]):
    """Not registered with the store."""


@pytest.fixture
def app(sqlite_store):
    app = FastAPI()
    install(app, sqlite_store)
    return app


# --- sharing --------------------------------------------------------------------------------------


async def test_all_that_a_request_asks_for_shares_one_scope(app, client):
    seen = []

    async def helper(albums: Provide[AlbumRepository], scope: Provide[Scope]) -> None:
        seen.append((albums, scope))

    @app.get("/")
    async def endpoint(
        albums: Provide[AlbumRepository],
        artists: Provide[ArtistRepository],
        scope: Provide[Scope],
        helped: Annotated[None, Depends(helper)],
    ) -> None:
        assert albums.scope is artists.scope is scope is current_scope()
        assert seen[-1] == (albums, scope)
        assert type(albums) is AlbumRepository
        seen.append(scope)

    async with client(app) as http:
        assert (await http.get("/")).status_code == 200
        assert (await http.get("/")).status_code == 200
    (_, first), second = seen[0], seen[3]
    assert first is not second
    assert first.closed
    assert second.closed
    assert current_scope() is None


async def test_what_one_repository_read_another_does_not_read_again(store, client):
    app = FastAPI()
    install(app, store)

    @app.get("/")
    async def endpoint(
        albums: Provide[AlbumRepository], tracks: Provide[TrackRepository], scope: Provide[Scope]
    ) -> int:
        track = await tracks.get(1)
        album = await albums.get(1)
        assert await scope.related(track, Track.album) is album
        return len(
            await asyncio.gather(
                *(scope.related(t, Track.genre) for t in await scope.related(album, Album.tracks))
            )
        )

    with statement_counter(store.engine) as seen:
        async with client(app) as http:
            answer = await http.get("/")
    assert answer.json() == 10
    assert seen.count == 4
    assert answer.headers["X-Statements"] == "4"


async def test_concurrent_requests_have_a_scope_each(store, client):
    app = FastAPI()
    install(app, store)
    scopes = []

    @app.get("/{album_id}")
    async def endpoint(album_id: int, albums: Provide[AlbumRepository], scope: Provide[Scope]) -> AlbumItem:
        scopes.append(scope)
        return await albums.get(album_id, AlbumItem)

    async with client(app) as http:
        answers = await asyncio.gather(*(http.get(f"/{n}") for n in range(1, 51)))
    assert [answer.json()["id"] for answer in answers] == list(range(1, 51))
    assert {answer.headers["X-Statements"] for answer in answers} == {"3"}
    assert len({id(scope) for scope in scopes}) == 50
    assert all(scope.closed for scope in scopes)
    assert store.engine.pool.checkedout() == 0


async def test_routers_and_mounted_applications_find_the_database(app, client):
    router = APIRouter(prefix="/inner")
    mounted = FastAPI()

    @router.get("/{album_id}")
    @mounted.get("/{album_id}")
    async def endpoint(album_id: int, albums: Provide[AlbumRepository]) -> AlbumItem:
        return await albums.get(album_id, AlbumItem)

    app.include_router(router, prefix="/outer")
    app.mount("/mounted", mounted)
    async with client(app) as http:
        answers = [await http.get("/outer/inner/1"), await http.get("/mounted/1")]
    assert [answer.json()["id"] for answer in answers] == [1, 1]
    assert [answer.headers["X-Statements"] for answer in answers] == ["3", "3"]


async def test_a_mounted_application_may_have_a_database_of_its_own(app, client, chinook_postgres):
    from examples.chinook.store import open_store

    async with open_store(chinook_postgres) as other:
        mounted = FastAPI()
        install(mounted, other, statement_header="X-Other")

        @mounted.get("/")
        @app.get("/")
        async def endpoint(scope: Provide[Scope], albums: Provide[AlbumRepository]) -> str:
            await albums.get(1)
            return scope.session.get_bind().dialect.name

        app.mount("/mounted", mounted)
        async with client(app) as http:
            outer, inner = await http.get("/"), await http.get("/mounted/")
    assert (outer.json(), inner.json()) == ("sqlite", "postgresql")
    assert (outer.headers.get("X-Statements"), outer.headers.get("X-Other")) == ("1", None)
    assert (inner.headers.get("X-Statements"), inner.headers.get("X-Other")) == (None, "1")


# --- how long a scope lives -----------------------------------------------------------------------


async def test_a_streamed_body_may_read(store, client):
    app = FastAPI()
    install(app, store)
    scopes = []

    @app.get("/")
    async def endpoint(tracks: Provide[TrackRepository]) -> StreamingResponse:
        scopes.append(tracks.scope)

        async def lines() -> AsyncIterator[str]:
            async for track in tracks.stream(TrackItem):
                yield track.model_dump_json() + "\n"

        return StreamingResponse(lines())

    async with client(app) as http:
        answer = await http.get("/")
    assert len(answer.text.splitlines()) == 3503
    assert answer.headers["X-Statements"] == "0"  # when the response started
    assert scopes[0].closed
    assert store.engine.pool.checkedout() == 0


async def test_a_background_task_may_read(app, client):
    titles = []

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository], background: BackgroundTasks) -> None:
        async def later() -> None:
            titles.append((await albums.get(1)).title)

        background.add_task(later)

    async with client(app) as http:
        await http.get("/")
    assert titles == ["For Those About To Rock We Salute You"]


async def test_a_dependency_with_yield_may_read_to_its_end(app, client):
    titles = []

    async def helper(albums: Provide[AlbumRepository]) -> AsyncIterator[None]:
        yield
        titles.append((await albums.get(1)).title)

    @app.get("/", dependencies=[Depends(helper)])
    async def endpoint() -> None:
        assert titles == []

    async with client(app) as http:
        await http.get("/")
    assert titles == ["For Those About To Rock We Salute You"]


async def test_unsaved_changes_are_an_error_before_the_response_starts(app, client, caplog):
    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> str:
        album = await albums.get(1)
        album.title = "Changed"
        return "saved"

    async with client(app) as http:
        answer = await http.get("/")
    assert answer.status_code == 500
    assert answer.json()["code"] == "INTERNAL"
    assert "Album 1 (title)" in caplog.text


async def test_a_request_that_failed_is_not_asked_about_its_changes(app, client, caplog):
    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> None:
        album = await albums.get(1)
        album.title = "Changed"
        raise HTTPException(409)

    async with client(app) as http:
        assert (await http.get("/")).status_code == 409
    assert caplog.text == ""


async def test_unsaved_changes_are_an_error_that_the_application_may_handle(app, client):
    async def mine(request: Request, error: UnsavedChanges) -> PlainTextResponse:
        return PlainTextResponse(str(error), 418)

    app.add_exception_handler(UnsavedChanges, mine)

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> None:
        album = await albums.get(1)
        album.title = "Changed"

    async with client(app) as http:
        answer = await http.get("/")
    assert (answer.status_code, "Album 1 (title)" in answer.text) == (418, True)


async def test_changes_after_the_endpoint_are_an_error_too(sqlite_store, client):
    """Made by a middleware that is further in: the application's handlers cannot see them any more."""
    kept = []

    class Changing:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def changed(message: Any) -> None:
                kept[-1].title = "Changed"
                await send(message)

            await self.inner(scope, receive, changed)

    app = FastAPI()
    app.add_middleware(Changing)
    install(app, sqlite_store)

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> None:
        kept.append(await albums.get(1))

    async with client(app, raises=False) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    async with client(app) as http:
        with pytest.raises(UnsavedChanges, match=r"Album 1 \(title\)"):
            await http.get("/")


@pytest.mark.parametrize("statement", [1, 2, 3, 4, 5])
async def test_a_cancelled_request_gives_its_connections_back(own_store, client, statement):
    """Cancelled while its nth statement is on its way."""
    from examples.fastapi_app.app import create_app

    app = create_app(own_store)
    underway = asyncio.Event()
    begun = []

    def note(*_: Any) -> None:
        begun.append(1)
        if len(begun) == statement:
            underway.set()

    event.listen(own_store.engine.sync_engine, "before_cursor_execute", note)
    async with client(app) as http:
        request = asyncio.create_task(http.get("/albums?first=1000"))
        await underway.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert own_store.engine.pool.checkedout() == 0
        assert current_scope() is None
        assert len((await http.get("/albums?first=1000")).json()["items"]) == 347
    assert own_store.engine.pool.checkedout() == 0


async def test_a_middleware_of_the_applications_own_will_do(store, client):
    """`Provide` finds the scope that the plain ASGI middleware opened."""
    app = FastAPI()
    app.add_middleware(ScopeMiddleware, database=store, context=lambda scope: scope["path"])

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> AlbumItem:
        assert albums.scope is current_scope()
        assert albums.scope.context == "/"
        return await albums.get(1, AlbumItem)

    async with client(app) as http:
        answer = await http.get("/")
    assert (answer.json()["id"], answer.headers["X-Statements"]) == (1, "3")


# --- plain functions ------------------------------------------------------------------------------


async def test_blocking_work_in_a_thread_gets_what_was_read_before(app, client):
    def blocking(album: AlbumItem) -> str:
        return f"{album.title} in {threading.current_thread().name}"

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> str:
        return await run_in_threadpool(blocking, await albums.get(1, AlbumItem))

    async with client(app) as http:
        assert "worker thread" in (await http.get("/")).json()


async def test_a_class_may_be_a_dependency_that_holds_a_repository(app, client):
    """FastAPI makes it in a thread, where it need not read."""

    class Service:
        def __init__(self, albums: Provide[AlbumRepository]) -> None:
            self.albums = albums

        async def title(self) -> str:
            return (await self.albums.get(1)).title

    @app.get("/")
    async def endpoint(service: Annotated[Service, Depends()]) -> str:
        return await service.title()

    async with client(app) as http:
        assert (await http.get("/")).json() == "For Those About To Rock We Salute You"


# --- misuse ---------------------------------------------------------------------------------------


async def test_without_install_the_error_says_what_to_call(client):
    app = FastAPI()

    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> None: ...

    async with client(app) as http:
        with pytest.raises(
            ScopeError, match=r"no Database in this application. Call install\(app, database\)"
        ):
            await http.get("/")


class PlainObject:
    def __call__(self, albums: Provide[AlbumRepository]) -> None: ...


def plain_function(albums: Provide[AlbumRepository]) -> None: ...


@pytest.mark.parametrize("endpoint", [plain_function, partial(plain_function), PlainObject()])
async def test_a_plain_function_is_refused(app, client, caplog, endpoint):
    app.get("/")(endpoint)
    async with client(app) as http:
        assert (await http.get("/")).status_code == 500
    assert "is a plain function, which FastAPI runs in a thread" in caplog.text
    assert "Write: async def" in caplog.text


async def test_a_plain_function_may_get_what_an_async_dependency_read(app, client):
    async def album(albums: Provide[AlbumRepository]) -> AlbumItem:
        return await albums.get(1, AlbumItem)

    @app.get("/")
    def endpoint(album: Annotated[AlbumItem, Depends(album)]) -> int:
        return album.track_count

    async with client(app) as http:
        assert (await http.get("/")).json() == 10


async def test_callable_objects_and_partials_are_endpoints_too(app, client):
    class Endpoint:
        async def __call__(self, albums: Provide[AlbumRepository]) -> str:
            return (await albums.get(1)).title

    async def endpoint(albums: Provide[AlbumRepository], key: int) -> str:
        return (await albums.get(key)).title

    app.get("/object")(Endpoint())
    app.get("/partial")(partial(endpoint, key=1))
    async with client(app) as http:
        assert (await http.get("/object")).status_code == 200
        assert (await http.get("/partial")).status_code == 200


async def test_a_repository_that_is_not_registered_is_not_the_clients_fault(app, client, caplog):
    @app.get("/")
    async def endpoint(media: Provide[MediaTypeRepository]) -> None: ...

    async with client(app) as http:
        assert (await http.get("/")).status_code == 500
    assert "MediaTypeRepository is not registered" in caplog.text


@pytest.mark.parametrize(
    ("target", "shown"),
    [(Genre, "Genre"), (Repository[Genre], "batchrepo.*Genre"), ("Genre", "Genre"), (int, "int")],
)
def test_only_repositories_and_the_scope_are_provided(target, shown):
    with pytest.raises(DeclarationError, match=rf"^Provide\[{shown}\]* expects a Repository class or Scope"):
        Provide[target]


async def test_a_websocket_is_told_to_open_a_scope_per_message(app):
    @app.websocket("/")
    async def endpoint(websocket: WebSocket, albums: Provide[AlbumRepository]) -> None: ...

    with pytest.raises(ScopeError, match=r"one per message: async with database.scope\(\) as scope"):
        await connect_websocket(app, "/")
