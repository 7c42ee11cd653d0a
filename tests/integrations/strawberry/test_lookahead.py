"""Look-ahead: what a query selects, in whatever way it is written, is what is read, and nothing else."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest
from sqlalchemy import event

from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from tests.support.graphql_store import answer, counting, make_schema


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


@pytest.fixture
def statements(store):
    """The texts of what reaches the driver."""
    texts: list[str] = []

    def note(_connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        texts.append(text)

    event.listen(store.engine.sync_engine, "before_cursor_execute", note)
    yield texts
    event.remove(store.engine.sync_engine, "before_cursor_execute", note)


def columns(statement: str, table: str) -> set[str]:
    """The columns of a table that a statement names."""
    return set(re.findall(rf"\b{table}\.(\w+)", statement))


def words(statement: str) -> list[str]:
    """A statement, whatever the order in which it names its columns."""
    return sorted(re.split(r"[\s,]+", statement))


# One answer, written in every way that GraphQL has for it.
PLAIN = "{ albums(first: 2) { edges { node { title artist { name } tracks(first: 2) { edges { node { name genre { name } } } } } } } }"
WAYS = {
    "plain": (PLAIN, {}),
    "fragment": (
        "{ albums(first: 2) { edges { node { ...A } } } } fragment A on Album { title artist { ...N } tracks(first: 2) { edges { node { name genre { name } } } } } fragment N on Artist { name }",
        {},
    ),
    "fragment twice": (
        "{ albums(first: 2) { edges { ...E ...E } } } fragment E on AlbumEdge { node { title ...T artist { name } ...T } } fragment T on Album { tracks(first: 2) { edges { node { name genre { name } } } } }",
        {},
    ),
    "inline fragments": (
        "{ ... { albums(first: 2) { ... on AlbumConnection { edges { node { title ... on Album { artist { name } } ... @include(if: true) { tracks(first: 2) { edges { node { name genre { name } } } } } } } } } } }",
        {},
    ),
    "merged": (
        "{ albums(first: 2) { edges { node { title } } edges { node { artist { name } tracks(first: 2) { edges { node { name } } } } } } albums(first: 2) { edges { node { tracks(first: 2) { edges { node { genre { name } } } } } } } }",
        {},
    ),
    "variables": (
        "query($n: Int!, $m: Int = 2, $no: Boolean!, $yes: Boolean = true) { albums(first: $n) { edges { node { title duration @skip(if: $yes) artist { name id @include(if: $no) } tracks(first: $m) { totalCount @include(if: $no) edges { cursor @skip(if: $yes) node { name genre @include(if: $yes) { name } } } } } } } }",
        {"n": 2, "no": False},
    ),
    "variables and fragments": (
        "query($n: Int = 2, $no: Boolean = false) { albums(first: $n) { edges { node { ...A ...B @include(if: $no) } } } } fragment A on Album { title artist { name } tracks(first: $n) { edges { node { name genre { name } } } } } fragment B on Album { longest { name } firstTracks { id } }",
        {},
    ),
}


@pytest.mark.parametrize("way", WAYS)
async def test_however_it_is_written_the_same_is_read(store, statements, way):
    schema = make_schema(store)
    expected = await answer(schema, PLAIN)
    plain = statements[:]
    assert len(plain) == 4
    assert columns(plain[0], "album") == {"id", "title", "artist_id"}
    assert columns(plain[3], "genre") == {"id", "name"} or columns(plain[2], "genre") == {"id", "name"}
    query, variables = WAYS[way]
    for _ in range(2):  # planned, and remembered
        statements.clear()
        assert await answer(schema, query, **variables) == expected
        assert sorted(map(words, statements)) == sorted(map(words, plain))


async def test_relations_read_only_the_columns_that_are_selected(store, statements):
    schema = make_schema(store, strategy="batched")
    await answer(schema, "{ tracks(first: 3) { edges { node { name album { title } } } } }")
    tracks, albums = statements
    assert columns(tracks, "track") == {"id", "name", "album_id"}
    assert columns(albums, "album") == {"id", "title"}


async def test_an_unknown_way_to_read_turns_nothing_off(store, statements):
    """A field with a resolver of the user's reads what it requires, and the rest stays as selected."""
    await answer(make_schema(store), "{ albums(first: 3) { edges { node { label __typename } } } }")
    (albums,) = statements
    assert columns(albums, "album") == {"id", "title"}


async def test_one_place_with_other_variables_is_read_otherwise(store):
    schema = make_schema(store)
    query = "query($n: Int, $last: Int, $no: Boolean = false) { artist(id: 90) { name @skip(if: $no) albums(first: $n, last: $last) { edges { node { title } } } } }"
    seen = []
    for variables in (
        {"n": 1},
        {"n": 2},
        {"last": 1},
        {"n": 2, "no": True},
        {"n": 1, "no": False},
        {"n": None},
    ):
        found = (await answer(schema, query, **variables))["artist"]
        seen.append(("name" in found, [edge["node"]["title"] for edge in found["albums"]["edges"]]))
    assert [(named, len(titles)) for named, titles in seen] == [
        (True, 1),
        (True, 2),
        (True, 1),
        (False, 2),
        (True, 1),
        (True, 20),
    ]
    assert seen[0] == seen[4]
    assert seen[2][1] != seen[0][1]


