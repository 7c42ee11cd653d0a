"""Computed attributes equal what Python makes of the same rows, alone and in a view, by every strategy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo import Database
from batchrepo.declare.computed import Top
from batchrepo.declare.values import nullable_of
from batchrepo.testing import assert_statements
from tests.strategies.models import (
    REPOSITORIES,
    Base,
    Chair,
    Customer,
    Room,
    RoomRepository,
    Sale,
    Shop,
    ShopRepository,
    favourite,
)
from tests.support.playing import Play, playing

Row = dict[str, Any]

_sale = st.fixed_dictionaries(
    {
        "shop_id": st.sampled_from([None, 1, 2, 3]),
        "unindexed_shop_id": st.sampled_from([None, 1, 2, 3, 77]),
        "pieces": st.none() | st.integers(0, 3),
        "grams": st.sampled_from([1, 50, 51, 2**40]),
        "price": st.sampled_from([Decimal("0.10"), Decimal("2.50"), Decimal("2.50"), Decimal("99.99")]),
        "weight": st.sampled_from([0.5, 1.25, -3.0]),
    }
)
_link = st.tuples(st.sampled_from([1, 2, 3]), st.sampled_from([1, 2, 3, 4]))
AGES = {1: 20, 2: 41, 3: 41, 4: 60}


def _present(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _first(rows: Sequence[Row], count: int, *keys: Callable[[Row], Any]) -> list[int]:
    return [row["id"] for row in sorted(rows, key=lambda row: tuple(key(row) for key in keys))[:count]]


def _expected(shop: int, sales: list[Row], links: list[tuple[int, int]]) -> dict[str, Any]:
    mine = [sale for sale in sales if sale["shop_id"] == shop]
    slow = [sale for sale in sales if sale["unindexed_shop_id"] == shop]
    big = [sale for sale in mine if sale["grams"] > 50]
    pieces = _present([sale["pieces"] for sale in mine])
    customers = {customer for linked, customer in links if linked == shop}
    by_pieces = sorted(
        mine, key=lambda s: (s["pieces"] is None, -(s["pieces"] or 0), -s["id"])
    )  # latest: greatest first, equal ones by the greatest key, NULL last
    few_pieces = sorted(mine, key=lambda s: (s["pieces"] is None, s["pieces"] or 0, s["id"]))
    dearest = lambda s: (-s["price"], -s["id"])  # noqa: E731  the key goes the way of the last term
    return {
        "sale_count": len(mine),
        "big_sales": len(big),
        "has_sales": bool(mine),
        "has_big_sales": bool(big),
        "pieces": sum(pieces),
        "grams": sum(sale["grams"] for sale in mine),
        "income": sum((sale["price"] for sale in mine), Decimal(0)),
        "big_income": sum((sale["price"] for sale in big if sale["pieces"] is not None), Decimal(0)),
        "fewest": min(pieces, default=None),
        "dearest": max((sale["price"] for sale in mine), default=None),
        "mean_pieces": pytest.approx(sum(pieces) / len(pieces)) if pieces else None,
        "mean_weight": pytest.approx(sum(s["weight"] for s in mine) / len(mine)) if mine else None,
        "customer_count": len(customers),
        "customer_age": sum(AGES[customer] for customer in customers),
        "old_customers": sum(AGES[customer] > 40 for customer in customers),
        "two_dearest": _first(mine, 2, dearest),
        "two_dearest_slow": _first(slow, 2, dearest),
        "two_of_many": _first(big, 2, lambda s: s["id"]),
        "most_pieces": by_pieces[0]["id"] if by_pieces else None,
        "fewest_pieces": few_pieces[0]["id"] if few_pieces else None,
        "youngest_two": [c for _, c in sorted((AGES[c], c) for c in customers)[:2]],
    }


class Id(BaseModel):
    id: int


class ShopView(BaseModel):
    id: int
    sale_count: int
    big_sales: int
    has_sales: bool
    has_big_sales: bool
    pieces: int
    grams: int
    income: Decimal
    big_income: Decimal
    fewest: int | None
    dearest: Decimal | None
    mean_pieces: float | None
    mean_weight: float | None
    customer_count: int
    customer_age: int
    old_customers: int
    two_dearest: list[Id]
    two_dearest_slow: list[Id]
    two_of_many: list[Id]
    most_pieces: Id | None
    fewest_pieces: Id | None
    youngest_two: list[Id]


def _plain(value: Any) -> Any:
    """Entities and views by their ids."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.id if isinstance(value, Id | Sale | Customer) else value


async def _fill(engine: AsyncEngine, sales: list[Row], links: list[tuple[int, int]]) -> None:
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="SERIALIZABLE")
        for table in reversed(Base.metadata.sorted_tables):
            await connection.execute(table.delete())
        await connection.execute(insert(Shop), [{"id": shop} for shop in (1, 2, 3)])
        await connection.execute(insert(Customer), [{"id": c, "age": age} for c, age in AGES.items()])
        if sales:
            await connection.execute(insert(Sale), sales)
        if links:
            await connection.execute(insert(favourite), [{"shop_id": s, "customer_id": c} for s, c in links])
        await connection.commit()


@pytest.fixture(scope="module")
def play(module_database_url: str) -> Iterator[Play]:
    with playing(module_database_url, Base.metadata, repositories=REPOSITORIES, views=[ShopView]) as play:
        yield play


@given(rows=st.lists(_sale, max_size=12), links=st.lists(_link, max_size=8))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_computed_attribute_equals_its_oracle(
    play: Play, rows: list[Row], links: list[tuple[int, int]]
) -> None:
    """Read for one entity after the other, in a gather, and in a view by each strategy."""
    sales = [{"id": number, **row} for number, row in enumerate(rows, 1)]
    play(_check, sales, links)


