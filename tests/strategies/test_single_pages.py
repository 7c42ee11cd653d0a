"""Pages inside of rows by one statement: the same pages, counts and cursors as by the batched strategy."""

from __future__ import annotations

import datetime as dt
import enum
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Page, Repository, include, match
from batchrepo.errors import StrategyRefused
from batchrepo.testing import assert_statements
from tests.strategies.shelves import (
    Book,
    BookRepository,
    BoxRepository,
    OnlyOfFloor,
    Shelf,
    ShelfRepository,
    Titled,
    filled,
)


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with filled(database_url) as made:
        yield made


class Sequels(BaseModel):
    title: str
    sequels: Annotated[
        Page[Titled], include(Book.sequels, first=1, order_by=Book.title.desc(), total="exact")
    ]


class Paged(BaseModel):
    first: Annotated[Page[Sequels], include(Shelf.books, first=2, total="exact")]
    last: Annotated[
        Page[Sequels] | None,
        include(Shelf.books, last=2, order_by=(Book.sequel_of_id.desc().nulls_last(), Book.title)),
    ]
    early: Annotated[Page[Titled], include(Shelf.books, where=Book.id < 3, last=1, total="exact")]


async def both(db: Database, view: type[BaseModel], *where: Any, context: Any = None) -> Any:
    """What both strategies give, which must be the same to the letter of the cursors; the single one by one statement."""
    async with db.scope(context) as scope:
        shelves = ShelfRepository(scope) if context is None else OnlyOfFloor(scope)
        with assert_statements(1, db):
            found = json.loads(await shelves.find_json(view, *where, strategy="single"))
        assert found == json.loads(await shelves.find_json(view, *where, strategy="batched"))
    return found


async def test_pages_inside_of_pages_are_one_statement(db: Database):
    shelves = await both(db, Paged)
    first, empty = shelves[0]["first"], shelves[3]["first"]
    assert [book["title"] for book in first["items"]] == ["book 9", "book 8"]
    assert (first["has_next"], first["has_previous"], first["total"], first["total_is"]) == (
        True,
        False,
        3,
        "exact",
    )
    assert [book["title"] for book in first["items"][0]["sequels"]["items"]] == ["book 8"]
    assert empty == {
        "items": [], "has_next": False, "has_previous": False, "start_cursor": None, "end_cursor": None,
        "total": 0, "total_is": "exact",
    }  # fmt: skip


async def test_pages_of_rows_by_key_are_spliced_too(db: Database):
    async with db.scope() as scope:
        shelves = ShelfRepository(scope)
        found = await shelves.get_many_json([3, 1], Paged, strategy="single")
        assert json.loads(found) == json.loads(await shelves.get_many_json([3, 1], Paged, strategy="batched"))
        page = await shelves.page_json(Paged, first=2, strategy="single")
        wanted = await shelves.page_json(Paged, first=2, strategy="batched")
    assert (json.loads(page.items), page.end_cursor) == (json.loads(wanted.items), wanted.end_cursor)


async def test_a_cursor_goes_on_where_the_page_ended(db: Database):
    async with db.scope() as scope:
        (shelf,) = json.loads(await ShelfRepository(scope).find_json(Paged, Shelf.id == 1, strategy="single"))
        entity = await ShelfRepository(scope).get(1)
        rest = await scope.related_page(entity, Shelf.books, first=2, after=shelf["first"]["end_cursor"])
    assert [book.id for book in rest.items] == [6]


async def test_signed_cursors_are_signed(db: Database):
    repositories = [ShelfRepository, BookRepository, BoxRepository]
    async with Database(db.engine, repositories=repositories, secret="a secret") as signing:
        signed = await both(signing, Paged)
    plain = await both(db, Paged)
    assert signed[0]["first"]["end_cursor"] != plain[0]["first"]["end_cursor"]
    assert signed[0]["first"]["items"] != plain[0]["first"]["items"]


async def test_cursors_are_bound_to_the_row_criteria(db: Database):
    class OfOneTitle(Repository[Book]):
        criteria = (match(Book.title, lambda context: context),)

    async with Database(db.engine, repositories=[OfOneTitle, OnlyAll, BoxRepository]) as guarded:
        cursors = []
        for title in ("book 9", "book 8"):
            async with guarded.scope(title) as scope:
                found = [
                    json.loads(await OnlyAll(scope).find_json(Paged, Shelf.id == 1, strategy=strategy))
                    for strategy in ("single", "batched")
                ]
            assert found[0] == found[1]
            ((page),) = [shelf["first"] for shelf in found[0]]
            assert [book["title"] for book in page["items"]] == [title]
            cursors.append(page["end_cursor"])
    assert cursors[0] != cursors[1]


