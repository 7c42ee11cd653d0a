"""`insert_many`: rows of every kind, defaults as the ORM has them, keys and views in the order of the input."""

from __future__ import annotations

import uuid

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import BulkError, ForbiddenWrite, InvalidArgument
from batchrepo.testing.counting import statement_counter
from batchrepo.writing.choosing import COPY_FROM
from tests.support.databases import EVERY_DRIVER
from tests.writing.goods import (
    Animal,
    AnimalRepository,
    Contextual,
    ContextualRepository,
    Defaulted,
    DefaultedData,
    DefaultedIn,
    DefaultedRepository,
    DefaultedView,
    Dog,
    DogRepository,
    KeyedRepository,
    Note,
    NoteRepository,
    PairRepository,
    Shout,
    ShoutRepository,
    Stock,
    StockRepository,
    Total,
    TotalRepository,
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


ROWS = [{"ref": "a", "plain": 1}, {"ref": "b", "plain": 2}]


async def plain(db, entity=Defaulted):
    return [(row["ref"], row["plain"]) for row in await everything(db, entity)]


async def _async(rows):
    for row in rows:
        yield row


@pytest.mark.parametrize(
    "source",
    [
        ROWS,
        tuple(ROWS),
        iter(ROWS),
        _async(ROWS),
        [{Defaulted.ref: "a", Defaulted.plain: 1}, {"ref": "b", "plain": 2}],
        [DefaultedIn(ref="a", plain=1), DefaultedIn(ref="b", plain=2)],
        [DefaultedData("a", 1), DefaultedData("b", 2)],
        [Defaulted(ref="a", plain=1), Defaulted(ref="b", plain=2)],
    ],
    ids=["list", "tuple", "iterator", "async", "attributes", "models", "dataclasses", "entities"],
)
async def test_rows_of_every_kind(database_url, source, request):
    if "iterator" in request.node.name:
        source = iter(ROWS)
    if "async" in request.node.name and "asyncpg" not in request.node.name:
        source = _async(ROWS)
    async with opened(database_url) as db, db.scope() as scope:
        result = await DefaultedRepository(scope).insert_many(source)
        assert (result.count, result.rows, result.errors) == (2, [], ())
        assert await plain(db) == [("a", 1), ("b", 2)]


async def test_nothing(db, scope):
    with statement_counter(db) as seen:
        result = await DefaultedRepository(scope).insert_many([])
    assert (result.count, seen.count) == (0, 0)


@pytest.mark.parametrize("count", [1, 2, COPY_FROM, COPY_FROM + 7])
async def test_keys_are_in_the_order_of_the_input(db, scope, count):
    rows = [{"ref": f"{(n * 7919) % count:06}", "plain": n} for n in range(count)]
    result = await DefaultedRepository(scope).insert_many(rows, returning="keys")
    stored = {row["id"]: row["plain"] for row in await everything(db, Defaulted)}
    assert [stored[key] for key in result.rows] == list(range(count))


async def test_views_are_in_the_order_of_the_input(scope):
    result = await DefaultedRepository(scope).insert_many(
        [{"ref": "z"}, {"ref": "a"}], returning=DefaultedView
    )
    assert [(view.ref, view.value, view.server) for view in result.rows] == [
        ("z", 3, "by the server"),
        ("a", 3, "by the server"),
    ]


async def test_keys_that_python_makes_cost_no_statement(db, scope):
    with statement_counter(db) as seen:
        result = await KeyedRepository(scope).insert_many([{"name": "a"}, {"name": "b"}], returning="keys")
    assert seen.count == (db.engine.dialect.name == "postgresql")  # the other way is the driver's own
    assert result.statements == 3, "a savepoint, the rows, and its end"
    assert all(isinstance(key, uuid.UUID) for key in result.rows)
    assert [row.name for row in await KeyedRepository(scope).get_many(result.rows)] == ["a", "b"]


async def test_composite_keys(db, scope):
    rows = [{"left": 1, "right": "b", "note": None}, {"left": 1, "right": "a", "note": "x"}]
    assert (await PairRepository(scope).insert_many(rows, returning="keys")).rows == [(1, "b"), (1, "a")]


@pytest.mark.parametrize("count", [1, 3, COPY_FROM])
async def test_defaults_are_those_of_the_orm(db, scope, count):
    rows = [{"ref": f"{n}", "plain": n if n % 2 else None, "value": None, "doc": None} for n in range(count)]
    async with AsyncSession(db.engine) as session:
        session.add_all([Defaulted(**row) for row in rows])
        await session.commit()
    expected = await everything(db, Defaulted, without=("id",))
    await emptied(db, Defaulted)
    await DefaultedRepository(scope).insert_many(rows)
    assert await everything(db, Defaulted, without=("id",)) == expected
    assert expected[0] == {
        "ref": "0",
        "plain": None,
        "value": 3,
        "made": "made",
        "sql": 21,
        "server": "by the server",
        "changed": None,
        "changed_sql": None,
        "doc": None,
    }


async def test_rows_with_different_columns_get_no_others_defaults(db, scope):
    rows = [
        {"ref": "a", "value": 1},
        {"ref": "b", "server": "mine"},
        {"ref": "c", "sql": None, "server": None},
        {"ref": "d", "sql": 5, "value": 2},
    ]
    result = await DefaultedRepository(scope).insert_many(rows, missing="default", returning="keys")
    stored = await everything(db, Defaulted)
    assert [(row["ref"], row["value"], row["server"], row["sql"]) for row in stored] == sorted(
        [
            ("a", 1, "by the server", 21),
            ("b", 3, "mine", 21),
            ("c", 3, "by the server", 21),
            ("d", 2, "by the server", 5),
        ],
        key=lambda row: [at["id"] for at in stored if at["ref"] == row[0]],
    )
    assert [next(row["ref"] for row in stored if row["id"] == key) for key in result.rows] == list("abcd")


async def test_unequal_keys_are_refused_and_nothing_is_written(db, scope):
    with pytest.raises(BulkError, match="Row 1 lacks 'value' and has 'server' in addition") as caught:
        await DefaultedRepository(scope).insert_many([{"ref": "a", "value": 1}, {"ref": "b", "server": "x"}])
    assert [(row.index, row.kind) for row in caught.value.rows] == [(1, "value")]
    assert await everything(db, Defaulted) == []


async def test_a_column_without_default_is_asked_for(db, scope):
    with pytest.raises(BulkError, match="It has no ref") as caught:
        await DefaultedRepository(scope).insert_many([{"value": 1}, {"value": 2}])
    assert [(row.index, row.kind, row.columns) for row in caught.value.rows] == [
        (0, "not_null", ("ref",)),
        (1, "not_null", ("ref",)),
    ]


async def test_defaults_that_need_the_context_are_made_by_sqlalchemy(db, scope):
    result = await ContextualRepository(scope).insert_many([{"name": "A"}, {"name": "B"}], returning="keys")
    assert [row["slug"] for row in await everything(db, Contextual)] == ["a", "b"]
    assert result.method == "insertmanyvalues"


async def test_types_with_sql_around_them(db, scope):
    await ShoutRepository(scope).insert_many([{"text": "a"}, {"text": "b"}])
    assert [row["text"] for row in await everything(db, Shout)] == ["A", "B"]


async def test_computed_columns_and_identities(db, scope):
    result = await TotalRepository(scope).insert_many(
        [{"price": n} for n in range(COPY_FROM)], returning="keys"
    )
    assert [row["double"] for row in await everything(db, Total)][:3] == [0, 2, 4]
    assert result.rows == sorted(result.rows)
    with pytest.raises(InvalidArgument, match="computed by the database"):
        await TotalRepository(scope).insert_many([{"price": 1, "double": 3}])


async def test_the_first_version(db, scope):
    await StockRepository(scope).insert_many([{"shop": 1, "item": "a"}, {"shop": 1, "item": "b"}])
    await StockRepository(scope).insert_many([{"shop": 2, "item": "a", "version": 7}])
    assert [row["version"] for row in await everything(db, Stock)] == [1, 1, 1]


async def test_classes_of_one_table_are_marked(db, scope):
    await DogRepository(scope).insert_many([{"name": "Rex", "bark": "loud"}])
    await AnimalRepository(scope).insert_many([{"name": "Some"}])
    await AnimalRepository(scope).insert_many([{"name": "Tom", "kind": "cat"}])
    assert [row["kind"] for row in await everything(db, Animal)] == ["dog", "animal", "cat"]
    with pytest.raises(BulkError, match="mark of another class"):
        await DogRepository(scope).insert_many([{"name": "Tom", "kind": "cat"}])
    with pytest.raises(InvalidArgument, match="repository of Dog"):
        await AnimalRepository(scope).insert_many([Dog(name="Rex")])


async def test_a_refused_row_is_named_and_nothing_is_written(db, scope):
    rows = [{"ref": f"{n}"} for n in range(COPY_FROM + 50)]
    rows[123] = {"ref": "7"}
    for some in (rows, [rows[7], rows[8], rows[123]]):
        with pytest.raises(BulkError) as caught:
            await DefaultedRepository(scope).insert_many(some)
        (row,) = caught.value.rows
        assert row.kind == "unique"
        assert row.columns == ("ref",)
        assert some[row.index]["ref"] == "7"
    assert await everything(db, Defaulted) == []


async def test_good_rows_are_written_where_errors_are_collected(db, scope):
    rows = [{"ref": f"{n}", "plain": n} for n in range(20)]
    rows[13] = {"ref": "7", "plain": 1}
    rows[15] = {"ref": None, "plain": 1}
    rows[17] = {"ref": "17"}
    result = await DefaultedRepository(scope).insert_many(rows, on_error="collect", returning="keys")
    assert [error.index for error in result.errors] == [13, 15, 17]
    assert result.count == 17
    stored = {row["id"]: row["ref"] for row in await everything(db, Defaulted)}
    assert [stored[key] for key in result.rows] == [str(n) for n in range(20) if n not in (13, 15, 17)]


async def test_a_wrong_type_is_named(db, scope):
    rows = [{"ref": f"{n}", "plain": n} for n in range(COPY_FROM)]
    rows[5] = {"ref": "x", "plain": "five"}
    rows[9] = {"ref": 9, "plain": 9}
    if db.engine.dialect.name == "sqlite":
        return  # it takes any value in any column, for everybody
    with pytest.raises(BulkError) as caught:
        await DefaultedRepository(scope).insert_many(rows)
    assert caught.value.rows[0].index == 5
    assert caught.value.rows[0].kind == "value"
    assert await everything(db, Defaulted) == []


async def test_inside_a_transaction_a_refusal_leaves_it_usable(db, scope):
    items = DefaultedRepository(scope)
    async with scope.transaction():
        await items.insert_many([{"ref": "a"}])
        with pytest.raises(BulkError):
            await items.insert_many([{"ref": "b"}, {"ref": "a"}])
        await items.insert_many([{"ref": "c"}, {"ref": "d"}])
    assert [row["ref"] for row in await everything(db, Defaulted)] == ["a", "c", "d"]


async def test_an_error_of_the_input_takes_all_chunks_back(db, scope):
    def rows():
        for n in range(25_000):
            yield {"ref": f"{n}"}
        raise OSError("the file has ended early")

    with pytest.raises(OSError, match="ended early"):
        await DefaultedRepository(scope).insert_many(rows())
    assert await everything(db, Defaulted) == []


async def test_commits_on_the_way_say_how_far_they_came(db, scope):
    rows = [{"ref": f"{n}"} for n in range(25)]
    rows[22] = {"ref": "3"}
    told = []
    with pytest.raises(BulkError) as caught:
        await DefaultedRepository(scope).insert_many(rows, commit_every=10, progress=told.append)
    assert caught.value.resume == 20
    assert "the first 20 rows of the input are committed" in caught.value.__notes__[0]
    assert len(await everything(db, Defaulted)) == 20
    assert [(at.read, at.written, at.total) for at in told] == [(10, 10, 25), (20, 20, 25)]
    result = await DefaultedRepository(scope).insert_many([{"ref": "y"}, {"ref": "z"}], commit_every=1)
    assert result.count == 2


async def test_commits_on_the_way_are_refused_in_a_transaction(scope):
    with pytest.raises(InvalidArgument, match="commit_every"):
        async with scope.transaction():
            await DefaultedRepository(scope).insert_many([{"ref": "a"}], commit_every=1)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"returning": "key"}, "Did you mean 'keys'?"),
        ({"returning": Defaulted}, "returning="),
        ({"missing": "ignore"}, "missing="),
        ({"on_error": "skip"}, "on_error="),
        ({"commit_every": 0}, "commit_every="),
        ({"commit_every": True}, "commit_every="),
        ({"progress": 3}, "progress="),
        ({"method": "copi"}, "Did you mean 'copy'?"),
        ({"method": "values"}, "method="),
    ],
)
async def test_wrong_arguments(scope, given, said):
    with pytest.raises(InvalidArgument) as caught:
        await DefaultedRepository(scope).insert_many([{"ref": "a"}], **given)
    assert said in str(caught.value)


