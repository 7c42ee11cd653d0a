"""Limits: what asks for too much is refused at once, before it is validated and before anything is read."""

from __future__ import annotations

import logging
import time

import pytest
import strawberry
from graphql import get_introspection_query
from strawberry import relay
from strawberry.extensions import DisableValidation, ParserCache, ValidationCache
from strawberry.schema.exceptions import CannotGetOperationTypeError

from batchrepo import DeclarationError
from batchrepo.integrations.strawberry import Limits, ScopeExtension
from tests.support.graphql_store import answer, counting, make_schema, refusal


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


def limit_of(error):
    found = dict(error.extensions)
    assert found.pop("code") == "LIMIT_EXCEEDED"
    return found


# --- each limit, to the number --------------------------------------------------------------------

EXACT = {
    "depth": ("{ album(id: 1) { tracks(first: 1) { edges { node { id } } } } }", 5),
    "depth_of_fragments": (
        "{ album(id: 1) { ...A } } fragment A on Album { artist { ...B } } fragment B on Artist { name }",
        3,
    ),
    "breadth": ("{ album(id: 1) { id title label } }", 3),
    "breadth_of_fragments": (
        "{ album(id: 1) { id ...A ... on Album { title ...A } } } fragment A on Album { title label }",
        6,
    ),
    "fields": ("{ a: album(id: 1) { ...A } album(id: 2) { ...A } } fragment A on Album { id title }", 6),
    "aliases": (
        "{ a: album(id: 1) { ...A } album(id: 2) { ...A } } fragment A on Album { x: id y: title }",
        5,
    ),
    "rows": (
        "{ artists(first: 7) { edges { node { albums(first: 3) { edges { node { title } } } } } } }",
        28,
    ),
    "rows_of_both_ends": (
        "{ albums(last: 2) { edges { node { tracks(first: 4) { edges { cursor } } } } } }",
        10,
    ),
    "rows_of_default_sizes": ("{ albums { edges { node { tracks { edges { node { id } } } } } } }", 20 * 21),
    "rows_of_lists": (
        "{ tracks(first: 2) { edges { node { playlists { name } genre { name } } } } }",
        2 * (1 + 10 + 1),
    ),
    "rows_of_top": ("{ album(id: 1) { firstTracks { id } longest { id } } }", 1 + 3 + 1),
    "rows_of_aliases": (
        "{ a: album(id: 1) { id } b: album(id: 2) { id } c: albums(first: 5) { edges { node { id } } } }",
        7,
    ),
    "rows_without_nodes": ("{ albums(first: 30) { totalCount pageInfo { hasNextPage } } }", 30),
    "rows_of_two_edges": (
        "{ albums(first: 30) { a: edges { node { id } } b: edges { node { title } } } }",
        60,
    ),
    "rows_of_fragments": (
        "{ albums(first: 5) { edges { node { ...A } } } } fragment A on Album { tracks(first: 2) { ...B ...B } } fragment B on TrackConnection { edges { node { id } } }",
        5 * (1 + 2 * 2),
    ),
}
"""A query, and the number that is counted for the limit that its name begins with."""


@pytest.mark.parametrize("case", EXACT)
async def test_a_limit_is_exact_and_says_what_is_and_what_may_be(sqlite_store, case):
    name = case.partition("_")[0]
    query, number = EXACT[case]
    await answer(make_schema(sqlite_store, limits=Limits(**{name: number})), query)
    with counting(sqlite_store, 0):
        error = await refusal(make_schema(sqlite_store, limits=Limits(**{name: number - 1})), query)
    assert limit_of(error) == {"limit": name, "value": number, "allowed": number - 1}
    assert f"{number:,}" in error.message
    assert f"at most {number - 1:,} may be. Ask for " in error.message


