"""Consistency tokens in FastAPI: whatever writes answers with one, whoever then reads sees it."""

from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.middleware.cors import CORSMiddleware

from batchrepo import Database, DeclarationError, Scope
from batchrepo.integrations.fastapi import Provide, TokenTransport, install, lifespan, resource
from tests.integrations.notes import Note, NoteCreate, NoteRepository, NoteUpdate, NoteView, two_servers

HEADER = "Consistency-Token"


@pytest.fixture
async def db(tmp_path):
    async with two_servers(tmp_path) as opened:
        yield opened


async def write(scope: Scope, text: str = "written") -> None:
    async with scope.transaction():
        (await NoteRepository(scope).get(1)).text = text


def application(database: Database, **options: Any) -> FastAPI:
    app = FastAPI(lifespan=lifespan(database))
    install(app, database, **options)
    app.include_router(
        resource(
            NoteRepository,
            view=NoteView,
            prefix="/notes",
            create=NoteCreate,
            update=NoteUpdate,
            operations=("list", "one", "create", "update", "delete", "bulk"),
            dry_run=True,
        )
    )

    @app.post("/raises")
    async def raises(scope: Provide[Scope]) -> None:
        await write(scope)
        raise RuntimeError("after the commit")

    async def committing(scope: Provide[Scope]) -> Any:
        yield scope
        await write(scope)

    @app.post("/function-dependency")
    async def function_dependency(scope: Annotated[Any, Depends(committing, scope="function")]) -> None: ...

    @app.post("/request-dependency")
    async def request_dependency(scope: Annotated[Any, Depends(committing, scope="request")]) -> None: ...

    @app.post("/background")
    async def background(scope: Provide[Scope], tasks: BackgroundTasks) -> None:
        tasks.add_task(write, scope)

    return app