async def _check(db: Database, sales: list[Row], links: list[tuple[int, int]]) -> None:
    await _fill(db.engine, sales, links)
    expected = {shop: _expected(shop, sales, links) for shop in (1, 2, 3)}
    names = list(expected[1])
    async with db.scope() as scope:
        for shop in await ShopRepository(scope).find(order_by=Shop.id):
            found = {name: await scope.related(shop, getattr(ShopRepository, name)) for name in names}
            assert {name: _plain(value) for name, value in found.items()} == expected[shop.id]
    async with db.scope() as scope:
        shop = await ShopRepository(scope).get(2)
        values = await asyncio.gather(*(scope.related(shop, getattr(ShopRepository, name)) for name in names))
        assert dict(zip(names, map(_plain, values), strict=True)) == expected[2]
    for strategy in ("batched", "eager"):
        async with db.scope() as scope:
            views = await ShopRepository(scope).find(ShopView, order_by=Shop.id, strategy=strategy)
        for view in views:
            assert {name: _plain(getattr(view, name)) for name in names} == expected[view.id], strategy
    await _check_sql(db, {shop: _in_sql(values, sales) for shop, values in expected.items()})
    async with db.scope() as scope:  # one parent takes the form with a plain LIMIT
        alone = await ShopRepository(scope).get(3, ShopView)
        assert {name: _plain(getattr(alone, name)) for name in names} == expected[3]


LISTS = {name for name, value in vars(ShopRepository).items() if isinstance(value, Top) and not value.single}


def _in_sql(values: dict[str, Any], sales: list[Row]) -> dict[str, Any]:
    """What the values are as SQL expressions: of a row that comes first, what it comes first by."""
    pieces = {sale["id"]: sale["pieces"] for sale in sales} | {None: None}
    by_row = {name: pieces[values[name]] for name in ("most_pieces", "fewest_pieces")}
    return {name: value for name, value in values.items() if name not in LISTS} | by_row


async def _check_sql(db: Database, expected: dict[int, dict[str, Any]]) -> None:
    """The values as columns of a statement of the user's own, and as conditions of a read."""
    names = list(expected[1])
    values = [getattr(ShopRepository, name) for name in names]
    async with db.engine.connect() as connection:
        rows = await connection.execute(select(Shop.id, *values))
        found = {shop: dict(zip(names, given, strict=True)) for shop, *given in rows}
    assert found == expected
    for name, value in zip(names, values, strict=True):
        assert nullable_of(value) or all(found[shop][name] is not None for shop in found), name
    async with db.scope() as scope:
        shops = ShopRepository(scope)
        for name, value in zip(names, values, strict=True):
            if name.startswith("mean") or name.endswith("income"):
                continue  # compared as floats, which are not exact (SQLite has no decimals)
            met = [shop for shop in expected if expected[shop][name] == expected[2][name]]
            condition = value.is_not_distinct_from(expected[2][name])
            assert [shop.id for shop in await shops.find(condition, order_by=Shop.id)] == met, name
            assert await shops.count(condition) == len(met)
            present = [shop for shop in expected if expected[shop][name] is not None]
            order = [shop.id for shop in await shops.find(order_by=(value.desc().nulls_last(), Shop.id))]
            assert order[: len(present)] == sorted(present, key=lambda s: (-expected[s][name], s)), name


async def test_aggregates_over_one_relation_share_a_statement(database_url: str) -> None:
    """Whatever their conditions: in a view, and where they are asked for in the same moment."""

    class Sums(BaseModel):
        id: int
        sale_count: int
        big_sales: int
        grams: int
        dearest: Decimal | None
        customer_count: int

    async with Database(database_url, repositories=REPOSITORIES, views=[Sums]) as db:
        async with db.engine.connect() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.commit()
        await _fill(db.engine, [], [(1, 1)])
        async with db.scope() as scope:
            with assert_statements(3, db):
                await ShopRepository(scope).find(Sums)  # shops, over sales, over customers
        async with db.scope() as scope:
            shops = await ShopRepository(scope).find()
            with assert_statements(1, db):
                await asyncio.gather(
                    *(
                        scope.related(shop, getattr(ShopRepository, name))
                        for shop in shops
                        for name in ("sale_count", "big_sales", "grams", "dearest")
                    )
                )


async def test_parents_with_a_composite_key(database_url: str) -> None:
    """Half a key equals nothing, and the halves of two keys do not make a third."""
    async with Database(database_url, repositories=REPOSITORIES) as db:
        async with db.engine.connect() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(
                insert(Room), [{"house": h, "number": n} for h, n in ((1, 1), (1, 2), (2, 1), (2, 2))]
            )
            chairs = [
                (1, 1, 1, 4),
                (2, 1, 1, 3),
                (3, 1, 2, 4),
                (4, 2, 1, 5),
                (5, 1, None, 9),
                (6, None, 2, 9),
            ]
            names = ("id", "house", "number", "legs")
            await connection.execute(insert(Chair), [dict(zip(names, row, strict=True)) for row in chairs])
            await connection.commit()
        async with db.scope() as scope:
            rooms = await RoomRepository(scope).find(order_by=(Room.house, Room.number))
            with assert_statements(3, db):  # a loop asks for one thing after the other, each for all rooms
                seen = [
                    (
                        await scope.related(room, RoomRepository.chair_count),
                        await scope.related(room, RoomRepository.legs),
                        [chair.id for chair in await scope.related(room, RoomRepository.first_chair)],
                    )
                    for room in rooms
                ]
        assert seen == [(2, 7, [1]), (1, 4, [3]), (1, 5, [4]), (0, 0, [])]
