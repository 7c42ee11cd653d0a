"""What paging gets wrong elsewhere: values that are false, ends, totals, and cursors for something else."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from batchrepo import Database, InvalidCursor, capped, column
from batchrepo.testing import assert_statements
from tests.paging.models import REPOSITORIES, Item, ItemRepository, Maker, Part, Shade
from tests.paging.relations import ById, view_keys
from tests.paging.rows import Store, put_rows
from tests.paging.walking import check_page, walk_backward, walk_forward

pytestmark = pytest.mark.asyncio(loop_scope="module")


def item(key: int, **values: Any) -> dict[str, Any]:
    return {"id": key, "rank": 0, "title": "", "maker_id": None, "parent_id": None, **values}


SHADES = [Shade.LIGHT, Shade.MIDDLE, None, Shade.DARK]

STORE = Store(
    items=[
        item(i, number=0, note="", flag=False, maker_id=1 + i % 2, shade=SHADES[i % 4], day=None)
        for i in range(12)
    ],
    makers=[{"id": 1, "name": None, "rating": 0}, {"id": 2, "name": "", "rating": 0}],
    parts=[{"item_id": i, "place": place, "weight": 0, "made": None} for i in range(6) for place in range(3)],
)
"""Values that are false, NULLs, and items with several parts."""


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def rows(db: Database) -> None:
    await put_rows(db.engine, STORE)


FALSE: dict[str, tuple[tuple[Any, ...], Any]] = {
    "zero": ((Item.rank, Item.number), Item.id),
    "empty text": ((Item.title, Item.note.desc()), Item.id.desc()),
    "false": ((Item.flag,), Item.id),
    "sum that is zero": ((ItemRepository.load.desc(), ItemRepository.mean), Item.id),
    "key that is zero": ((), Item.id.desc()),
    "of a related row": (
        (column(Item.maker, Maker.rating), column(Item.maker, Maker.name).nulls_first()),
        Item.id,
    ),
    "nothing": ((Item.day.desc().nulls_last(),), Item.id.desc()),
}
"""Orders by values that Python takes for false, with the key that is appended."""


@pytest.mark.parametrize("case", FALSE.values(), ids=FALSE)
async def test_zero_and_empty_are_places_like_any_other(db, case):
    order, tie = case
    async with db.engine.connect() as connection:
        whole = list(await connection.scalars(sa.select(Item.id).order_by(*order, tie)))
    order = order or tie
    async with db.scope() as scope:

        async def read(**asked: Any) -> Any:
            with assert_statements(1, db):
                return await ItemRepository(scope).page(ById, order_by=order, **asked)

        assert await walk_forward(read, whole, 5) == await walk_backward(read, whole, 5)


async def test_a_page_that_takes_exactly_what_is_left_is_the_last_one(db):
    """And the first one, from the other end: flags are looked up, not guessed from the number of rows."""
    async with db.scope() as scope:
        items = ItemRepository(scope)

        async def page(**asked: Any) -> Any:
            with assert_statements(1, db):
                return await items.page(ById, order_by=Item.id, **asked)

        whole = list(range(12))
        check_page(await page(first=12), whole, 0, 12)
        check_page(await page(last=12), whole, 0, 12)
        half = await page(first=6)
        check_page(await page(first=6, after=half.end_cursor), whole, 6, 12)
        check_page(await page(last=6, before=half.end_cursor), whole, 0, 5)
        behind = await page(first=6, after=(await page(last=1)).end_cursor)
        assert (behind.items, behind.has_next, behind.has_previous) == ([], False, True)
        before = await page(last=6, before=half.start_cursor)
        assert (before.items, before.has_next, before.has_previous) == ([], True, False)
        assert (await page(first=0)).has_next
        between = await page(first=3, after=half.cursors[2], before=half.cursors[3])
        assert (between.items, between.has_next, between.has_previous) == ([], True, True)


ABSENT = {
    "nothing fits": (Item.rank > 5,),
    "never true": (sa.false(),),
    "two that exclude": (Item.id < 1, Item.id > 1),
}


@pytest.mark.parametrize("where", ABSENT.values(), ids=ABSENT)
async def test_a_page_of_nothing(db, where):
    async with db.scope() as scope:
        for total in ("exact", capped(3)):
            page = await ItemRepository(scope).page(ById, *where, total=total)
            assert page.model_dump() == {
                "items": [],
                "has_next": False,
                "has_previous": False,
                "start_cursor": None,
                "end_cursor": None,
                "total": 0,
                "total_is": "exact",
            }
        numbered = await ItemRepository(scope).numbered_page(ById, *where)
        assert (numbered.items, numbered.total, numbered.pages) == ([], 0, 0)


async def test_a_total_is_that_of_all_pages_past_the_last_one_too(db):
    async with db.scope() as scope:
        items = ItemRepository(scope)
        last = (await items.page(ById, order_by=Item.id, last=1)).end_cursor
        for asked in (
            {"after": last},
            {"after": last, "first": 0},
            {"before": last, "last": 2},
            {"first": 0},
        ):
            for total, expected in (
                ("exact", (12, "exact")),
                (capped(5), (5, "at_least")),
                (capped(12), (12, "exact")),
            ):
                with assert_statements(2, db):
                    page = await items.page(ById, order_by=Item.id, total=total, **asked)
                assert (page.total, page.total_is) == expected
        numbered = await items.numbered_page(ById, number=9, size=3)
        assert (numbered.items, numbered.total, numbered.pages) == ([], 12, 4)


WITH_MANY = {
    "any": (Item.parts.any(Part.weight == 0),),
    "computed": (ItemRepository.part_count > 1, ItemRepository.has_heavy.is_(False)),
    "to-one and to-many": (Item.maker.has(Maker.rating == 0), Item.parts.any()),
    "subquery": (Item.id.in_(sa.select(Part.item_id)),),
}


@pytest.mark.parametrize("where", WITH_MANY.values(), ids=WITH_MANY)
async def test_a_total_counts_rows_and_not_what_is_joined_to_them(db, where):
    """Six items, whose 18 parts decide about them."""
    order = (ItemRepository.part_count.desc(), column(Item.maker, Maker.name), Item.id)
    async with db.scope() as scope:
        page = await ItemRepository(scope).page(ById, *where, order_by=order, first=4, total="exact")
        assert (len(page.items), page.has_next, page.total) == (4, True, 6)
        assert await ItemRepository(scope).count(*where) == 6
        assert (await ItemRepository(scope).page(ById, *where, total=capped(5))).total == 5


async def test_a_cursor_is_a_place_and_no_number_of_rows(db):
    async with db.scope() as scope:
        cursor = (await ItemRepository(scope).page(ById, order_by=Item.id, first=6)).end_cursor
    async with db.engine.begin() as connection:
        await connection.execute(sa.delete(Part))
        await connection.execute(sa.delete(Item).where(Item.id.between(1, 5)))
    async with db.scope() as scope:
        page = await ItemRepository(scope).page(ById, order_by=Item.id, first=2, after=cursor)
        assert view_keys(page) == [6, 7]
        assert page.has_previous  # item 0 is still there


OTHER: dict[str, tuple[str, tuple[Any, ...], Any]] = {
    "direction": ("order", (Item.rank > -1,), Item.number.desc()),
    "place of NULLs": ("order", (Item.rank > -1,), Item.number.nulls_first()),
    "other place of NULLs": ("order", (Item.rank > -1,), Item.number.nulls_last()),
    "one column more": ("order", (Item.rank > -1,), (Item.number, Item.rank)),
    "another column of the type": ("order", (Item.rank > -1,), Item.id),
    "default order": ("order", (Item.rank > -1,), None),
    "value of the filter": ("filter", (Item.rank > -2,), Item.number),
    "operator of the filter": ("filter", (Item.rank >= -1,), Item.number),
    "one condition more": ("filter", (Item.rank > -1, Item.id > 0), Item.number),
    "no filter": ("filter", (), Item.number),
}


@pytest.mark.parametrize("case", OTHER.values(), ids=OTHER)
async def test_a_cursor_for_another_order_or_filter_is_refused(db, case):
    """Where nothing is read, since it could only mean another place. (SQLite and PostgreSQL put NULLs elsewhere.)"""
    reason, where, order = case
    async with db.scope() as scope:
        items = ItemRepository(scope)
        cursor = (await items.page(Item.rank > -1, order_by=Item.number, first=2)).end_cursor
        with assert_statements(0, db), pytest.raises(InvalidCursor) as refused:
            await items.page(*where, order_by=order, after=cursor)
    assert refused.value.reason == reason


@pytest.mark.parametrize("secret", [None, "a secret"], ids=["unsigned", "signed"])
async def test_a_damaged_cursor_is_neither_the_first_page_nor_an_error_of_the_database(db, secret):
    async with (
        Database(str(db.engine.url.render_as_string(False)), repositories=REPOSITORIES, secret=secret) as own,
        own.scope() as scope,
    ):
        items = ItemRepository(scope)
        cursor = (await items.page(order_by=Item.id, first=2)).end_cursor
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        changed = bytes((*raw[:-1], raw[-1] ^ 1))
        damaged = {
            "changed": base64.urlsafe_b64encode(changed).rstrip(b"=").decode(),
            "cut": cursor[:-4],
            "empty": "",
            "a number": "20",
            "of somebody else": base64.b64encode(b'{"offset": 20}').decode(),
        }
        for name, text in damaged.items():
            for asked in (
                {"after": text},
                {"before": text},
                {"last": 3, "after": text, "total": "exact"},
            ):
                with assert_statements(0, own), pytest.raises(InvalidCursor) as refused:
                    await items.page(order_by=Item.id, **asked)
                assert refused.value.reason in {"malformed", "signature", "version"}, name


async def test_enums_are_paged_in_the_order_of_their_column(db):
    """PostgreSQL's own enums compare by the order of their declaration, and texts by their letters."""
    native = db.engine.dialect.name == "postgresql"
    declared = [Shade.MIDDLE, Shade.DARK, Shade.LIGHT] if native else [Shade.DARK, Shade.LIGHT, Shade.MIDDLE]
    whole = [i for shade in declared for i in range(12) if SHADES[i % 4] is shade]
    async with db.scope() as scope:

        async def read(**asked: Any) -> Any:
            return await ItemRepository(scope).page(
                ById, Item.shade.is_not(None), order_by=Item.shade, **asked
            )

        assert await walk_forward(read, whole, 2) == await walk_backward(read, whole, 4)
