"""The store over REST."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from html import escape

import httpx
import pytest
from sqlalchemy import func, select

from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album, Customer, Employee, Invoice, Playlist, Track, playlist_track
from examples.fastapi_app.app import create_app
from examples.fastapi_app.landing import LINKS

PROBLEM = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "NOT_FOUND"}


async def test_all_albums_take_five_statements(store, http, expected):
    with statement_counter(store.engine) as seen:
        answer = await http.get("/albums?limit=1000")
    assert seen.count == 5, seen
    assert answer.headers["X-Statements"] == "5"
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == expected


@pytest.mark.parametrize("limit", [1, 10, 100])
async def test_the_number_of_statements_does_not_depend_on_the_number_of_albums(http, expected, limit):
    answer = await http.get(f"/albums?limit={limit}")
    assert answer.json() == expected[:limit]
    assert answer.headers["X-Statements"] == "5"


@pytest.mark.parametrize("text", ["rock", "100%", "_", "'", "\\"])
async def test_search_takes_text_as_it_is(http, expected, text):
    answer = await http.get("/albums", params={"q": text, "limit": 1000})
    assert answer.json() == [album for album in expected if text.lower() in album["title"].lower()]


async def test_an_albums_page_equals_plain_sqlalchemy(http, session):
    tracks = (await session.scalars(select(Track).where(Track.album_id == 94).order_by(Track.id))).all()
    longest = max(tracks, key=lambda track: (track.milliseconds, track.id))
    long_tracks = [track.id for track in tracks if track.milliseconds > 300_000][:5]
    answer = await http.get("/albums/94")
    page = answer.json()
    assert (page["track_count"], page["duration"]) == (len(tracks), sum(t.milliseconds for t in tracks))
    assert [track["id"] for track in page["first_tracks"]] == [track.id for track in tracks[:3]]
    assert page["longest"]["id"] == longest.id
    assert [track["id"] for track in page["long_tracks"]] == long_tracks
    assert page["artist"] == {"id": 90, "name": "Iron Maiden", "album_count": 21}


async def test_what_belongs_to_an_album(http, expected):
    (album,) = [album for album in expected if album["id"] == 94]
    tracks, artist = await asyncio.gather(http.get("/albums/94/tracks"), http.get("/albums/94/artist"))
    assert tracks.json() == album["tracks"]
    assert artist.json() == album["artist"]
    assert (tracks.headers["X-Statements"], artist.headers["X-Statements"]) == ("3", "3")


async def test_artists_with_their_albums(http, expected):
    artists = (await http.get("/artists?limit=1000")).json()
    counts = {album["artist"]["id"]: album["artist"]["album_count"] for album in expected}
    assert len(artists) == 275
    assert {artist["id"]: artist["album_count"] for artist in artists if artist["album_count"]} == counts
    page, albums = await asyncio.gather(http.get("/artists/90"), http.get("/artists/90/albums"))
    assert page.json()["albums"] == albums.json()
    assert {album["id"]: album["track_count"] for album in albums.json()} == {
        album["id"]: len(album["tracks"]) for album in expected if album["artist"]["id"] == 90
    }


async def test_playlists_through_the_table_between(http, session):
    joined = select(Playlist.id, func.count(Track.id), func.coalesce(func.sum(Track.milliseconds), 0))
    joined = joined.select_from(Playlist).outerjoin(playlist_track).outerjoin(Track).group_by(Playlist.id)
    plain = {key: (tracks, duration) for key, tracks, duration in await session.execute(joined)}
    answer = await http.get("/playlists")
    assert {p["id"]: (p["track_count"], p["duration"]) for p in answer.json()} == plain
    assert answer.headers["X-Statements"] == "2"
    tracks = await http.get("/playlists/1/tracks")
    assert len(tracks.json()) == 3290
    assert tracks.headers["X-Statements"] == "3"


async def test_employees_through_the_table_itself(http, session):
    boss = dict((await session.execute(select(Employee.id, Employee.reports_to_id))).all())
    counted = select(Customer.support_rep_id, func.count()).group_by(Customer.support_rep_id)
    customers = dict((await session.execute(counted)).all())
    answer = await http.get("/employees")
    for employee in answer.json():
        above = employee["reports_to"]
        assert (above and above["id"]) == boss[employee["id"]]
        assert [e["id"] for e in employee["reports"]] == [
            key for key in sorted(boss) if boss[key] == employee["id"]
        ]
        assert employee["customer_count"] == customers.get(employee["id"], 0)
    assert len(answer.json()) == 8
    assert answer.headers["X-Statements"] == "4"


async def test_customers_and_what_they_spent(http, session):
    spent = select(Invoice.customer_id, func.count(), func.sum(Invoice.total)).group_by(Invoice.customer_id)
    plain = {key: (number, total) for key, number, total in await session.execute(spent)}
    answer = await http.get("/customers?limit=1000")
    shown = {c["id"]: (c["invoice_count"], Decimal(c["total_spent"])) for c in answer.json()}
    assert shown == plain
    assert answer.headers["X-Statements"] == "4"
    one = await http.get("/customers/1")
    assert one.json() in answer.json()


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/albums/9999", "Album has no row for key 9999."),
        ("/albums/9999/tracks", "Album has no row for key 9999."),
        ("/artists/9999", "Artist has no row for key 9999."),
        ("/playlists/9999/tracks", "Playlist has no row for key 9999."),
        ("/customers/9999", "Customer has no row for key 9999."),
    ],
)
async def test_what_is_missing_is_a_problem(http, path, detail):
    answer = await http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == PROBLEM | {"detail": detail}


@pytest.mark.parametrize(
    "path", ["/albums/0", "/albums/x", "/albums/99999999999", "/albums?limit=0", "/albums?limit=1001"]
)
async def test_what_is_wrong_is_refused_without_a_statement(store, http, path):
    with statement_counter(store.engine) as seen:
        answer = await http.get(path)
    assert answer.status_code == 422
    assert seen.count == 0


async def test_fifty_requests_at_once(store, http, expected):
    by_id = {album["id"]: album for album in expected}
    keys = range(1, 50)
    listed, *pages = await asyncio.gather(
        http.get("/albums?limit=1000"), *(http.get(f"/albums/{key}/tracks") for key in keys)
    )
    assert listed.json() == expected
    assert [page.json() for page in pages] == [by_id[key]["tracks"] for key in keys]
    assert listed.headers["X-Statements"] == "5"
    assert {page.headers["X-Statements"] for page in pages} == {"3"}
    assert store.engine.pool.checkedout() == 0


async def test_every_link_of_the_landing_page_works(http):
    page = (await http.get("/")).text
    for path, text in LINKS:
        assert f'href="{path}"' in page
        assert escape(text) in page
        answer = await http.get(path)
        assert answer.status_code == (404 if path == "/albums/9999" else 200), path


async def test_the_openapi_page_describes_answers_and_problems(http):
    paths = (await http.get("/openapi.json")).json()["paths"]
    album = paths["/albums/{album_id}"]["get"]["responses"]
    assert album["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/AlbumPage"}
    assert "application/problem+json" in album["404"]["content"]
    assert "/" not in paths


async def test_an_empty_database_is_filled_when_the_application_starts(database_url):
    app = create_app(database_url)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chinook") as client,
    ):
        assert len((await client.get("/albums?limit=1000")).json()) == 347


async def test_albums_by_id_find_the_same_as_the_list(http, session):
    keys = (await session.scalars(select(Album.id).order_by(Album.title, Album.id).limit(3))).all()
    listed = (await http.get("/albums?limit=3")).json()
    assert [album["id"] for album in listed] == keys
