"""The store over REST, written to: an order, new prices, a catalogue file, albums and playlists."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from html import escape
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database
from batchrepo.testing.counting import statement_counter
from examples.chinook.loader import load_chinook
from examples.chinook.models import Album, Customer, Invoice, InvoiceLine, Playlist, Track
from examples.chinook.store import open_store
from examples.fastapi_app.app import create_app
from examples.fastapi_app.landing import TRIES

ORDER = {"customer_id": 2, "lines": [{"track_id": 1, "quantity": 2}, {"track_id": 2820, "quantity": 1}]}


@pytest_asyncio.fixture
async def store(chinook_copy_url: str) -> AsyncIterator[Database]:
    async with open_store(chinook_copy_url) as database:
        yield database


@pytest_asyncio.fixture
async def http(store: Database) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(store))
    async with httpx.AsyncClient(transport=transport, base_url="http://chinook") as client:
        yield client


async def scalar(store: Database, statement: Any) -> Any:
    async with AsyncSession(store.engine) as session:
        return await session.scalar(statement)


async def test_an_order_is_an_invoice_with_its_lines(store, http):
    with statement_counter(store.engine) as seen:
        answer = await http.post("/orders", json=ORDER)
    assert answer.status_code == 201, answer.text
    assert len([each for each in seen.statements if each.startswith("INSERT INTO invoice ")]) == 1
    # The customer, the tracks, the invoice, its lines, and the view. SQLAlchemy inserts rows whose ids the database makes
    # one by one in SQLite; PostgreSQL writes the JSON of the view in one statement.
    lines, view = {"sqlite": (2, 8), "postgresql": (1, 1)}[store.engine.dialect.name]
    assert answer.headers["X-Statements"] == str(3 + lines + view)
    placed = answer.json()
    assert (placed["total"], placed["line_count"], placed["customer"]["id"]) == ("3.97", 2, 2)
    assert [(line["quantity"], line["unit_price"]) for line in placed["lines"]] == [(2, "0.99"), (1, "1.99")]
    assert answer.headers["Location"] == f"/invoices/{placed['id']}"
    assert (await http.get(answer.headers["Location"])).json() == placed
    stored = await scalar(store, select(Invoice.total).where(Invoice.id == placed["id"]))
    assert stored == Decimal("3.97")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lines": [*ORDER["lines"], {"track_id": 9999, "quantity": 1}]}, "Track has no row for key 9999."),
        ({"customer_id": 9999}, "Customer has no row for key 9999."),
        ({"lines": []}, "lines: List should have at least 1 item"),
        ({"lines": [{"track_id": 1, "quantity": 0}]}, "lines.0.quantity"),
    ],
)
async def test_an_order_that_cannot_be_placed(store, http, change, told):
    answer = await http.post("/orders", json=ORDER | change)
    assert (answer.status_code, told in answer.json()["detail"]) == (422, True), answer.text
    assert await scalar(store, select(func.count()).select_from(Invoice)) == 412
    assert await scalar(store, select(func.count()).select_from(InvoiceLine)) == 2240


async def test_a_genre_is_repriced_by_one_statement(store, http):
    with statement_counter(store.engine) as seen:
        answer = await http.post("/genres/1/reprice", json={"percent": 10})
    assert (answer.json(), seen.count) == ({"tracks": 1297}, 1)
    assert answer.headers["X-Statements"] == "3"  # a savepoint around it
    prices = select(func.count()).where(Track.genre_id == 1, Track.unit_price == Decimal("1.09"))
    assert await scalar(store, prices) == 1297
    assert (await http.post("/genres/99/reprice", json={"percent": 10})).status_code == 404


def album(key: int, **more: Any) -> dict[str, Any]:
    return {"kind": "album", "id": key, "title": f"Album {key}", "artist_id": 1, **more}


def track(key: int, **more: Any) -> dict[str, Any]:
    row = {"kind": "track", "id": key, "name": f"Track {key}", "album_id": 400, "genre_id": 1}
    return {**row, "milliseconds": 1000, "unit_price": "0.99", **more}


CATALOGUE = [
    track(4001),  # before its album
    album(400),
    album(1, title="Another title"),
    album(401, artist_id=9999),
    track(4002, album_id=9999),
    track(4003, unit_price="-1"),
    {"kind": "film", "id": 1},
    track(4004),
]


@pytest.mark.parametrize("form", ["jsonl", "json"])
async def test_a_catalogue_file(store, http, form):
    body = json.dumps(CATALOGUE) if form == "json" else "\n".join(map(json.dumps, CATALOGUE)) + "\n"
    answer = await http.post("/catalogue", content=body, headers={"Content-Type": f"application/{form}"})
    assert answer.status_code == 207, answer.text
    told = answer.json()
    assert (told["albums"], told["tracks"]) == (2, 2)
    assert [(row["index"], row["kind"]) for row in told["errors"]] == [
        (3, "foreign_key"),
        (4, "foreign_key"),
        (5, "value"),
        (6, "value"),
    ]
    assert await scalar(store, select(Album.title).where(Album.id == 1)) == "Another title"
    tracks = select(func.count()).where(Track.album_id == 400)
    assert await scalar(store, tracks) == 2
    again = await http.post("/catalogue", json=CATALOGUE[:3])
    assert (again.status_code, again.json()) == (200, {"albums": 2, "tracks": 1, "errors": []})


@pytest.mark.parametrize(
    ("body", "form", "status"),
    [
        (b"{}", "json", 422),
        (b"[", "json", 422),
        (b"[\n", "jsonl", 207),
        (b"\xff\n", "jsonl", 207),
        (b"", "jsonl", 200),
        (b"\n" * 10_000_001, "jsonl", 413),
    ],
)
async def test_a_file_that_is_none(store, http, body, form, status):
    answer = await http.post("/catalogue", content=body, headers={"Content-Type": f"application/{form}"})
    assert answer.status_code == status, answer.text


async def test_albums_and_playlists(store, http):
    made = await http.post("/albums", json={"title": "Live", "artist_id": 1})
    assert (made.status_code, made.json()["title"], made.json()["track_count"]) == (201, "Live", 0)
    changed = await http.patch(made.headers["Location"], json={"title": "Live!"})
    assert changed.json()["title"] == "Live!"
    playlist = await http.post("/playlists", json={"name": "Road"})
    path, tag = playlist.headers["Location"], playlist.headers["ETag"]
    assert (await http.patch(path, json={"name": "x"})).status_code == 428
    renamed = await http.patch(path, json={"name": "Rail"}, headers={"If-Match": tag})
    assert renamed.json()["name"] == "Rail"
    assert (await http.delete(path, headers={"If-Match": tag})).status_code == 412
    assert (await http.delete(path, headers={"If-Match": renamed.headers["ETag"]})).status_code == 204
    full = (await http.get("/playlists/1")).headers["ETag"]
    assert (await http.delete("/playlists/1", headers={"If-Match": full})).status_code == 409


async def test_a_try_leaves_nothing_behind(store, http):
    counts = [
        select(func.count()).select_from(each) for each in (Invoice, InvoiceLine, Album, Playlist, Customer)
    ]
    before = [await scalar(store, count) for count in counts]
    for path, body, status in (
        ("/orders", ORDER, 201),
        ("/genres/1/reprice", {"percent": 10}, 200),
        ("/catalogue", CATALOGUE, 207),
        ("/albums", {"title": "x", "artist_id": 1}, 201),
        ("/playlists/bulk", [{"name": "x"}], 200),
    ):
        answer = await http.post(f"{path}?dry_run=true", json=body)
        assert (answer.status_code, "Location" in answer.headers) == (status, False), answer.text
    assert [await scalar(store, count) for count in counts] == before
    assert await scalar(store, select(func.max(Track.unit_price)).where(Track.genre_id == 1)) == Decimal(
        "0.99"
    )


async def test_the_page_tries_every_write(store, http):
    page = (await http.get("/")).text
    for each in TRIES:
        body = escape(json.dumps(each.body))
        told = f'data-path="{each.path}" data-method="{each.method}" data-body="{body}"'
        assert f'{told} data-statements="{each.statements}"' in page
        assert "dry_run=true" in each.path
        answer = await http.request(each.method, each.path, json=each.body)
        assert answer.status_code == each.status, answer.text
        if store.engine.dialect.name == "sqlite":
            assert answer.headers.get("X-Statements", "0") == str(each.statements), each.path


async def test_a_store_that_was_written_to_starts_again(store, http):
    await http.post("/orders", json=ORDER)
    assert (await load_chinook(store.engine))["invoice"] == 413