class OnlyAll(Repository[Shelf]):
    default_order = (Shelf.id,)


async def test_no_text_of_a_row_is_taken_for_a_cursor(db: Database):
    """Marks and what is not exact are characters that texts in JSON never have as they are."""
    async with db.engine.begin() as connection:
        for number, title in ((1, "\x020[1]\x02"), (2, "\\u00020[1]\\u0002"), (6, '\x02\x01",\x03')):
            await connection.execute(sa.update(Book).where(Book.id == number).values(title=title))
    shelves = await both(db, Paged)
    assert [book["title"] for book in shelves[0]["first"]["items"]] == ["\x020[1]\x02", "\\u00020[1]\\u0002"]


# --- the values of an order ------------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Taste(enum.Enum):
    SWEET = "süß"
    SOUR = 2


class Farm(Base):
    __tablename__ = "farm"

    id: Mapped[int] = mapped_column(primary_key=True)
    fruits: Mapped[list[Fruit]] = relationship()


class Fruit(Base):
    __tablename__ = "fruit"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    farm_id: Mapped[int] = mapped_column(sa.ForeignKey("farm.id"), index=True)
    name: Mapped[str]
    ripe: Mapped[bool | None]
    taste: Mapped[Taste]
    moment: Mapped[dt.datetime]
    zoned: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    day: Mapped[dt.date]
    time: Mapped[dt.time]
    weight: Mapped[float] = mapped_column(sa.Double())
    price: Mapped[Decimal] = mapped_column(sa.Numeric(8, 2))


class FarmRepository(Repository[Farm]):
    default_order = (Farm.id,)


class FruitRepository(Repository[Fruit]):
    pass


class FruitView(BaseModel):
    name: str


def fruit(number: int) -> dict[str, Any]:
    moment = dt.datetime(2024, 2, 29, 23, 59, 58, 120_000 * (number % 2))
    return {
        "id": UUID(int=number * 7**40), "farm_id": 1, "name": f'ä"\\\n{number}/', "ripe": (None, True, False)[number % 3],
        "taste": (Taste.SWEET, Taste.SOUR)[number % 2], "moment": moment, "zoned": moment.replace(tzinfo=dt.UTC),
        "day": moment.date(), "time": moment.time(), "weight": (0.1 + 0.2, -0.0, 1e22, 5e-324, 3.0)[number],
        "price": Decimal(number) / 3,
    }  # fmt: skip


@pytest_asyncio.fixture
async def farms(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, repositories=[FarmRepository, FruitRepository]) as made:
        async with made.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(sa.insert(Farm), [{"id": 1}])
            await connection.execute(sa.insert(Fruit), [fruit(number) for number in range(5)])
        yield made


REFUSED = {"sqlite": {"weight", "price"}, "postgresql": {"price"}}


def farm_view(*order: Any) -> Any:
    page = include(Farm.fruits, first=3, order_by=order)
    fields = {"fruits": Annotated[Page[FruitView], page]}
    return type("FarmView", (BaseModel,), {"__annotations__": fields})


async def test_values_of_every_type_make_the_same_cursors(farms: Database):
    async with farms.scope() as scope:
        repository = FarmRepository(scope)
        for name in set(fruit(0)) - {"farm_id"} - REFUSED[farms.engine.dialect.name]:
            view = farm_view(getattr(Fruit, name).desc(), Fruit.name)
            with assert_statements(1, farms):
                found = await repository.find_json(view, strategy="single")
            assert json.loads(found) == json.loads(await repository.find_json(view, strategy="batched")), name


async def test_an_order_without_exact_cursors_is_refused_with_the_reason(farms: Database):
    async with farms.scope() as scope:
        for name in REFUSED[farms.engine.dialect.name]:
            view = farm_view(getattr(Fruit, name))
            reason = rf"FarmView.fruits: \w+ has no exact JSON for the cursors of an order by fruit.{name}"
            with pytest.raises(StrategyRefused, match=reason):
                await FarmRepository(scope).find_json(view, strategy="single")


async def test_single_values_without_an_exact_cursor_are_read_again(farms: Database):
    """Infinite numbers of PostgreSQL; what SQLite stores in a column of another type."""
    unusual: dict[str, Any] = {"sqlite": {"ripe": sa.text("0.5")}, "postgresql": {"weight": float("inf")}}
    values = unusual[farms.engine.dialect.name]
    async with farms.engine.begin() as connection:
        await connection.execute(sa.update(Fruit).values(values))
    view = farm_view(*(getattr(Fruit, name) for name in values))
    async with farms.scope() as scope:
        with assert_statements(3, farms):
            found = await FarmRepository(scope).find_json(view, strategy="single")
        assert json.loads(found) == json.loads(
            await FarmRepository(scope).find_json(view, strategy="batched")
        )
