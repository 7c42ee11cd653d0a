"""Views that are decoded from the JSON of one statement: what the rows would give, or a reason why not."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import Database, MissingRelated, Page, Repository, count, include
from batchrepo.errors import StrategyRefused
from batchrepo.testing import assert_statements
from tests.strategies.shelves import (
    BookRepository,
    BoxRepository,
    Needing,
    Shelf,
    ShelfRepository,
    ShelfView,
    Titled,
    WithComputed,
    filled,
    guarded_by_floor,
)


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with filled(database_url) as made:
        yield made


async def test_views_of_one_statement_are_those_of_the_rows(db: Database):
    async with db.scope() as scope:
        shelves = ShelfRepository(scope)
        with assert_statements(1, db):
            found = await shelves.find(ShelfView, strategy="single")
        assert found == await shelves.find(ShelfView, strategy="batched")
        with assert_statements(1, db):
            page = await shelves.page(ShelfView, first=2, strategy="single")
        assert page == await shelves.page(ShelfView, first=2, strategy="batched")
    assert [type(view) for view in found] == [ShelfView] * 4


async def test_a_required_row_that_is_missing_is_said_as_of_rows(db: Database):
    async with guarded_by_floor(db) as guarded, guarded.scope(1) as scope:
        with pytest.raises(MissingRelated, match=r"Needing\.kept_on does not allow None"):
            await BookRepository(scope).find(Needing, strategy="single")


class WithPages(BaseModel):
    books: Annotated[Page[Titled], include(Shelf.books)]


@pytest.mark.parametrize(
    ("view", "reason"),
    [
        (WithPages, r"Shelf\.books is read by pages, which have more cursors than JSON shows"),
        (WithComputed, "WithComputed has validators, serializers, computed fields"),
    ],
)
async def test_what_json_does_not_tell_is_refused_with_the_reason(
    db: Database, view: type[BaseModel], reason: str
):
    async with db.scope() as scope:
        with pytest.raises(StrategyRefused, match=reason):
            await ShelfRepository(scope).find(view, strategy="single")


# --- the policy ------------------------------------------------------------------------------------------


class OfOneStatement(Repository[Shelf]):
    default_order = (Shelf.id,)
    loading = {Shelf.books: "single", Shelf.boxes: "batch"}  # noqa: RUF012
    book_count = count(Shelf.books)


class ShelfAndBooks(BaseModel):
    name: str
    books: list[Titled]


class WithBoxesToo(ShelfAndBooks):
    boxes: list[WithId]


class WithId(BaseModel):
    id: int


class WithLength(ShelfAndBooks, WithComputed):
    pass


async def test_a_policy_asks_for_one_statement(db: Database):
    """Whatever AUTO would say: of SQLite, of how many rows there are, of views."""
    known = [OfOneStatement, BookRepository, BoxRepository]
    async with Database(db.engine, repositories=known) as declared, declared.scope() as scope:
        shelves = OfOneStatement(scope)
        with assert_statements(4, declared):
            await shelves.find_json(ShelfAndBooks)
            await shelves.find(ShelfAndBooks)
            await shelves.page_json(ShelfAndBooks)
            await shelves.get_many_json([1, 2], ShelfAndBooks)
        with assert_statements(2, declared):
            await shelves.find_json(WithLength)
        with assert_statements(3, declared):
            await shelves.find_json(WithBoxesToo)
        with assert_statements(2, declared):
            await shelves.find(ShelfAndBooks, strategy="batched")
        with assert_statements(1, declared):
            await shelves.find()
        explained = str(declared.explain(ShelfAndBooks, OfOneStatement))
        assert "strategy: single (Shelf.books has the policy 'single')" in explained
        assert "as JSON: single (Shelf.books has the policy 'single')" in explained
        assert "not single: WithComputed has validators" in str(
            declared.explain(WithLength, OfOneStatement)
        ).replace("WithLength", "WithComputed")
        assert "not single: Shelf.boxes has the policy 'batch'" in str(
            declared.explain(WithBoxesToo, OfOneStatement)
        )


# --- values ----------------------------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Reading(Base):
    __tablename__ = "reading"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float] = mapped_column(sa.Double())
    zoned: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))


class ReadingRepository(Repository[Reading]):
    default_order = (Reading.id,)


class ValueView(BaseModel):
    value: float


class ZonedView(BaseModel):
    zoned: dt.datetime


@pytest_asyncio.fixture
async def readings(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, repositories=[ReadingRepository]) as made:
        async with made.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            rows = [
                {"id": i, "value": value, "zoned": dt.datetime(2024, 1, 1, tzinfo=dt.UTC)}
                for i, value in enumerate((0.1 + 0.2, -0.0, 1e22, 5e-324, 1.7976931348623157e308))
            ]
            await connection.execute(sa.insert(Reading), rows)
        yield made


async def test_numbers_are_the_same_to_the_last_bit_or_read_again(readings: Database):
    async def found(strategy: str) -> list[Any]:
        async with readings.scope() as scope:
            views = await ReadingRepository(scope).find(ValueView, strategy=strategy)
        return [view.value.hex() for view in views]

    if readings.engine.dialect.name == "sqlite":  # whose texts of them are rounded
        with pytest.raises(StrategyRefused, match=r"ValueView\.value: sqlite has no exact JSON"):
            await found("single")
        return
    assert await found("single") == await found("batched")
    async with readings.engine.begin() as connection:
        await connection.execute(sa.update(Reading).where(Reading.id == 1).values(value=float("-inf")))
    assert await found("single") == await found("batched")


async def test_times_with_a_zone_would_have_another_zone_object(readings: Database):
    async with readings.scope() as scope:
        with pytest.raises(StrategyRefused, match=r"ZonedView\.zoned: \w+ has no exact JSON"):
            await ReadingRepository(scope).find(ZonedView, strategy="single")
