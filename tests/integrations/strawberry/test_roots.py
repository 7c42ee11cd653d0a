"""Root fields: one row by its key or by unique columns, lists with a bounded limit, and resolvers that give conditions."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
import strawberry
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from strawberry import auto

from batchrepo import Database, DeclarationError, Repository
from batchrepo.integrations.strawberry import (
    Connection,
    ScopeExtension,
    connection,
    many,
    one,
    repository_type,
)
from tests.support.graphql_shop import REPOSITORIES, make_shop
from tests.support.graphql_store import answer, counting, refusal


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


class Base(DeclarativeBase):
    pass


class Hall(Base):
    __tablename__ = "hall"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    city: Mapped[str]
    street: Mapped[str | None]
    phone: Mapped[str]
    seats: Mapped[list[Seat]] = relationship(back_populates="hall", order_by=lambda: Seat.number)

    __table_args__ = (
        sa.Index("by_place", "city", "street", unique=True),
        sa.Index(
            "some_phones",
            "phone",
            unique=True,
            postgresql_where=sa.text("id > 1"),
            sqlite_where=sa.text("id > 1"),
        ),
    )


class Seat(Base):
    __tablename__ = "seat"

    hall_id: Mapped[int] = mapped_column(sa.ForeignKey("hall.id"), primary_key=True)
    number: Mapped[str] = mapped_column(primary_key=True)
    hall: Mapped[Hall] = relationship(back_populates="seats")


class HallRepository(Repository[Hall]):
    page_size = max_page_size = 2


class SeatRepository(Repository[Seat]):
    pass


@repository_type(HallRepository)
class HallType:
    id: strawberry.ID
    name: auto
    seats: list[SeatType]


@repository_type(SeatRepository)
class SeatType:
    number: auto
    hall: HallType


@strawberry.type
class Query:
    hall: HallType | None = one()
    hall_there: HallType = one()
    strict_hall: HallType | None = one(missing="error")
    hall_named: HallType | None = one(by=Hall.name, description="By its name.")
    hall_at: HallType | None = one(by=(Hall.street, Hall.city))
    seat: SeatType | None = one()
    halls: list[HallType] = many(order_by=Hall.name.desc())
    all_halls: Connection[HallType] = connection(where=(Hall.id > 1, Hall.id < 4))


@pytest_asyncio.fixture
async def halls(database_url):
    async with Database(database_url, repositories=(HallRepository, SeatRepository)) as database:
        async with database.engine.begin() as connected:
            await connected.run_sync(Base.metadata.create_all)
            await connected.execute(
                sa.insert(Hall),
                [
                    {"id": n, "name": f"h{n}", "city": "X", "street": f"s{n}", "phone": f"p{n}"}
                    for n in range(1, 5)
                ],
            )
            await connected.execute(
                sa.insert(Seat), [{"hall_id": n, "number": number} for n in (1, 2) for number in "ab"]
            )
        yield database


@pytest.fixture
def schema(halls):
    return strawberry.Schema(Query, extensions=[lambda: ScopeExtension(halls)])


async def test_several_of_one_field_are_read_together(halls, schema):
    query = """{ a: hall(id: 1) { name } b: hall(id: "2") { id seats { number } } same: hall(id: 1) { seats { hall { id } } }
                 none: hall(id: 9) { name seats { number } } }"""
    with counting(halls, 2):  # the halls, and their seats; a seat knows the key of its hall
        found = await answer(schema, query)
    assert found == {
        "a": {"name": "h1"},
        "b": {"id": "2", "seats": [{"number": "a"}, {"number": "b"}]},
        "same": {"seats": [{"hall": {"id": "1"}}] * 2},
        "none": None,
    }


async def test_by_unique_columns_and_by_a_composite_key(halls, schema):
    query = """{ a: hallNamed(name: "h1") { id } b: hallNamed(name: "h2") { id } none: hallNamed(name: "H1") { id }
        c: hallAt(street: "s3", city: "X") { id } d: hallAt(city: "X", street: "s4") { id seats { number } }
        e: seat(hallId: 1, number: "b") { number hall { name } } f: seat(number: "a", hallId: 2) { number }
        mixed: seat(number: "b", hallId: 3) { number } }"""
    with counting(halls, 5):  # by name, by place, seats, the hall of a seat, the seats of a hall
        found = await answer(schema, query)
    assert found == {
        "a": {"id": "1"},
        "b": {"id": "2"},
        "none": None,
        "c": {"id": "3"},
        "d": {"id": "4", "seats": []},
        "e": {"number": "b", "hall": {"name": "h1"}},
        "f": {"number": "a"},
        "mixed": None,
    }


async def test_what_is_not_there_is_null_or_an_error(schema):
    assert await answer(schema, "{ hall(id: 9) { id } }") == {"hall": None}
    for field, data in (("hallThere", None), ("strictHall", {"strictHall": None})):
        result = await schema.execute(f"{{ {field}(id: 9) {{ id }} }}")
        assert result.data == data
        assert [(e.message, e.path, e.extensions) for e in result.errors] == [
            ("Hall has no row for key 9.", [field], {"code": "NOT_FOUND"})
        ]


@pytest.mark.parametrize("key", ['"x"', '"1.5"', '"99999999999999999999"', '""'])
async def test_an_id_that_can_be_no_key_is_refused_before_any_statement(halls, schema, key):
    with counting(halls, 0):
        error = await refusal(schema, f"{{ hall(id: {key}) {{ id }} }}")
    assert error.extensions == {"code": "INVALID_ARGUMENT"}


async def test_a_list_has_a_limit_within_bounds(halls, schema):
    found = await answer(
        schema, "{ all: halls { name } one: halls(limit: 1) { name } no: halls(limit: 0) { name } }"
    )
    assert found == {"all": [{"name": "h4"}, {"name": "h3"}], "one": [{"name": "h4"}], "no": []}
    with counting(halls, 0):
        for limit in (3, -1):
            error = await refusal(schema, f"{{ halls(limit: {limit}) {{ name }} }}")
            assert error.message == f"limit expects a number of rows from 0 to 2; got {limit}."
            assert error.extensions == {"code": "INVALID_ARGUMENT"}


async def test_conditions_of_the_declaration_hold_for_rows_and_total(schema):
    found = await answer(schema, "{ allHalls { totalCount edges { node { id } } } }")
    assert found == {"allHalls": {"totalCount": 2, "edges": [{"node": {"id": "2"}}, {"node": {"id": "3"}}]}}


async def test_a_resolver_of_ones_own_gives_the_conditions(chinook_url):
    async with Database(chinook_url, repositories=REPOSITORIES) as database:
        schema = make_shop(database)
        query = """query ($artist: String!, $after: String) {
            shortTracks(where: {name: {icontains: "s"}}, limit: 2) { name }
            albumsOf(artist: $artist, first: 2, after: $after, orderBy: TITLE_DESC, where: {title: {icontains: "live"}}) {
                totalCount pageInfo { endCursor } edges { node { displayTitle } } } }"""
        first = await answer(schema, query, artist="Iron Maiden")
        assert first["shortTracks"] == [{"name": "Now Sports"}, {"name": "A Statistic"}]
        assert first["albumsOf"]["totalCount"] == 4
        after = first["albumsOf"]["pageInfo"]["endCursor"]
        second = await answer(schema, query, artist="Iron Maiden", after=after)
        shown = [
            edge["node"]["displayTitle"] for page in (first, second) for edge in page["albumsOf"]["edges"]
        ]
        assert shown == sorted(shown, reverse=True)
        assert len(set(shown)) == 4
        # A cursor is of these conditions, also where they come from the resolver.
        error = await refusal(schema, query, artist="AC/DC", after=after)
        assert error.extensions == {"code": "INVALID_ARGUMENT", "reason": "filter"}


# --- what is refused when the schema is made --------------------------------------------------------

WRONG: dict[str, tuple[Any, Any, str]] = {
    "no type of a repository": (
        str,
        one,
        "Root.x: one() reads rows, so the field's type must be one object",
    ),
    "one of a list": (list[HallType], one, "Root.x: one() gives one row, but the field is a list."),
    "many of one": (HallType, many, "Root.x: many() gives a list, but the field is none."),
    "many of pages": (
        Connection[HallType],
        many,
        "Root.x: many() gives a list, but the field is none.",
    ),
    "pages of a list": (
        list[HallType],
        connection,
        "Root.x: connection() gives pages, but the field is no",
    ),
    "by what is not unique": (
        HallType,
        lambda: one(by=Hall.city),
        (
            "Root.x: by= expects columns that are unique; no primary key, unique constraint or unique index says so of "
            "Hall.city."
        ),
    ),
    "by what is unique for some rows": (
        HallType,
        lambda: one(by=Hall.phone),
        "Root.x: by= expects columns that are",
    ),
    "by a part of what is unique": (
        HallType,
        lambda: one(by=Hall.street),
        "Root.x: by= expects columns that are unique",
    ),
    "by another entity": (
        HallType,
        lambda: one(by=Seat.number),
        "Root.x: by= has Seat.number, but the field shows Hall.",
    ),
    "by a text": (HallType, lambda: one(by="name"), "Root.x: by=: Expected an attribute of a mapped class"),
    "null where none is allowed": (
        HallType,
        lambda: one(missing="null"),
        'Root.x: missing="null" needs a field that allows None. Write HallType | None.',
    ),
    "something else": (
        HallType,
        lambda: one(missing="no"),
        'Root.x: one(missing=...) expects "null" or "error"',
    ),
    "a limit of nothing": (
        list[HallType],
        lambda: many(limit=0),
        "Root.x: limit= expects a number of rows, 1 or more",
    ),
    "conditions on another table": (
        list[HallType],
        lambda: many(where=Seat.number == "a"),
        "Root.x: where=: seat.number = :number_1 has columns of seat, where only columns of Hall can be used.",
    ),
    "an order by another table": (
        Connection[HallType],
        lambda: connection(order_by=Seat.number),
        "Root.x: order_by=: seat.number has columns of seat, where only columns of Hall can be used.",
    ),
}


@pytest.mark.parametrize(("kind", "made", "message"), WRONG.values(), ids=WRONG)
def test_mistakes_are_refused_when_the_schema_is_made(kind, made, message):
    cls = type("Root", (), {"__annotations__": {"x": kind}, "__module__": __name__, "x": made()})
    with pytest.raises(DeclarationError) as caught:
        strawberry.Schema(strawberry.type(cls))
    assert str(caught.value).startswith(message)


def test_a_resolver_of_one_is_refused_and_so_is_an_argument_that_is_there():
    @strawberry.type
    class Two:
        @one()
        def x(self) -> HallType:
            raise NotImplementedError

    @strawberry.type
    class Taken:
        @connection(HallType)
        def x(self, first: int) -> list[Any]:
            return []

    for cls, message in (
        (Two, "Two.x: one() finds its row by a key, and takes no resolver."),
        (
            Taken,
            "Taken.x: connection() has an argument 'first' of its own. Give the resolver's another name.",
        ),
    ):
        with pytest.raises(DeclarationError) as caught:
            strawberry.Schema(cls)
        assert str(caught.value) == message


async def test_a_resolver_that_gives_no_conditions_is_a_mistake(halls):
    @strawberry.type(name="Query")
    class Root:
        @many(HallType)
        def wrong(self) -> Any:
            return [Seat.number == "a"]

        @many(HallType)
        def every(self) -> None:
            return None

    schema = strawberry.Schema(Root, extensions=[lambda: ScopeExtension(halls)])
    with counting(halls, 0):
        error = await refusal(schema, "{ wrong { id } }")
    assert error.extensions == {"code": "INTERNAL"}
    assert str(error.original_error).startswith(
        "Root.wrong: the resolver of many() returns conditions on Hall: "
    )
    assert len((await answer(schema, "{ every { id } }"))["every"]) == 2