async def test_variables_and_their_defaults_count(sqlite_store):
    schema = make_schema(sqlite_store, limits=Limits(rows=100))
    query = """query($n: Int = 50, $m: Int! = 3, $no: Boolean = false) { albums(first: $n) { edges { node {
        title tracks(last: $m) @skip(if: $no) { edges { node { id } } } } } } }"""
    with counting(sqlite_store, 0):
        assert limit_of(await refusal(schema, query))["value"] == 50 * 4
        assert limit_of(await refusal(schema, query, n=26))["value"] == 26 * 4
        assert limit_of(await refusal(schema, query, n=None, m=5))["value"] == 20 * 6
    await answer(schema, query, n=25)
    await answer(schema, query, n=100, no=True)
    # A value that is no number is GraphQL's to refuse.
    error = await refusal(schema, query, n="many")
    assert "got invalid value" in error.message or "cannot represent" in error.message


async def test_only_the_operation_that_runs_gives_rows(sqlite_store):
    schema = make_schema(sqlite_store, limits=Limits(rows=10))
    query = "query A { albums(first: 5) { edges { node { id } } } } query B { albums(first: 50) { edges { node { id } } } }"
    assert (await schema.execute(query, operation_name="A")).errors is None
    assert limit_of((await schema.execute(query, operation_name="B")).errors[0])["value"] == 50


# --- queries built to hurt ------------------------------------------------------------------------


def nested(times, inner="id"):
    return "{ albums { edges { node { artist " * times + "{ " + inner + " }" + " } } } }" * times


def fragments(count, spread):
    bodies = "".join(f"fragment F{n} on Album {{ {spread.format(n + 1)} }} " for n in range(count))
    return "{ album(id: 1) { ...F0 } } " + bodies


HURTING = {
    "deep": (nested(4), "depth"),
    "deeper than the parser goes": ("{ albums " * 300 + "}" * 300, "depth"),
    "wide": ("{ album(id: 1) { " + "title " * 2_000 + "} }", "breadth"),
    "aliased 1,000 times": (
        "{ " + " ".join(f"a{n}: album(id: {n}) {{ id }}" for n in range(1_000)) + " }",
        "tokens",
    ),
    "aliased 90 times": (
        "{ " + " ".join(f"a{n}: album(id: {n}) {{ id }}" for n in range(90)) + " }",
        "aliases",
    ),
    "aliased below each other": (
        "{ " + "".join(f"a{n}: albums {{ b: edges {{ c: node {{ d: title }} }} }} " for n in range(13)) + "}",
        "aliases",
    ),
    "a bomb of fragments": (
        fragments(300, "...F{0} ...F{0}") + "fragment F300 on Album { title }",
        "breadth",
    ),
    "a bomb of fragments below each other": (
        fragments(30, "artist {{ albums(first: 1) {{ edges {{ node {{ ...F{0} }} }} }} }} title")
        + "fragment F30 on Album { title }",
        "depth",
    ),
    "fragments that contain themselves": (
        fragments(2, "title ...F{0}") + "fragment F2 on Album { ...F0 }",
        "depth",
    ),
    "a fragment that contains itself deeper": (
        "{ album(id: 1) { ...A } } fragment A on Album { artist { albums { edges { node { ...A } } } } }",
        "depth",
    ),
    "a fragment that contains itself twice": (
        "{ album(id: 1) { ...A ...A } } fragment A on Album { ...A ...A title }",
        "depth",
    ),
    "a chain of fragments": (fragments(500, "...F{0}") + "fragment F500 on Album { title }", "depth"),
    "a wide fragment that nothing spreads": (
        "{ album(id: 1) { title } } fragment A on Album { " + "title " * 4_900 + "}",
        "breadth",
    ),
    "a wide operation beside": (
        "query A { albums { totalCount } } query B { " + "x " * 4_900 + "}",
        "breadth",
    ),
    "large pages in pages": (
        "{ albums(first: 1000) { edges { node { tracks(first: 500) { edges { node { id } } } } } } }",
        "rows",
    ),
    "lists in lists": (
        "{ playlists { " + "tracks { playlists { " * 4 + "id" + " } }" * 4 + " } }",
        "rows",
    ),
    "long": ("{ album(id: 1) { title } } # " + "x" * 100_000, "characters"),
    "a long text": ('{ node(id: "' + "x" * 100_000 + '") { id } }', "characters"),
    "comments": ("#\n" * 6_000 + "{ album(id: 1) { title } }", "tokens"),
    "directives": ("{ album(id: 1) { title " + "@include(if: true) " * 1_000 + "} }", "tokens"),
    "a long list": ("{ nodes(ids: [" + '"QWxidW06MQ==" ' * 6_000 + "]) { id } }", "characters"),
}
"""A query, and the limit that refuses it."""


