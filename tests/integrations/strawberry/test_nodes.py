"""Global ids of repository types: Strawberry's `relay.Node`, and rows by their ids."""

from __future__ import annotations

import base64
import datetime as dt
import enum
import logging
import uuid
from typing import Any

import pytest
import pytest_asyncio
import strawberry
from sqlalchemy import ForeignKey, String, TypeDecorator, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from strawberry import auto, relay

from batchrepo import Database, DeclarationError, Repository, match
from batchrepo.integrations.strawberry import (
    Connection,
    ScopeExtension,
    connection,
    many,
    repository_type,
    scope_of,
    to_type,
)
from examples.chinook.repositories import AlbumRepository
from tests.support.graphql_store import answer, counting, make_schema, refusal


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


def gid(name: str, key: str) -> str:
    return base64.b64encode(f"{name}:{key}".encode()).decode()


# --- the store ------------------------------------------------------------------------------------


async def test_an_id_is_made_of_type_and_key_and_leads_back(store):
    schema = make_schema(store)
    data = await answer(schema, "{ albums(first: 1) { edges { node { id label artist { id } } } } }")
    album = data["albums"]["edges"][0]["node"]
    assert album == {
        "id": gid("Album", "156"),
        "label": "156: ...And Justice For All",
        "artist": {"id": gid("Artist", "50")},
    }
    query = "query($id: ID!) { node(id: $id) { __typename id ... on Album { title artist { name } } } }"
    with counting(store, 2):
        data = await answer(schema, query, id=album["id"])
    assert data["node"] == {
        "__typename": "Album",
        "id": album["id"],
        "title": "...And Justice For All",
        "artist": {"name": "Metallica"},
    }


@pytest.mark.parametrize("look_ahead", [True, False], ids=["ahead", "by_field"])
async def test_any_number_of_ids_is_one_statement_for_each_type_and_relation(store, look_ahead):
    schema = make_schema(store, look_ahead=look_ahead)
    query = """
    query($ids: [ID!]!) { nodes(ids: $ids) {
      id ...A ... on Artist { name albums(first: 1) { edges { node { title } } } }
    } }
    fragment A on Album { title artist { name } tracks(first: 2) { edges { node { name } } } }"""
    for number in (1, 100):
        albums = [gid("Album", str(key)) for key in range(number, 0, -1)]
        artists = [gid("Artist", str(key)) for key in range(1, number + 1)]
        # Twice the same one, one that is not there, and both types mixed.
        ids = [*albums, gid("Album", "9999"), *artists, albums[0]]
        with counting(store, 5):
            found = (await answer(schema, query, ids=ids))["nodes"]
        assert [None if one is None else one["id"] for one in found] == [*albums, None, *artists, albums[0]]
    assert found[99] == found[-1] | found[99]
    assert found[99] == {
        "id": gid("Album", "1"),
        "title": "For Those About To Rock We Salute You",
        "artist": {"name": "AC/DC"},
        "tracks": {
            "edges": [
                {"node": {"name": "For Those About To Rock (We Salute You)"}},
                {"node": {"name": "Put The Finger On You"}},
            ]
        },
    }


async def test_several_node_fields_share_their_statements(store):
    query = f'{{ a: node(id: "{gid("Album", "1")}") {{ ...T }} b: node(id: "{gid("Album", "2")}") {{ ...T }} }} fragment T on Album {{ title }}'
    with counting(store, 1):
        data = await answer(make_schema(store), query)
    assert [one["title"] for one in data.values()] == [
        "For Those About To Rock We Salute You",
        "Balls to the Wall",
    ]


DAMAGED = [
    "",
    "x",
    "é",
    "QWxidW0",  # no padding
    gid("Album", ""),
    gid("Album", "x"),
    gid("Album", "01"),  # another text of a key that exists
    gid("Album", "1 "),
    gid("Album", "1.0"),
    gid("Album", "true"),
    gid("Album", "[1]"),
    gid("Album", "9" * 30),
    gid("Album", "9" * 5000),
    gid("Album", "1:1"),
    gid("Album", "1\0"),
    gid("Track", "1"),  # a type without global ids
    gid("AlbumType", "1"),
    gid("Query", "1"),
    gid("Nothing", "1"),
    base64.b64encode(b"Album:\xff").decode(),
    base64.b64encode(b"Album").decode(),
]


async def test_a_damaged_id_is_an_error_with_a_code_and_takes_no_statement(store):
    schema = make_schema(store)
    for bad in DAMAGED:
        with counting(store, 0):
            one = await refusal(schema, "query($id: ID!) { node(id: $id) { id } }", id=bad)
            several = await refusal(schema, "query($id: ID!) { nodes(ids: [$id]) { id } }", id=bad)
        assert one.extensions == several.extensions == {"code": "INVALID_ARGUMENT"}, bad
        assert one.path == ["node"]