async def test_rows_are_stamped_and_checked_by_the_criteria(db):
    async with db.scope(1) as scope:
        notes = NoteRepository(scope)
        result = await notes.insert_many([{"ref": "a", "text": "x"}, {"ref": "b", "text": None}])
        assert result.count == 2
        with pytest.raises(ForbiddenWrite) as caught:
            await notes.insert_many([{"ref": "c", "tenant": 1}, {"ref": "d", "tenant": 2}])
        assert [row.index for row in caught.value.rows] == [1]
        with pytest.raises(ForbiddenWrite) as caught:
            await notes.insert_many([{"ref": "c", "text": "x"}, {"ref": "d", "text": "secret"}])
        assert [row.index for row in caught.value.rows] == [1]
        rows = [{"ref": "c", "tenant": 2, "text": "x"}, {"ref": "d", "tenant": 1, "text": "secret"}]
        rows.append({"ref": "e", "tenant": None, "text": "x"})
        result = await notes.insert_many(rows, on_error="collect")
        assert [(error.index, error.kind) for error in result.errors] == [(0, "forbidden"), (1, "forbidden")]
    assert [(row["ref"], row["tenant"]) for row in await everything(db, Note)] == [
        ("a", 1),
        ("b", 1),
        ("e", 1),
    ]