@pytest.mark.parametrize("case", HURTING)
async def test_what_is_built_to_hurt_is_refused_before_it_costs(sqlite_store, case):
    query, name = HURTING[case]
    schema = make_schema(sqlite_store)
    operation = {"operation_name": "A"} if query.startswith("query A") else {}
    started = time.process_time()
    with counting(sqlite_store, 0):
        result = await schema.execute(query, **operation)
    seconds = time.process_time() - started
    (error,) = result.errors
    assert limit_of(error)["limit"] == name
    assert error.message.endswith(("another query.", "fewer fields.", "connection.", "first or last."))
    assert len(error.message) < 300
    # Parsing 5,000 tokens takes the most of it; the plain ways out of these queries take seconds or for ever.
    assert seconds < 0.5


@pytest.mark.parametrize(
    "more",
    [[], [ParserCache, ValidationCache], [DisableValidation]],
    ids=["alone", "caches", "no_validation"],
)
@pytest.mark.parametrize("last", [True, False], ids=["last", "first"])
async def test_no_other_extension_opens_a_way_around(sqlite_store, more, last):
    schema = make_schema(sqlite_store, *(more if last else ()))
    if not last:
        schema.extensions = (*schema.extensions, *more)
    for case in (
        "deep",
        "a bomb of fragments",
        "a fragment that contains itself deeper",
        "large pages in pages",
    ):
        for _ in range(2):
            with counting(sqlite_store, 0):
                error = await refusal(schema, HURTING[case][0])
            assert limit_of(error)["limit"] == HURTING[case][1]


async def test_an_operation_over_a_stream_is_limited_too(sqlite_store):
    schema = make_schema(sqlite_store)
    for case in ("deep", "deeper than the parser goes", "large pages in pages"):
        with counting(sqlite_store, 0):
            results = [result async for result in await schema.stream(HURTING[case][0])]
        assert [limit_of(error)["limit"] for result in results for error in result.errors] == [
            HURTING[case][1]
        ]


async def test_an_invalid_query_is_validations_to_refuse(sqlite_store):
    """What the schema does not have counts for nothing, and stops nobody."""
    schema = make_schema(sqlite_store)
    for query in (
        "{ nothing { below(first: 1000000) { edges { node { x } } } } }",
        "{ album(id: 1) { ...Nothing } }",
        "{ album(id: 1) { ... on Nothing { x } title { y } } }",
        "{ albums(first: ONE) { edges { cursor } } }",
        '{ albums(first: "1") { edges { cursor } } }',
        "{ albums(first: $n) { edges { cursor } } }",
        "{ albums(first: [1]) { edges { cursor } } }",
        "{ albums(first: " + "9" * 5_000 + ") { edges { cursor } } }",
        "subscription { albums { totalCount } }",
        "query A { albums { totalCount } } query A { albums { totalCount } }",
        "{ nodes(ids: {a: 1}) { id } }",
        "{ albums @skip(if: 3) { totalCount } }",
    ):
        with counting(sqlite_store, 0):
            result = await schema.execute(query)
        assert result.errors, query
        assert all("code" not in (error.extensions or {}) for error in result.errors), query


