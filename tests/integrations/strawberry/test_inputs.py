"""Filters and orders in GraphQL: what repositories declare, as inputs of lists, connections and relations."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import pytest_asyncio
import strawberry
from sqlalchemy import select
from strawberry.extensions import FieldExtension
from strawberry.schema.config import StrawberryConfig

from batchrepo import Database, DeclarationError, Repository, column, eq
from batchrepo.integrations.strawberry import (
    Connection,
    ScopeExtension,
    connection,
    many,
    related,
    repository_type,
)
from batchrepo.integrations.strawberry.query.lookahead import VALUES, lookahead_of
from examples.chinook.models import Album, Artist, Track
from tests.declare.hotel import REPOSITORIES as HOTEL
from tests.declare.hotel import RoomRepository
from tests.support.graphql_shop import REPOSITORIES, AlbumRepository, TrackRepository, make_shop
from tests.support.graphql_store import answer, counting, refusal


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


@pytest_asyncio.fixture
async def shop(chinook_url):
    async with Database(chinook_url, repositories=REPOSITORIES) as database:
        yield database


@pytest_asyncio.fixture
async def sqlite_shop(chinook_sqlite):
    async with Database(chinook_sqlite, repositories=REPOSITORIES) as database:
        yield database


BOTH_WAYS = pytest.mark.parametrize("look_ahead", [True, False], ids=["planned", "loaded"])


async def albums_of(shop, key):
    """The albums of an artist with their tracks, as Python has them."""
    async with shop.scope() as scope:
        found = await scope.session.execute(
            select(Album.id, Album.title, Track.name, Track.milliseconds)
            .join(Track, Track.album_id == Album.id)
            .where(Album.artist_id == key)
            .order_by(Track.id)
        )
        albums: dict[int, Any] = {}
        for album, title, name, length in found:
            albums.setdefault(album, (title, []))[1].append((name, length))
        return list(albums.values())


# --- the root ---------------------------------------------------------------------------------------


async def test_a_connection_is_filtered_and_ordered_by_what_the_repository_declares(shop):
    query = """{ albums(first: 50, where: {title: {icontains: "the"}, or: [{trackCount: {ge: 20}},
        {not: {artistName: {icontains: "e"}}}]}, orderBy: [TRACK_COUNT_DESC, TITLE_ASC]) {
            totalCount edges { node { displayTitle trackCount artistName } } } }"""
    by_rows = 4  # the page, its total, the counts of its rows, their artists
    with counting(shop, 2 if shop.engine.dialect.name == "postgresql" else by_rows):
        found = (await answer(make_shop(shop), query))["albums"]
    nodes = [edge["node"] for edge in found["edges"]]
    everything = await answer(
        make_shop(shop), "{ albums(first: 400) { edges { node { displayTitle trackCount artistName } } } }"
    )
    expected = [
        node
        for node in (edge["node"] for edge in everything["albums"]["edges"])
        if "the" in node["displayTitle"].lower()
        and (node["trackCount"] >= 20 or "e" not in node["artistName"].lower())
    ]
    assert sorted(map(str, nodes)) == sorted(map(str, expected))
    assert found["totalCount"] == len(nodes) == 17
    assert [node["trackCount"] for node in nodes] == sorted((n["trackCount"] for n in nodes), reverse=True)


async def test_cursors_belong_to_the_filter_and_the_order(shop):
    schema = make_shop(shop)
    query = """query ($after: String, $text: String!, $by: [AlbumOrder!]) {
        albums(first: 3, after: $after, where: {title: {icontains: $text}}, orderBy: $by) {
            edges { node { id } } pageInfo { endCursor hasNextPage } } }"""
    asked: dict[str, Any] = {"text": "the", "by": ["TRACK_COUNT_DESC", "TITLE_ASC"]}
    whole = await answer(schema, query.replace("first: 3", "first: 100"), **asked)
    seen: list[Any] = []
    after, more = None, True
    while more:
        found = (await answer(schema, query, after=after, **asked))["albums"]
        seen += found["edges"]
        after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    assert seen == whole["albums"]["edges"]
    for reason, other in (("filter", {"text": "a"}), ("order", {"by": ["TRACK_COUNT_ASC"]})):
        error = await refusal(schema, query, **{**asked, "after": after, **other})
        assert error.extensions == {"code": "INVALID_ARGUMENT", "reason": reason}


async def test_variables_that_are_left_away_are_no_conditions(shop):
    query = """query ($text: String, $least: Int, $where: AlbumFilter) {
        some: someAlbums(limit: 10, where: {title: {icontains: $text}, trackCount: {ge: $least}}) { id }
        all: someAlbums(limit: 10, where: $where, orderBy: []) { id } }"""
    schema = make_shop(shop)
    found = await answer(schema, query)
    assert found["some"] == found["all"]
    assert len(found["all"]) == 10
    found = await answer(schema, query, text="rock", where=None)
    assert len(found["some"]) == 7
    assert len(found["all"]) == 10


# --- relations --------------------------------------------------------------------------------------


@BOTH_WAYS
async def test_two_aliases_with_filters_and_orders_of_their_own_three_levels_deep(shop, look_ahead):
    query = """{ artist(id: 90) {
        live: albums(first: 2, where: {title: {icontains: "live"}}, orderBy: TITLE_DESC) {
            totalCount edges { node { displayTitle
                run: tracks(first: 2, where: {name: {icontains: "run"}}, orderBy: NAME_DESC) {
                    totalCount edges { node { name } } }
                long: allTracks(where: {milliseconds: {ge: 400000}}, orderBy: MILLISECONDS_ASC) { name } } } }
        other: albums(first: 3, where: {not: {title: {icontains: "live"}}}, orderBy: [TRACK_COUNT_DESC, TITLE_ASC]) {
            totalCount edges { node { displayTitle
                run: tracks(last: 1, where: {or: [{name: {icontains: "number"}}, {milliseconds: {le: 200000}}]}) {
                    totalCount edges { node { name } } } } } } } }"""
    schema = make_shop(shop, look_ahead=look_ahead)
    if look_ahead:
        # The artist; two pages of albums, and their total; three lists of tracks, and all of their totals.
        with counting(shop, 8):
            found = (await answer(schema, query))["artist"]
    else:  # where nothing is planned, totals share a statement if their albums come in one moment
        found = (await answer(schema, query))["artist"]
    known = await albums_of(shop, 90)
    live = sorted((album for album in known if "live" in album[0].lower()), reverse=True)
    assert found["live"] == {
        "totalCount": len(live),
        "edges": [
            {
                "node": {
                    "displayTitle": title,
                    "run": paged(sorted((n for n, _ in tracks if "run" in n.lower()), reverse=True), first=2),
                    "long": [{"name": n} for n, ms in sorted(tracks, key=lambda t: t[1]) if ms >= 400_000],
                }
            }
            for title, tracks in live[:2]
        ],
    }
    others = sorted(
        (album for album in known if "live" not in album[0].lower()), key=lambda a: (-len(a[1]), a[0])
    )
    assert found["other"] == {
        "totalCount": len(others),
        "edges": [
            {
                "node": {
                    "displayTitle": title,
                    "run": paged([n for n, ms in tracks if "number" in n.lower() or ms <= 200_000], last=1),
                }
            }
            for title, tracks in others[:3]
        ],
    }


def paged(names, first=None, last=0):
    shown = names[:first] if first else names[-last:]
    return {"totalCount": len(names), "edges": [{"node": {"name": name}} for name in shown]}


@BOTH_WAYS
async def test_a_field_keeps_its_own_conditions_order_and_limit_below_what_is_asked(shop, look_ahead):
    query = """{ artist(id: 90) { albums(first: 30) { edges { node { displayTitle
        longTracks { milliseconds } asked: longTracks(where: {milliseconds: {le: 400000}}, orderBy: NAME_ASC) { name }
    } } } } }"""
    with counting(shop, 4):
        found = (await answer(make_shop(shop, look_ahead=look_ahead), query))["artist"]["albums"]["edges"]
    assert [edge["node"] for edge in found] == [
        {
            "displayTitle": title,
            "longTracks": [
                {"milliseconds": ms}
                for ms in sorted((t[1] for t in tracks if t[1] > 300_000), reverse=True)[:2]
            ],
            "asked": [{"name": n} for n in sorted(n for n, ms in tracks if 300_000 < ms <= 400_000)[:2]],
        }
        for title, tracks in await albums_of(shop, 90)
    ]


async def test_cursors_of_relations_belong_to_the_filter_and_the_order(shop):
    schema = make_shop(shop)
    query = """query ($after: String, $least: Int!) { some: someAlbums(limit: 4) { id
        tracks(first: 2, after: $after, where: {milliseconds: {ge: $least}}, orderBy: NAME_ASC) {
            edges { node { name } } pageInfo { endCursor } } } }"""
    first = (await answer(schema, query, least=1000))["some"]
    cursor = next(album["tracks"]["pageInfo"]["endCursor"] for album in first if album["tracks"]["edges"])
    with counting(shop, 2):  # albums; pages of all of them, from that place on
        found = (await answer(schema, query, least=1000, after=cursor))["some"]
    assert found[0]["tracks"]["edges"] != first[0]["tracks"]["edges"]
    result = await schema.execute(query, variable_values={"least": 1001, "after": cursor})
    assert result.errors is not None
    assert {error.extensions["reason"] for error in result.errors} == {"filter"}


@BOTH_WAYS
async def test_a_number_of_parents_costs_no_statement_more(shop, look_ahead):
    schema = make_shop(shop, look_ahead=look_ahead)
    query = """query ($n: Int!) { albums(first: $n) { edges { node {
        allTracks(where: {name: {icontains: "a"}}) { name playlists(where: {name: {icontains: "music"}}) { name } }
        tracks(where: {milliseconds: {ge: 1}}, orderBy: MILLISECONDS_DESC) { edges { node { id } } } } } } }"""
    for number in (2, 347):
        with counting(shop, 4):
            await answer(schema, query, n=number)


# --- what is remembered -----------------------------------------------------------------------------


@BOTH_WAYS
async def test_values_of_variables_are_not_mixed_up(shop, look_ahead):
    schema = make_shop(shop, look_ahead=look_ahead)
    query = """query ($where: TrackFilter, $by: [TrackOrder!]) { some: someAlbums(limit: 3) {
        allTracks(where: $where, orderBy: $by) { name milliseconds } } }"""
    everything = (await answer(schema, query))["some"]
    for least in (200_000, 300_000, 200_000, 250_000):
        found = await answer(
            schema, query, where={"milliseconds": {"ge": least}}, by=["MILLISECONDS_DESC", "NAME_ASC"]
        )
        for album, whole in zip(found["some"], everything, strict=True):
            expected = [track for track in whole["allTracks"] if track["milliseconds"] >= least]
            expected.sort(key=lambda track: (-track["milliseconds"], track["name"]))
            assert album["allTracks"] == expected


@BOTH_WAYS
async def test_a_filter_that_looks_at_its_scope_is_not_remembered_for_another(shop, look_ahead):
    schema = make_shop(shop, look_ahead=look_ahead, context=lambda given: given["id"])
    query = """{ artist(id: 1) { albums(where: {seenByContext: true}) { edges { node { id } } } }
                 some: someAlbums(where: {or: [{seenByContext: true}]}) { id tracks(first: 1) { totalCount } } }"""
    for key in (1, 4, 1):
        with counting(shop, 4):
            result = await schema.execute(query, context_value={"id": key})
        assert result.errors is None
        assert result.data["artist"]["albums"]["edges"] == [{"node": {"id": key}}]
        assert [album["id"] for album in result.data["some"]] == [key]


async def test_clients_cannot_fill_the_memory(sqlite_shop):
    schema = make_shop(sqlite_shop)
    query = "query ($n: Int!) { some: someAlbums(limit: 1) { allTracks(where: {milliseconds: {ge: $n}}) { id } } }"
    for number in range(VALUES + 20):
        await answer(schema, query, n=number)
    places = [
        place
        for places in lookahead_of(sqlite_shop.reading)._operations.values()
        for place in places.values()
    ]
    assert sum(len(place.made) for place in places) <= VALUES * len(places)
    assert max(len(place.made) for place in places) == VALUES


# --- refusals ---------------------------------------------------------------------------------------

DEEP = "{id: {eq: 1}}"
for _ in range(6):
    DEEP = f"{{not: {DEEP}}}"

WRONG = {
    "a range that ends before it begins": (
        "{id: {between: [3, 1]}}",
        "The filter where.id.between cannot be [3, 1]: the range ends before it begins.",
    ),
    "one value where two are needed, in groups": (
        "{or: [{id: {eq: 1}}, {not: {id: {between: [3]}}}]}",
        "The filter where.or[1].not.id.between cannot be [3]: it takes two values.",
    ),
    "null for a value": (
        "{and: [{title: {eq: null}}]}",
        (
            "where.and[0].title.eq is null, which is no value. Leave it away, or ask whether it is missing, where that "
            "is offered."
        ),
    ),
    "null for an attribute": ("{title: null}", "where.title is null, which is no condition. Leave it away."),
    "null for a group": ("{not: null}", "where.not is null, which is no condition. Leave it away."),
    "an empty part": (
        '{or: [{title: {eq: "a"}}, {title: {}}]}',
        "where.or[1] has no condition, so that its group would mean everything or nothing. Leave it away.",
    ),
    "no parts": ("{or: []}", "where.or expects a list of filters, at least one; got []."),
    "a text that is too long": (
        f'{{title: {{eq: "{"x" * 1001}"}}}}',
        f"The filter where.title.eq cannot be '{'x' * 99}: it is longer than 1000 characters.",
    ),
    "a text that PostgreSQL cannot store": (
        '{title: {icontains: "\\u0000"}}',
        (
            "The filter where.title.icontains cannot be '\\x00': expected a text without NUL characters, "
            "which databases do not hold."
        ),
    ),
    "too many values": (
        f"{{id: {{anyOf: {list(range(101))}}}}}",
        f"The filter where.id.anyOf cannot be {str(list(range(101)))[:100]}: it has more than 100 values.",
    ),
    "too many conditions": (
        f"{{or: [{', '.join(['{id: {eq: 1}}'] * 51)}]}}",
        "A filter may have 50 conditions; this one has more.",
    ),
    "too deep": (DEEP, "A filter may have groups 5 deep; this one has more."),
}


@pytest.mark.parametrize(("where", "message"), WRONG.values(), ids=WRONG)
async def test_a_wrong_filter_is_refused_in_its_own_terms_before_any_statement(sqlite_shop, where, message):
    with counting(sqlite_shop, 0):
        error = await refusal(make_shop(sqlite_shop), f"{{ some: someAlbums(where: {where}) {{ id }} }}")
    assert error.path == ["some"]
    assert error.extensions["code"] == "INVALID_ARGUMENT"
    assert error.message == message


@BOTH_WAYS
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            'where: {or: [{name: {eq: "a"}}, {milliseconds: {ge: null}}]}',
            "where.or[1].milliseconds.ge is null",
        ),
        ("orderBy: [NAME_ASC, NAME_DESC]", "orderBy: The sort names 'name' twice"),
        ('after: "x"', "'x' is not a cursor."),
    ],
    ids=["filter", "order", "cursor"],
)
async def test_a_wrong_argument_of_a_relation_fails_where_it_is(sqlite_shop, look_ahead, arguments, message):
    query = f"{{ someAlbums(limit: 2) {{ id page: tracks({arguments}) {{ totalCount }} }} }}"
    with counting(sqlite_shop, 1):
        result = await make_shop(sqlite_shop, look_ahead=look_ahead).execute(query)
    assert result.data is None
    assert result.errors is not None
    assert result.errors[0].path == ["someAlbums", 0, "page"]
    assert result.errors[0].message.startswith(message)
    assert result.errors[0].extensions["code"] == "INVALID_ARGUMENT"


async def test_what_is_not_declared_is_not_in_the_schema(sqlite_shop):
    with counting(sqlite_shop, 0):
        error = await refusal(
            make_shop(sqlite_shop), '{ publicAlbums(where: {title: {icontains: "a"}}) { title } }'
        )
    assert "unknown field 'icontains'" in error.message
    text = make_shop(sqlite_shop).as_str()
    assert "PublicAlbumsOrder" not in text
    assert "firstTracks: [Track!]!" in text


# --- names and values -------------------------------------------------------------------------------


async def test_names_follow_the_schema_and_extensions_of_fields_run(sqlite_shop):
    class Seen(FieldExtension):
        async def resolve_async(self, next_, source, info, **kwargs):
            kwargs_seen.append(kwargs)
            return await next_(source, info, **kwargs)

    kwargs_seen: list[Any] = []

    @repository_type(TrackRepository, name="SnakeTrack")
    class SnakeTrack:
        name: strawberry.auto

    @repository_type(AlbumRepository, name="SnakeAlbum")
    class SnakeAlbum:
        all_tracks: list[SnakeTrack] = related(Album.tracks, extensions=[Seen()])

    @strawberry.type(name="Query")
    class Snake:
        some_albums: list[SnakeAlbum] = many(extensions=[Seen()])

    globals().update(SnakeTrack=SnakeTrack, SnakeAlbum=SnakeAlbum)
    schema = strawberry.Schema(
        Snake,
        config=StrawberryConfig(auto_camel_case=False),
        extensions=[lambda: ScopeExtension(sqlite_shop)],
    )
    found = await answer(
        schema,
        """{ some_albums(where: {artist_name: {eq: "AC/DC"}, track_count: {ge: 10}}, order_by: [TITLE_ASC]) {
            all_tracks(where: {name: {icontains: "evil"}}, order_by: NAME_ASC) { name } } }""",
    )
    assert found == {"some_albums": [{"all_tracks": [{"name": "Evil Walks"}]}]}
    assert len(kwargs_seen) == 2


@pytest_asyncio.fixture
async def hotel(database_url):
    from tests.declare.hotel import Base, Guest, Room, Size

    async with Database(database_url, repositories=HOTEL) as database:
        async with database.engine.begin() as connected:
            await connected.run_sync(Base.metadata.create_all)
            await connected.execute(Guest.__table__.insert(), {"id": 1, "name": "Ada"})
            await connected.execute(
                Room.__table__.insert(),
                [
                    {
                        "id": 1,
                        "name": "a",
                        "steps": 2**40,
                        "size": Size.SMALL,
                        "side": "north",
                        "owner_id": 1,
                    },
                    {"id": 2, "name": "b", "steps": None, "size": None, "side": "south", "owner_id": None},
                ],
            )
        yield database


@repository_type(RoomRepository, name="Room")
class RoomType:
    id: strawberry.auto
    steps: strawberry.auto
    size: strawberry.auto
    side: strawberry.auto


@strawberry.type(name="Query")
class HotelQuery:
    rooms: list[RoomType] = many(order_by=RoomRepository.label)
    pages: Connection[RoomType] = connection()


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("{steps: {eq: 1099511627776}}", [1]),
        ('{steps: {ge: "1099511627776"}}', [1]),
        ("{steps: {ge: 9007199254740993}}", []),
        ("{size: {eq: SMALL}}", [1]),
        ("{size: {anyOf: [LARGE]}}", []),
        ("{side: {anyOf: [north, south]}}", [1, 2]),
        ("{side: {ne: north}}", [2]),
        ("{ownerName: {isNull: true}}", [2]),
        ('{ownerName: {contains: "d"}}', [1]),
        ("{onFloors: [1, 2]}", []),
        ("{forNights: 0}", []),
        ('{cleanedAt: {ge: "2026-01-01T00:00:00"}}', []),
        ('{price: {between: ["1.5", 2]}}', []),
        ('{serial: {eq: "018f4e3a-7b5c-7d2e-9a41-3c6f0e8b1d27"}}', []),
        ("{layout: {isNull: true}, quiet: {isNull: true}}", [1, 2]),
    ],
    ids=str,
)
async def test_values_of_every_type(hotel, where, found):
    schema = strawberry.Schema(HotelQuery, extensions=[lambda: ScopeExtension(hotel)])
    data = await answer(schema, f"{{ rooms(where: {where}) {{ id }} }}")
    assert [room["id"] for room in data["rooms"]] == found


async def test_enums_and_large_numbers_come_out_as_they_go_in(hotel):
    schema = strawberry.Schema(HotelQuery, extensions=[lambda: ScopeExtension(hotel)])
    data = await answer(schema, "{ rooms { steps size side } }")
    assert data["rooms"] == [
        {"steps": 2**40, "size": "SMALL", "side": "north"},
        {"steps": None, "size": None, "side": "south"},
    ]


def test_two_attributes_cannot_have_one_name():
    class Doubled(Repository[Album]):
        filterable = {Album.artist_id: eq, column(Album.artist, Artist.id): eq}  # noqa: RUF012

    @repository_type(Doubled, name="Doubled")
    class DoubledType:
        id: strawberry.auto

    @strawberry.type(name="Query")
    class Root:
        albums: list[DoubledType] = many()

    globals()["DoubledType"] = DoubledType
    with pytest.raises(DeclarationError, match=r"artist\.id would have the name artist_id in GraphQL"):
        strawberry.Schema(Root)
