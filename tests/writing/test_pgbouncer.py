"""Writing through PgBouncer in transaction mode: each transaction on a server connection of its own for its length."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import make_url, text

from batchrepo import BulkError, Database, StaleRows
from batchrepo.writing.choosing import COPY_FROM, TABLE_FROM
from tests.support.pgbouncer import PgBouncer, assert_servers_alternate
from tests.writing.goods import (
    SAMPLE,
    Defaulted,
    DefaultedRepository,
    Sample,
    SampleRepository,
    Stock,
    StockRepository,
    emptied,
    everything,
    opened,
)

pytestmark = pytest.mark.parametrize("database_url", ["postgresql", "psycopg"], indirect=True)


@pytest_asyncio.fixture
async def db(database_url: str, pgbouncer: PgBouncer) -> AsyncIterator[Database]:
    through = pgbouncer.through(make_url(database_url)).render_as_string(hide_password=False)
    async with opened(through, pooler="pgbouncer") as db:
        await assert_servers_alternate(db.engine)
        yield db


def rows(count: int, *, plain: int = 0) -> list[dict[str, object]]:
    return [{"ref": f"{n}", "plain": n + plain} for n in range(count)]


async def stored(db: Database) -> dict[str, int]:
    return {row["ref"]: row["plain"] for row in await everything(db, Defaulted)}


async def test_every_way_to_insert_every_type(db: Database):
    written = []
    for method in ("insertmanyvalues", "copy", "unnest"):
        await emptied(db, Sample)
        async with db.scope() as scope:
            given = [{**row, "id": number} for number, row in enumerate(SAMPLE, 1)]
            await SampleRepository(scope).insert_many(given, method=method)
        written.append(await everything(db, Sample))
    assert len(written[0]) == len(SAMPLE)
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize("count", [1, 5, COPY_FROM, TABLE_FROM])
async def test_the_ways_that_are_chosen_by_the_number_of_rows(db: Database, count: int):
    """COPY, and the temporary tables that upserts and updates copy into, which end with their transaction."""
    async with db.scope() as scope:
        repository = DefaultedRepository(scope)
        keys = (await repository.insert_many(rows(count), returning="keys")).rows
        await repository.upsert_many(rows(count + 1, plain=7), on=Defaulted.ref)
        changed = [{"id": key, "plain": -n} for n, key in enumerate(keys)]
        await repository.update_many(changed)
        assert await repository.count() == count + 1
    assert await stored(db) == {**{f"{n}": -n for n in range(count)}, f"{count}": count + 7}
    async with db.engine.connect() as connection:
        temporary = text("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
        assert await connection.scalar(temporary) == 0


async def test_writers_at_once(db: Database):
    """Eight transactions for two server connections: each waits for one, and has it to its end."""

    async def write(writer: int) -> None:
        async with db.scope() as scope, scope.transaction():
            repository = DefaultedRepository(scope)
            await repository.insert_many([{"ref": f"{writer}.{n}", "plain": n} for n in range(COPY_FROM)])
            found = await repository.find(Defaulted.ref.startswith(f"{writer}."), limit=1000)
            assert len(found) == COPY_FROM
            found[0].plain = -1
            async with scope.transaction():  # a savepoint
                await repository.upsert_many([{"ref": f"{writer}.5", "plain": 55}], on=Defaulted.ref)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for writer in range(8):
            group.create_task(write(writer))
    written = await stored(db)
    assert len(written) == 8 * COPY_FROM
    assert [written[f"{writer}.5"] for writer in range(8)] == [55] * 8
    assert sum(value == -1 for value in written.values()) == 8


async def test_a_refused_row_is_named_and_the_transaction_goes_on(db: Database):
    async with db.scope() as scope:
        repository = DefaultedRepository(scope)
        async with scope.transaction():
            await repository.insert_many([{"ref": "a", "plain": 1}])
            with pytest.raises(BulkError, match="Another row has the same ref"):
                await repository.insert_many([{"ref": "b", "plain": 2}, {"ref": "a", "plain": 3}])
            result = await repository.insert_many(
                [{"ref": "c", "plain": 4}, {"ref": "a", "plain": 5}], on_error="collect"
            )
            assert (result.count, len(result.errors)) == (1, 1)
    assert await stored(db) == {"a": 1, "c": 4}


async def test_a_lost_update_is_told(db: Database):
    async with db.scope() as scope, scope.transaction():
        scope.add(Stock(shop=1, item="x"))

    async def write() -> None:
        async with db.scope() as scope, scope.transaction():
            (mine,) = await StockRepository(scope).find()
            async with db.scope() as other, other.transaction():
                (theirs,) = await StockRepository(other).find()
                theirs.amount = 2
            mine.amount = 1

    with pytest.raises(StaleRows):
        await write()
    assert [row["amount"] for row in await everything(db, Stock)] == [2]


async def test_an_error_rolls_back(db: Database):
    async def write() -> None:
        async with db.scope() as scope, scope.transaction():
            await DefaultedRepository(scope).insert_many(rows(COPY_FROM))
            raise RuntimeError("not today")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="not today"):
            await write()
    assert await stored(db) == {}


async def test_pages_and_streams(db: Database):
    async with db.scope() as scope:
        repository = DefaultedRepository(scope)
        await repository.insert_many(rows(50))
        seen: list[int] = []
        after = None
        while True:
            page = await repository.page(order_by=Defaulted.plain.desc(), first=7, after=after)
            seen += [row.plain for row in page.items]
            if not page.has_next:
                break
            after = page.end_cursor
        assert seen == list(range(49, -1, -1))
        streamed = [row.plain async for row in repository.stream(order_by=Defaulted.plain.asc())]
        assert streamed == list(range(50))
