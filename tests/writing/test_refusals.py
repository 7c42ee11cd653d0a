"""Rows that the database refuses are named, by whichever driver, and nothing is half applied."""

from __future__ import annotations

from math import ceil, log2

import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from batchrepo import BulkError
from tests.support.databases import EVERY_DRIVER
from tests.writing.stock import Item, Items, Notes, Supplier, Suppliers, items, opened, put, rows

pytestmark = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)

ALL = [Item.id, Item.sku, Item.title, Item.amount, Item.supplier_id]


@pytest_asyncio.fixture
async def db(database_url):
    async with opened(database_url) as db:
        await put(db, *items(40))
        yield db


def updates(count=40, **bad):
    """Updates of all items, two of which are wrong."""
    given = [
        {"id": n, "sku": f"n{n}", "amount": n, "supplier_id": None, "title": "x"} for n in range(1, count + 1)
    ]
    given[17] |= bad
    given[30] |= bad
    return given


CASES = {
    "unique": (
        {"sku": "n1"},
        "unique",
        "uq_item_sku",
        ("tenant", "sku"),
        "Another row has the same tenant, sku already.",
    ),
    "foreign_key": ({"supplier_id": 9}, "foreign_key", None, None, "refers to a row that does not exist"),
    "not_null": (
        {"amount": None},
        "not_null",
        None,
        ("amount",),
        "amount needs a value, and must not be NULL.",
    ),
    "check": ({"amount": -1}, "check", "amount_is_positive", (), "It breaks the check amount_is_positive."),
}


@pytest.mark.parametrize("case", CASES)
async def test_the_row_is_named_by_constraint_and_columns(db, case):
    bad, kind, constraint, columns, message = CASES[case]
    before = await rows(db, *ALL)
    async with db.scope() as scope:
        with pytest.raises(BulkError, match=r"Item w.* refused, and so nothing was written") as caught:
            await Items(scope).update_many(updates(**bad))
    first = caught.value.rows[0]
    assert (first.index, first.kind, first.key) == (17, kind, 18)
    assert constraint is None or first.constraint == constraint
    assert columns is None or first.columns == columns
    assert message in first.message or "refers to a row that does not exist" in first.message
    assert caught.value.entity == "Item"
    assert isinstance(caught.value.__cause__, DBAPIError)
    assert await rows(db, *ALL) == before


@pytest.mark.parametrize("case", CASES)
async def test_collected_rows_are_left_out_and_the_others_written(db, case):
    bad, kind, *_ = CASES[case]
    async with db.scope() as scope:
        result = await Items(scope).update_many(updates(**bad), on_error="collect", returning="keys")
        # Two wrong rows among 40, each found by halves.
        bound = 2 * 2 * (1 + ceil(log2(40)))
        ran = scope.events.statements_by_cause["update Item"]
    assert [(row.index, row.kind, row.key) for row in result.errors] == [(17, kind, 18), (30, kind, 31)]
    assert result.count == 38
    assert result.rows == [n for n in range(1, 41) if n not in (18, 31)]
    assert ran <= bound
    found = await rows(db, Item.id, Item.title)
    assert [n for n, title in found if title != "x"] == [18, 31]


async def test_a_text_that_is_too_long_is_named(db):
    if db.engine.dialect.name == "sqlite":
        return  # it keeps texts of any length
    for way in ("unnest", "temporary_table", "one_by_one"):
        async with db.scope() as scope:
            with pytest.raises(BulkError, match="A value does not fit into its column") as caught:
                await Items(scope).update_many(updates(sku="far too long to fit"), method=way)
        assert [(row.index, row.kind) for row in caught.value.rows] in ([(17, "value")], [(30, "value")])


async def test_a_value_of_a_wrong_type_is_named(db):
    for wrong in ({"code": 5}, {"colour": 5}):
        async with db.scope() as scope:
            with pytest.raises(BulkError) as caught:
                await Items(scope).update_many(
                    [
                        {"id": 1, next(iter(wrong)): None},
                        {"id": 2, **wrong},
                        {"id": 3, next(iter(wrong)): None},
                    ]
                )
        assert [(row.index, row.kind, row.key) for row in caught.value.rows] == [(1, "value", 2)]


