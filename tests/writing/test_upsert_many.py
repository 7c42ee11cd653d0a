"""`upsert_many`: by real unique keys, never more columns than the input has, in the order of the input."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import BulkError, ForbiddenWrite, InvalidArgument, StaleRows
from batchrepo.writing.choosing import TABLE_FROM
from tests.support.databases import EVERY_DRIVER
from tests.writing.goods import (
    Defaulted,
    DefaultedRepository,
    DefaultedView,
    Note,
    NoteRepository,
    Pair,
    PairRepository,
    ShoutRepository,
    Stock,
    StockRepository,
    StockView,
    emptied,
    everything,
    opened,
)

pytestmark = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)


@pytest.fixture
async def db(database_url):
    async with opened(database_url) as db:
        yield db


@pytest.fixture
async def scope(db):
    async with db.scope() as scope:
        yield scope


@pytest.fixture
def items(scope):
    return DefaultedRepository(scope)


@pytest.fixture
def stocks(scope):
    return StockRepository(scope)


async def stored(db, *names, entity=Defaulted):
    return [tuple(row[name] for name in names) for row in await everything(db, entity)]


@pytest.mark.parametrize("count", [1, 5, TABLE_FROM])
async def test_rows_are_inserted_or_updated(db, items, count):
    first = await items.insert_many(
        [{"ref": f"{n}", "plain": n} for n in range(0, count, 2)], returning="keys"
    )
    rows = [{"ref": f"{n}", "plain": -n} for n in reversed(range(count))]
    result = await items.upsert_many(rows, on=Defaulted.ref, returning="keys")
    assert result.count == count
    assert await items.count() == count
    found = await items.get_many(result.rows)
    assert [(row.ref, row.plain) for row in found] == [(row["ref"], row["plain"]) for row in rows]
    assert set(first.rows) <= set(result.rows)


async def test_columns_that_the_input_does_not_have_are_kept(db, items):
    await items.insert_many([{"ref": "a", "value": 1, "made": "m", "sql": 1, "server": "s", "plain": 1}])
    await items.upsert_many([{"ref": "a", "plain": 2}], on=Defaulted.ref)
    assert await stored(db, "ref", "value", "made", "sql", "server", "plain") == [("a", 1, "m", 1, "s", 2)]


async def test_new_rows_get_their_defaults(db, items):
    await items.upsert_many([{"ref": "a"}, {"ref": "b"}], on=Defaulted.ref)
    assert await stored(db, "ref", "value", "made", "sql", "server") == [
        ("a", 3, "made", 21, "by the server"),
        ("b", 3, "made", 21, "by the server"),
    ]


@pytest.mark.parametrize("count", [1, 3, TABLE_FROM])
async def test_onupdate_columns_are_set_by_updates_only(db, items, count):
    await items.insert_many([{"ref": "0"}])
    await items.upsert_many([{"ref": f"{n}", "plain": n} for n in range(count)], on=Defaulted.ref)
    assert (await stored(db, "ref", "changed", "changed_sql"))[:2] == [
        ("0", "changed", 42),
        *[("1", None, None)] * (count > 1),
    ]


async def test_named_columns_are_updated_and_all_are_inserted(db, items):
    await items.insert_many([{"ref": "a", "plain": 1, "value": 1}])
    rows = [{"ref": "a", "plain": 2, "value": 2}, {"ref": "b", "plain": 2, "value": 2}]
    await items.upsert_many(rows, on=Defaulted.ref, update=(Defaulted.plain,))
    assert await stored(db, "ref", "plain", "value") == [("a", 2, 1), ("b", 2, 2)]


@pytest.mark.parametrize("count", [1, 3, TABLE_FROM])
async def test_rows_that_are_there_can_be_left_alone_and_their_keys_come_back(db, items, count):
    (key,) = (await items.insert_many([{"ref": "0", "plain": 1}], returning="keys")).rows
    rows = [{"ref": f"{n}", "plain": 2} for n in range(count)]
    result = await items.upsert_many(rows, on=Defaulted.ref, update="nothing", returning="keys")
    assert result.count == count - 1
    assert result.rows[0] == key
    assert [row.ref for row in await items.get_many(result.rows)] == [row["ref"] for row in rows]
    assert (await stored(db, "ref", "plain", "changed"))[0] == ("0", 1, None)


async def test_views_come_back_in_the_order_of_the_input(items):
    await items.insert_many([{"ref": "m", "value": 1}])
    result = await items.upsert_many(
        [{"ref": "z"}, {"ref": "m"}, {"ref": "a"}], on=Defaulted.ref, returning=DefaultedView
    )
    assert [(view.ref, view.value) for view in result.rows] == [("z", 3), ("m", 1), ("a", 3)]


async def test_the_primary_key_is_the_default(db, items, scope):
    (key,) = (await items.insert_many([{"ref": "a"}], returning="keys")).rows
    await items.upsert_many([{"id": key, "ref": "b"}, {"id": key + 5, "ref": "c"}])
    assert await stored(db, "id", "ref") == [(key, "b"), (key + 5, "c")]
    pairs = PairRepository(scope)
    await pairs.upsert_many([{"left": 1, "right": "a", "note": "x"}])
    result = await pairs.upsert_many(
        [{"left": 1, "right": "b", "note": "y"}, {"left": 1, "right": "a", "note": "z"}], returning="keys"
    )
    assert result.rows == [(1, "b"), (1, "a")]
    assert await stored(db, "right", "note", entity=Pair) == [("a", "z"), ("b", "y")]


async def test_rows_without_a_key_are_new(db, items):
    result = await items.upsert_many([{"id": None, "ref": "a"}, {"id": 50, "ref": "b"}], returning="keys")
    assert result.rows[1] == 50
    assert await items.count() == 2
    assert [row.ref for row in await items.get_many(result.rows)] == ["a", "b"]


async def test_a_key_of_several_columns_in_any_order(db, stocks):
    rows = [{"shop": 1, "item": "a", "amount": 1}, {"shop": 1, "item": "b", "amount": 1}]
    await stocks.upsert_many(rows, on=(Stock.item, Stock.shop))
    await stocks.upsert_many([{"shop": 1, "item": "b", "amount": 7}], on=(Stock.shop, Stock.item))
    assert await stored(db, "item", "amount", entity=Stock) == [("a", 1), ("b", 7)]


async def test_null_in_the_key_equals_nothing(db, stocks):
    rows = [{"shop": 1, "item": None, "amount": 1}, {"shop": 1, "item": "b", "amount": 2}]
    for _ in range(2):
        result = await stocks.upsert_many(rows, on=(Stock.shop, Stock.item), returning=StockView)
        assert [(view.item, view.amount) for view in result.rows] == [(None, 1), ("b", 2)]
    assert await stored(db, "item", "amount", entity=Stock) == [(None, 1), ("b", 2), (None, 1)]
    await stocks.upsert_many([*rows, rows[0]], on=(Stock.shop, Stock.item))
    assert await stocks.count() == 5


async def test_a_partial_index_needs_its_condition(db, stocks):
    rows = [{"shop": 1, "code": "x", "amount": 1}, {"shop": 2, "code": "x", "active": False}]
    await stocks.insert_many(rows, missing="default")
    with pytest.raises(InvalidArgument, match="where=active"):
        await stocks.upsert_many([{"shop": 1, "code": "x"}], on=Stock.code)
    result = await stocks.upsert_many(
        [{"shop": 3, "code": "x", "amount": 5}, {"shop": 4, "code": "y", "amount": 6}],
        on=Stock.code,
        where=Stock.active,
        returning=StockView,
    )
    assert [view.shop for view in result.rows] == [3, 4]
    assert await stored(db, "shop", "code", "amount", entity=Stock) == [(3, "x", 5), (2, "x", 0), (4, "y", 6)]


async def test_what_is_not_unique_is_refused_with_what_is(stocks):
    with pytest.raises(InvalidArgument) as caught:
        await stocks.upsert_many([{"shop": 1}], on=Stock.shop)
    assert "no unique constraint or index on (shop)" in str(caught.value)
    assert "(id); (shop, item); (code) where active" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"on": "nothing"}, "no column"),
        ({"on": Note.ref}, "which is not of Stock"),
        ({"on": ()}, "names no column"),
        ({"update": "everything"}, "Stock has no column 'everything'"),
        ({"update": (Stock.id,)}, "by which rows are told apart"),
        ({"update": (Stock.version,)}, "the version"),
        ({"duplicates": "first"}, "duplicates="),
        ({"method": "copy"}, "upsert has the ways"),
    ],
)
async def test_wrong_arguments(stocks, given, said):
    with pytest.raises(InvalidArgument) as caught:
        await stocks.upsert_many([{"shop": 1}], **given)
    assert said in str(caught.value)


async def test_rows_twice_in_the_input_are_refused(db, items):
    rows = [{"ref": "a", "plain": 1}, {"ref": "b", "plain": 1}, {"ref": "a", "plain": 2}]
    with pytest.raises(BulkError, match='Pass duplicates="last"') as caught:
        await items.upsert_many(rows, on=Defaulted.ref)
    assert [(row.index, row.kind, row.columns) for row in caught.value.rows] == [(2, "duplicate", ("ref",))]
    assert await items.count() == 0
    result = await items.upsert_many(rows, on=Defaulted.ref, on_error="collect", returning="keys")
    assert ([error.index for error in result.errors], len(result.rows)) == ([2], 2)
    assert await stored(db, "ref", "plain") == [("a", 1), ("b", 1)]


async def test_rows_twice_in_different_chunks_are_refused(db, items):
    def rows():
        for n in range(10_000):
            yield {"ref": f"{n}"}
        yield {"ref": "7"}

    with pytest.raises(BulkError) as caught:
        await items.upsert_many(rows(), on=Defaulted.ref)
    assert [row.index for row in caught.value.rows] == [10_000]
    assert await items.count() == 0


@pytest.mark.parametrize("update", ["all", "nothing"])
async def test_the_last_of_them_wins(db, items, update):
    rows = [{"ref": "a", "plain": 1}, {"ref": "b", "plain": 1}, {"ref": "a", "plain": 2}]
    result = await items.upsert_many(
        rows, on=Defaulted.ref, duplicates="last", update=update, returning="keys"
    )
    assert result.rows[0] == result.rows[2] != result.rows[1]
    assert sorted(await stored(db, "ref", "plain")) == [("a", 2), ("b", 1)]


async def test_the_last_wins_column_by_column(db, items):
    rows = [{"ref": "a", "plain": 1}, {"ref": "a", "value": 7}, {"ref": "b"}]
    result = await items.upsert_many(
        rows, on=Defaulted.ref, duplicates="last", missing="default", returning="keys"
    )
    assert result.rows[0] == result.rows[1]
    assert await stored(db, "ref", "plain", "value") == [("a", 1, 7), ("b", None, 3)]


async def test_the_last_wins_over_chunks(db, items):
    def rows():
        for n in range(10_001):
            yield {"ref": f"{n % 10_000}", "plain": n}

    for update in ("nothing", "all"):
        await items.upsert_many(rows(), on=Defaulted.ref, duplicates="last", update=update)
        assert {row["plain"] for row in await everything(db, Defaulted) if row["ref"] == "0"} == {10_000}
        if update == "nothing":
            await emptied(db, Defaulted)


async def test_rows_that_leave_out_columns_keep_them(db, items):
    await items.insert_many([{"ref": ref, "plain": 1, "value": 1} for ref in "ab"])
    rows = [{"ref": "a", "plain": 2}, {"ref": "b", "value": 2}, {"ref": "c"}]
    with pytest.raises(BulkError, match="Row 1 lacks 'plain' and has 'value'"):
        await items.upsert_many(rows, on=Defaulted.ref)
    await items.upsert_many(rows, on=Defaulted.ref, missing="default")
    assert await stored(db, "ref", "plain", "value") == [("a", 2, 1), ("b", 1, 2), ("c", None, 3)]


@pytest.mark.parametrize("count", [1, 3, TABLE_FROM])
async def test_versions_are_counted_and_checked(db, stocks, count):
    rows = [{"shop": 1, "item": f"{n:05}", "amount": n} for n in range(count)]
    on = (Stock.shop, Stock.item)
    await stocks.upsert_many(rows, on=on)
    await stocks.upsert_many(rows, on=on)
    assert set(await stored(db, "version", entity=Stock)) == {(2,)}
    with_versions = [{**row, "version": 2} for row in rows]
    await stocks.upsert_many(with_versions, on=on)
    assert set(await stored(db, "version", entity=Stock)) == {(3,)}
    with_versions[0]["version"] = 3
    if count == 1:
        with_versions[0]["version"] = 2
    with pytest.raises(StaleRows) as caught:
        await stocks.upsert_many(with_versions, on=on)
    stale = [0] if count == 1 else list(range(1, count))
    assert [(row.index, row.kind) for row in caught.value.rows] == [(index, "stale") for index in stale]
    assert set(await stored(db, "version", entity=Stock)) == {(3,)}
    result = await stocks.upsert_many(with_versions, on=on, on_error="collect")
    assert (result.count, len(result.errors)) == (count - len(stale), len(stale))


async def test_what_the_scope_may_not_see_is_not_touched(db):
    async with db.scope(2) as other:
        await NoteRepository(other).insert_many([{"ref": "theirs", "text": "x"}])
    async with db.scope(1) as scope:
        notes = NoteRepository(scope)
        await notes.upsert_many([{"ref": "mine", "text": "1"}, {"ref": "also", "text": "1"}], on=Note.ref)
        for update in ("all", "nothing", (Note.text,)):
            for rows in (
                [{"ref": "mine", "text": "2"}, {"ref": "theirs", "text": "y"}],
                [{"ref": "theirs", "text": "y"}],
            ):
                with pytest.raises(ForbiddenWrite) as caught:
                    await notes.upsert_many(rows, on=Note.ref, update=update, returning="keys")
                assert [row.index for row in caught.value.rows] == [len(rows) - 1]
                assert caught.value.rows[0].key is None
        with pytest.raises(ForbiddenWrite):
            await notes.upsert_many([{"ref": "mine", "text": "secret"}], on=Note.ref)
        result = await notes.upsert_many([{"ref": "mine", "text": "3"}], on=Note.ref, returning="keys")
        assert (await notes.get(result.rows[0])).text == "3"
    assert sorted(await stored(db, "ref", "tenant", "text", entity=Note)) == [
        ("also", 1, "1"),
        ("mine", 1, "3"),
        ("theirs", 2, "x"),
    ]


async def test_a_forbidden_row_is_taken_back_inside_a_transaction(db):
    async with db.scope(1) as scope:
        notes = NoteRepository(scope)
        async with scope.transaction():
            with pytest.raises(ForbiddenWrite):
                await notes.insert_many([{"ref": "a", "text": "secret"}])
            with pytest.raises(ForbiddenWrite):
                await notes.upsert_many([{"ref": "b", "text": "secret"}], on=Note.ref)
    assert await everything(db, Note) == []


async def test_a_refused_row_is_named(db, stocks):
    await stocks.insert_many([{"shop": 1, "item": "a", "code": "x"}])
    rows = [{"shop": 1, "item": "a", "code": "x"}, {"shop": 1, "item": "b", "code": "x"}]
    with pytest.raises(BulkError) as caught:
        await stocks.upsert_many(rows, on=(Stock.shop, Stock.item))
    assert [(row.index, row.kind) for row in caught.value.rows] == [(1, "unique")]
    result = await stocks.upsert_many(rows, on=(Stock.shop, Stock.item), on_error="collect")
    assert (result.count, [error.index for error in result.errors]) == (1, [1])


async def test_types_with_sql_around_them(db, scope):
    shouts = ShoutRepository(scope)
    for _ in range(2):
        result = await shouts.upsert_many([{"id": 1, "text": "a"}, {"id": 2, "text": "b"}])
        assert (result.count, result.method) == (2, "insertmanyvalues")
    assert [row.text for row in await shouts.get_many([1, 2])] == ["A", "B"]


async def test_statements(db, items):
    postgres = db.engine.dialect.name == "postgresql"
    for count, keys, expected in [
        (1, None, 1),
        (1, "keys", 2),
        (10, None, 3),
        (10, "keys", 4),
        (TABLE_FROM, None, 6 if postgres else 3),
        (TABLE_FROM, "keys", 7 if postgres else 4),
    ]:
        rows = [{"ref": f"{n}", "sql": 1} for n in range(count)]
        result = await items.upsert_many(rows, on=Defaulted.ref, returning=keys)
        assert result.statements == expected, (count, keys)


async def test_explain(db, items):
    text = items.explain_write("upsert", 50_000, on=Defaulted.ref)
    first = {"sqlite": "executemany: ", "postgresql": "temporary_table: "}[db.engine.dialect.name]
    assert text.splitlines()[1].startswith(first)


async def test_the_same_as_merging_entities(db, items):
    """The oracle for defaults, onupdate and what is left alone: SQLAlchemy's merge, row by row."""
    existing = [{"id": n, "ref": f"{n}", "plain": n, "value": n} for n in range(1, 4)]
    rows = [{"id": n, "ref": f"new {n}", "plain": n + 1} for n in (2, 3, 9)]

    async def prepared():
        await emptied(db, Defaulted)
        await items.insert_many(existing)

    await prepared()
    async with AsyncSession(db.engine) as session:
        for row in rows:
            await session.merge(Defaulted(**row))
        await session.commit()
    expected = await everything(db, Defaulted)
    await prepared()
    await items.upsert_many(rows)
    assert await everything(db, Defaulted) == expected
