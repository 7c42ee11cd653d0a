"""Pages of relations as fields of a view: one statement for all parents, each with its own flags, cursors and total."""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, create_model

from batchrepo import Page, include
from batchrepo.testing import assert_statements
from tests.paging.models import Item, ItemRepository, Label, Maker, MakerRepository
from tests.paging.relations import RELATIONS, ById, PartKey, Related, view_keys
from tests.paging.rows import Store, put_rows, stores
from tests.paging.walking import check_page

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW = settings(
    max_examples=max(4, settings.default.max_examples // 20),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@cache
def view_of(case: Related, number: int) -> type[BaseModel]:
    """A view of a parent with three pages of one relation: by its own order, by another one, and filtered."""
    own, where = case.orders[number % len(case.orders)], case.filters[number % len(case.filters)]
    page, attribute = Page[case.view], case.attribute
    order = {} if own[0] is None else {"order_by": own[0]}
    return create_model(
        "OfParent",
        __base__=PartKey if case.parent.__name__ == "Part" else ById,
        firsts=Annotated[page, include(attribute, first=2, total="exact")],
        lasts=Annotated[page, include(attribute, last=2, total="exact", **order)],
        some=Annotated[page, include(attribute, first=1, where=where, total="exact", **order)],
    )


@pytest.mark.parametrize("case", RELATIONS, ids=str)
@settings(FEW)
@given(data=st.data())
async def test_every_parent_has_its_own_page_by_each_of_its_fields(db, case: Related, data):
    """Fields over one relation with other arguments are statements of their own; totals with one filter are one."""
    store = data.draw(stores(db.engine.dialect.name, ("rank", "number", "note"), most=8))
    number = data.draw(st.integers(0, 5))
    await put_rows(db.engine, store)
    order, where = case.orders[number % len(case.orders)], case.filters[number % len(case.filters)]
    by_own = await case.wholes(db, store, (None, False), ())
    by_other = await case.wholes(db, store, order, ())
    filtered = await case.wholes(db, store, order, (where,))
    view = view_of(case, number)
    async with db.scope() as scope:
        parents = case.repository(scope)
        # The parents, three pages and a statement that counts for both filters.
        with assert_statements(5 if by_own else 1, db):
            found = await parents.find(view, order_by=())
        assert {row.identity for row in found} == set(by_own)
        for row in found:
            key: Any = row.identity
            whole, other, some = by_own[key], by_other[key], filtered[key]
            check_page(row.firsts, whole, 0, min(2, len(whole)), view_keys)
            check_page(row.lasts, other, max(0, len(other) - 2), len(other), view_keys)
            check_page(row.some, some, 0, min(1, len(some)), view_keys)
            assert [row.firsts.total, row.lasts.total, row.some.total] == [len(whole), len(whole), len(some)]
        going_on = [row for row in found if row.some.has_next][:2]
        for row in going_on:
            after, key = row.some.end_cursor, row.identity
            page = await parents.related_page(
                key, case.attribute, case.view, where, order_by=order[0], first=9, after=after
            )
            check_page(page, filtered[key], 1, min(10, len(filtered[key])), view_keys)


class ItemLine(BaseModel):
    id: int


class PagedMaker(BaseModel):
    id: int
    items: Annotated[Page[ItemLine], include(Maker.items)]


class WholeMaker(BaseModel):
    id: int
    items: list[ItemLine]


MANY = Store(
    items=[
        {"id": i, "rank": 0, "title": "t", "number": None, "note": None, "maker_id": 1, "parent_id": None}
        for i in range(1, 151)
    ],
    makers=[{"id": i, "name": None, "rating": None} for i in (1, 2)],
)


async def test_a_list_has_no_limit_that_nobody_asked_for(db):
    await put_rows(db.engine, MANY)
    async with db.scope() as scope:
        makers = MakerRepository(scope)
        whole = await makers.get(1, WholeMaker)
        assert sorted(item.id for item in whole.items) == list(range(1, 151))
        # A page says that there is more.
        paged = await makers.get(1, PagedMaker)
        assert (len(paged.items.items), paged.items.has_next) == (ItemRepository.page_size, True)
        maker = await makers.get(1)
        assert len(await scope.related(maker, Maker.items)) == 150


async def test_bytes_are_those_of_the_view(db):
    await put_rows(db.engine, MANY)
    async with db.scope() as scope:
        makers = MakerRepository(scope)
        found = await makers.find(PagedMaker, order_by=Maker.id)
        body = await makers.find_json(PagedMaker, order_by=Maker.id)
        assert json.loads(body) == [json.loads(row.model_dump_json()) for row in found]
        assert found[1].items.model_dump() == {
            "items": [],
            "has_next": False,
            "has_previous": False,
            "start_cursor": None,
            "end_cursor": None,
            "total": None,
            "total_is": None,
        }


class LabelledItem(BaseModel):
    id: int
    labels: Annotated[Page[ItemLine], include(Item.labels, last=1, order_by=Label.id, total="exact")]


class DeepMaker(BaseModel):
    id: int
    items: Annotated[Page[LabelledItem], include(Maker.items, first=2, order_by=Item.id)]


async def test_items_of_a_page_have_pages_of_their_own(db):
    """A statement for each level and one that counts, however many pages there are."""
    store = Store(
        items=[{**row, "maker_id": 1 + row["id"] % 2} for row in MANY.items[:9]],
        makers=MANY.makers,
        labels=[{"id": i, "name": None} for i in (1, 2, 3)],
        labelled=[(i, label) for i in range(1, 10) for label in (1, 2, 3) if label <= i % 4],
    )
    await put_rows(db.engine, store)
    async with db.scope() as scope:
        makers = MakerRepository(scope)
        with assert_statements(4, db):
            found = await makers.page(DeepMaker, order_by=Maker.id)
        shown = [
            [
                (item.id, view_ids(item.labels), item.labels.total, item.labels.has_previous)
                for item in maker.items.items
            ]
            for maker in found.items
        ]
        assert shown == [[(2, [2], 2, True), (4, [], 0, False)], [(1, [1], 1, False), (3, [3], 3, True)]]
        # From there a deep page goes on, with pages of its own.
        with assert_statements(4, db):
            more = await makers.related_page(
                1, Maker.items, LabelledItem, order_by=Item.id, first=2, after=found.items[0].items.end_cursor
            )
        assert [(item.id, view_ids(item.labels)) for item in more.items] == [(6, [2]), (8, [])]
        assert (more.has_previous, more.has_next) == (True, False)


def view_ids(page: Page[Any]) -> list[int]:
    return [item.id for item in page.items]
