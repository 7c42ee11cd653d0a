"""The store over GraphQL."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from batchrepo.testing.counting import statement_counter
from examples.chinook import listing
from examples.graphql_app.app import create_app
from examples.graphql_app.schema import create_schema


async def ask(http: httpx.AsyncClient, query: str) -> httpx.Response:
    return await http.post("/graphql", json={"query": query})


async def test_all_albums_take_five_statements_over_http(store, http, expected):
    with statement_counter(store.engine) as seen:
        answer = await ask(http, listing.GRAPHQL)
    assert seen.count == 5, seen
    assert answer.headers["X-Statements"] == "5"
    assert answer.json() == {"data": {"albums": expected}}


async def test_all_albums_take_five_statements_without_http(store, expected):
    with statement_counter(store.engine) as seen:
        result = await create_schema(store).execute(listing.GRAPHQL)
    assert result.errors is None
    assert result.data == {"albums": expected}
    assert seen.count == 5, seen


async def test_computed_attributes_are_batched(http, expected):
    query = "{ albums(first: 1000) { id duration longest { milliseconds } firstTracks { id } } }"
    answer = await ask(http, query)
    assert answer.json()["data"]["albums"] == [
        {
            "id": album["id"],
            "duration": sum(track["milliseconds"] for track in album["tracks"]),
            "longest": {"milliseconds": max(track["milliseconds"] for track in album["tracks"])},
            "firstTracks": [{"id": track["id"]} for track in album["tracks"][:3]],
        }
        for album in expected
    ]
    assert answer.headers["X-Statements"] == "4"


async def test_the_way_back_runs_no_statement(http):
    """Track to album is the album that the scope has."""
    answer = await ask(http, "{ album(id: 1) { tracks { album { title } } } }")
    tracks = answer.json()["data"]["album"]["tracks"]
    assert tracks == [{"album": {"title": "For Those About To Rock We Salute You"}}] * 10
    assert answer.headers["X-Statements"] == "2"


async def test_two_root_fields_share_the_scope(http):
    answer = await ask(http, "{ a: album(id: 1) { artist { name } } b: album(id: 2) { artist { name } } }")
    assert answer.json()["data"] == {"a": {"artist": {"name": "AC/DC"}}, "b": {"artist": {"name": "Accept"}}}
    assert answer.headers["X-Statements"] == "2"


async def test_playlists_and_artists(http):
    answer = await ask(
        http,
        """{ playlists { name trackCount tracks { id } }
             artists(first: 3, search: "maiden") { name albumCount albums { title } }
             nobody: artist(id: 9999) { name }
             track(id: 1) { genre { name } } }""",
    )
    data = answer.json()["data"]
    assert [p["trackCount"] for p in data["playlists"]] == [len(p["tracks"]) for p in data["playlists"]]
    assert sum(p["trackCount"] for p in data["playlists"]) == 8715
    (maiden,) = data["artists"]
    assert (maiden["name"], maiden["albumCount"], len(maiden["albums"])) == ("Iron Maiden", 21, 21)
    assert data["nobody"] is None
    assert data["track"] == {"genre": {"name": "Rock"}}


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("{ album(id: 9999) { title } }", "NOT_FOUND", "Album has no row for key 9999."),
        (
            "{ albums(first: 0) { title } }",
            "INVALID_ARGUMENT",
            "first: 0 is out of range. Expected 1 to 1000.",
        ),
    ],
)
async def test_errors_have_codes(http, caplog, query, code, message):
    answer = await ask(http, query)
    (error,) = answer.json()["errors"]
    assert (error["extensions"], error["message"]) == ({"code": code}, message)


async def test_fifty_operations_at_once(store, http, expected):
    by_id = {album["id"]: album for album in expected}
    answers = await asyncio.gather(
        *(
            ask(http, f"{{ album(id: {key}) {{ artist {{ name }} tracks {{ id }} }} }}")
            for key in range(1, 51)
        )
    )
    for key, answer in enumerate(answers, 1):
        album = answer.json()["data"]["album"]
        assert album["artist"]["name"] == by_id[key]["artist"]["name"]
        assert album["tracks"] == [{"id": track["id"]} for track in by_id[key]["tracks"]]
        assert answer.headers["X-Statements"] == "3"
    assert store.engine.pool.checkedout() == 0


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
    assert answer.json() == {"data": {"album": {"title": "For Those About To Rock We Salute You"}}}
    assert answer.headers["X-Statements"] == "1"