async def test_of_two_rows_that_stand_in_each_others_way_the_later_is_named(db):
    given = updates()
    given[20]["sku"] = given[9]["sku"]
    async with db.scope() as scope:
        with pytest.raises(BulkError) as caught:
            await Items(scope).update_many(given)
        assert [(row.index, row.kind) for row in caught.value.rows] == [(20, "unique")]
        collected = await Items(scope).update_many(given, on_error="collect")
        assert [row.index for row in collected.errors] == [20]


async def test_inserted_and_upserted_rows_are_named_too(db):
    new = [{"id": n, "sku": f"n{n}", "amount": n} for n in range(50, 60)]
    new[4]["sku"] = "s7"
    for call in ("insert_many", "upsert_many"):
        async with db.scope() as scope:
            with pytest.raises(BulkError) as caught:
                await getattr(Items(scope), call)(new)
            assert [(row.index, row.kind, row.key, row.constraint) for row in caught.value.rows] == [
                (4, "unique", 54, "uq_item_sku")
            ]
            assert len(await rows(db, Item.id)) == 40
    async with db.scope() as scope:
        result = await Items(scope).insert_many(new, on_error="collect")
    assert (result.count, [row.index for row in result.errors]) == (9, [4])


async def test_rows_that_others_refer_to_are_named_when_they_are_deleted(db):
    await put(db, *[Supplier(id=n, name=f"s{n}") for n in range(1, 9)])
    async with db.scope() as scope:
        await Items(scope).update_many([{"id": n, "supplier_id": n} for n in (3, 6)])
        with pytest.raises(BulkError) as caught:
            await Suppliers(scope).delete_many(range(1, 9))
        assert [(row.index, row.kind, row.key) for row in caught.value.rows] == [(2, "foreign_key", 3)]
        assert len(await rows(db, Supplier.id)) == 8
        result = await Suppliers(scope).delete_many(range(1, 9), on_error="collect")
        assert (result.count, [row.key for row in result.errors]) == (6, [3, 6])
        with pytest.raises(BulkError, match="Rows of Supplier were refused"):
            await Suppliers(scope).delete_many(Supplier.id > 0)
    assert await rows(db, Supplier.id) == [3, 6]


async def test_inside_a_transaction_a_refused_write_is_taken_back_alone(db):
    async with db.scope() as scope, scope.transaction():
        await Items(scope).update_many([{"id": 1, "title": "mine"}])
        with pytest.raises(BulkError):
            await Items(scope).update_many(updates(amount=-1))
        with pytest.raises(BulkError):
            await Suppliers(scope).insert_many([{"name": "a"}, {"name": "b"}, {"name": "a"}])
        await Items(scope).update_many([{"id": 2, "title": "mine"}])
    assert [n for n, title in await rows(db, Item.id, Item.title) if title == "mine"] == [1, 2]
    assert await rows(db, Supplier.id) == []


async def test_one_row_in_a_transaction_is_one_statement(db):
    async with db.scope() as scope, scope.transaction():
        result = await Items(scope).update_many([{"id": 1, "title": "mine"}])
        assert result.statements == 1


async def test_what_is_no_rows_fault_is_not_blamed_on_one(db):
    async with db.engine.begin() as connection:
        await connection.execute(sa.text("DROP TABLE note"))
    async with db.scope() as scope:
        with pytest.raises(DBAPIError):
            await Notes(scope).update_many([{"id": 1, "text": "x"}, {"id": 2, "text": "y"}])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, 39), max_size=12), other=st.sets(st.integers(0, 39), max_size=4))
async def test_any_rows_are_collected(db, bad, other):
    given_rows = [
        {
            "id": n + 1,
            "amount": -5 if n in bad else n,
            "supplier_id": 99 if n in other else None,
            "title": "new",
        }
        for n in range(40)
    ]
    async with db.scope() as scope:
        await Items(scope).update_many(sa.true(), set={Item.title: "old"})
        result = await Items(scope).update_many(given_rows, on_error="collect")
    assert [row.index for row in result.errors] == sorted(bad | other)
    assert {n - 1 for n, title in await rows(db, Item.id, Item.title) if title == "old"} == bad | other
