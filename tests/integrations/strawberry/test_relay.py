"""Connections as the GraphQL Cursor Connections Specification has them (https://relay.dev/graphql/connections.htm)."""

from __future__ import annotations

import logging
import re

import pytest
from sqlalchemy import select

from examples.chinook.models import Album, Artist, Track
from tests.support.graphql_store import answer, counting, make_schema, refusal
from tests.support.stores import kept

IRON_MAIDEN = 90
"""The artist with the most albums: 21."""


@pytest.fixture
def schema(store):
    return kept(make_schema, store)


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


# The same cases at the root and nested: where the connection is, what its rows are called, and which there are.
ROOT = ("tracks", "name", "{ connection: tracks(%s) { %s } }")
NESTED = ("albums", "title", "{ artist(id: 90) { connection: albums(%s) { %s } } }")
PLACES = pytest.mark.parametrize("place", [ROOT, NESTED], ids=["root", "nested"])


async def page(schema, place, arguments, selected="", **variables):
    """A page's edges, as (cursor, text), and its pageInfo."""
    _, column, query = place
    every = f"{selected} edges {{ cursor node {{ {column} }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}"
    data = await answer(schema, query % (arguments, every), **variables)
    found = data.get("connection") or data["artist"]["connection"]
    edges = [(edge["cursor"], edge["node"][column]) for edge in found["edges"]]
    return edges, found["pageInfo"], found


async def every_edge(schema, place):
    edges, _, _ = await page(schema, place, "first: 21")
    assert len(edges) == 21
    return edges


# --- 2 and 3: the types ---------------------------------------------------------------------------


async def test_connections_edges_and_page_info_have_the_fields_and_types_of_the_specification(schema):
    def shape(name):
        found = schema._schema.get_type(name)
        return {field: str(inner.type) for field, inner in found.fields.items()}

    assert shape("TrackConnection") == {
        "edges": "[TrackEdge!]!",
        "pageInfo": "PageInfo!",
        "totalCount": "Int!",
    }
    assert shape("TrackEdge") == {"cursor": "String!", "node": "Track!"}
    assert shape("PageInfo") == {
        "hasNextPage": "Boolean!",
        "hasPreviousPage": "Boolean!",
        "startCursor": "String",
        "endCursor": "String",
    }
    arguments = dict(schema._schema.query_type.fields["tracks"].args)
    del arguments["where"], arguments["orderBy"]  # ours, besides those of the specification
    assert {name: str(argument.type) for name, argument in arguments.items()} == {
        "first": "Int",
        "after": "String",
        "last": "Int",
        "before": "String",
    }


# --- 4: which edges -------------------------------------------------------------------------------


@PLACES
async def test_forward_pages_joined_are_the_whole(schema, place, store, chinook_url):
    everything = await every_edge(schema, place)
    seen, after = [], None
    for number in range(5):
        edges, info, _ = await page(schema, place, f'first: 5{f""", after: "{after}" """ if after else ""}')
        seen += edges
        after = info["endCursor"]
        assert (info["startCursor"], info["endCursor"]) == (edges[0][0], edges[-1][0])
        assert info["hasPreviousPage"] is (number > 0)
        if not info["hasNextPage"]:
            break
    assert seen[:21] == everything[:21]


@PLACES
async def test_backward_pages_joined_are_the_whole(schema, place):
    everything = await every_edge(schema, place)
    # From behind the 21st row; the order of the edges is the same as forward.
    before = everything[20][0]
    seen = []
    while True:
        edges, info, _ = await page(schema, place, f'last: 6, before: "{before}"')
        seen = edges + seen
        before = info["startCursor"]
        assert info["hasNextPage"] is True
        if not info["hasPreviousPage"]:
            break
    assert seen == everything[:20]


# (arguments, edges, has previous, has next); %a to %e are the cursors of the first five rows.
FIVE = [
    ("first: 2", "ab", False, True),
    ('first: 2, after: "%b"', "cd", True, True),
    ('first: 3, after: "%b", before: "%e"', "cd", True, True),
    ('first: 1, after: "%b", before: "%e"', "c", True, True),
    ('last: 1, after: "%a", before: "%e"', "d", True, True),
    ('last: 9, before: "%c"', "ab", False, True),
    ('last: 2, before: "%e"', "cd", True, True),
    ('first: 9, before: "%c"', "ab", False, True),
    ('after: "%a", before: "%d"', "bc", True, True),
    ('before: "%c"', "ab", False, True),
    ('first: 9, after: "%c", before: "%d"', "", True, True),
    ('first: 9, after: "%d", before: "%b"', "", True, True),
]