async def test_statements(db, scope):
    items = DefaultedRepository(scope)
    postgres = db.engine.dialect.name == "postgresql"
    savepoint = 2
    for count, keys, expected in [
        (1, None, 1),
        (1, "keys", 1),
        (10, None, 1 + savepoint),
        (10, "keys", 1 + savepoint),
        (COPY_FROM, None, 1 + savepoint),
    ]:
        rows = [{"ref": f"{count} {keys} {n}", "sql": 1} for n in range(count)]
        with statement_counter(db) as seen:
            result = await items.insert_many(rows, returning=keys)
        by_driver = result.method in ("copy", "executemany", "multivalues")  # which SQLAlchemy does not see
        assert (result.statements, seen.count) == (expected, 1 - by_driver), (count, keys)
    result = await items.insert_many([{"ref": f"k{n}", "sql": 1} for n in range(COPY_FROM)], returning="keys")
    assert (result.method, result.statements) == (("copy", 4) if postgres else ("multivalues", 3))


async def test_the_scope_sees_what_it_wrote(db, scope):
    items = DefaultedRepository(scope)
    assert await items.count() == 0
    result = await items.insert_many([{"ref": "a"}, {"ref": "b"}], returning="keys")
    assert await items.count() == 2
    assert (await items.get(result.rows[0])).ref == "a"


async def test_explain(db, scope):
    items = DefaultedRepository(scope)
    text = items.explain_write("insert", 50_000, columns=[Defaulted.ref, "sql"])
    if db.engine.dialect.name == "sqlite":
        assert text.splitlines()[1].startswith("executemany: one prepared statement")
    else:
        assert text.splitlines()[1].startswith("copy: ")
        text = items.explain_write("insert", 50_000, columns=["ref"])
        assert "  not copy: the default of sql is SQL, which COPY cannot evaluate" in text
    with pytest.raises(InvalidArgument, match="no operation"):
        items.explain_write("replace")
    assert "executemany" in (text := items.explain_write("update", 50_000)) or "temporary_table" in text
    assert "one parameter" in items.explain_write("delete", 50_000)
