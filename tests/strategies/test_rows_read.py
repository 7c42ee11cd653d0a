"""How much is read for many parents: limits and counts per parent, sibling lists, and the time to sort rows out."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
import pytest_asyncio
from pydantic import BaseModel
from sqlalchemy import event, insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchrepo import Database, Repository, count, include, top
from batchrepo.events import StatementEvent
from tests.strategies.models import Base, Customer, Sale, Shop, favourite

SHOPS = 3
EACH = 50
"""Sales of each shop, and customers of each."""

IDLE_SALES = 2000
"""Sales of a shop that nobody asks for."""


class SaleItem(BaseModel):
    id: int


class CustomerItem(BaseModel):
    id: int


class ShopWithAll(BaseModel):
    id: int
    sales: list[SaleItem]
    customers: list[CustomerItem]


class ShopWithFew(BaseModel):
    """Several lists over one relation, each with arguments of its own, as two aliases of a GraphQL field."""

    id: int
    two: Annotated[list[SaleItem], include(Shop.sales, first=2)]
    three: Annotated[list[SaleItem], include(Shop.sales, first=3)]
    last: Annotated[list[SaleItem], include(Shop.sales, first=2, order_by=Sale.id.desc())]
    big: Annotated[list[SaleItem], include(Shop.sales, first=2, where=Sale.grams > 45)]


class ShopWithTwo(BaseModel):
    id: int
    two: Annotated[list[SaleItem], include(Shop.sales, first=2)]


class SlowShop(BaseModel):
    """Through a foreign key without an index."""

    id: int
    two: Annotated[list[SaleItem], include(Shop.slow_sales, first=2)]


class ShopRepository(Repository[Shop]):
    sale_count = count(Shop.sales)
    customer_count = count(Shop.customers)
    two_sales = top(Shop.sales, 2, order_by=Sale.id)
    three_sales = top(Shop.sales, 3, order_by=Sale.id)


class SaleRepository(Repository[Sale]):
    pass


class CustomerRepository(Repository[Customer]):
    pass


REPOSITORIES = (ShopRepository, SaleRepository, CustomerRepository)
VIEWS = (ShopWithAll, ShopWithFew, ShopWithTwo, SlowShop)
STRATEGIES = ("batched", "eager")


def sale(number: int, shop: int) -> dict[str, Any]:
    return {
        "id": number,
        "shop_id": shop,
        "unindexed_shop_id": shop,
        "grams": number % EACH,
        "price": 1,
        "weight": 1.0,
    }


def sales_of(shop: int) -> list[int]:
    """The ids of a shop's sales, which follow one another: 1 to 50, 51 to 100, ..."""
    return list(range((shop - 1) * EACH + 1, shop * EACH + 1))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled_url(module_database_url: str) -> str:
    engine = create_async_engine(module_database_url)
    shops = range(1, SHOPS + 1)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(Shop), [{"id": shop} for shop in (*shops, SHOPS + 1)])
        await connection.execute(insert(Sale), [sale(n, shop) for shop in shops for n in sales_of(shop)])
        idle = [sale(SHOPS * EACH + n, SHOPS + 1) for n in range(1, IDLE_SALES + 1)]
        await connection.execute(insert(Sale), idle)
        await connection.execute(insert(Customer), [{"id": n, "age": n} for n in range(1, EACH + 1)])
        await connection.execute(
            insert(favourite),
            [{"shop_id": shop, "customer_id": n} for shop in shops for n in range(1, EACH + 1)],
        )
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.exec_driver_sql("ANALYZE")
    await engine.dispose()
    return module_database_url


@pytest_asyncio.fixture
async def db(filled_url: str) -> AsyncIterator[Database]:
    async with Database(filled_url, repositories=REPOSITORIES, views=VIEWS) as opened:
        yield opened


@pytest.fixture
def rows_read(db: Database) -> list[int]:
    """The number of rows of each statement."""
    rows: list[int] = []
    db.on_event(lambda each: rows.append(each.rows) if isinstance(each, StatementEvent) else None)
    return rows


# --- a limit is for each parent ---------------------------------------------------------------------


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_limit_is_for_each_parent_and_not_for_the_batch(db: Database, strategy: str):
    async with db.scope() as scope:
        found = await ShopRepository(scope).find(
            ShopWithFew, Shop.id <= SHOPS, order_by=Shop.id, strategy=strategy
        )
    assert [[item.id for item in shop.two] for shop in found] == [sales_of(n)[:2] for n in (1, 2, 3)]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_lists_over_one_relation_keep_their_own_arguments(db: Database, strategy: str):
    async with db.scope() as scope:
        found = await ShopRepository(scope).find(
            ShopWithFew, Shop.id <= SHOPS, order_by=Shop.id, strategy=strategy
        )
    for shop in found:
        mine = sales_of(shop.id)
        assert [item.id for item in shop.three] == mine[:3]
        assert [item.id for item in shop.last] == mine[:-3:-1]
        assert [item.id for item in shop.big] == [n for n in mine if n % EACH > 45][:2]


async def test_limits_that_differ_may_be_asked_for_in_one_moment(db: Database):
    async with db.scope() as scope:
        shops = await ShopRepository(scope).find(Shop.id <= SHOPS, order_by=Shop.id)
        lists = await asyncio.gather(
            *(scope.related(shop, ShopRepository.two_sales) for shop in shops),
            *(scope.related(shop, ShopRepository.three_sales) for shop in shops),
        )
    expected = [sales_of(n)[:size] for size in (2, 3) for n in (1, 2, 3)]
    assert [[item.id for item in found] for found in lists] == expected


# --- no more rows than are needed -------------------------------------------------------------------


