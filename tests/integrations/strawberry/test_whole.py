"""Root fields whose whole answer one statement writes: as if objects were read and visited, or why they are."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import strawberry
from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from strawberry import auto
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from batchrepo import Database, Repository, column
from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry import (
    Connection,
    ScopeExtension,
    attribute,
    connection,
    many,
    one,
    related,
    repository_type,
)
from batchrepo.integrations.strawberry.passing.whole import _written_plans_of
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album, Artist, Track
from examples.chinook.repositories import AlbumRepository, ArtistRepository, TrackRepository
from tests.support.graphql_store import answer, counting


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


class Allowed(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return True


class Same(FieldExtension):
    async def resolve_async(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
        return await next_(source, info, **kwargs)


@repository_type(ArtistRepository, name="Artist")
class ArtistType:
    id: auto
    name: auto
    album_count: auto
    albums: list[AlbumType]
    pages: Connection[AlbumType] = related(Artist.albums)


@repository_type(TrackRepository, name="Track")
class TrackType:
    id: auto
    name: auto
    milliseconds: auto
    unit_price: auto
    composer: auto
    album_title: str = attribute(column(Track.album, Album.title))
    album: AlbumType


@repository_type(AlbumRepository, name="Album")
class AlbumType:
    id: auto
    title: auto
    duration: auto
    artist: ArtistType
    tracks: list[TrackType]
    first_tracks: list[TrackType]
    longest: TrackType | None

    @strawberry.field
    def nothing(self) -> int:
        return 0


@strawberry.type
class Query:
    album: AlbumType | None = one()
    of_artist: ArtistType = one()
    albums: Connection[AlbumType] = connection()
    artists: Connection[ArtistType] | None = connection(order_by=Artist.id)
    some_albums: list[AlbumType] = many(order_by=Album.id)
    tracks: list[TrackType] | None = many(order_by=Track.id)
    allowed: list[AlbumType] = many(permission_classes=[Allowed])
    extended: list[AlbumType] = many(extensions=[Same()])


def make_schema(database: Database, *more: Any, config: Any = None, **options: Any) -> strawberry.Schema:
    return strawberry.Schema(
        Query, extensions=[*more, lambda: ScopeExtension(database, report=True, **options)], config=config
    )


async def told(schema: strawberry.Schema, query: str) -> tuple[Any, Any]:
    """The result, and for each root field why no one statement writes it."""
    result = await schema.execute(query, operation_extensions={"batchrepo": True})
    assert result.extensions, result.errors
    through = result.extensions["batchrepo"]["pass_through"]
    return result, {each["path"]: each["why_not"] for each in through["whole"]}


# --- what one statement writes ----------------------------------------------------------------------

WRITTEN = {
    "a list": ("{ x: someAlbums(limit: 3) { title __typename id artist { name n: name } } }", 1),
    "an empty list": ("{ someAlbums(limit: 0) { title artist { name } } }", 1),
    "to any depth": (
        "{ someAlbums(limit: 3) { a: tracks { name album { artist { albums { title } } } } b: tracks { id } } }",
        1,
    ),
    "computed attributes": (
        "{ someAlbums(limit: 4) { duration firstTracks { name } longest { name milliseconds } artist { albumCount } } }",
        1,
    ),
    "a column of another row": ("{ tracks(limit: 3) { albumTitle composer } }", 1),
    "fragments": (
        """{ someAlbums(limit: 2) { ...A ... on Album { id } id @skip(if: true) } }
            fragment A on Album { title artist { ...B } } fragment B on Artist { name }""",
        1,
    ),
    "a page": ("{ albums(first: 3) { edges { node { title artist { name } } cursor } } }", 1),
    "a page with all there is": (
        """{ albums(first: 2) { __typename total: totalCount
            pageInfo { hasNextPage endCursor startCursor hasPreviousPage }
            edges { c: cursor __typename n: node { title tracks { name } } } more: edges { cursor } } }""",
        2,
    ),
    "a page that is null or not": ("{ artists(last: 2) { edges { node { albumCount } } } }", 1),
    "one row": ("{ album(id: 1) { title artist { name } tracks { name } } }", 1),
    "one row that must be there": ("{ ofArtist(id: 1) { albums { title } } }", 1),
    "several root fields": (
        "{ album(id: 1) { title artist { name } } someAlbums(limit: 1) { artist { name } } }",
        2,
    ),
    "a filter and an order": (
        '{ albums(where: {title: {icontains: "rock"}}, orderBy: [TITLE_DESC], first: 2) { edges { node { title artist { name } } } } }',
        1,
    ),
}


@pytest.mark.parametrize("what", WRITTEN)
async def test_one_statement_writes_a_root_field(store, visited, what):
    query, statements = WRITTEN[what]
    expected = await answer(make_schema(store, pass_through=False), query)
    schema = make_schema(store, strategy="single")
    visited.clear()
    with counting(store, statements):
        result, why_not = await told(schema, query)
    assert result.errors is None
    assert json.dumps(result.data) == json.dumps(expected)
    assert all(name.startswith("Query.") for name in visited)
    assert set(why_not.values()) == {None}
    # And the next time, with what is kept.
    with counting(store, statements):
        assert await answer(schema, query) == expected


async def test_pages_go_on_from_its_cursors(store):
    schema = make_schema(store, strategy="single")
    query = "query($after: String) { albums(first: 100, after: $after) { pageInfo { endCursor hasNextPage } edges { cursor node { id artist { id } } } } }"
    found: list[int] = []
    after = None
    while True:
        page = (await answer(schema, query, after=after))["albums"]
        found += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        assert after == page["edges"][-1]["cursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    rows = await answer(
        make_schema(store, pass_through=False), "{ a: albums(first: 200) { edges { node { id } } } }"
    )
    assert found[:200] == [edge["node"]["id"] for edge in rows["a"]["edges"]]
    assert len(set(found)) == len(found) == 347


async def test_the_report_names_the_statement(store):
    schema = make_schema(store, strategy="single")
    result = await schema.execute(
        "{ albums(first: 1) { edges { node { artist { name } } } } album(id: 1) { artist { name } } }",
        operation_extensions={"batchrepo": True},
    )
    assert result.extensions["batchrepo"]["by_cause"] == {
        "Album by key": 1,
        "page Album": 1,
    }


async def test_equal_selections_of_different_documents_are_one_plan(sqlite_store):
    schema = make_schema(sqlite_store, strategy="single")
    for key in (1, 2, 3):
        await answer(schema, f"{{ album(id: {key}) {{ title __typename artist {{ name }} }} }}")
        await answer(schema, f"{{ someAlbums(limit: {key}) {{ title __typename artist {{ name }} }} }}")
    known = list(_written_plans_of(sqlite_store.reading)._known.values())
    assert sorted(map(repr, known)) == [
        "<ReadPlan Album{title, __typename=id} > (artist{name})>",
        "<ReadPlan Artist{name}>",
    ]


class Loose(DeclarativeBase):
    """Says more than its tables keep."""


class Owner(Loose):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]


class Thing(Loose):
    __tablename__ = "thing"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("owner.id"))
    other_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id"))
    owner: Mapped[Owner] = relationship(foreign_keys=[owner_id])
    other: Mapped[Owner | None] = relationship(foreign_keys=[other_id])


class OwnerRepository(Repository[Owner]):
    pass


class ThingRepository(Repository[Thing]):
    default_order = (Thing.id,)


@repository_type(OwnerRepository, name="Owner")
class OwnerType:
    id: auto
    label: auto


@repository_type(ThingRepository, name="Thing")
class ThingType:
    id: auto
    owner: OwnerType
    other: OwnerType | None


@strawberry.type(name="Query")
class LooseQuery:
    things: list[ThingType] | None = many()
    pages: Connection[ThingType] | None = connection()
    thing: ThingType | None = one()


LOOSE = (
    "CREATE TABLE owner (id INTEGER PRIMARY KEY, label TEXT)",
    "CREATE TABLE thing (id INTEGER PRIMARY KEY, owner_id INTEGER, other_id INTEGER)",
    "INSERT INTO owner VALUES (1, 'a'), (2, NULL)",
    # Of a whole row, one whose owner is not there, one with an owner that lacks its label, and one with no owner at all.
    "INSERT INTO thing VALUES (1, 1, NULL), (2, 7, 1), (3, 1, 2), (4, NULL, 8)",
)


@pytest_asyncio.fixture
async def loose(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, repositories=[OwnerRepository, ThingRepository]) as database:
        async with database.engine.begin() as connection:
            for statement in LOOSE:
                await connection.execute(text(statement))
        yield database


MISSING = [
    "{ thing(id: 1) { owner { label } other { label } } }",
    "{ thing(id: 2) { id owner { label } } }",
    "{ thing(id: 3) { id other { label } owner { id } } }",
    "{ things { id owner { label } } }",
    "{ things { id other { id } } pages { edges { node { other { label } } } } }",
    "{ pages(first: 2) { edges { cursor node { owner { id label } } } } }",
]


async def test_what_is_missing_is_null_or_an_error_as_ever(loose):
    whole, visited = (
        strawberry.Schema(LooseQuery, extensions=[lambda options=options: ScopeExtension(loose, **options)])
        for options in ({"strategy": "single"}, {"pass_through": False})
    )
    for query in MISSING:
        found, expected = await whole.execute(query), await visited.execute(query)
        told = [
            (json.dumps(one.data), [(e.message, e.path, e.locations) for e in one.errors or ()])
            for one in (found, expected)
        ]
        assert told[0] == told[1], query


# --- what is read as rows ---------------------------------------------------------------------------

ROW = "title artist { name }"
PAGES = "pages inside of rows are not written as GraphQL has them."

WHY_NOT: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "turned off": (
        {"strategy": "batched"},
        f"{{ someAlbums(limit: 1) {{ {ROW} }} }}",
        "someAlbums",
        'ScopeExtension(strategy="batched").',
    ),
    "a resolver": (
        {},
        "{ someAlbums(limit: 1) { artist { albums { nothing } } } }",
        "someAlbums",
        "artist.albums.nothing: AlbumType.nothing has a resolver of its own.",
    ),
    "permissions": (
        {},
        f"{{ allowed(limit: 1) {{ {ROW} }} }}",
        "allowed",
        "Query.allowed has permissions or extensions of its own.",
    ),
    "an extension": (
        {},
        f"{{ extended(limit: 1) {{ {ROW} }} }}",
        "extended",
        "Query.extended has permissions or extensions of its own.",
    ),
    "pages inside": (
        {},
        "{ artists(first: 1) { edges { node { pages { edges { node { id } } } } } } }",
        "artists",
        f"edges.node.pages: {PAGES}",
    ),
    "rows in two ways": (
        {},
        "{ albums(first: 1) { edges { a: node { id } b: node { title } } } }",
        "albums",
        "Rows are selected more than once.",
    ),
    "no rows": ({}, "{ albums { totalCount } }", "albums", "No rows are selected."),
    "answers in parts": (
        {"config": StrawberryConfig(enable_experimental_incremental_execution=True)},
        f"{{ someAlbums(limit: 1) {{ {ROW} }} }}",
        "someAlbums",
        "The schema's config lets answers come in parts.",
    ),
}


@pytest.mark.parametrize("what", WHY_NOT)
async def test_each_reason_is_told_and_the_answer_stays(sqlite_store, what):
    options, query, path, expected = WHY_NOT[what]
    usual = await answer(make_schema(sqlite_store, pass_through=False), query)
    result, why_not = await told(make_schema(sqlite_store, **{"strategy": "single", **options}), query)
    assert (result.data, result.errors) == (usual, None)
    assert why_not == {path: expected}


async def test_what_sees_every_field_keeps_it_at_rows(sqlite_store):
    class Watching(SchemaExtension):
        def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
            found = _next(root, info, *args, **kwargs)
            return found.upper() if isinstance(found, str) else found

    schema = make_schema(sqlite_store, Watching, strategy="single")
    assert await answer(schema, "{ album(id: 4) { title artist { name } } }") == {
        "album": {"title": "LET THERE BE ROCK", "artist": {"name": "AC/DC"}}
    }


async def test_aliases_of_one_row_are_read_together(sqlite_store):
    schema = make_schema(sqlite_store, strategy="single")
    with counting(sqlite_store, 2):
        data = await answer(schema, f"{{ a: album(id: 1) {{ {ROW} }} b: album(id: 4) {{ {ROW} }} }}")
    assert [row["artist"]["name"] for row in data.values()] == ["AC/DC"] * 2


async def test_a_row_that_is_not_there(store):
    schema = make_schema(store, strategy="single")
    result, _ = await told(schema, "{ album(id: 0) { title } ofArtist(id: 0) { albums { id } } }")
    usual = await make_schema(store, pass_through=False).execute(
        "{ album(id: 0) { title } ofArtist(id: 0) { albums { id } } }"
    )
    assert (result.data, str(result.errors)) == (usual.data, str(usual.errors))
    assert [error.extensions["code"] for error in result.errors] == ["NOT_FOUND"]


def test_a_strategy_must_be_one(sqlite_store):
    with pytest.raises(DeclarationError, match='expects "single", "batched" or None; got \'eager\''):
        ScopeExtension(sqlite_store, strategy="eager")  # type: ignore[arg-type]


# --- AUTO -------------------------------------------------------------------------------------------

AUTO = {
    "what has relations": (f"{{ albums(first: 2) {{ edges {{ node {{ {ROW} }} }} }} }}", True),
    "a row by its key": (f"{{ album(id: 1) {{ {ROW} }} }}", True),
    "plain rows": ("{ albums(first: 2) { edges { node { title } } } }", False),
    "more rows than it pays for": ("{ tracks(limit: 500) { name album { title } } }", True),
    "filters inside": ('{ someAlbums(limit: 1) { tracks(where: {name: {eq: "x"}}) { name } } }', False),
    "an order inside": ("{ someAlbums(limit: 1) { tracks(orderBy: [NAME_DESC]) { name } } }", False),
}


@pytest.mark.parametrize("what", AUTO)
async def test_auto_takes_one_statement_where_that_pays(store, what):
    query, pays = AUTO[what]
    schema = make_schema(store)
    expected = await answer(make_schema(store, pass_through=False), query)
    with statement_counter(store.engine) as seen:
        result, why_not = await told(schema, query)
    assert json.dumps(result.data) == json.dumps(expected)
    (reason,) = why_not.values()
    if store.engine.dialect.name == "sqlite":
        assert reason is not None
        pays = False
    assert (reason is None) == pays
    assert any("batchrepo_rows_" in text for text in seen.statements) == pays
    if pays:
        assert seen.count == 1
