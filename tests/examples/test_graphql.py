"""The store over GraphQL gives what plain SQLAlchemy finds, in so many statements, and refuses the rest with codes."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from batchrepo.testing.counting import statement_counter
from examples.chinook import listing
from examples.chinook.listing import from_graphql
from examples.chinook.models import Customer, Employee, Invoice, InvoiceLine, Playlist, Track
from examples.chinook.store import open_store
from examples.graphql_app.app import create_app
from examples.graphql_app.queries import EXAMPLES
from examples.graphql_app.schema import create_schema

EVERY_EXAMPLE = {example.title: example for examples in EXAMPLES.values() for example in examples}


async def ask(http: httpx.AsyncClient, query: str, **variables: Any) -> httpx.Response:
    return await http.post("/graphql", json={"query": query, "variables": variables})


async def rows(http: httpx.AsyncClient, query: str, *, statements: int, **variables: Any) -> Any:
    """The data of an answer without its connections, after its number of statements was checked."""
    answer = await ask(http, query, **variables)
    assert "errors" not in answer.json(), answer.text
    assert answer.headers["X-Statements"] == str(statements), query
    return from_graphql(answer.json()["data"])


# --- the task of all examples -----------------------------------------------------------------------


async def test_all_albums_take_five_statements_over_http(store, http, expected):
    with statement_counter(store.engine) as seen:
        found = await rows(http, listing.GRAPHQL, statements=5)
    assert seen.count == 5, seen
    assert found == {"albums": expected}


async def test_all_albums_take_five_statements_without_http(store, expected):
    with statement_counter(store.engine) as seen:
        result = await create_schema(store).execute(listing.GRAPHQL)
    assert result.errors is None
    assert from_graphql(result.data) == {"albums": expected}
    assert seen.count == 5, seen


async def test_fifty_operations_at_once(store, http, expected):
    by_id = {album["id"]: album for album in expected}
    query = (
        "query($id: Int!) { album(id: $id) { artist { name } tracks(first: 60) { edges { node { id } } } } }"
    )
    answers = await asyncio.gather(*(rows(http, query, statements=3, id=key) for key in range(1, 51)))
    for key, answer in enumerate(answers, 1):
        assert answer["album"]["artist"]["name"] == by_id[key]["artist"]["name"]
        assert answer["album"]["tracks"] == [{"id": track["id"]} for track in by_id[key]["tracks"]]
    assert store.engine.pool.checkedout() == 0


# --- what there is ----------------------------------------------------------------------------------


async def test_every_query_to_try_takes_what_its_page_says(store, http):
    for title, example in EVERY_EXAMPLE.items():
        answer = await ask(http, example.query, **example.variables)
        errors = answer.json().get("errors", [])
        codes = [error["extensions"]["code"] for error in errors]
        assert codes == ([] if example.code is None else [example.code]), (title, errors)
        # What is refused at once never asks for a scope.
        expected = example.statements_in(store.engine.dialect.name)
        assert answer.headers.get("X-Statements", "0") == str(expected), title


async def test_computed_attributes(store, http, expected):
    query = "{ albums(first: 400) { edges { node { id trackCount duration longest { milliseconds } firstTracks { id } } } } }"
    found = await rows(http, query, statements=1 if store.engine.dialect.name == "postgresql" else 4)
    assert found["albums"] == [
        {
            "id": album["id"],
            "trackCount": len(album["tracks"]),
            "duration": sum(track["milliseconds"] for track in album["tracks"]),
            "longest": {"milliseconds": max(track["milliseconds"] for track in album["tracks"])},
            "firstTracks": [{"id": track["id"]} for track in album["tracks"][:3]],
        }
        for album in expected
    ]


async def test_pages_joined_are_all_albums_in_their_order(http, expected):
    query = """query($after: String) {
        albums(first: 100, after: $after) { pageInfo { hasNextPage endCursor } edges { node { title } } } }"""
    titles, page = [], {"hasNextPage": True, "endCursor": None}
    while page["hasNextPage"]:
        answer = await ask(http, query, after=page["endCursor"])
        assert answer.headers["X-Statements"] == "1"
        page = answer.json()["data"]["albums"]["pageInfo"]
        titles += [album["title"] for album in from_graphql(answer.json()["data"])["albums"]]
    assert titles == [album["title"] for album in expected]


async def test_filters_and_orders_at_two_levels(http, expected):
    query = """query($where: AlbumFilter) { albums(where: $where, orderBy: [TRACK_COUNT_DESC, ID_DESC], first: 400) {
        totalCount
        edges { node {
            databaseId artistName
            tracks(where: {milliseconds: {ge: 400000}}, orderBy: [MILLISECONDS_DESC], first: 2) {
                edges { node { databaseId } } } } } } }"""
    where = {"or": [{"title": {"icontains": "live"}}, {"trackCount": {"ge": 20}}], "lasting": 60}
    answer = await ask(http, query, where=where)
    wanted = [
        album
        for album in expected
        if ("live" in album["title"].lower() or len(album["tracks"]) >= 20)
        and sum(track["milliseconds"] for track in album["tracks"]) >= 3_600_000
    ]
    wanted.sort(key=lambda album: (len(album["tracks"]), album["id"]), reverse=True)
    assert answer.json()["data"]["albums"]["totalCount"] == len(wanted) > 10
    assert from_graphql(answer.json()["data"])["albums"] == [
        {
            "databaseId": album["id"],
            "artistName": album["artist"]["name"],
            "tracks": [
                {"databaseId": track["id"]}
                for track in sorted(album["tracks"], key=lambda t: t["milliseconds"], reverse=True)
                if track["milliseconds"] >= 400_000
            ][:2],
        }
        for album in wanted
    ]
    assert answer.headers["X-Statements"] == "4"


async def test_playlists_are_on_both_ends_of_many_to_many(http, session):
    loaded = select(Playlist).options(selectinload(Playlist.tracks).selectinload(Track.playlists))
    known = {row.id: row for row in await session.scalars(loaded)}
    query = """{ playlists { edges { node {
        id trackCount tracks(last: 2) { edges { node { id playlists { edges { node { id } } } } } } } } } }"""
    for playlist in (await rows(http, query, statements=4))["playlists"]:
        row = known.pop(playlist["id"])
        assert playlist["trackCount"] == len(row.tracks)
        assert playlist["tracks"] == [
            {"id": track.id, "playlists": [{"id": other.id} for other in track.playlists]}
            for track in row.tracks[-2:]
        ]
    assert known == {}


async def test_sales_of_each_employee_and_of_who_reports_to_them(http, session):
    loaded = select(Employee).options(
        selectinload(Employee.reports), selectinload(Employee.customers).selectinload(Customer.invoices)
    )
    known = {row.id: row for row in await session.scalars(loaded)}

    def sold(row: Employee) -> Decimal:
        return sum((i.total for customer in row.customers for i in customer.invoices), Decimal(0))

    query = """{ employees { edges { node {
        id fullName sales reportsTo { fullName } reports { edges { node { id sales } } } } } } }"""
    for employee in (await rows(http, query, statements=5))["employees"]:
        row = known[employee["id"]]
        assert employee["fullName"] == f"{row.first_name} {row.last_name}"
        assert Decimal(employee["sales"]) == sold(row)
        assert (employee["reportsTo"] is None) is (row.reports_to_id is None)
        reports = [(each["id"], Decimal(each["sales"])) for each in employee["reports"]]
        assert reports == [(each.id, sold(known[each.id])) for each in row.reports]


async def test_customers_with_their_invoices(http, session):
    loaded = select(Customer).options(
        selectinload(Customer.invoices).selectinload(Invoice.lines).joinedload(InvoiceLine.track)
    )
    known = {row.id: row for row in await session.scalars(loaded)}
    query = """{ customers(first: 59) { edges { node {
        id totalSpent invoices(first: 3) { edges { node {
            total lines(first: 2) { edges { node { track { name } } } } } } } } } } }"""
    found = (await rows(http, query, statements=5))["customers"]
    assert len(found) == len(known) == 59
    for customer in found:
        row = known[customer["id"]]
        assert Decimal(customer["totalSpent"]) == sum(invoice.total for invoice in row.invoices)
        assert [
            (Decimal(invoice["total"]), [line["track"]["name"] for line in invoice["lines"]])
            for invoice in customer["invoices"]
        ] == [
            (invoice.total, [line.track.name for line in invoice.lines[:2]]) for invoice in row.invoices[:3]
        ]


async def test_a_resolver_of_ones_own_gives_keys_and_the_rest_is_read_together(http, session):
    lines = await session.scalars(
        select(InvoiceLine).join(InvoiceLine.invoice).where(Invoice.billing_country == "USA")
    )
    counted = Counter(line.track_id for line in lines.all())
    best = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:50]
    names = {row.id: row.name for row in await session.scalars(select(Track))}
    query = (
        '{ bestSellers(country: "USA", first: 50) { quantity track { id name album { artist { name } } } } }'
    )
    found = (await rows(http, query, statements=4))["bestSellers"]
    assert [(each["track"]["id"], each["quantity"]) for each in found] == best
    assert all(each["track"]["name"] == names[each["track"]["id"]] for each in found)


async def test_global_ids_lead_back(http):
    first = await ask(http, "{ albums(first: 20) { edges { node { id title } } } }")
    albums = [edge["node"] for edge in first.json()["data"]["albums"]["edges"]]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Album { title } } }"
    again = await ask(http, query, ids=[album["id"] for album in albums])
    assert again.json()["data"]["nodes"] == albums
    assert again.headers["X-Statements"] == "1"


# --- errors, the report, the page -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("{ album(id: 9999) { title } }", "NOT_FOUND", "Album has no row for key 9999."),
        (
            '{ bestSellers(country: "USA", first: 0) { quantity } }',
            "INVALID_ARGUMENT",
            "first expects a number of tracks from 1 to 100; got 0.",
        ),
    ],
    ids=["not found", "out of range"],
)
async def test_errors_have_codes_and_are_no_news_in_the_log(http, caplog, query, code, message):
    answer = await ask(http, query)
    (error,) = answer.json()["errors"]
    assert (error["extensions"], error["message"]) == ({"code": code}, message)
    assert not [record for record in caplog.records if record.name.startswith("strawberry")]


async def test_what_goes_wrong_in_the_store_is_logged(caplog):
    async with open_store("sqlite+aiosqlite://") as empty:  # no table is there
        result = await create_schema(empty).execute("{ album(id: 1) { title } }")
    (error,) = result.errors
    assert (error.extensions, "album" in error.message) == ({"code": "INTERNAL"}, False)
    assert [record.name for record in caplog.records] == ["strawberry.execution"]


async def test_the_report_is_there_for_whoever_asks(store, http):
    query = "{ albums(first: 2) { edges { node { artist { name } } } } }"
    plain = await ask(http, query)
    assert "extensions" not in plain.json()
    asked = await http.post("/graphql", json={"query": query}, headers={"X-Batchrepo-Report": "1"})
    report = asked.json()["extensions"]["batchrepo"]
    expected = 1 if store.engine.dialect.name == "postgresql" else 2
    assert report["statements"] == int(asked.headers["X-Statements"]) == expected
    assert "FROM artist" in json.dumps(report["steps"])


async def test_a_browser_gets_graphiql(http):
    page = await http.get("/graphql", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")


async def test_the_application_alone(database_url):
    app = create_app(database_url)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chinook") as client,
    ):
        answer = await ask(client, "{ album(id: 1) { title } }")
        home = await client.get("/", follow_redirects=True)
    assert answer.json() == {"data": {"album": {"title": "For Those About To Rock We Salute You"}}}
    assert answer.headers["X-Statements"] == "1"
    assert home.status_code == 200
    assert "<title>Chinook, a music store over GraphQL</title>" in home.text
