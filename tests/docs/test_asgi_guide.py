"""What docs/asgi.md shows runs on the Chinook store, and does what it says."""

import inspect
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from batchrepo import current_scope
from batchrepo.integrations.asgi import ScopeMiddleware
from batchrepo.testing.counting import statement_counter
from examples.chinook.repositories import AlbumRepository
from examples.chinook.store import open_store
from examples.chinook.views import AlbumItem
from tests.docs.pages import ROOT, names_of, python_blocks, run_block, text_of
from tests.integrations.notes import NoteRepository, two_servers

PAGE = ROOT / "docs" / "asgi.md"


class Everybody(AuthenticationBackend):
    async def authenticate(self, conn: Any) -> Any:
        return AuthCredentials(), SimpleUser("ada")


@pytest.fixture
async def names(chinook_url):
    async with open_store(chinook_url) as db:
        yield await names_of(
            PAGE, db=db, AlbumRepository=AlbumRepository, AlbumView=AlbumItem, backend=Everybody()
        )


def client(app: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://store")


async def test_the_application(names):
    with statement_counter(names["db"].engine) as seen:
        async with client(names["app"]) as http:
            page = await http.get("/albums")
            after = await http.get("/albums", params={"after": page.json()["end_cursor"]})
            one = await http.get(f"/albums/{page.json()['items'][0]['id']}")
            missing = await http.get("/albums/9999")
    assert len({album["id"] for album in page.json()["items"] + after.json()["items"]}) == 40
    assert one.json() == page.json()["items"][0]
    assert page.headers["ETag"].startswith('W/"')
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    statements = [int(answer.headers["X-Statements"]) for answer in (page, after, one, missing)]
    of_page = 1 if names["db"].engine.dialect.name == "postgresql" else 3
    assert statements == [of_page, of_page, 3, 1]
    assert seen.count == sum(statements)


async def test_its_lifespan_closes_the_database(names):
    pool = names["db"].engine.pool
    async with names["app"].router.lifespan_context(names["app"]):
        async with client(names["app"]) as http:
            await http.get("/albums/1")
        assert pool.checkedin() > 0
    assert names["db"].engine.pool.checkedin() == 0


async def test_a_dependency_of_the_framework(names):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        albums = await names["provide_albums"](Request(scope))
        assert await albums.count() == 347
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    assert isinstance(names["lazy"], ScopeMiddleware)
    async with client(ScopeMiddleware(app, names["db"], lazy=True)) as http:
        assert (await http.get("/")).headers["X-Statements"] == "1"


async def test_the_context(names):
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(current_scope().context.display_name)

    names["own"].routes.append(Route("/me", endpoint))
    async with client(names["own"]) as http:
        assert (await http.get("/me")).text == "ada"
        assert (await http.get("/albums/1")).headers["X-Statements"] == "3"


async def test_a_scope_for_each_message(names):
    sent = []

    class WebSocket:
        async def iter_text(self):
            yield "1"
            yield "2"

        async def send_text(self, text: str) -> None:
            sent.append(AlbumItem.model_validate_json(text).id)

    await names["echo"](WebSocket())
    assert sent == [1, 2]


async def test_replicas(tmp_path, names):
    (block,) = (block for block in python_blocks(PAGE) if "TokenTransport" in block)
    async with two_servers(tmp_path) as db:
        found = {"ScopeMiddleware": ScopeMiddleware, "app": notes_application(), "db": db}
        await run_block(block, PAGE, found)
        async with client(found["api"]) as http:
            token = (await http.post("/")).headers["Consistency-Token"]
            assert (await http.get("/")).text == "replica"
            answer = await http.get("/", headers={"Consistency-Token": token})
        assert answer.text == "written"
        async with client(ScopeMiddleware(notes_application(), db)) as http:
            assert (await http.post("/")).cookies["batchrepo"]
            assert (await http.get("/")).text == "written"


def notes_application() -> Starlette:
    async def endpoint(request: Request) -> Response:
        notes = NoteRepository(current_scope())
        if request.method == "POST":
            async with current_scope().transaction():
                (await notes.get(1)).text = "written"
        return PlainTextResponse((await notes.get(1)).text)

    return Starlette(routes=[Route("/", endpoint, methods=["GET", "POST"])])


def test_the_page_says_what_the_middleware_takes():
    for name in (
        "lazy=True",
        "context=",
        "statement_header=None",
        "problems=False",
        "database=db",
        "tokens=",
    ):
        assert name in text_of(PAGE)
        assert name.partition("=")[0] in inspect.signature(ScopeMiddleware).parameters