async def test_operations_at_once_with_one_document_do_not_mix_up(store):
    schema = make_schema(store)
    query = "query($id: Int!, $n: Int!) { artist(id: $id) { name albums(first: $n) { edges { node { title tracks(last: $n) { edges { node { id } } } } } } } }"
    asked = [(1 + number % 3, 1 + number % 2) for number in range(24)]
    alone = {one: await answer(schema, query, id=one[0], n=one[1]) for one in set(asked)}
    together = await asyncio.gather(*(answer(schema, query, id=key, n=n) for key, n in asked))
    assert together == [alone[one] for one in asked]


async def test_a_fragment_in_two_places_has_its_own_variables_in_each(store):
    """Its nodes are the same, what leads to them is not."""
    query = """{
      few: albums(first: 1) { edges { node { ...A } } }
      many: albums(first: 3) { edges { node { ...A artist { albums(first: 1) { edges { node { ...A } } } } } } }
    }
    fragment A on Album { title tracks(first: 1) { edges { node { name } } } }"""
    data = await answer(make_schema(store), query)
    few = [edge["node"] for edge in data["few"]["edges"]]
    many = [edge["node"] for edge in data["many"]["edges"]]
    assert few[0] == {key: many[0][key] for key in ("title", "tracks")}
    every = "{ albums(first: 347) { edges { node { ...A } } } } fragment A on Album { title tracks(first: 1) { edges { node { name } } } }"
    alone = [edge["node"] for edge in (await answer(make_schema(store), every))["albums"]["edges"]]
    assert [{key: album[key] for key in ("title", "tracks")} for album in many] == alone[:3]
    assert all(album["artist"]["albums"]["edges"][0]["node"] in alone for album in many)


async def test_aliases_with_other_arguments_are_both_right_at_every_level(store):
    query = """{ artist(id: 90) {
      a: albums(first: 1) { x: edges { y: node { title } } }
      b: albums(last: 1) { edges { node { title p: tracks(first: 1) { edges { node { id } } } q: tracks(last: 1) { edges { node { id } } } } } }
    } }"""
    with counting(store, 5):
        artist = (await answer(make_schema(store), query))["artist"]
    assert artist["a"] == {"x": [{"y": {"title": "A Matter of Life and Death"}}]}
    (last,) = [edge["node"] for edge in artist["b"]["edges"]]
    assert last["title"] == "Virtual XI"
    assert last["p"]["edges"][0]["node"]["id"] < last["q"]["edges"][0]["node"]["id"]


async def test_the_statements_of_a_users_resolver_are_batched_with_what_is_selected_below(store):
    query = "{ rock { title artist { name albums(first: 1) { edges { node { title } } } } tracks(first: 1) { edges { node { name } } } } }"
    # The albums; their artists with albums; their tracks. What the resolver has read is not read again.
    with counting(store, 4):
        data = await answer(make_schema(store), query)
    assert [album["tracks"]["edges"][0]["node"]["name"] for album in data["rock"]]
    assert len(data["rock"]) == 3


async def test_without_look_ahead_the_answers_are_the_same(store):
    ahead, by_field = make_schema(store), make_schema(store, look_ahead=False)
    for query, variables in WAYS.values():
        assert await answer(by_field, query, **variables) == await answer(ahead, query, **variables)


async def test_places_that_read_the_same_columns_are_one_batch(store):
    """An alias is no way to N+1."""
    query = "{" + " ".join(f"a{key}: album(id: {key}) {{ title label }}" for key in range(1, 41)) + "}"
    with counting(store, 1):
        data = await answer(make_schema(store), query)
    assert len({album["title"] for album in data.values()}) == 40


async def test_plans_are_made_once_for_a_document_and_values(sqlite_store, monkeypatch):
    from batchrepo.integrations.strawberry.query import lookahead

    made = []
    planning = lookahead.Planning
    monkeypatch.setattr(lookahead, "Planning", lambda *a, **o: made.append(1) or planning(*a, **o))
    schema = make_schema(sqlite_store, pass_through=False)
    query = "query($n: Int!, $m: Int!) { albums(first: $n) { edges { node { tracks(first: $m) { edges { node { name } } } } } } }"
    for n, m in ((1, 1), (2, 1), (3, 1), (1, 2), (5, 2)):
        await answer(schema, query, n=n, m=m)
    # The root field's own argument does not decide about what is read below it.
    assert len(made) == 2
    assert len(lookahead_of(sqlite_store.reading)._operations) == 1
