"""The store over REST: its answers against plain SQLAlchemy, with the statements that each takes."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from html import escape, unescape
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from batchrepo.testing.counting import statement_counter
from examples.chinook.models import (
    Album,
    Artist,
    Customer,
    Employee,
    Genre,
    Invoice,
    InvoiceLine,
    Playlist,
    Track,
    playlist_track,
)
from examples.fastapi_app.app import create_app
from examples.fastapi_app.landing import LINKS

EVERY_LINK = [link for links in LINKS.values() for link in links]


async def items(http: httpx.AsyncClient, url: str, statements: int) -> list[dict[str, Any]]:
    """The items of a list that takes so many statements."""
    answer = await http.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.headers["X-Statements"] == str(statements)
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


# --- lists ------------------------------------------------------------------------------------------


async def test_all_albums_take_five_statements(store, http, expected):
    with statement_counter(store.engine) as seen:
        answer = await http.get("/albums?first=1000")
    assert seen.count == 5, seen
    assert answer.headers["X-Statements"] == "5"
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["items"] == expected


@pytest.mark.parametrize("first", [1, 10, 100])
async def test_the_number_of_statements_does_not_depend_on_the_number_of_albums(store, http, expected, first):
    statements = 1 if store.engine.dialect.name == "postgresql" else 5
    assert await items(http, f"/albums?first={first}", statements) == expected[:first]


@pytest.mark.parametrize("text", ["rock", "100%", "_", "'", "\\"])
async def test_a_filter_takes_text_as_it_is(http, expected, text):
    found = (await http.get("/albums", params={"title__icontains": text, "first": 1000})).json()["items"]
    assert found == [album for album in expected if text.lower() in album["title"].lower()]


async def test_filters_hold_together_and_in_groups(http, expected):
    by_maiden = {album["id"] for album in expected if album["artist"]["name"] == "Iron Maiden"}
    long = {album["id"] for album in expected if len(album["tracks"]) >= 25}
    both = "/albums?artist.name=Iron%20Maiden&track_count__ge=25&fields=id&first=1000"
    assert {album["id"] for album in await items(http, both, 1)} == by_maiden & long
    group = json.dumps({"or": [{"artist.name": "Iron Maiden"}, {"track_count__ge": 25}]})
    either = await http.get("/albums", params={"filter": group, "fields": "id", "first": 1000})
    assert {album["id"] for album in either.json()["items"]} == by_maiden | long
    counted = await http.get("/albums/count", params={"filter": group})
    assert counted.json() == {"count": len(by_maiden | long)}


async def test_pages_joined_are_the_whole_order(store, http, session):
    count = select(func.count()).where(Album.artist_id == Artist.id).scalar_subquery()
    whole = (await session.scalars(select(Artist.id).order_by(count.desc(), Artist.id.desc()))).all()
    found, url = [], "/artists?sort=-album_count&first=50"
    statements = "1" if store.engine.dialect.name == "postgresql" else "2"
    while url:
        answer = await http.get(url)
        assert answer.headers["X-Statements"] == statements
        found += [artist["id"] for artist in answer.json()["items"]]
        url = answer.links.get("next", {}).get("url")
    assert found == list(whole)


async def test_artists_with_the_number_of_their_albums(http, expected):
    artists = await items(http, "/artists?first=1000", 2)
    counts = {album["artist"]["id"]: album["artist"]["album_count"] for album in expected}
    assert len(artists) == 275
    assert {artist["id"]: artist["album_count"] for artist in artists if artist["album_count"]} == counts


async def test_playlists_through_the_table_between(http, session):
    joined = select(Playlist.id, func.count(Track.id), func.coalesce(func.sum(Track.milliseconds), 0))
    joined = joined.select_from(Playlist).outerjoin(playlist_track).outerjoin(Track).group_by(Playlist.id)
    plain = {key: (tracks, duration) for key, tracks, duration in await session.execute(joined)}
    pages = [(await http.get(f"/playlists?size=10&page={page}")).json() for page in (1, 2)]
    assert {p["id"]: (p["track_count"], p["duration"]) for page in pages for p in page["items"]} == plain
    assert [(page["number"], page["pages"], page["total"]) for page in pages] == [(1, 2, 18), (2, 2, 18)]


async def test_employees_through_the_table_itself(http, session):
    boss = dict((await session.execute(select(Employee.id, Employee.reports_to_id))).all())
    sold = select(Customer.support_rep_id, func.sum(Invoice.total), func.count()).join(Invoice.customer)
    sales = {key: row for key, *row in await session.execute(sold.group_by(Customer.support_rep_id))}
    found = await items(http, "/employees?sort=-sales", 7)
    assert len(found) == 8
    for employee in found:
        above = employee["reports_to"]
        assert (above and above["id"]) == boss[employee["id"]]
        assert [e["id"] for e in employee["reports"]] == [
            k for k in sorted(boss) if boss[k] == employee["id"]
        ]
        for seller in (employee, *employee["reports"]):
            total, number = sales.get(seller["id"], (Decimal(0), 0))
            assert (Decimal(seller["sales"]), seller["invoice_count"]) == (total, number)
    assert [e["id"] for e in found] == sorted(boss, key=lambda k: (sales.get(k, (0, 0))[0], k), reverse=True)


async def test_the_employees_below_one_by_their_sales(http):
    found = await items(http, "/employees/2/reports?sort=-sales", 4)
    assert [seller["first_name"] for seller in found] == ["Jane", "Margaret", "Steve"]
    manager = await http.get("/employees/3/manager?fields=first_name")
    assert manager.json() == {"first_name": "Nancy"}
    assert (await http.get("/employees/1/manager")).json() is None


async def test_invoices_with_the_totals_of_their_customers(http, session):
    spent = select(Invoice.customer_id, func.count(), func.sum(Invoice.total)).group_by(Invoice.customer_id)
    plain = {key: (number, total) for key, number, total in await session.execute(spent)}
    newest = select(Invoice.id).order_by(Invoice.invoice_date.desc(), Invoice.id.desc()).limit(100)
    invoices = await items(http, "/invoices?first=100", 4)
    assert [invoice["id"] for invoice in invoices] == list(await session.scalars(newest))
    for invoice in invoices:
        customer = invoice["customer"]
        assert plain[customer["id"]] == (customer["invoice_count"], Decimal(customer["total_spent"]))


async def test_customers_and_what_they_bought(http, session):
    dates = select(Invoice.customer_id, func.min(Invoice.invoice_date), func.max(Invoice.invoice_date))
    dated = {key: ends for key, *ends in await session.execute(dates.group_by(Invoice.customer_id))}
    customers = await items(http, "/customers?first=1000", 4)
    assert len(customers) == 59
    for customer in customers:
        assert customer["latest_invoice"]["invoice_date"] == f"{dated[customer['id']][1].isoformat()}Z"
    buying = "/customers?buying__overlaps=2011-12-01,2012-01-01&fields=id&first=1000"
    assert {customer["id"] for customer in await items(http, buying, 1)} == {
        key
        for key, (first, last) in dated.items()
        if first.isoformat() < "2012" and last.isoformat() > "2011-12-01"
    }


# --- one, and what belongs to one -------------------------------------------------------------------


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


async def test_what_belongs_to_an_album(store, http, expected):
    (album,) = [album for album in expected if album["id"] == 94]
    assert await items(http, "/albums/94/tracks", 3) == album["tracks"]
    artist = await http.get("/albums/94/artist")
    statements = "1" if store.engine.dialect.name == "postgresql" else "3"
    assert (artist.json(), artist.headers["X-Statements"]) == (album["artist"], statements)


async def test_a_page_within_an_answer_goes_on_as_a_list(http, expected):
    albums = [album["id"] for album in expected if album["artist"]["id"] == 90]
    page = (await http.get("/artists/90")).json()["albums"]
    assert (page["total"], page["has_next"], len(page["items"])) == (21, True, 5)
    rest = await http.get("/artists/90/albums", params={"after": page["end_cursor"], "first": 100})
    assert rest.status_code == 200, rest.text
    joined = [*page["items"], *rest.json()["items"]]
    assert sorted(album["id"] for album in joined) == sorted(albums)


async def test_an_invoice_with_its_lines(http, session):
    found = (await http.get("/invoices/5")).json()
    assert len(found["lines"]) == found["line_count"] == 14
    prices = [Decimal(line["unit_price"]) * line["quantity"] for line in found["lines"]]
    assert sum(prices) == Decimal(found["total"])
    joined = select(Track.name, Artist.name).join(Album.artist).join(Album.tracks).join(Track.invoice_lines)
    plain = await session.execute(joined.where(InvoiceLine.invoice_id == 5).order_by(InvoiceLine.id))
    assert [(line["track_name"], line["artist_name"]) for line in found["lines"]] == [tuple(r) for r in plain]


# --- written by hand --------------------------------------------------------------------------------


async def test_a_search_reads_three_lists_on_one_scope(http, session):
    answer = await http.get("/search?q=black&first=50")
    found = answer.json()
    # Two for the artists and their counts, three for the albums, two for the tracks.
    assert answer.headers["X-Statements"] == "7"
    for kind, column in (("artists", Artist.name), ("albums", Album.title), ("tracks", Track.name)):
        total = await session.scalar(select(func.count()).where(func.lower(column).contains("black")))
        assert len(found[kind]) == min(50, total or 0) > 0


async def test_best_sellers_are_a_page_with_a_tag_and_links(http, session):
    sold = select(Track.id, func.count()).join(Track.invoice_lines).group_by(Track.id)
    counts = dict((await session.execute(sold)).all())
    answer = await http.get("/best-sellers")
    more = await http.get(answer.links["next"]["url"])
    found = [*answer.json()["items"], *more.json()["items"]]
    assert [track["sold"] for track in found] == sorted(counts.values(), reverse=True)[:20]
    assert all(counts[track["id"]] == track["sold"] for track in found)
    known = await http.get("/best-sellers", headers={"If-None-Match": answer.headers["ETag"]})
    assert known.status_code == 304


async def test_an_export_is_walked_in_chunks_while_it_is_sent(store, http, session):
    with statement_counter(store.engine) as seen:
        answer = await http.get("/exports/tracks")
    names = [json.loads(line)["name"] for line in answer.text.splitlines()]
    assert names == list(await session.scalars(select(Track.name).order_by(Track.id)))
    # Eight chunks of up to 500 tracks, and the genres of each.
    assert (seen.count, answer.headers["X-Statements"]) == (16, "0")
    assert answer.headers["content-type"].startswith("application/jsonl")
    jazz = await session.scalar(
        select(func.count()).select_from(Track).join(Track.genre).where(Genre.name == "Jazz")
    )
    assert len((await http.get("/exports/tracks?genre=Jazz")).text.splitlines()) == jazz
    assert store.engine.pool.checkedout() == 1  # the session of this test


async def test_a_report_is_made_after_the_answer(http, session):
    ordered = await http.post("/reports", json={"year": 2009})
    assert (ordered.status_code, ordered.json()["state"], ordered.json()["lines"]) == (202, "ordered", [])
    report = (await http.get(ordered.headers["Location"])).json()
    assert report["state"] == "ready"
    year = func.sum(Invoice.total), func.count()
    whole = select(*year).where(func.extract("year", Invoice.invoice_date) == 2009)
    total, number = (await session.execute(whole)).one()
    assert sum(Decimal(line["sales"]) for line in report["lines"]) == total
    assert sum(line["invoices"] for line in report["lines"]) == number
    assert {line["employee"] for line in report["lines"]} == {"Peacock", "Park", "Johnson"}
    assert (await http.get("/reports/018f4e3a-7b5c-7d2e-9a41-3c6f0e8b1d27")).status_code == 404


# --- errors, caches, load ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/albums/9999", "Album has no row for key 9999."),
        ("/albums/9999/tracks", "Album has no row for key 9999."),
        ("/albums/by-ids?id=1&id=9999", "Album has no row for key 9999."),
        ("/invoices/9999", "Invoice has no row for key 9999."),
    ],
)
async def test_what_is_missing_is_a_problem_and_takes_one_statement(http, path, detail):
    answer = await http.get(path)
    assert (answer.status_code, answer.headers["X-Statements"]) == (404, "1")
    assert answer.headers["content-type"] == "application/problem+json"
    known = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "NOT_FOUND"}
    assert answer.json() == known | {"detail": detail}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/albums/x", 422),
        ("/albums/99999999999999999999", 422),
        ("/albums?first=-1", 422),
        ("/albums?first=1001", 422),
        ("/tracks?first=501", 422),
        ("/albums?lasting=0", 422),
        ("/albums?q=rock", 400),
        ("/albums?sort=artist_id", 400),
        ("/albums?fields=artist(albums)", 400),
        ("/invoices?year=1999", 422),
        ("/search?q=%00", 400),
        ("/exports/tracks?genre=%00", 400),
    ],
)
async def test_what_is_wrong_is_refused_without_a_statement(store, http, path, status):
    with statement_counter(store.engine) as seen:
        answer = await http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert seen.count == 0


async def test_answers_are_compressed_and_not_sent_twice(http):
    get, head = await http.get("/albums"), await http.head("/albums")
    assert get.headers["Content-Encoding"] == "gzip"
    assert get.headers["Vary"] == "Authorization, Cookie, Accept-Encoding"
    assert (dict(head.headers), head.content) == (dict(get.headers), b"")
    known = await http.get("/albums", headers={"If-None-Match": get.headers["ETag"]})
    assert (known.status_code, known.content, known.headers["Vary"]) == (304, b"", get.headers["Vary"])
    shared = await http.get("/genres?first=1")
    assert shared.headers["Cache-Control"] == "public, max-age=60"


async def test_fifty_requests_at_once(store, http, expected):
    by_id = {album["id"]: album for album in expected}
    keys = range(1, 50)
    listed, *pages = await asyncio.gather(
        http.get("/albums?first=1000"), *(http.get(f"/albums/{key}/tracks?first=100") for key in keys)
    )
    assert listed.json()["items"] == expected
    assert [page.json()["items"] for page in pages] == [by_id[key]["tracks"] for key in keys]
    assert listed.headers["X-Statements"] == "5"
    assert {page.headers["X-Statements"] for page in pages} == {"3"}
    assert store.engine.pool.checkedout() == 0


async def test_an_empty_database_is_filled_when_the_application_starts(database_url):
    app = create_app(database_url)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chinook") as client,
    ):
        assert (await client.get("/albums/count")).json() == {"count": 347}


# --- the pages for people ---------------------------------------------------------------------------


async def test_every_link_of_the_landing_page_takes_what_it_says(store, http):
    """As measured with SQLite; PostgreSQL writes the JSON of few rows in one statement, and counts in another."""
    fewer = {"1", "2"} if store.engine.dialect.name == "postgresql" else set()
    page = (await http.get("/")).text
    shown = [unescape(path) for path in re.findall(r'<li><a href="([^"]*)">', page)]
    assert shown[: len(EVERY_LINK)] == [link.path for link in EVERY_LINK]
    counted = {
        unescape(path): n for path, n in re.findall(r'data-path="([^"]*)" data-statements="(\d+)"', page)
    }
    statuses = {link.path: link.status for link in EVERY_LINK}
    for path in shown:  # those that `make serve` adds too
        answer = await http.get(path, headers={"Accept": "*/*"})
        assert answer.status_code == statuses.get(path, 200), (path, answer.text)
        assert answer.headers.get("X-Statements") in {counted.get(path), *fewer}, path
    assert all(escape(link.text) in page for link in EVERY_LINK)
    assert "//" not in page  # nothing comes from elsewhere


async def test_the_openapi_page_describes_everything(http):
    described = (await http.get("/openapi.json")).json()
    assert "/graphql" not in described["paths"]  # which describes itself
    assert "/" not in described["paths"]
    operations = [each for methods in described["paths"].values() for each in methods.values()]
    used = [tag for operation in operations for tag in operation["tags"]]
    assert {tag["name"] for tag in described["tags"]} == set(used)
    assert all(tag["description"] for tag in described["tags"])
    for operation in operations:
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (operation["operationId"], parameter["name"])
            if parameter["name"] not in ("after", "before", "report_id"):  # which the store makes up
                assert parameter["schema"]["examples"], (operation["operationId"], parameter["name"])


async def test_the_examples_of_parameters_work_when_they_are_tried(http):
    paths = (await http.get("/openapi.json")).json()["paths"]
    listed = [(path, methods["get"]) for path, methods in paths.items() if "get" in methods]
    for path, operation in listed:
        known = operation.get("parameters", ())
        examples = {
            each["name"]: each["schema"]["examples"][0] for each in known if "examples" in each["schema"]
        }
        examples.pop("last", None)  # another page than `first`
        if path != "/reports/{report_id}":  # which has to be ordered first
            url = path.replace("{id}", str(examples.pop("id"))) if "{id}" in path else path
            answer = await http.get(url, params=examples)
            assert answer.status_code == 200, (url, examples, answer.text)
