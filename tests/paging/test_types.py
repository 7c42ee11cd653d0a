"""Types whose values are not plain: rows are paged by them, or it is said at once that they cannot be."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import Database, InvalidArgument, Repository, column
from batchrepo.testing import assert_statements
from tests.paging.models import Item, ItemRepository, Maker, MakerRepository
from tests.paging.walking import walk_backward, walk_forward
from tests.support.databases import EVERY_DRIVER

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Odd(Base):
    """Columns of types that only PostgreSQL has."""

    __tablename__ = "odd"

    id: Mapped[int] = mapped_column(primary_key=True)
    oid: Mapped[int | None] = mapped_column(pg.OID)
    mac: Mapped[str | None] = mapped_column(pg.MACADDR)
    mac8: Mapped[str | None] = mapped_column(pg.MACADDR8)
    bits: Mapped[Any | None] = mapped_column(pg.BIT(varying=True))
    span: Mapped[Any | None] = mapped_column(pg.INTERVAL)
    short: Mapped[str | None] = mapped_column(pg.DOMAIN("short", sa.Text()))
    money: Mapped[Any | None] = mapped_column(pg.MONEY)
    inet: Mapped[Any | None] = mapped_column(pg.INET)
    json: Mapped[Any | None] = mapped_column(sa.JSON)
    jsonb: Mapped[Any | None] = mapped_column(pg.JSONB)
    numbers: Mapped[Any | None] = mapped_column(sa.ARRAY(sa.Integer))
    between: Mapped[Any | None] = mapped_column(pg.INT4RANGE)
    words: Mapped[Any | None] = mapped_column(pg.TSVECTOR)


class OddRepository(Repository[Odd]):
    pass


VALUES: dict[str, list[str | None]] = {
    "oid": ["1", "2", "2", "4000000000", None],
    "mac": ["08:00:2b:01:02:03", "08:00:2b:01:02:04", "08:00:2b:01:02:03"],
    "mac8": ["08:00:2b:01:02:03:04:05", None, "08:00:2b:01:02:03:04:06"],
    "bits": ["", "1", "10", "1"],
    "span": [
        "1 year",
        "364 days",
        "1 year",
        "12 months",
        "1 day",
        "24 hours",
        "13 months -1 us",
        "-1 us",
        None,
    ],
    "short": ["a", "B", "", "a"],
}
"""What is put into columns that rows are paged by."""

REFUSED = ("money", "inet", "json", "jsonb", "numbers", "between", "words")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def odd(module_database_url: str):
    async with Database(module_database_url, repositories=[OddRepository]) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield db


@pytest.mark.filterwarnings("ignore:.*DOMAIN.* does not refer to an OperatorClass")
@pytest.mark.parametrize("module_database_url", EVERY_DRIVER[1:], indirect=True)
@pytest.mark.parametrize("name", VALUES)
async def test_rows_are_paged_by_a_type_of_postgresql(odd, name):
    """So are intervals: PostgreSQL compares a year as 360 days, and drivers give it as 365."""
    texts = [*VALUES[name], *VALUES[name]]
    kind = sa.inspect(Odd).columns[name].type.compile(odd.engine.dialect)
    async with odd.engine.begin() as connection:
        await connection.execute(sa.delete(Odd))
        for i, text in enumerate(texts):
            value = "NULL" if text is None else f"CAST('{text}' AS {kind})"
            await connection.execute(sa.text(f"INSERT INTO odd (id, {name}) VALUES ({i}, {value})"))
        whole = list(await connection.scalars(sa.text(f"SELECT id FROM odd ORDER BY {name}, id")))
    async with odd.scope() as scope:

        async def read(**arguments: Any) -> Any:
            return await OddRepository(scope).page(order_by=getattr(Odd, name), **arguments)

        assert await walk_forward(read, whole, 1) == await walk_backward(read, whole, 2)


@pytest.mark.parametrize("module_database_url", EVERY_DRIVER[1:], indirect=True)
@pytest.mark.parametrize("name", REFUSED)
async def test_an_order_that_no_cursor_could_carry_takes_no_statement(odd, name):
    kind = type(sa.inspect(Odd).columns[name].type).__name__
    async with odd.scope() as scope:
        with assert_statements(0, odd), pytest.raises(InvalidArgument) as refused:
            await OddRepository(scope).page(order_by=getattr(Odd, name))
    assert str(refused.value).startswith(
        f"Rows cannot be paged by odd.{name}: values of type {kind} have no order"
    )


JSON_ORDERS = {
    "column": (Item.data,),
    "behind another one": (Item.rank, Item.data.desc()),
    "a part of it": (Item.data["a"],),
    "of a related row": (column(Item.parent, Item.data),),
}


@pytest.mark.parametrize("order", JSON_ORDERS.values(), ids=JSON_ORDERS)
async def test_json_has_no_order_anywhere(db, order):
    async with db.scope() as scope:
        items, makers = ItemRepository(scope), MakerRepository(scope)
        with assert_statements(0, db):
            for read in (
                items.page(order_by=order),
                items.page(Item.rank > 0, order_by=order, last=3, total="exact"),
                makers.related_page(1, Maker.items, order_by=order),
                anext(items.chunks(order_by=order)),
            ):
                with pytest.raises(InvalidArgument, match=r"values of type JSON.* have no order"):
                    await read


async def test_a_plain_value_inside_of_json_has_one(db):
    async with db.scope() as scope:
        page = await ItemRepository(scope).page(order_by=Item.data["a"].as_integer())
    assert page.items == []


OF_MANY_ROWS = {
    "window": sa.func.row_number().over(order_by=Item.rank),
    "aggregate": sa.func.count(Item.id),
    "inside": sa.func.coalesce(sa.func.sum(Item.rank), 0),
    "filtered": sa.func.max(Item.rank).filter(Item.rank > 0),
}


@pytest.mark.parametrize("order", OF_MANY_ROWS.values(), ids=OF_MANY_ROWS)
async def test_a_value_of_many_rows_is_no_order(db, order):
    async with db.scope() as scope:
        with assert_statements(0, db), pytest.raises(InvalidArgument, match="is a value of many rows"):
            await ItemRepository(scope).page(order_by=order)
