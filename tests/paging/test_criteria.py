"""Under row criteria a page, its total and its flags know of no hidden row, and a cursor is its tenant's only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import pytest_asyncio
from pydantic import BaseModel

from batchrepo import (
    Database,
    InvalidCursor,
    NotFound,
    Page,
    Repository,
    capped,
    count,
    include,
    match,
    predicate,
)
from batchrepo.testing import assert_statements
from tests.paging.models import Item, Label, Maker
from tests.paging.relations import ById, view_keys
from tests.paging.rows import Store, make_tables, put_rows
from tests.paging.walking import check_page, walk_backward, walk_forward

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Viewer:
    """Who reads: of which tenant, and which label is hidden from him."""

    tenant: int
    label: int = 0


class Items(Repository[Item]):
    """A tenant's own items, without those that are withdrawn."""

    criteria = (match(Item.rank, lambda viewer: viewer.tenant), predicate(Item.title != "withdrawn"))


class Makers(Repository[Maker]):
    item_count = count(Maker.items)


class Labels(Repository[Label]):
    criteria = (predicate(lambda viewer: Label.id != viewer.label, name="label"),)


class MakerView(BaseModel):
    id: int
    items: Annotated[Page[ById], include(Maker.items, first=2, order_by=Item.id, total="exact")]


STORE = Store(
    items=[
        {"id": i, "rank": i % 2, "title": "t" if i % 3 else "withdrawn", "number": None if i % 5 else i}
        | {"note": None, "maker_id": 1 + i % 4 // 2, "parent_id": None}
        for i in range(1, 31)
    ],
    makers=[{"id": i, "name": None, "rating": None} for i in (1, 2, 3)],
    labels=[{"id": i, "name": None} for i in (1, 2, 3, 4)],
    labelled=[(i, label) for i in range(1, 31) for label in (1, 2, 3, 4) if (i + label) % 3],
)


def visible(viewer: Viewer, **asked: int) -> list[int]:
    """The keys of the items that somebody sees, of all or of a maker."""
    return [
        row["id"]
        for row in STORE.items
        if row["rank"] == viewer.tenant
        and row["title"] != "withdrawn"
        and row["maker_id"] == asked.get("maker", row["maker_id"])
    ]


VIEWERS = (Viewer(0), Viewer(1), Viewer(2))
"""The last one sees nothing."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(module_database_url: str) -> AsyncIterator[Database]:
    async with Database(module_database_url, repositories=[Items, Makers, Labels]) as db:
        await make_tables(db.engine)
        await put_rows(db.engine, STORE)
        yield db


@pytest.mark.parametrize("viewer", VIEWERS, ids=["even", "odd", "nobody"])
async def test_pages_flags_and_totals_are_of_visible_rows(guarded, viewer):
    whole = visible(viewer)
    async with guarded.scope(viewer) as scope:
        items, makers = Items(scope), Makers(scope)

        async def read(**asked: Any) -> Any:
            with assert_statements(2, guarded):
                page = await items.page(ById, order_by=Item.id, total="exact", **asked)
            assert page.total == len(whole)
            return page

        assert await walk_forward(read, whole, 3) == await walk_backward(read, whole, 4)
        some = await items.page(ById, total=capped(4))
        assert (some.total, some.total_is) == ((4, "at_least") if len(whole) > 4 else (len(whole), "exact"))
        numbered = await items.numbered_page(ById, number=2, size=4, order_by=Item.id)
        assert ([item.id for item in numbered.items], numbered.total) == (whole[4:8], len(whole))
        for maker in (1, 2, 3):
            of_maker = visible(viewer, maker=maker)

            async def related(maker: int = maker, of_maker: list[int] = of_maker, **asked: Any) -> Any:
                page = await makers.related_page(
                    maker, Maker.items, ById, order_by=Item.id, total="exact", **asked
                )
                assert page.total == len(of_maker)
                return page

            assert await walk_forward(related, of_maker, 2) == await walk_backward(related, of_maker, 3)
        for row in await makers.find(MakerView, order_by=Maker.id):
            of_maker = visible(viewer, maker=row.id)
            check_page(row.items, of_maker, 0, min(2, len(of_maker)), view_keys)
            assert row.items.total == len(of_maker)
        by_count = await makers.page(ById, order_by=(Makers.item_count.desc(), Maker.id))
        assert view_keys(by_count) == sorted((1, 2, 3), key=lambda m: (-len(visible(viewer, maker=m)), m))


async def test_the_cursor_of_another_tenant_is_refused(guarded):
    """Before anything is read; also on pages of relations, and when another variant of a predicate made it."""
    async with guarded.scope(Viewer(0)) as scope:
        of_items = (await Items(scope).page(order_by=Item.id, first=2)).end_cursor
        of_maker = (await Makers(scope).related_page(1, Maker.items, ById, first=1)).end_cursor
        of_labels = (await Labels(scope).page(first=1)).end_cursor
    async with guarded.scope(Viewer(1, label=2)) as scope:
        with assert_statements(0, guarded):
            for reading in (
                Items(scope).page(order_by=Item.id, after=of_items),
                Items(scope).page(order_by=Item.id, before=of_items, total="exact"),
                anext(Items(scope).chunks(order_by=Item.id, after=of_items)),
                Makers(scope).related_page(1, Maker.items, ById, after=of_maker),
                Labels(scope).page(after=of_labels),
            ):
                with pytest.raises(InvalidCursor) as refused:
                    await reading
                assert refused.value.reason == "criteria"
    async with guarded.scope(Viewer(0)) as scope:
        again = await Items(scope).page(ById, order_by=Item.id, first=2, after=of_items)
    assert view_keys(again) == visible(Viewer(0))[2:4]


async def test_a_hidden_parent_is_not_found(guarded):
    async with guarded.scope(Viewer(0)) as scope:
        for hidden in (1, 6):  # of somebody else; withdrawn
            with pytest.raises(NotFound):
                await Items(scope).related_page(hidden, Item.labels, ById, total="exact")


async def test_through_a_link_table_too_neither_end_shows_hidden_rows(guarded):
    viewer = Viewer(1, label=2)
    async with guarded.scope(viewer) as scope:
        page = await Items(scope).related_page(5, Item.labels, ById, order_by=Label.id, total="exact")
        expected = [label for item, label in STORE.labelled if item == 5 and label != 2]
        assert (view_keys(page), page.total) == (expected, len(expected))
        seen = [item for item, label in STORE.labelled if label == 1 and item in visible(viewer)]
        page = await Labels(scope).related_page(
            1, Label.items, ById, order_by=Item.id, first=2, total="exact"
        )
        check_page(page, seen, 0, 2, view_keys)
        assert page.total == len(seen)
        with pytest.raises(NotFound):
            await Labels(scope).related_page(2, Label.items, ById)