async def test_ids_count_as_rows(store):
    schema = make_schema(store)
    with counting(store, 0):
        error = await refusal(
            schema, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[gid("Album", "1")] * 100_001
        )
    assert (error.extensions["code"], error.extensions["limit"]) == ("LIMIT_EXCEEDED", "rows")


@repository_type(AlbumRepository)
class AlbumType(relay.Node):
    title: auto
    duration: auto


@repository_type(AlbumRepository, name="Album")
class AlbumWithNodeId(relay.Node):
    id: relay.NodeID[int]
    title: auto
    duration: auto


@strawberry.type(name="Query")
class ByHand:
    @strawberry.field
    async def longer(self, info: strawberry.Info, id: relay.GlobalID) -> AlbumType:  # noqa: A002
        return await id.resolve_node(info, ensure_type=AlbumType)

    @strawberry.field
    async def key(self, info: strawberry.Info, id: relay.GlobalID) -> str:  # noqa: A002
        album = await id.resolve_node(info, ensure_type=AlbumType)
        return AlbumType.resolve_id(album, info=info)

    @strawberry.field
    async def by_key(self, info: strawberry.Info, key: int) -> AlbumType:
        return to_type(AlbumType, key)


async def test_a_resolver_of_the_users_finds_rows_by_ids_too(store):
    schema = strawberry.Schema(ByHand, extensions=[lambda: ScopeExtension(store)])
    query = "query($id: ID!) { longer(id: $id) { id title duration } }"
    assert (await answer(schema, query, id=gid("Album", "1")))["longer"] == {
        "id": gid("Album", "1"),
        "title": "For Those About To Rock We Salute You",
        "duration": 2400415,
    }
    assert (await refusal(schema, query, id=gid("Album", "9999"))).extensions == {"code": "NOT_FOUND"}
    assert await answer(
        schema, query.replace("longer", "key").partition("{ id")[0] + "}", id=gid("Album", "7")
    ) == {"key": "7"}
    with counting(store, 1):
        assert await answer(schema, "{ byKey(key: 1) { id } }") == {"byKey": {"id": gid("Album", "1")}}


# --- keys of all kinds ----------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    boxes: Mapped[list[Box]] = relationship(order_by="Box.color, Box.made")


class Box(Base):
    __tablename__ = "box"
    color: Mapped[Color] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    made: Mapped[dt.date] = mapped_column(primary_key=True)
    shelf_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("shelf.id"), index=True)
    secret: Mapped[str]
    shelf: Mapped[Shelf] = relationship(viewonly=True)


class ShelfRepository(Repository[Shelf]):
    criteria = (match(Shelf.tenant, lambda tenant: tenant),)


class BoxRepository(Repository[Box]):
    pass


@repository_type(ShelfRepository)
class ShelfType(relay.Node):
    tenant: auto
    boxes: list[BoxType]


@repository_type(BoxRepository)
class BoxType(relay.Node):
    label: auto
    shelf: ShelfType | None


@repository_type(BoxRepository)
class AdminBoxType(relay.Node):
    """Several types of one repository."""

    label: auto
    secret: auto


@strawberry.type
class Keys:
    shelves: Connection[ShelfType] = connection()
    boxes: list[BoxType] = many()
    admin_boxes: list[AdminBoxType] = many()

    @strawberry.field
    def context(self, info: strawberry.Info) -> int:
        return scope_of(info).context


SHELVES = [uuid.UUID(int=number) for number in (1, 2)]
BOXES = [
    {
        "color": Color.RED,
        "label": 'a"\\,é:',
        "made": dt.date(2026, 1, 2),
        "shelf_id": SHELVES[0],
        "secret": "s1",
    },
    {"color": Color.BLUE, "label": "", "made": dt.date(2026, 1, 3), "shelf_id": SHELVES[1], "secret": "s2"},
]


@pytest_asyncio.fixture
async def keys(engine):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            insert(Shelf), [{"id": key, "tenant": number} for number, key in enumerate(SHELVES, 1)]
        )
        await connection.execute(insert(Box), BOXES)
    async with Database(engine, repositories=[ShelfRepository, BoxRepository]) as database:
        yield database


def keys_schema(database: Database) -> strawberry.Schema:
    @strawberry.type(name="Query")
    class Root(Keys):
        node: relay.Node | None = relay.node()
        nodes: list[relay.Node | None] = relay.node()

    return strawberry.Schema(
        Root, extensions=[lambda: ScopeExtension(database, context=lambda tenant: tenant)]
    )


NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ... on Box { label } ... on AdminBox { secret } ... on Shelf { tenant } } }"


async def test_keys_of_several_columns_and_all_types_lead_there_and_back(keys):
    schema = keys_schema(keys)

    async def run(query: str, **variables: Any) -> Any:
        result = await schema.execute(query, variables, context_value=1)
        assert result.errors is None, result.errors
        return result.data

    boxes = (await run("{ boxes { id label } }"))["boxes"]
    assert {box["label"] for box in boxes} == {'a"\\,é:', ""}
    admin = (await run("{ adminBoxes { id secret } }"))["adminBoxes"]
    shelf = gid("Shelf", str(SHELVES[0]))
    ids = [box["id"] for box in [*boxes, *admin]] + [shelf]
    with counting(keys, 3):
        found = (await run(NODES, ids=ids))["nodes"]
    assert [one["id"] for one in found] == ids
    assert [one["__typename"] for one in found] == ["Box", "Box", "AdminBox", "AdminBox", "Shelf"]
    # The type in the id decides, not the repository that both types share.
    assert [one["secret"] for one in found[2:4]] == [one["secret"] for one in admin]
    assert "secret" not in found[0]


async def test_what_row_criteria_hide_is_null_by_its_id_too(keys):
    schema = keys_schema(keys)
    ids = [gid("Shelf", str(key)) for key in SHELVES]
    for tenant, expected in ((1, [{"tenant": 1}, None]), (2, [None, {"tenant": 2}]), (3, [None, None])):
        with counting(keys, 1):
            result = await schema.execute(
                "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Shelf { tenant } } }",
                {"ids": ids},
                context_value=tenant,
            )
        assert (result.errors, result.data["nodes"]) == (None, expected)
    # Also where it is reached from another row.
    result = await schema.execute("{ boxes { label shelf { id } } }", context_value=1)
    assert {box["label"]: box["shelf"] for box in result.data["boxes"]} == {
        'a"\\,é:': {"id": ids[0]},
        "": None,
    }


async def test_texts_of_composite_keys_that_are_none_are_refused(keys):
    schema = keys_schema(keys)
    real = gid("Box", '["r","a","2026-01-02"]')
    result = await schema.execute(NODES, {"ids": [real]}, context_value=1)
    assert (result.errors, result.data) == (None, {"nodes": [None]})
    for text in (
        "r",
        '["r","a"]',
        '["r","a","2026-01-02","x"]',
        '["x","a","2026-01-02"]',
        '["r", "a", "2026-01-02"]',
        '["r","a","2026-1-2"]',
        '["r","a",20]',
        '{"r":1,"a":2,"c":3}',
        "null",
        "[" * 1000,
        '["r","' + "a" * 3000 + '","2026-01-02"]',
    ):
        for name in ("Box", "Shelf"):
            with counting(keys, 0):
                result = await schema.execute(NODES, {"ids": [gid(name, text)]}, context_value=1)
            assert [error.extensions for error in result.errors] == [{"code": "INVALID_ARGUMENT"}], text


# --- declarations ---------------------------------------------------------------------------------


def test_a_node_id_that_is_not_the_key_is_refused():
    with pytest.raises(
        DeclarationError, match=r"AlbumType\.title is a NodeID, but ids are made of the primary key"
    ):

        @repository_type(AlbumRepository)
        class AlbumType(relay.Node):
            title: relay.NodeID[str]


class Opaque(TypeDecorator):
    impl = String

    @property
    def python_type(self):
        return Opaque


class Thing(Base):
    __tablename__ = "thing"
    id: Mapped[Any] = mapped_column(Opaque, primary_key=True)


def test_a_key_that_has_no_text_is_refused():
    class ThingRepository(Repository[Thing]):
        pass

    with pytest.raises(
        DeclarationError, match=r"ThingType is a relay\.Node, but values of Thing\.id cannot be put"
    ):

        @repository_type(ThingRepository)
        class ThingType(relay.Node):
            pass


def test_a_node_has_its_global_id_where_the_column_would_be():
    with pytest.raises(DeclarationError, match=r"AlbumType\.id: a relay\.Node has its global id there"):

        @repository_type(AlbumRepository)
        class AlbumType(relay.Node):
            id: auto
            title: auto


def test_the_line_with_node_id_is_not_needed():
    def printed(album: Any) -> str:
        made = type("Query", (), {"__annotations__": {"albums": list[album]}})
        return str(strawberry.Schema(strawberry.type(made)))

    schema = printed(AlbumType)
    assert "type Album implements Node {" in schema
    assert printed(AlbumWithNodeId) == schema