WRITES = {
    "create": ("POST", "/notes", {"text": "new"}),
    "update": ("PATCH", "/notes/1", {"text": "written"}),
    "delete": ("DELETE", "/notes/2", None),
    "create many": ("POST", "/notes/bulk", [{"text": "new"}]),
    "update many": ("PATCH", "/notes/bulk", [{"id": 1, "text": "written"}]),
    "delete many": ("DELETE", "/notes/bulk?id=2", None),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_after_whatever_a_resource_writes_its_list_shows_it(db, client, write):
    method, path, body = write
    before = [{"id": 1, "text": "replica"}, {"id": 2, "text": "replica"}]
    async with client(application(db)) as writer, client(application(db)) as other:
        assert (await writer.get("/notes")).json()["items"] == before
        answer = await writer.request(method, path, json=body)
        assert answer.is_success, answer.text
        assert answer.cookies["batchrepo"] == answer.headers[HEADER]
        after = (await writer.get("/notes")).json()["items"]
        assert (await other.get("/notes")).json()["items"] == before
    texts = {note["id"]: note["text"] for note in after}
    assert texts[1] == ("written" if method == "PATCH" else "primary")
    assert (3 in texts, 2 in texts) == (method == "POST", method != "DELETE")


@pytest.mark.parametrize("path", ["/notes?dry_run=true", "/notes/bulk?dry_run=true"])
async def test_a_dry_run_has_none(db, client, path):
    body: Any = [{"text": "new"}] if "bulk" in path else {"text": "new"}
    async with client(application(db)) as http:
        answer = await http.post(path, json=body)
    assert answer.is_success, answer.text
    assert not {"set-cookie", HEADER.lower()} & set(answer.headers)


async def test_what_was_refused_has_none(db, client):
    async with client(application(db)) as http:
        for answer in (
            await http.patch("/notes/99", json={"text": "x"}),
            await http.patch("/notes/1", json={"text": "x"}, headers={"If-Match": '"another"'}),
            await http.post("/notes", json={}),
        ):
            assert answer.status_code in (404, 412, 422)
            assert not {"set-cookie", HEADER.lower()} & set(answer.headers)


async def test_the_tag_of_an_older_answer_is_no_304_after_a_write(db, client):
    """The replica still has the representation that the client knows."""
    async with client(application(db)) as http:
        known = {"If-None-Match": (await http.get("/notes/1")).headers["ETag"]}
        assert (await http.get("/notes/1", headers=known)).status_code == 304
        await http.patch("/notes/1", json={"text": "written"})
        answer = await http.get("/notes/1", headers=known)
    assert (answer.status_code, answer.json()["text"]) == (200, "written")
    assert answer.headers["Cache-Control"] == "private, no-cache"


async def test_an_error_that_nobody_expected_carries_it_too(db, client):
    """Starlette answers it outside of every middleware."""
    async with client(application(db), raises=False) as http:
        answer = await http.post("/raises")
        assert (answer.status_code, answer.headers["X-Statements"]) == (500, "2")
        assert answer.cookies["batchrepo"] == answer.headers[HEADER]
        assert (await http.get("/notes/1")).json()["text"] == "written"


@pytest.mark.parametrize(
    ("path", "told"),
    [("/function-dependency", True), ("/request-dependency", False), ("/background", False)],
)
async def test_what_is_committed_before_the_answer_starts_is_told(db, client, path, told):
    async with client(application(db)) as http:
        answer = await http.post(path)
        assert answer.is_success, answer.text
        assert (HEADER in answer.headers, "batchrepo" in answer.cookies) == (told, told)
        async with db.scope() as scope, scope.transaction():
            assert (await NoteRepository(scope).get(1)).text == "written"


async def test_a_scope_that_an_endpoint_opens_by_itself_belongs_to_the_request(db, client):
    app = application(db)

    async def text_in_a_scope() -> str:
        async with db.scope() as scope:
            return (await NoteRepository(scope).get(1, NoteView)).text

    @app.get("/own")
    async def own() -> list[str]:
        before = await text_in_a_scope()
        async with db.scope() as scope:
            await write(scope)
        return [before, await text_in_a_scope()]

    async with client(app) as http:
        answer = await http.get("/own")
        assert answer.json() == ["replica", "written"]
        assert HEADER in answer.headers
        assert (await http.get("/own")).json() == ["written"] * 2
    assert await text_in_a_scope() == "replica"  # outside of any request nothing is shared


async def test_a_browser_of_another_origin_reads_the_header_where_it_is_exposed(db, client):
    app = application(db, tokens=TokenTransport(cookie=None))
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["http://shop.test"],
        allow_methods=["*"],
        allow_headers=[HEADER],
        expose_headers=[HEADER],
    )
    origin = {"Origin": "http://shop.test"}
    async with client(app) as http:
        answer = await http.patch("/notes/1", json={"text": "written"}, headers=origin)
        assert HEADER in answer.headers["Access-Control-Expose-Headers"]
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": HEADER}
        assert (await http.options("/notes/1", headers={**origin, **asked})).status_code == 200
        after = await http.get("/notes/1", headers={**origin, HEADER: answer.headers[HEADER]})
    assert after.json()["text"] == "written"


async def test_a_mounted_application_shares_what_its_request_has_written(db, client):
    inner = FastAPI()

    @inner.post("/write")
    async def written(scope: Provide[Scope]) -> None:
        await write(scope)

    app = application(db)
    app.mount("/inner", inner)
    async with client(app) as http:
        await http.post("/inner/write")
        assert (await http.get("/notes/1")).json()["text"] == "written"


async def test_a_part_with_a_scope_of_its_own_and_the_shared_one(db, client):
    app = application(db)

    @app.get("/both")
    async def both(scope: Provide[Scope], notes: Provide[NoteRepository]) -> list[str]:
        before = (await notes.find(NoteView, Note.id == 1))[0].text
        async with scope.routed(db.routing) as part:
            await write(part)
        return [before, (await notes.find(NoteView, Note.id == 1))[0].text]

    async with client(app) as http:
        answer = await http.get("/both")
    assert answer.json() == ["replica", "written"]
    assert HEADER in answer.headers


def test_something_else_than_a_transport_is_refused(db):
    with pytest.raises(DeclarationError, match=r"tokens= expects a TokenTransport"):
        install(FastAPI(), db, tokens={"cookie": "x"})