async def test_a_limit_fetches_the_page_of_each_parent(db: Database, rows_read: list[int]):
    async with db.scope() as scope:
        await ShopRepository(scope).find(SlowShop, Shop.id <= SHOPS)
    assert rows_read == [SHOPS, 2 * SHOPS]


async def plans_of(engine: AsyncEngine, db: Database, view: type[BaseModel]) -> list[str]:
    """What the database does for each statement of a read, as its EXPLAIN tells."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, sql: str, parameters: Any, *_others: Any) -> None:
        sent.append((sql, parameters))

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    async with db.scope() as scope:
        await ShopRepository(scope).find(view, Shop.id <= SHOPS)
    event.remove(db.engine.sync_engine, "before_cursor_execute", note)
    plans = []
    for sql, parameters in sent:
        sqlite = engine.dialect.name == "sqlite"
        explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN (ANALYZE, FORMAT JSON) "
        async with engine.connect() as connection:
            result = await connection.exec_driver_sql(explain + sql, parameters)
            plans.append("\n".join(row[-1] if sqlite else json.dumps(row[-1]) for row in result))
    return plans


async def test_a_limit_does_not_walk_through_the_sales_of_others(db: Database, filled_url: str):
    """The idle shop's 2,000 sales are neither ranked nor read."""
    engine = create_async_engine(filled_url)
    *_, plan = await plans_of(engine, db, ShopWithTwo)
    await engine.dispose()
    if db.engine.dialect.name == "sqlite":
        assert "SEARCH sale" in plan
        assert "SCAN sale" not in plan
    else:  # the planner may pass by sales of the other two shops, since so few are on the way
        assert max(rows_walked(json.loads(plan))) <= SHOPS * SHOPS * EACH < IDLE_SALES


@pytest.mark.parametrize(
    "module_database_url", ["postgresql"], indirect=True
)  # SQLite tells no numbers of rows
async def test_without_an_index_only_rows_of_the_parents_are_ranked(db: Database, filled_url: str):
    engine = create_async_engine(filled_url)
    *_, plan = await plans_of(engine, db, SlowShop)
    await engine.dispose()
    ranked = [node for node in nodes(json.loads(plan)) if node["Node Type"] == "WindowAgg"]
    assert ranked
    assert all(node["Actual Rows"] <= SHOPS * EACH for node in ranked)


def nodes(plan: Any) -> list[dict[str, Any]]:
    """Every node of an EXPLAIN in JSON."""
    if isinstance(plan, list):
        return [node for part in plan for node in nodes(part)]
    if "Plan" in plan:
        return nodes(plan["Plan"])
    return [plan, *nodes(plan.get("Plans", []))]


def rows_walked(plan: Any) -> list[float]:
    """The rows that each node gave or threw away, over all its loops."""
    return [
        node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
        for node in nodes(plan)
    ]


async def test_sibling_lists_are_not_multiplied(db: Database, rows_read: list[int]):
    """50 sales and 50 customers of a shop are 100 rows, not 2,500."""
    for strategy in STRATEGIES:
        rows_read.clear()
        async with db.scope() as scope:
            [shop] = await ShopRepository(scope).find(ShopWithAll, Shop.id == 1, strategy=strategy)
        assert (len(shop.sales), len(shop.customers)) == (EACH, EACH)
        assert sum(rows_read) <= 1 + 2 * EACH


async def test_counting_is_one_statement_that_fetches_numbers(db: Database, rows_read: list[int]):
    """Not a statement for each parent, and no keys of children."""
    async with db.scope() as scope:
        shops = await ShopRepository(scope).find(Shop.id <= SHOPS)
        rows_read.clear()
        counts = await asyncio.gather(
            *(scope.related(shop, ShopRepository.sale_count) for shop in shops),
            *(scope.related(shop, ShopRepository.customer_count) for shop in shops),
        )
    assert counts == [EACH] * 2 * SHOPS
    assert rows_read == [SHOPS, SHOPS]


# --- sorting rows out -------------------------------------------------------------------------------

FEW, MANY = 3_000, 12_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def large(tmp_path_factory: pytest.TempPathFactory) -> str:
    """SQLite with many shops that have one sale each."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('large') / 'large.db'}"
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(Shop), [{"id": n} for n in range(1, MANY + 1)])
        await connection.execute(insert(Sale), [sale(n, n) for n in range(1, MANY + 1)])
    await engine.dispose()
    return url


class ShopWithSales(BaseModel):
    id: int
    sales: list[SaleItem]


async def as_views(db: Database, shops: int) -> None:
    async with db.scope() as scope:
        found = await ShopRepository(scope).find(ShopWithSales, Shop.id <= shops)
    assert [len(shop.sales) for shop in found] == [1] * shops


async def as_entities(db: Database, shops: int) -> None:
    async with db.scope() as scope:
        for shop in await ShopRepository(scope).find(Shop.id <= shops):
            assert len(await scope.related(shop, Shop.sales)) == 1


@pytest.fixture
def _no_garbage_collection() -> Iterator[None]:
    """Its steps have little to do with the number of rows."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_garbage_collection")
@pytest.mark.parametrize("read", [as_views, as_entities])
async def test_children_find_their_parents_in_linear_time(large: str, read: Any):
    """Four times the parents take about four times the processor's time; a scan for each would take sixteen."""
    async with Database(large, repositories=REPOSITORIES) as db:

        async def spent(shops: int) -> float:
            before = time.process_time()
            await read(db, shops)
            return time.process_time() - before

        await read(db, 10)
        few = min([await spent(FEW) for _ in range(3)])
        many = min([await spent(MANY) for _ in range(2)])
    assert many < 8 * few
