"""delete_many, and update_many and delete_many of whatever meets conditions."""

from __future__ import annotations

import pytest
import pytest_asyncio
import sqlalchemy as sa

from batchrepo import InvalidArgument
from batchrepo.testing.counting import statement_counter
from tests.support.databases import EVERY_DRIVER
from tests.writing.stock import (
    Item,
    Items,
    Manager,
    Managers,
    Parts,
    Person,
    Pictures,
    Slot,
    Slots,
    Supplier,
    items,
    opened,
    put,
    rows,
)

pytestmark = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)


@pytest_asyncio.fixture
async def db(database_url):
    async with opened(database_url) as db:
        await put(db, *items(8))
        yield db


async def test_rows_by_key_are_one_statement(db):
    for keys in ([3, 1, 3, 99], iter([2]), range(4, 6)):
        async with db.scope() as scope:
            with statement_counter(db) as seen:
                await Items(scope).delete_many(keys)
            assert seen.count == 1

    async def source():
        yield 6

    async with db.scope() as scope:
        result = await Items(scope).delete_many(source())
        assert result.count == 1
    assert await rows(db, Item.id) == [7, 8]


async def test_an_empty_list_of_keys_deletes_nothing(db):
    async with db.scope() as scope:
        assert (await Items(scope).delete_many([])).count == 0
    assert len(await rows(db, Item.id)) == 8


async def test_composite_keys(db):
    await put(db, *[Slot(room=room, hour=hour) for room in "ab" for hour in (1, 2)])
    async with db.scope() as scope:
        result = await Slots(scope).delete_many([("a", 1), {"room": "b", "hour": 2}, ("c", 1)])
    assert result.count == 2
    assert await rows(db, Slot.room, Slot.hour) == [("a", 2), ("b", 1)]


async def test_a_class_in_its_parents_table_deletes_its_own_rows(db):
    await put(db, Person(id=1, name="p"), Manager(id=2, name="m"))
    async with db.scope() as scope:
        assert (await Managers(scope).delete_many(sa.true())).count == 1
        assert (await Managers(scope).delete_many([1])).count == 0
    assert await rows(db, Person.id) == [1]


async def test_rows_in_several_tables_are_refused(db):
    async with db.scope() as scope:
        for repository in (Parts(scope), Pictures(scope)):
            with pytest.raises(
                InvalidArgument, match=r"and a bulk delete deletes from one. Use scope.delete"
            ):
                await repository.delete_many([1])


async def test_conditions_are_one_statement(db):
    async with db.scope() as scope:
        with statement_counter(db) as seen:
            updated = await Items(scope).update_many(
                Item.amount > 2, Item.amount < 6, set={Item.amount: Item.amount * 10, "title": "x"}
            )
            deleted = await Items(scope).delete_many(Item.amount >= 40, Item.amount < 60)
        assert (updated.count, deleted.count, seen.count) == (3, 2, 2)
        assert (await Items(scope).delete_many(Item.title == "nothing")).count == 0
    found = await rows(db, Item.id, Item.amount, Item.title, Item.marked)
    assert found[2] == (3, 30, "x", "updated")
    assert [row[0] for row in found] == [1, 2, 3, 6, 7, 8]


async def test_conditions_over_related_rows(db):
    await put(db, Supplier(id=1, name="good"), Supplier(id=2, name="bad"))
    async with db.scope() as scope:
        await Items(scope).update_many([{"id": n, "supplier_id": n % 2 + 1} for n in range(1, 9)])
        good = sa.select(Supplier.id).where(Supplier.name == "good", Supplier.id == Item.supplier_id)
        result = await Items(scope).update_many(good.exists(), set={Item.title: "good"})
        assert result.count == 4
        name = sa.select(Supplier.name).where(Supplier.id == Item.supplier_id).scalar_subquery()
        await Items(scope).update_many(Item.id == 1, set={Item.title: name})
        assert (await Items(scope).delete_many(good.exists())).count == 4
    assert await rows(db, Item.id, Item.title) == [(1, "bad"), (3, "t3"), (5, "t5"), (7, "t7")]


async def test_without_a_condition_it_is_refused(db):
    async with db.scope() as scope:
        repository = Items(scope)
        with statement_counter(db) as seen:
            for call in (
                repository.delete_many,
                lambda: repository.update_many(set={Item.title: "x"}),
            ):
                with pytest.raises(InvalidArgument, match=r"To write all rows, say so: sqlalchemy.true"):
                    await call()
            for wrong in (True, "id = 1", {"id": 1}, 5):
                with pytest.raises(InvalidArgument):
                    await repository.delete_many(wrong)
            with pytest.raises(InvalidArgument):
                await repository.delete_many(["x"])
            with pytest.raises(InvalidArgument, match="set= expects columns and their values"):
                await repository.update_many(sa.true(), set={})
            with pytest.raises(InvalidArgument, match="part of the key, which rows keep"):
                await repository.update_many(sa.true(), set={Item.id: 1})
            with pytest.raises(InvalidArgument, match="double is computed by the database"):
                await repository.update_many(sa.true(), set={Item.double: 1})
            with pytest.raises(InvalidArgument):
                await repository.update_many(Supplier.name == "x", set={Item.title: "x"})
            with pytest.raises(InvalidArgument):
                await repository.update_many(sa.true(), set={Item.title: Supplier.name})
        assert seen.count == 0
        assert (await repository.delete_many(sa.true())).count == 8
