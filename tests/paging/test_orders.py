"""Pages joined are the database's own whole order, forward and backward, for random rows and random orders."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchrepo import Database
from tests.paging.models import Item, ItemRepository
from tests.paging.orders import COLUMNS, EXPRESSIONS, OWN, RELATED, OrderCase, one_column_orders, orders
from tests.paging.rows import Store, item_rows, put_rows, stores
from tests.paging.walking import check_between, walk_backward, walk_forward
from tests.support.databases import EVERY_DRIVER

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOME = settings.default.max_examples
QUICK = settings(
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ]
)


async def check(db: Database, case: OrderCase, size: int, between: tuple[int, int]) -> None:
    """All pages of all items by an order, in both directions, and the rows between two of them."""
    dialect = db.engine.dialect.name
    async with db.engine.connect() as connection:
        whole = list(await connection.scalars(sa.select(Item.id).order_by(*case.whole(dialect))))
    async with db.scope() as scope:
        items = ItemRepository(scope)

        async def read(**arguments: Any) -> Any:
            # An order is written anew for each page, as an application does.
            return await items.page(order_by=case.elements(dialect), **arguments)

        cursors = await walk_forward(read, whole, size)
        assert await walk_backward(read, whole, size) == cursors
        if whole:
            first, second = sorted(place % len(whole) for place in between)
            await check_between(read, whole, cursors, (first, second), size)


@pytest.mark.parametrize("module_database_url", EVERY_DRIVER, indirect=True)
@pytest.mark.parametrize("name", COLUMNS)
@settings(QUICK, max_examples=max(3, SOME // 30))
@given(data=st.data())
async def test_a_column_of_every_type(db, name, data):
    case = data.draw(one_column_orders(name))
    rows = data.draw(item_rows(db.engine.dialect.name, case.columns))
    await put_rows(db.engine, Store(rows))
    await check(
        db, case, data.draw(st.integers(1, 6)), data.draw(st.tuples(st.integers(0, 20), st.integers(0, 20)))
    )


@settings(QUICK, max_examples=SOME // 4)
@given(data=st.data())
async def test_any_mix_of_columns_and_expressions(db, data):
    case = data.draw(orders((*OWN, *EXPRESSIONS)))
    rows = data.draw(item_rows(db.engine.dialect.name, case.columns))
    await put_rows(db.engine, Store(rows))
    await check(
        db, case, data.draw(st.integers(1, 6)), data.draw(st.tuples(st.integers(0, 20), st.integers(0, 20)))
    )


@settings(QUICK, max_examples=SOME // 8)
@given(data=st.data())
async def test_computed_attributes_and_columns_of_related_rows(db, data):
    case = data.draw(orders((*RELATED, OWN[2], *EXPRESSIONS[:2])))
    rows = data.draw(stores(db.engine.dialect.name, case.columns, most=8))
    await put_rows(db.engine, rows)
    await check(
        db, case, data.draw(st.integers(1, 4)), data.draw(st.tuples(st.integers(0, 20), st.integers(0, 20)))
    )
