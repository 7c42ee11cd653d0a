"""Statements are built once for all conditions of one shape; each call gets the rows of its own values."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy.types import TypeDecorator

from batchrepo import Database, InvalidCursor, Repository, predicate
from batchrepo.sql import select
from batchrepo.sql.parameters import Shapes
from batchrepo.strategies import paging, root, totals
from tests.paging.models import REPOSITORIES, Item, ItemRepository, Label, Maker, MakerRepository, Part, Shade
from tests.paging.rows import Store, make_tables, put_rows, values

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Key(BaseModel):
    id: int


class Uncomparable(TypeDecorator[int]):
    """A type of a user's who did not say whether its SQL may be remembered."""

    impl = sa.Integer
    cache_ok = False


_SHADES = list(Shade)
_DAYS = [dt.date(2000, 1, 1) + dt.timedelta(days=i) for i in range(4)]
_TOKENS = [uuid.UUID(int=i) for i in range(3)]


def _row(i: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(values("sqlite"))
    return row | {
        "id": i,
        "rank": i % 3,
        "title": "abcde"[i % 5] + "%_"[i % 2],
        "number": None if i % 4 == 0 else i % 4,
        "price": Decimal(i % 3) / 2,
        "cents": Decimal(i % 3) / 4,
        "flag": (None, True, False)[i % 3],
        "day": _DAYS[i % 4],
        "token": _TOKENS[i % 3],
        "raw": bytes([i % 3]),
        "shade": _SHADES[i % 3],
        "zoned": dt.datetime(2000, 1, 1 + i % 4, tzinfo=dt.UTC),
        "maker_id": (None, 1, 2)[i % 3],
        "parent_id": None,
    }


STORE = Store(
    items=[_row(i) for i in range(24)],
    makers=[{"id": 1, "name": "a", "rating": 0}, {"id": 2, "name": "b", "rating": 1}],
    labels=[{"id": i, "name": "xyz"[i - 1]} for i in (1, 2, 3)],
    parts=[{"item_id": i, "place": 0, "weight": i % 3, "made": None} for i in range(0, 24, 2)],
    labelled=[(i, 1 + i % 3) for i in range(24)],
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(module_database_url: str) -> AsyncIterator[Database]:
    async with Database(module_database_url, repositories=REPOSITORIES, views=[Key]) as opened:
        await make_tables(opened.engine)
        await put_rows(opened.engine, STORE)
        yield opened


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are built, by what builds them."""
    made: list[str] = []

    def watched(name: str, build: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            made.append(name)
            return build(*args, **options)

        return call

    monkeypatch.setattr(root, "select_rows", watched("rows", select.select_rows))
    monkeypatch.setattr(totals, "count_statement", watched("count", select.count_statement))
    monkeypatch.setattr(paging, "select_page", watched("page", paging.select_page))
    return made


_few = st.integers(-1, 3)
_titles = st.sampled_from(["a%", "b_", "c%", "%", "_", ""])


def _conditions() -> st.SearchStrategy[Any]:
    """Conditions of few shapes and many values, of every kind of place where a value can stand."""
    simple = st.one_of(
        st.builds(lambda v: Item.rank == v, _few | st.none()),
        st.builds(lambda v: Item.number == v, _few | st.none()),
        st.builds(Item.number.is_distinct_from, _few | st.none()),
        st.builds(Item.rank.in_, st.lists(_few, max_size=3)),
        st.builds(Item.title.not_in, st.lists(_titles, max_size=2)),
        st.builds(Item.number.in_, st.lists(_few | st.none(), max_size=3)),
        st.builds(
            lambda v: sa.tuple_(Item.rank, Item.title).in_(v),
            st.lists(st.tuples(_few, _titles), min_size=1, max_size=3),
        ),
        st.builds(Item.rank.between, _few, _few),
        st.builds(lambda v: Item.title.contains(v, autoescape=True), _titles),
        st.builds(Item.title.startswith, _titles),
        st.builds(lambda v: sa.func.upper(Item.title) == v.upper(), _titles),
        st.builds(lambda v: Item.rank + v > 1, _few),
        st.builds(lambda v: sa.literal(v) == Item.rank, _few),
        st.builds(lambda a, b: sa.case((Item.rank == a, b), else_=0) == 1, _few, st.sampled_from([0, 1])),
        st.builds(lambda v: Item.price > v, st.sampled_from([Decimal(0), Decimal("0.5")])),
        st.builds(lambda v: Item.cents == v, st.sampled_from([Decimal(0), Decimal("0.25")])),
        st.builds(lambda v: Item.day <= v, st.sampled_from(_DAYS)),
        st.builds(lambda v: Item.zoned > v, st.sampled_from([row["zoned"] for row in STORE.items[:4]])),
        st.builds(lambda v: Item.token == v, st.sampled_from(_TOKENS)),
        st.builds(lambda v: Item.raw == v, st.sampled_from([b"\0", b"\1", b"\3"])),
        st.builds(lambda v: Item.shade == v, st.sampled_from(_SHADES)),
        st.builds(Item.flag.is_, st.sampled_from([True, False, None])),
        st.builds(lambda v: Item.maker.has(Maker.name == v), st.sampled_from(["a", "b", "c"])),
        st.builds(lambda v: Item.maker == Maker(id=v), st.sampled_from([1, 2])),
        st.builds(lambda v: Item.labels.any(Label.name.in_(v)), st.lists(st.sampled_from("xyz"), max_size=2)),
        st.builds(lambda v: Item.id.in_(sa.select(Part.item_id).where(Part.weight == v)), _few),
        st.builds(lambda v: ItemRepository.load.__clause_element__() > v, _few),
        st.builds(lambda v: ItemRepository.part_count.__clause_element__() == v, _few),
        # Whose values stay where they are.
        st.builds(lambda v: Item.rank == sa.bindparam("rank", v), _few),
        st.builds(lambda v: Item.rank == sa.bindparam(None, callable_=lambda: v, type_=sa.Integer), _few),
        st.builds(lambda v: Item.rank == sa.bindparam(None, v, literal_execute=True), _few),
        st.builds(lambda v: Item.rank == sa.literal_column(str(v), sa.Integer), _few),
        st.builds(lambda v: Item.rank == sa.type_coerce(v, Uncomparable), _few),
        st.builds(lambda v: Item.rank == sa.cast(v, sa.SmallInteger), _few),
    )
    texts = st.builds(lambda v: sa.text("rank = :v").bindparams(v=v), _few) | st.builds(
        lambda v: sa.text(f"rank = {v}"), _few
    )
    return st.one_of(
        simple,
        simple,
        texts,
        st.builds(sa.not_, simple),
        st.builds(sa.or_, simple, simple),
        st.builds(lambda a: sa.and_(a, a), simple),
    )


def _reads() -> st.SearchStrategy[list[list[Any]]]:
    return st.lists(st.lists(_conditions(), min_size=1, max_size=2), min_size=1, max_size=4)


async def _expected(db: Database, where: Sequence[Any]) -> list[int]:
    """What SQLAlchemy itself gives, compiled for this once."""
    found = sa.select(Item.id).where(*where).order_by(Item.id)
    async with db.engine.connect() as connection:
        plain = await connection.execution_options(compiled_cache=None)
        return list((await plain.execute(found)).scalars())


async def _read(db: Database, where: Sequence[Any]) -> list[list[int]]:
    """The same rows by each way of reading them."""
    async with db.scope() as scope:
        items = ItemRepository(scope)
        first = await items.page(Key, *where, order_by=Item.id, first=7)
        ids = [view.id for view in first.items]
        if first.has_next:
            rest = await items.page(Key, *where, order_by=Item.id, first=24, after=first.end_cursor)
            ids += [view.id for view in rest.items]
        return [
            ids,
            [view.id for view in await items.find(Key, *where, order_by=Item.id)],
            [view.id for view in await items.find(Key, *where, order_by=Item.id, limit=24)],
            [item.id for item in (await items.page(*where, order_by=Item.id, first=24)).items],
            list(range(await items.count(*where))),
        ]


async def test_each_call_gets_the_rows_of_its_own_values(db: Database) -> None:
    """Also where calls of one shape run side by side."""

    @settings(max_examples=25)
    @given(reads=_reads())
    def check(reads: list[list[Any]]) -> None:
        asyncio.run_coroutine_threadsafe(_agree(db, reads), loop).result()

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(check)


async def _agree(db: Database, reads: list[list[Any]]) -> None:
    expected = [await _expected(db, where) for where in reads]
    found = await asyncio.gather(*(_read(db, where) for where in reads))
    for ids, ways in zip(expected, found, strict=True):
        assert ways == [ids] * 4 + [list(range(len(ids)))]


async def test_a_shape_is_built_once(db: Database, built: list[str]) -> None:
    for number, names in enumerate((["a%"], ["b_", "c%"], [])):
        async with db.scope() as scope:
            items = ItemRepository(scope)
            where = (Item.title.in_(names), Item.maker.has(Maker.rating >= number), Item.rank < 5 + number)
            await items.find(Key, *where, order_by=Item.rank)
            await items.find(Key, *where, order_by=Item.rank, limit=number + 1_000_000)
            await items.page(Key, *where, order_by=Item.rank, first=20)
            await items.count(*where)
        assert built == ["rows", "rows", "page", "count"]


async def test_row_criteria_are_part_of_what_is_kept(db: Database) -> None:
    """Of equal conditions each Database, scope and `without` gives the rows that it may show."""
    low = predicate(Item.rank < 1, name="low")
    mine = predicate(lambda context: Item.number == context)

    class LowRepository(Repository[Item]):
        criteria = (low,)

    class MineRepository(Repository[Item]):
        criteria = (mine,)

    url = db.engine.url.render_as_string(hide_password=False)
    where = (Item.title.in_(["a%", "b_"]),)
    wanted = [row for row in STORE.items if row["title"] in ("a%", "b_")]
    async with Database(url, repositories=[LowRepository]) as guarded, guarded.scope() as scope:
        for _ in range(2):
            seen = await LowRepository(scope).find(Key, *where, order_by=Item.id)
            assert [view.id for view in seen] == [row["id"] for row in wanted if row["rank"] < 1]
            async with scope.without(low, reason="a test") as all_rows:
                seen = await LowRepository(all_rows).find(Key, *where, order_by=Item.id)
                assert [view.id for view in seen] == [row["id"] for row in wanted]
    async with Database(url, repositories=[MineRepository]) as guarded:
        for number in (1, 2):
            async with guarded.scope(context=number) as scope:
                seen = await MineRepository(scope).find(Key, *where, order_by=Item.id)
                assert [view.id for view in seen] == [row["id"] for row in wanted if row["number"] == number]


async def test_values_that_stay_where_they_are_tell_cursors_apart(db: Database) -> None:
    """A type that SQLAlchemy may not compare hides no value from the digest of a filter."""
    async with db.scope() as scope:
        items = ItemRepository(scope)
        one, two = (Item.rank < sa.type_coerce(value, Uncomparable) for value in (2, 3))
        page = await items.page(Key, one, first=2)
        assert (await items.page(Key, one, first=2, after=page.end_cursor)).has_previous
        with pytest.raises(InvalidCursor, match="another filter"):
            await items.page(Key, two, first=2, after=page.end_cursor)


async def test_shapes_without_end_do_not_fill_the_memory(db: Database) -> None:
    """What is remembered has a bound, and a shape that went can come again."""
    shapes = Shapes(db.engine.dialect, 8)
    first = shapes.of([Item.rank == 1])
    for n in range(100):
        assert shapes.of([sa.or_(*[Item.rank == 1] * n, Item.rank == 2)]).placed is not None
    assert len(shapes) == 8
    again = shapes.of([Item.rank == 2])
    assert again.shape is not first.shape
    assert again.values == {"batchrepo_where_0": 2}
    assert again.digest != first.digest
    assert again.digest == shapes.of([Item.rank == 2]).digest


class Amount:
    """A value of a user's, with neither a hash nor a text of its own."""

    def __init__(self, units: int) -> None:
        self.units = units

    __hash__ = None  # type: ignore[assignment]


class Amounts(TypeDecorator[Amount]):
    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Amount | None, dialect: Any) -> int | None:
        return None if value is None else value.units


@pytest.mark.parametrize(
    "condition",
    [
        lambda: sa.type_coerce(Item.rank, Amounts) >= Amount(1),
        lambda: sa.type_coerce(Item.rank, Amounts).in_([Amount(1), Amount(2)]),
        lambda: Item.raw >= memoryview(b"\1"),
        lambda: Item.raw >= bytearray(b"\1"),
    ],
    ids=["value", "list", "memoryview", "bytearray"],
)
async def test_a_filter_by_values_without_hash_or_text_is_the_same_in_the_next_request(
    db: Database, condition: Any
):
    async with db.scope() as scope:

        async def read(**arguments: Any) -> Any:
            kept_alive.append(condition())  # so that no value has the address of an earlier one
            return await ItemRepository(scope).page(kept_alive[-1], order_by=Item.id, **arguments)

        async def related(**arguments: Any) -> Any:
            kept_alive.append(condition())
            return await MakerRepository(scope).related_page(
                1, Maker.items, kept_alive[-1], order_by=Item.id, **arguments
            )

        kept_alive: list[Any] = []
        first = await read(first=2)
        last = await related(first=2)
        assert [item.id for item in (await read(first=2, after=first.end_cursor)).items] == [4, 5]
        assert [item.id for item in (await related(first=2, after=last.end_cursor)).items] == [7, 10]
        other = sa.type_coerce(Item.rank, Amounts) >= Amount(0)
        with pytest.raises(InvalidCursor, match="another filter"):
            await ItemRepository(scope).page(other, order_by=Item.id, after=first.end_cursor)
        order = sa.case((condition(), 1), else_=0)
        assert len((await ItemRepository(scope).page(order_by=order, first=2)).items) == 2