async def test_an_operation_that_is_not_there_is_strawberrys_to_refuse(sqlite_store):
    with pytest.raises(CannotGetOperationTypeError):
        await make_schema(sqlite_store).execute("query A { albums { totalCount } }", operation_name="B")


# --- settings -------------------------------------------------------------------------------------


async def test_each_limit_can_be_taken_away(sqlite_store):
    none = Limits(
        depth=None, breadth=None, fields=None, aliases=None, rows=None, tokens=None, characters=None
    )
    schema = make_schema(sqlite_store, limits=none)
    await answer(schema, "{ album(id: 1) { " + "title " * 101 + "} }")
    await answer(
        schema, "{ playlists { tracks { album { artist { albums(first: 1000) { totalCount } } } } } }"
    )
    for case in ("deep", "aliased 90 times", "long", "comments"):
        await answer(schema, HURTING[case][0].replace("{ albums {", "{ albums(first: 1) {"))
    # What has no end is refused in any case.
    error = await refusal(schema, HURTING["a fragment that contains itself deeper"][0])
    assert limit_of(error)["limit"] == "depth"


@pytest.mark.parametrize(
    "options", [{"depth": 0}, {"rows": -1}, {"tokens": "9"}, {"list_rows": None}, {"aliases": True}]
)
def test_a_limit_is_a_number_of_at_least_one(options):
    with pytest.raises(DeclarationError, match=r"Limits\(\w+=\.\.\.\) expects a whole number, 1 or more"):
        Limits(**options)


# --- introspection --------------------------------------------------------------------------------


async def test_introspection_is_within_the_limits(sqlite_store):
    schema = make_schema(sqlite_store)
    data = await answer(schema, get_introspection_query(descriptions=True, input_value_deprecation=True))
    assert data["__schema"]["queryType"]["name"] == "Query"


async def test_what_introspection_selects_has_no_depth_but_aliases(sqlite_store):
    schema = make_schema(sqlite_store, limits=Limits(depth=1, aliases=2))
    await answer(schema, '{ __type(name: "Album") { fields { type { ofType { name } } } } }')
    error = await refusal(schema, "{ a: __typename b: __typename c: __typename }")
    assert limit_of(error)["limit"] == "aliases"


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Album") { name } }',
        "{ ...A } fragment A on Query { x: __schema { queryType { name } } }",
        "{ album(id: 1) { title } ... { __schema { queryType { name } } } }",
    ],
)
async def test_introspection_can_be_closed(sqlite_store, query):
    schema = make_schema(sqlite_store, limits=Limits(introspection=False))
    with counting(sqlite_store, 0):
        error = await refusal(schema, query)
    assert error.extensions == {"code": "INTROSPECTION_CLOSED"}
    # The name of an object's type is a part of answers.
    assert await answer(schema, "{ __typename album(id: 1) { __typename } }") == {
        "__typename": "Query",
        "album": {"__typename": "Album"},
    }


@strawberry.type
class Fruit(relay.Node):
    id: relay.NodeID[int]


@strawberry.type(name="Query")
class Fruits:
    @relay.connection(relay.ListConnection[Fruit])
    def fruits(self) -> list[Fruit]:
        return [Fruit(id=number) for number in range(3)]


async def test_connections_of_others_count_by_their_sizes(sqlite_store):
    schema = strawberry.Schema(
        Fruits, extensions=[lambda: ScopeExtension(sqlite_store, limits=Limits(rows=50))]
    )
    assert limit_of(await refusal(schema, "{ fruits { edges { node { id } } } }"))["value"] == 100
    assert limit_of(await refusal(schema, "{ fruits(last: 60) { edges { node { id } } } }"))["value"] == 60
    assert (
        len((await answer(schema, "{ fruits(first: 50) { edges { node { id } } } }"))["fruits"]["edges"]) == 3
    )
