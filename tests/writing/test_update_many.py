"""update_many with rows, each by its key: what the ORM would give, with few statements."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from decimal import Decimal

import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import BulkError, InvalidArgument
from batchrepo.testing.counting import statement_counter
from tests.support.databases import EVERY_DRIVER
from tests.writing.stock import (
    Colour,
    Item,
    Items,
    Manager,
    Managers,
    People,
    Person,
    Pictures,
    Slot,
    Slots,
    items,
    opened,
    put,
    rows,
)

WAYS = {"sqlite": ("executemany", "one_by_one"), "postgresql": ("unnest", "temporary_table", "one_by_one")}
"""The ways to update several rows, by database."""


@pytest_asyncio.fixture
async def db(database_url):
    async with opened(database_url) as db:
        yield db


def ways(db):
    return WAYS[db.engine.dialect.name]


@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
async def test_values_of_every_type_by_every_way(db):
    full = {
        "title": "c",
        "colour": Colour.red,
        "code": "abc",
        "tags": {"a": [1, None]},
        "data": b"x\0",
        "price": Decimal("1.25"),
        "born": dt.date(2020, 1, 2),
        "weight": 0.1,
        "token": uuid.UUID(int=5),
    }
    columns = [getattr(Item, name) for name in full]
    await put(db, *items(3, code="old"))
    for way in ways(db):
        async with db.scope() as scope:
            result = await Items(scope).update_many(
                [{"id": 3, **full}, {"id": 1, **dict.fromkeys(full)}], method=way
            )
        assert (result.count, result.method) == (2, way)
        assert await rows(db, Item.id, *columns) == [
            (1, *[None] * len(full)),
            (2, "t2", None, "old", *[None] * 6),
            (3, *full.values()),
        ]
        async with db.scope() as scope:
            undo = [{"id": n, **dict.fromkeys(full), "title": f"t{n}", "code": "old"} for n in (1, 3)]
            await Items(scope).update_many(undo)


async def test_columns_with_onupdate_are_set_as_sqlalchemy_does(db):
    await put(db, *items(3))
    for way in ways(db):
        async with db.scope() as scope:
            await Items(scope).update_many([{"id": n, "amount": n * 2} for n in (1, 2)], method=way)
        found = await rows(db, Item.id, Item.marked, Item.ticked, Item.doubled, Item.double)
        assert [row[:2] for row in found] == [(1, "updated"), (2, "updated"), (3, None)]
        assert found[0][2] != found[1][2], "a function makes another value for each row"
        assert [row[4] for row in found] == [4, 8, 6]
    async with db.scope() as scope:
        await Items(scope).update_many([{"id": n, "marked": "mine", "ticked": None} for n in (1, 2)])
    assert (await rows(db, Item.id, Item.marked, Item.ticked))[0] == (1, "mine", None)


async def test_any_number_of_rows_is_one_statement(db):
    await put(db, *items(3000))
    cases = {1: 1, 2: 1, 3000: 1}
    for count, expected in cases.items():
        async with db.scope() as scope:
            result = await Items(scope).update_many([{"id": n, "title": "x"} for n in range(1, count + 1)])
        assert (result.count, scope.events.statements_by_cause["update Item"]) == (count, expected)


async def test_one_row_is_one_statement_without_a_savepoint(db):
    await put(db, *items(1))
    async with db.scope() as scope:
        result = await Items(scope).update_many([{"id": 1, "title": "x"}])
        assert (result.statements, result.method) == (1, "values")


class Patch(BaseModel):
    id: int
    title: str | None = None
    amount: int = 0


@dataclasses.dataclass
class Row:
    id: int
    title: str


async def test_rows_of_every_kind(db):
    await put(db, *items(4))
    async with db.scope() as scope:
        repository = Items(scope)
        await repository.update_many([Patch(id=1, title="model")])  # only what is set
        await repository.update_many([Row(2, "dataclass")])
        await repository.update_many(iter([{Item.id: 3, Item.title: "attributes"}]))

        async def source():
            yield {"id": 4, "title": "async"}

        await repository.update_many(source())
        assert await rows(db, Item.id, Item.title, Item.amount) == [
            (1, "model", 1),
            (2, "dataclass", 2),
            (3, "attributes", 3),
            (4, "async", 4),
        ]
        entity = await repository.get(1)
        detached = Item(id=1, title="entity", amount=7)
        await repository.update_many([detached])
        assert entity.id == 1
    assert (await rows(db, Item.id, Item.title, Item.amount))[0] == (1, "entity", 7)


async def test_returning_views_and_keys_in_the_order_of_the_input(db):
    class View(BaseModel):
        id: int
        title: str | None
        double: int | None

    await put(db, *items(5))
    order = [4, 1, 5, 2]
    given = [{"id": n, "amount": n * 10} for n in order]
    async with db.scope() as scope:
        keys = await Items(scope).update_many(given, returning="keys")
        views = await Items(scope).update_many(given, returning=View)
    assert keys.rows == order
    assert [(view.id, view.double) for view in views.rows] == [(n, n * 20) for n in order]


async def test_rows_with_unequal_keys_are_refused_or_kept_as_they_are(db):
    await put(db, *items(3))
    given = [{"id": 1, "title": "x"}, {"id": 2, "title": "y", "amount": 9}, {"id": 3, "amount": 8}]
    async with db.scope() as scope:
        with pytest.raises(BulkError) as caught:
            await Items(scope).update_many(given)
        assert [(row.index, row.key, row.columns) for row in caught.value.rows] == [
            (1, 2, ("amount",)),
            (2, 3, ("title", "amount")),
        ]
        assert (await Items(scope).update_many(given, missing="keep")).count == 3
    assert await rows(db, Item.id, Item.title, Item.amount) == [(1, "x", 1), (2, "y", 9), (3, "t3", 8)]


async def test_a_key_without_a_row_is_named_or_ignored(db):
    await put(db, *items(3))
    given = [{"id": n, "title": "x"} for n in (1, 7, 2, 9)]
    for way in ways(db):
        async with db.scope() as scope:
            with pytest.raises(BulkError, match=r"row 1 .key 7.: Item has no row for its key") as caught:
                await Items(scope).update_many(given, method=way)
            assert [(row.index, row.kind, row.key) for row in caught.value.rows] == [
                (1, "not_found", 7),
                (3, "not_found", 9),
            ]
            assert set(await rows(db, Item.title)) == {"t1", "t2", "t3"}
    async with db.scope() as scope:
        with pytest.raises(BulkError):
            await Items(scope).update_many(given[1:2])
        result = await Items(scope).update_many(given, absent="ignore", returning="keys")
        assert (result.count, result.rows) == (2, [1, 2])
        collected = await Items(scope).update_many(given, on_error="collect", returning="keys")
        assert (collected.count, collected.rows, [row.key for row in collected.errors]) == (2, [1, 2], [7, 9])


async def test_a_key_that_is_there_twice_is_refused_or_the_last_wins(db):
    await put(db, *items(3))
    given = [{"id": 1, "title": "first"}, {"id": 2, "title": "x"}, {"id": 1, "title": "last"}]
    async with db.scope() as scope:
        with pytest.raises(BulkError) as caught:
            await Items(scope).update_many(given)
        assert [(row.index, row.kind, row.key) for row in caught.value.rows] == [(2, "duplicate", 1)]
        result = await Items(scope).update_many(given, duplicates="last", returning="keys")
        assert (result.count, result.rows) == (2, [1, 2, 1])
    assert (await rows(db, Item.id, Item.title))[:2] == [(1, "last"), (2, "x")]


async def test_composite_keys(db):
    await put(db, *[Slot(room=room, hour=hour) for room in "ab" for hour in (1, 2)])
    for way in ways(db):
        async with db.scope() as scope:
            given = [{"room": "b", "hour": 1, "guest": way}, {"room": "a", "hour": 2, "guest": way}]
            result = await Slots(scope).update_many(given, method=way, returning="keys")
            assert result.rows == [("b", 1), ("a", 2)]
        found = await rows(db, Slot.room, Slot.hour, Slot.guest)
        assert {row[:2] for row in found if row[2] == way} == {("b", 1), ("a", 2)}
    async with db.scope() as scope:
        with pytest.raises(BulkError) as caught:
            await Slots(scope).update_many([{"room": "b", "hour": 9, "guest": ""}, *given])
        assert [(row.index, row.key) for row in caught.value.rows] == [(0, ("b", 9))]


async def test_a_class_in_its_parents_table_updates_its_own_rows(db):
    await put(db, Person(id=1, name="p"), Manager(id=2, name="m"))
    for way in ways(db):
        async with db.scope() as scope:
            given = [{"id": n, "name": way} for n in (1, 2)]
            with pytest.raises(BulkError) as caught:
                await Managers(scope).update_many(given, method=way)
            assert [row.key for row in caught.value.rows] == [1]
            assert (await People(scope).update_many(given, method=way)).count == 2


async def test_a_row_does_not_become_one_of_another_class(db):
    await put(db, Person(id=1, name="p"), Manager(id=2, name="m"))
    async with db.scope() as scope:
        given = [{"id": 2, "kind": "manager"}, {"id": 2, "kind": "person"}, {"id": 2, "kind": None}]
        for row in given[1:]:
            with pytest.raises(
                BulkError, match=r"Manager.kind would become .*, which is the mark of another class"
            ):
                await Managers(scope).update_many([row])
        assert (await Managers(scope).update_many(given[:1])).count == 1
        assert (await People(scope).update_many(given[1:2])).count == 1


async def test_rows_in_several_tables_are_refused(db):
    async with db.scope() as scope:
        with pytest.raises(InvalidArgument, match=r"spread over part, picture .joined-table inheritance."):
            await Pictures(scope).update_many([{"id": 1, "width": 2}])


async def test_mistakes_are_refused_before_anything_is_written(db):
    async with db.scope() as scope:
        repository = Items(scope)
        with statement_counter(db) as seen:
            with pytest.raises(InvalidArgument, match=r"double is computed by the database. Leave it out"):
                await repository.update_many([{"id": 1, "double": 2}])
            with pytest.raises(InvalidArgument, match=r"nothing but id, so there is nothing to set"):
                await repository.update_many([{"id": 1}])
            with pytest.raises(InvalidArgument, match=r"has no column 'titel'. Did you mean 'title'"):
                await repository.update_many([{"id": 1, "titel": "x"}])
            with pytest.raises(InvalidArgument, match=r"expects rows, .* or conditions with set="):
                await repository.update_many(Item.id == 1)  # type: ignore[call-overload]
            with pytest.raises(InvalidArgument, match=r"expects rows, .* got nothing"):
                await repository.update_many()  # type: ignore[call-overload]
            with pytest.raises(BulkError, match=r"It does not say its key, id"):
                await repository.update_many([{"title": "x"}])
            with pytest.raises(BulkError, match=r"It does not say its key, id"):
                await repository.update_many([{"id": None, "title": "x"}])
            for wrong in (
                {"missing": "default"},
                {"absent": "x"},
                {"versions": "x"},
                {"duplicates": "x"},
                {"on_error": "x"},
                {"returning": "x"},
                {"method": "x"},
            ):
                with pytest.raises(InvalidArgument):
                    await repository.update_many([{"id": 1, "title": "x"}, {"id": 2, "title": "x"}], **wrong)
        assert seen.count == 0


async def test_options_of_rows_are_refused_beside_conditions(db):
    async with db.scope() as scope:
        with pytest.raises(InvalidArgument, match="returning= goes with rows or keys, not with conditions"):
            await Items(scope).update_many(Item.id == 1, set={Item.title: "x"}, returning="keys")
        with pytest.raises(InvalidArgument, match="absent= goes with rows or keys"):
            await Items(scope).delete_many(Item.id == 1, absent="error")


async def test_an_empty_input_updates_nothing(db):
    async with db.scope() as scope:
        result = await Items(scope).update_many([])
        assert (result.count, result.statements) == (0, 0)


async def test_inside_a_transaction_a_refusal_leaves_it_usable(db):
    await put(db, *items(3))
    async with db.scope() as scope, scope.transaction():
        await Items(scope).update_many([{"id": 1, "title": "kept"}])
        with pytest.raises(BulkError):
            await Items(scope).update_many(
                [{"id": 1, "title": "x"}, {"id": 2, "amount": None, "title": "x"}], missing="keep"
            )
        await Items(scope).update_many([{"id": 2, "title": "kept"}])
    assert await rows(db, Item.id, Item.title) == [(1, "kept"), (2, "kept"), (3, "t3")]


async def test_what_was_read_before_is_read_again(db):
    await put(db, *items(3))
    async with db.scope() as scope, scope.transaction():
        first = await Items(scope).get(1)
        assert first.title == "t1"
        await Items(scope).update_many([{"id": 1, "title": "new"}, {"id": 2, "title": "new"}])
        assert (await Items(scope).get(1)).title == "new"
        assert await Items(scope).find(Item.title == "new", order_by=Item.id) == [
            first,
            await Items(scope).get(2),
        ]


# --- the ORM as oracle ---------------------------------------------------------------------------

_VALUES = {
    "title": st.none()
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    "amount": st.integers(0, 10**6),
    "price": st.none() | st.decimals(-999, 999, places=2),
    "colour": st.none() | st.sampled_from(Colour),
    "tags": st.none()
    | st.dictionaries(
        st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=3), st.integers(), max_size=2
    ),
    "weight": st.none() | st.floats(allow_nan=False, allow_infinity=False),
    "data": st.none() | st.binary(max_size=4),
    "born": st.none() | st.dates(),
    "marked": st.none() | st.just("own"),
}


@st.composite
def _updates(draw):
    names = draw(st.lists(st.sampled_from(sorted(_VALUES)), min_size=1, unique=True))
    keys = draw(st.lists(st.integers(1, 8), min_size=1, max_size=8, unique=True))
    unequal = draw(st.booleans())
    given = []
    for key in keys:
        some = draw(st.lists(st.sampled_from(names), min_size=1, unique=True)) if unequal else names
        given.append({"id": key, **{name: draw(_VALUES[name]) for name in some}})
    return given


async def anew(db):
    async with db.engine.begin() as connection:
        await connection.execute(sa.delete(Item))
    await put(db, *items(8))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_rows=_updates(), number=st.integers(0, 2))
async def test_it_leaves_what_the_orm_leaves(db, given_rows, number):
    columns = [getattr(Item, name) for name in ("id", *_VALUES, "double", "doubled")]
    equal = all(given_rows[0].keys() == row.keys() for row in given_rows)
    await anew(db)
    async with AsyncSession(db.engine) as session:
        for some in [given_rows] if equal else [[row] for row in given_rows]:
            await session.execute(sa.update(Item), some)
        await session.commit()
    expected = await rows(db, *columns)
    await anew(db)
    way = ways(db)[number % len(ways(db))]
    async with db.scope() as scope:
        await Items(scope).update_many(
            given_rows, missing="keep", method=way if len(given_rows) > 1 else None
        )
    assert await rows(db, *columns) == expected