@PLACES
async def test_cursors_and_sizes_cut_as_the_specifications_algorithm_does(schema, place):
    everything = await every_edge(schema, place)
    named = dict(zip("abcdefghijklmnopqrstu", everything, strict=True))
    for arguments, expected, has_previous, has_next in FIVE:
        for letter in "abcde":
            arguments = arguments.replace(f"%{letter}", named[letter][0])
        edges, info, _ = await page(schema, place, arguments)
        assert edges == [named[letter] for letter in expected], arguments
        assert (info["hasPreviousPage"], info["hasNextPage"]) == (has_previous, has_next), arguments


@PLACES
async def test_a_page_of_nothing_has_no_cursors_and_says_whether_there_is_more(schema, place):
    for arguments, has_previous, has_next in (("first: 0", False, True), ("last: 0", True, False)):
        edges, info, _ = await page(schema, place, arguments)
        assert edges == []
        assert info == {
            "hasNextPage": has_next,
            "hasPreviousPage": has_previous,
            "startCursor": None,
            "endCursor": None,
        }


async def test_an_empty_connection_is_a_page_and_no_null(schema):
    query = "{ artist(id: 25) { albums { totalCount edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"
    assert await answer(schema, query) == {
        "artist": {
            "albums": {
                "totalCount": 0,
                "edges": [],
                "pageInfo": {
                    "hasNextPage": False,
                    "hasPreviousPage": False,
                    "startCursor": None,
                    "endCursor": None,
                },
            }
        }
    }


@PLACES
async def test_the_last_page_ends_and_a_page_past_the_end_is_empty(schema, place):
    _, info, found = await page(schema, place, "last: 3", "totalCount")
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (False, True)
    _, beyond, again = await page(schema, place, f'first: 3, after: "{info["endCursor"]}"', "totalCount")
    assert (beyond["hasNextPage"], beyond["hasPreviousPage"], beyond["endCursor"]) == (False, True, None)
    # The total is of all pages, also past the last one.
    assert found["totalCount"] == again["totalCount"] > 20


# --- 4.1: errors ----------------------------------------------------------------------------------


@PLACES
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("first: -1", r"first= expects a number of rows from 0 to \d+; got -1\.$"),
        ("last: -5", r"last= expects a number of rows from 0 to \d+; got -5\.$"),
        ("first: 1001", r"first= expects a number of rows from 0 to \d+; got 1001\.$"),
        ("first: 2, last: 2", r"first= and last= ask for two different pages\. Give one of them\.$"),
    ],
    ids=["first negative", "last negative", "too many", "both"],
)
async def test_sizes_that_cannot_be_used_are_errors_before_anything_is_read(
    schema, store, place, arguments, told
):
    _, column, query = place
    with counting(store, 0):
        error = await refusal(schema, query % (arguments, f"edges {{ node {{ {column} }} }}"))
    assert re.search(told, error.message)
    assert error.extensions == {"code": "INVALID_ARGUMENT"}
    assert error.locations


async def test_sizes_of_variables_are_looked_at_too(schema, store):
    query = "query($size: Int = -2) { tracks(first: $size) { edges { cursor } } }"
    with counting(store, 0):
        assert (await refusal(schema, query)).message.endswith("got -2.")
        assert (await refusal(schema, query, size=5000)).message.endswith("got 5000.")
    # Left out or null means no size.
    assert len((await answer(schema, query, size=None))["tracks"]["edges"]) == 20
    assert len((await answer(schema, query, size=3))["tracks"]["edges"]) == 3


@PLACES
async def test_cursors_of_something_else_are_refused_with_their_reason(schema, store, place):
    _, column, query = place
    selected = f"edges {{ node {{ {column} }} }}"
    artists = await answer(schema, "{ artists(first: 1) { edges { cursor } } }")
    other = artists["artists"]["edges"][0]["cursor"]
    (own, _), *_ = await every_edge(schema, place)
    damaged = own[:-1] + ("A" if own[-1] != "A" else "B")
    for cursor, reasons in (
        (other, {"order"}),
        (damaged, {"signature", "malformed"}),
        ("", {"malformed"}),
        ("é", {"malformed"}),
    ):
        for argument in ("after", "before"):
            with counting(store, 0 if place is ROOT else 1):
                error = await refusal(schema, query % (f'{argument}: "{cursor}"', selected))
            assert error.extensions["code"] == "INVALID_ARGUMENT"
            assert error.extensions["reason"] in reasons, cursor
            assert error.path == (["connection"] if place is ROOT else ["artist", "connection"])


