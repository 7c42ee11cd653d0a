"""What docs/fastapi.md shows runs on the Chinook store, and does what it says."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Response

import batchrepo
from batchrepo import Database
from batchrepo.integrations import fastapi as plug
from batchrepo.plan.pages import Page
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album, Artist
from examples.chinook.repositories import ArtistRepository
from examples.chinook.views import AlbumItem, TrackItem
from tests.docs.pages import ROOT, names_of, python_blocks, run_block, text_of
from tests.integrations.fastapi.catalogue import Tracks
from tests.integrations.notes import NoteRepository, two_servers

PAGE = ROOT / "docs" / "fastapi.md"


(DECLARED,) = (block for block in python_blocks(PAGE) if block.startswith("class AlbumRepository"))


@pytest.fixture
async def names(chinook_url):
    """The names of the page, on a store that is read."""
    async with page_on(chinook_url) as found:
        yield found


@pytest.fixture
async def writing(chinook_copy_url):
    """A client of the page's application, on a store that may be changed."""
    async with page_on(chinook_copy_url) as found:
        transport = httpx.ASGITransport(found["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
            yield client


@asynccontextmanager
async def page_on(url: str) -> AsyncIterator[dict[str, Any]]:
    """Its repository is declared before all else, since `db` has it."""
    given = {name: getattr(batchrepo, name) for name in batchrepo.__all__} | {
        "Album": Album,
        "Artist": Artist,
    }
    exec(DECLARED, given)
    given |= {"ArtistRepository": ArtistRepository}
    given |= {"TrackRepository": Tracks, "AlbumView": AlbumItem, "TrackView": TrackItem}
    given |= {"render": lambda album: f"{album.title}.png"}
    repositories = [given["AlbumRepository"], Tracks, ArtistRepository]
    async with Database(url, repositories=repositories) as db:
        yield await names_of(PAGE, db=db, **given, skip=DECLARED)


@pytest.fixture
async def http(names):
    transport = httpx.ASGITransport(names["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
        yield client


async def test_an_endpoint(names, http):
    with statement_counter(names["db"].engine) as seen:
        found, missing = await http.get("/titles/1"), await http.get("/titles/9999")
    assert found.json()["title"] == "For Those About To Rock We Salute You"
    assert [int(answer.headers["X-Statements"]) for answer in (found, missing)] == [3, 1]
    assert seen.count == 4
    shown = re.search(r'^\{"type".*\}$', text_of(PAGE), re.MULTILINE)
    assert missing.json() == json.loads(shown[0])


async def test_the_table_of_endpoints(http):
    rows = re.findall(r"^\| `GET (\S+)` \|", text_of(PAGE), re.MULTILINE)
    assert len(rows) == 5
    for path in rows:
        assert (await http.get(path)).status_code == 200, path
        assert (await http.head(path)).status_code == 200, path


async def test_the_table_of_filters(http):
    rows = re.findall(r"^\| `([^` ]+=[^`]+)` \|", text_of(PAGE), re.MULTILINE)
    assert len(rows) == 6
    every = (await http.get("/albums?first=1000")).json()["items"]
    for query in rows:
        answer = await http.get(f"/albums?first=1000&{query}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["items"] != every, query
        counted = await http.get(f"/albums/count?{query}")
        assert query.startswith("sort") or counted.json()["count"] == len(answer.json()["items"]) > 0


async def test_fields(http):
    answer = await http.get("/albums?first=2&fields=id,title")
    assert [list(album) for album in answer.json()["items"]] == [["id", "title"]] * 2
    assert answer.headers["X-Statements"] == "1"


async def test_the_page_that_is_shown(http):
    shown = re.search(r'^\{"items".*\}$', text_of(PAGE), re.MULTILINE)
    answer = await http.get("/albums?total=exact")
    assert list(json.loads(shown[0])) == list(answer.json()) == [*Page.model_fields][:-1]
    assert set(answer.links) == {"first", "next"}


async def test_a_row_is_written(chinook_copy_url, writing):
    made = await writing.post("/shelf", json={"title": "Live", "artist_id": 1})
    assert (made.status_code, made.json()["title"]) == (201, "Live"), made.text
    where, tag = made.headers["Location"], made.headers["ETag"]
    changed = await writing.patch(where, json={"title": "Live!"}, headers={"If-Match": tag})
    assert (changed.json()["title"], changed.json()["artist_name"]) == ("Live!", "AC/DC")
    # The lock, the view to compare, the row, and the view again, which PostgreSQL writes by one statement each time.
    assert changed.headers["X-Statements"] == ("4" if chinook_copy_url.startswith("postgresql") else "8")
    assert (await writing.patch(where, json={}, headers={"If-Match": tag})).status_code == 412
    assert (await writing.delete(where)).status_code == 204
    for answer, status, code in (
        (await writing.delete(where), 404, "NOT_FOUND"),
        (await writing.delete("/shelf/1"), 409, "CONFLICT"),
        (await writing.patch("/shelf/1", json={"title": None}), 422, "INVALID"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert f"| {status} | `{code}` |" in text_of(PAGE)


async def test_the_answer_to_many_that_is_shown(writing):
    shown = json.loads(re.search(r'^\{"count".*\}$', text_of(PAGE), re.MULTILINE)[0])
    rows = [{"title": "Live", "artist_id": 1}, {"title": "By nobody", "artist_id": 9999}]
    answer = await writing.post("/shelf/bulk?on_error=collect", json=rows)
    told = answer.json()
    assert answer.status_code == 207
    if told["errors"][0].pop("constraint", None) is not None:  # which SQLite does not know
        assert told["keys"][0] > 347  # PostgreSQL has given numbers to the refused ones too
        assert told == shown | {"keys": told["keys"]}
    else:
        assert (told["count"], told["keys"], told["errors"][0]["kind"]) == (1, [348, None], "foreign_key")
    many = await writing.patch("/shelf/bulk", json=[{"id": 3, "title": "x"}, {"id": 1, "title": "y"}])
    assert many.json() == {"count": 2, "keys": [3, 1], "errors": []}
    assert (await writing.delete("/shelf/bulk?id=3&id=1")).status_code == 409  # they have tracks


async def test_written_by_hand(writing):
    made = await writing.post("/artists/1/singles?title=Live")
    assert (made.status_code, made.json()["title"]) == (201, "Live (AC/DC)")
    assert (await writing.get(f"/albums/{made.json()['id']}")).status_code == 200
    assert (await writing.post("/artists/9999/singles?title=Live")).status_code == 404


async def test_bytes(names, http):
    answer = await http.get("/long-albums")
    assert all("live" in album["title"].lower() for album in answer.json()["items"])
    assert (
        await http.get("/long-albums", headers={"If-None-Match": answer.headers["ETag"]})
    ).status_code == 304


async def test_a_streamed_body(http):
    answer = await http.get("/export")
    assert len(answer.text.splitlines()) == 3503


async def test_replicas(tmp_path):
    (block,) = (block for block in python_blocks(PAGE) if "TokenTransport" in block)
    async with two_servers(tmp_path) as db:
        found = {"FastAPI": FastAPI, "install": plug.install, "db": db}
        await run_block(block, PAGE, found)
        for name, options in {"api": {}, "usual": {"app": FastAPI()}}.items():
            app = options.get("app") or found[name]
            if name == "usual":
                plug.install(app, db)

            @app.post("/")
            async def write(scope: plug.Provide[batchrepo.Scope], response: Response) -> None:
                async with scope.transaction():
                    (await NoteRepository(scope).get(1)).text = "written"

            @app.post("/beside")
            async def beside(response: Response) -> None:
                response.headers["Consistency-Token"] = db.tokens.write(await db.consistency_token())

            @app.get("/")
            async def read(notes: plug.Provide[NoteRepository]) -> str:
                return (await notes.get(1)).text

            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
                answer = await client.post("/")
                assert ("batchrepo" in answer.cookies) == (name == "usual")
                seen = {"Consistency-Token": answer.headers["Consistency-Token"]}
                assert (await client.get("/", headers=seen)).json() == "written"
                assert (await client.get("/")).json() == ("written" if name == "usual" else "replica")
                client.cookies.clear()
                beside = {"Consistency-Token": (await client.post("/beside")).headers["Consistency-Token"]}
                assert (await client.get("/", headers=beside)).json() == "written"
                assert (await client.get("/")).json() == "replica"


async def test_the_context(names):
    tenants = names["tenants"]

    @tenants.get("/")
    async def endpoint(scope: plug.Provide[batchrepo.Scope]) -> str:
        return scope.context

    transport = httpx.ASGITransport(tenants)
    async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
        known, unknown = await client.get("/", headers={"X-Tenant": "a"}), await client.get("/")
    assert known.json() == "a"
    assert (unknown.status_code, unknown.json()["detail"]) == (401, "Which tenant?")


async def test_plain_functions(http):
    for path in ("/covers/1", "/plain-covers/1"):
        assert (await http.get(path)).json() == "For Those About To Rock We Salute You.png"


async def test_a_scope_for_each_message(names):
    sent = []

    class WebSocket:
        async def accept(self) -> None: ...

        async def iter_text(self) -> Any:
            yield "1"
            yield "2"

        async def send_text(self, text: str) -> None:
            sent.append(AlbumItem.model_validate_json(text).id)

    await names["watch"](WebSocket())
    assert sent == [1, 2]


def test_names_in_the_text_are_there():
    for name in plug.__all__:
        assert name in text_of(PAGE) or name == "Problem", name
