"""Pages of relations for many parents at once: for each parent the database's own whole order, in both directions."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchrepo import Database, InvalidArgument, NotFound
from batchrepo.strategies import related_pages
from batchrepo.testing import assert_statements
from tests.paging.models import Item, Label, LabelRepository, Maker, MakerRepository, item_label, item_seen
from tests.paging.relations import RELATIONS, ById, Order, Related, identities, identity, view_keys
from tests.paging.rows import Store, put_rows, stores
from tests.paging.walking import check_page, walk_backward, walk_forward

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW = settings(
    max_examples=max(5, settings.default.max_examples // 12),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@st.composite
def some_stores(draw: st.DrawFn, dialect: str) -> Store:
    return draw(stores(dialect, ("rank", "number", "note"), most=8))


@pytest.mark.parametrize("case", RELATIONS, ids=str)
@settings(FEW)
@given(data=st.data())
async def test_every_parent_is_paged_from_its_own_cursor_in_one_statement(db, case: Related, data):
    store = data.draw(some_stores(db.engine.dialect.name))
    order = data.draw(st.sampled_from(case.orders))
    where = data.draw(st.sampled_from([(), *((condition,) for condition in case.filters)]))
    size = data.draw(st.integers(1, 3))
    await put_rows(db.engine, store)
    wholes = await case.wholes(db, store, order, where)
    for backward in (False, True):
        await walk_all(db, case, wholes, order, where, size, backward=backward)


async def walk_all(
    db: Database,
    case: Related,
    wholes: dict[Any, list[Any]],
    order: Order,
    where: Any,
    size: int,
    *,
    backward: bool,
) -> None:
    """Page all parents in step, until the last one is through."""
    how, cursor = ("last", "before") if backward else ("first", "after")
    async with db.scope() as scope:
        parents = await case.repository(scope).find(order_by=())
        assert {identity(parent) for parent in parents} == set(wholes)
        done = dict.fromkeys(wholes, 0)
        cursors: dict[Any, str | None] = dict.fromkeys(wholes)
        going = list(parents)
        for step in range(1 + max(map(len, wholes.values()), default=0)):
            if not going:
                break
            # Totals are counted for all parents at once, and known from then on.
            with assert_statements(1 + (step == 0), db):
                pages = await asyncio.gather(
                    *(
                        scope.related_page(
                            parent,
                            case.attribute,
                            case.view,
                            *where,
                            order_by=order[0],
                            total="exact",
                            **{how: size, cursor: cursors[identity(parent)]},
                        )
                        for parent in going
                    )
                )
            still = []
            for parent, page in zip(going, pages, strict=True):
                key = identity(parent)
                whole, so_far = wholes[key], done[key]
                end = min(so_far + size, len(whole))
                start, stop = (len(whole) - end, len(whole) - so_far) if backward else (so_far, end)
                check_page(page, whole, start, stop, view_keys)
                assert (page.total, page.total_is) == (len(whole), "exact")
                done[key] = end
                cursors[key] = page.start_cursor if backward else page.end_cursor
                if page.has_previous if backward else page.has_next:
                    still.append(parent)
            going = still
        assert not going


FIXED = Store(
    items=[
        {
            "id": i,
            "rank": i % 4,
            "title": f"t{i}",
            "number": i % 3 or None,
            "note": None,
            "maker_id": 1 + i % 2,
        }
        | {"parent_id": None}
        for i in range(1, 13)
    ],
    makers=[{"id": i, "name": None, "rating": None} for i in (1, 2, 3)],
    labels=[{"id": 1, "name": "a"}, {"id": 2, "name": None}],
    seen=[(1, 1), (1, 1), (2, 1), (1, 1), (3, 1), (3, 1)],
)
"""Items of two makers, a maker without any, and pairs that are linked several times."""

OF_MAKER = {1: [4, 8, 12, 2, 6, 10], 2: [1, 5, 9, 3, 7, 11], 3: []}
"""The items of each maker by rank and then by key."""


@pytest_asyncio.fixture(loop_scope="module")
async def fixed(db: Database) -> Database:
    await put_rows(db.engine, FIXED)
    return db


async def by_key(makers: MakerRepository, key: int, *where: Any, **asked: Any) -> Any:
    return await makers.related_page(key, Maker.items, ById, *where, **asked)


@pytest.mark.usefixtures("fixed")
async def test_a_parent_that_does_not_exist_is_an_error_of_its_own(db):
    """Its neighbours in the batch have their pages: one statement for the parents, one for pages, one for totals."""
    async with db.scope() as scope:
        makers = MakerRepository(scope)
        with assert_statements(3, db):
            first, nothing, empty, second = await asyncio.gather(
                *(by_key(makers, key, first=2, total="exact") for key in (1, 99, 3, 2)),
                return_exceptions=True,
            )
        assert isinstance(nothing, NotFound)
        for page, key in ((first, 1), (empty, 3), (second, 2)):
            check_page(page, OF_MAKER[key], 0, min(2, len(OF_MAKER[key])), view_keys)
            assert page.total == len(OF_MAKER[key])
        for asked in (
            {"after": first.end_cursor},
            {"before": first.end_cursor, "total": "exact"},
            {"first": 0},
        ):
            with pytest.raises(NotFound, match="99"):
                await by_key(makers, 99, **asked)


@pytest.mark.usefixtures("fixed")
async def test_a_total_counts_all_rows_wherever_the_page_is(db):
    async with db.scope() as scope:
        makers = MakerRepository(scope)
        whole = await by_key(makers, 1, first=20)
        for asked in (
            {"after": whole.end_cursor},
            {"after": whole.cursors[1], "first": 1},
            {"before": whole.start_cursor},
            {"first": 0},
            {"last": 0},
            {"last": 1, "after": whole.cursors[3], "before": whole.cursors[4]},
        ):
            page = await by_key(makers, 1, total="exact", **asked)
            assert (page.total, page.total_is) == (6, "exact"), asked
        below = await by_key(makers, 1, Item.rank < 2, total="exact", last=1)
        assert (below.total, view_keys(below)) == (3, [12])
        nothing = await by_key(makers, 1, Item.rank > 20, total="exact")
        assert (nothing.total, nothing.items, nothing.has_next, nothing.has_previous) == (0, [], False, False)


@pytest.mark.usefixtures("fixed")
async def test_pages_that_are_asked_for_at_once_keep_their_own_arguments(db):
    """Sizes, directions, cursors, orders and filters over one relation of the same parents."""
    async with db.scope() as scope:
        makers = MakerRepository(scope)
        one, two = [await by_key(makers, key, first=20) for key in (1, 2)]
        asked: list[tuple[int, tuple[Any, ...], dict[str, Any], list[int]]] = [
            (1, (), {"first": 1}, [4]),
            (1, (), {"first": 2}, [4, 8]),
            (2, (), {"first": 2, "after": two.cursors[0]}, [5, 9]),
            (1, (), {"first": 2, "after": one.cursors[1]}, [12, 2]),
            (1, (), {"last": 2, "before": one.cursors[4]}, [12, 2]),
            (1, (), {"last": 3}, [2, 6, 10]),
            (1, (), {"first": 9, "after": one.cursors[1], "before": one.cursors[4]}, [12, 2]),
            (1, (Item.rank == 2,), {"first": 2}, [2, 6]),
            (2, (Item.rank == 3,), {"first": 2}, [3, 7]),
            (2, (), {"first": 2, "order_by": Item.id.desc()}, [11, 9]),
        ]
        # One for the makers, one for each size, direction, filter and order of first pages, and one for each size and
        # direction of those from cursors.
        with assert_statements(1 + 6 + 3, db):
            pages = await asyncio.gather(
                *(by_key(makers, key, *where, **more) for key, where, more, _ in asked)
            )
    assert [view_keys(page) for page in pages] == [expected for *_, expected in asked]


@pytest.mark.usefixtures("fixed")
async def test_parents_with_a_cursor_and_without_are_two_statements(db):
    async with db.scope() as scope:
        makers = await MakerRepository(scope).find(order_by=Maker.id)
        end = (await scope.related_page(makers[0], Maker.items, ById, first=2)).end_cursor
    async with db.scope() as scope:
        makers = await MakerRepository(scope).find(order_by=Maker.id)
        with assert_statements(2, db):
            pages = await asyncio.gather(
                scope.related_page(makers[0], Maker.items, ById, first=2, after=end),
                scope.related_page(makers[1], Maker.items, ById, first=2),
                scope.related_page(makers[1], Maker.items, ById, first=2, after=end),
            )
    # A cursor is a place in an order: any parent can go on from there.
    assert [view_keys(page) for page in pages] == [[12, 2], [1, 5], [1, 5]]
    check_page(pages[2], OF_MAKER[2], 0, 2, view_keys)


@pytest.mark.parametrize("case", RELATIONS, ids=str)
@settings(FEW)
@given(data=st.data())
async def test_many_parents_with_one_cursor_have_the_pages_that_each_has_alone(db, case: Related, data):
    """Whatever the order is, with NULLs at the cursor too."""
    store = data.draw(some_stores(db.engine.dialect.name))
    order = data.draw(st.sampled_from(case.orders))
    size = {data.draw(st.sampled_from(("first", "last"))): data.draw(st.integers(0, 3))}
    await put_rows(db.engine, store)
    wholes = await case.wholes(db, store, order, ())
    async with db.scope() as scope:
        parents = await case.repository(scope).find(order_by=())
        assert {identity(parent) for parent in parents} == set(wholes)

        async def page(parent: Any, **asked: Any) -> Any:
            return await scope.related_page(parent, case.attribute, case.view, order_by=order[0], **asked)

        cursors = [cursor for parent in parents for cursor in (await page(parent, first=100)).cursors]
        if not cursors:
            return
        bounds = {
            name: data.draw(st.sampled_from(cursors))
            for name in data.draw(st.sampled_from((["after"], ["before"], ["after", "before"])))
        }
        alone = [await page(parent, **size, **bounds) for parent in parents]
    async with db.scope() as scope:
        parents = await case.repository(scope).find(order_by=())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(related_pages, "MOST_PARTS", 1)
            together = await asyncio.gather(*(page(parent, **size, **bounds) for parent in parents))
    for one, other in zip(alone, together, strict=True):
        assert one.model_dump() == other.model_dump()
        assert list(one.cursors) == list(other.cursors)


async def test_more_parents_with_cursors_than_a_statement_can_hold(db):
    """Each statement holds 50 of them, so that the databases' limits hold."""
    makers = [{"id": i, "name": None, "rating": None} for i in range(120)]
    items = [{**FIXED.items[0], "id": i, "rank": i // 120, "maker_id": i % 120} for i in range(360)]
    await put_rows(db.engine, Store(items, makers))
    async with db.scope() as scope:
        found = await MakerRepository(scope).find(order_by=Maker.id)
        with assert_statements(1, db):
            firsts = await asyncio.gather(
                *(scope.related_page(maker, Maker.items, ById, first=1) for maker in found)
            )
        with assert_statements(3, db):
            seconds = await asyncio.gather(
                *(
                    scope.related_page(maker, Maker.items, ById, first=1, after=page.end_cursor)
                    for maker, page in zip(found, firsts, strict=True)
                )
            )
    for i, page in enumerate(seconds):
        check_page(page, [i, i + 120, i + 240], 1, 2, view_keys)


@pytest.mark.usefixtures("fixed")
async def test_in_a_loop_the_first_pages_of_all_parents_are_one_statement(db):
    async with db.scope() as scope:
        makers = await MakerRepository(scope).find(order_by=Maker.id)
        with assert_statements(2, db):
            pages = [
                await scope.related_page(maker, Maker.items, ById, first=3, total="exact") for maker in makers
            ]
        with assert_statements(2, db):  # the pages' keys, and the entities that nobody has read yet
            entities = [await scope.related_page(maker, Maker.items, first=4) for maker in makers]
    for maker, page, of_entities in zip(makers, pages, entities, strict=True):
        whole = OF_MAKER[maker.id]
        check_page(page, whole, 0, min(3, len(whole)), view_keys)
        check_page(of_entities, whole, 0, min(4, len(whole)), identities)


@pytest.mark.usefixtures("fixed")
async def test_a_pair_that_is_linked_several_times_is_one_row_of_a_page(db):
    async with db.scope() as scope:
        labels = LabelRepository(scope)
        page = await labels.related_page(1, Label.seen, ById, first=2, total="exact")
        assert (view_keys(page), page.has_next, page.total) == ([1, 2], True, 3)
        rest = await labels.related_page(1, Label.seen, ById, first=2, after=page.end_cursor, total="exact")
        assert (view_keys(rest), rest.has_previous, rest.has_next, rest.total) == ([3], True, False, 3)
        empty = await labels.related_page(2, Label.seen, ById, last=2, total="exact")
        assert (empty.items, empty.total, empty.cursors) == ([], 0, [])


LINKS = {"linked once": (Label.items, item_label), "linked several times": (Label.seen, item_seen)}


@pytest.mark.parametrize("linked", LINKS.values(), ids=LINKS)
async def test_conditions_may_name_the_link_table(db, linked):
    attribute, link = linked
    pairs = [(item, label) for item in (3, 5, 1, 7, 2) for label in (1, 2)]
    twice = [*pairs, *pairs, *pairs]
    await put_rows(db.engine, replace(FIXED, labelled=pairs, seen=twice))
    async with db.scope() as scope:

        async def read(**asked: Any) -> Any:
            page = await LabelRepository(scope).related_page(
                1, attribute, ById, link.c.item_no > 2, Item.id < 7, order_by=Item.id, total="exact", **asked
            )
            assert page.total == 2
            return page

        assert await walk_forward(read, [3, 5], 1) == await walk_backward(read, [3, 5], 1)


async def test_orders_may_name_a_link_table_where_a_row_has_one_place(db):
    await put_rows(db.engine, replace(FIXED, labelled=[(3, 1), (5, 1), (1, 1)]))
    async with db.scope() as scope:
        labels = LabelRepository(scope)

        async def read(**asked: Any) -> Any:
            return await labels.related_page(
                1, Label.items, ById, order_by=item_label.c.item_no.desc(), **asked
            )

        assert await walk_forward(read, [5, 3, 1], 2) == await walk_backward(read, [5, 3, 1], 2)
        with assert_statements(0, db), pytest.raises(InvalidArgument, match="would have several places"):
            await labels.related_page(1, Label.seen, order_by=item_seen.c.item_no)


@pytest.mark.usefixtures("fixed")
async def test_as_bytes_it_is_the_same_page(db):
    async with db.scope() as scope:
        makers = MakerRepository(scope)
        after = (await by_key(makers, 1, first=2)).end_cursor
        for asked in (
            {"first": 2},
            {"first": 2, "after": after},
            {"last": 1, "total": "exact"},
            {"after": after},
        ):
            page = await by_key(makers, 1, **asked)
            reply = await makers.related_page_json(1, Maker.items, ById, **asked)
            assert json.loads(reply.body) == json.loads(page.model_dump_json())
        with pytest.raises(NotFound):
            await makers.related_page_json(99, Maker.items, ById)