# --- many parents ---------------------------------------------------------------------------------


async def test_three_levels_with_other_arguments_under_two_aliases_are_right(schema, store, chinook_url):
    """Statements do not depend on the number of rows: one for each connection of the query's shape."""
    query = """
    query($n: Int!) {
      artists(first: $n) { edges { node {
        name
        few: albums(first: 1) { totalCount edges { node { title tracks(last: 2) { edges { node { id } } } } } }
        many: albums(last: 2) { pageInfo { hasPreviousPage } edges { node { title tracks(first: 3) { edges { node { id } } pageInfo { hasNextPage } } } } }
      } } }
    }"""
    with counting(store, 6):
        small = await answer(schema, query, n=2)
    with counting(store, 6):
        large = await answer(schema, query, n=275)
    artists = [edge["node"] for edge in large["artists"]["edges"]]
    assert artists[:2] == [edge["node"] for edge in small["artists"]["edges"]]

    async with store.engine.connect() as connection:
        rows = (
            await connection.execute(select(Artist.name, Artist.id).order_by(Artist.name, Artist.id))
        ).all()
        albums: dict[int, list] = {}
        for title, key, artist in await connection.execute(
            select(Album.title, Album.id, Album.artist_id).order_by(Album.id)
        ):
            albums.setdefault(artist, []).append((title, key))
        tracks: dict[int, list] = {}
        for key, album in await connection.execute(select(Track.id, Track.album_id).order_by(Track.id)):
            tracks.setdefault(album, []).append(key)
    assert len(artists) == len(rows)
    by_name = {artist["name"]: artist for artist in artists}
    for name, key in rows:
        own, found = albums.get(key, []), by_name[name]
        assert found["few"]["totalCount"] == len(own)
        assert [
            (edge["node"]["title"], [inner["node"]["id"] for inner in edge["node"]["tracks"]["edges"]])
            for edge in found["few"]["edges"]
        ] == [(title, tracks[album][-2:]) for title, album in own[:1]]
        assert found["many"]["pageInfo"]["hasPreviousPage"] is (len(own) > 2)
        assert [
            (
                edge["node"]["title"],
                [inner["node"]["id"] for inner in edge["node"]["tracks"]["edges"]],
                edge["node"]["tracks"]["pageInfo"]["hasNextPage"],
            )
            for edge in found["many"]["edges"]
        ] == [(title, tracks[album][:3], len(tracks[album]) > 3) for title, album in own[-2:]]


async def test_the_total_is_counted_only_where_it_is_selected(schema, store):
    with counting(store, 1):
        await answer(schema, "{ artists(first: 3) { edges { node { name } } } }")
    with counting(store, 1):
        data = await answer(schema, "{ artists(first: 3) { totalCount } }")
    assert data == {"artists": {"totalCount": 275}}
    with counting(store, 2):
        await answer(
            schema,
            "query($no: Boolean!) { artists(first: 3) { totalCount @skip(if: $no) edges { node { albums(first: 1) { totalCount @skip(if: $no) edges { cursor } } } } } }",
            no=True,
        )


async def test_pages_of_any_number_of_parents_from_one_cursor_are_one_statement(schema, store):
    """And one more says which parents have something before their page, where the query asks for it."""
    first = await answer(schema, "{ artist(id: 90) { albums(first: 2) { pageInfo { endCursor } } } }")
    cursor = first["artist"]["albums"]["pageInfo"]["endCursor"]
    query = """
    query($n: Int!, $after: String!, $before: Boolean!) {
      artists(first: $n) { edges { node { albums(first: 2, after: $after) {
        edges { node { title } } pageInfo { hasPreviousPage @include(if: $before) } } } } }
    }"""
    for artists in (1, 2, 250):
        for before in (False, True):
            with counting(store, 2 + before):
                data = await answer(schema, query, after=cursor, n=artists, before=before)
            assert len(data["artists"]["edges"]) == artists
    assert sum(len(edge["node"]["albums"]["edges"]) for edge in data["artists"]["edges"]) > 5
