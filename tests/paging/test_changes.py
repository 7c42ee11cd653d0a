"""Rows come and go while somebody pages: no row that stayed is skipped or seen twice. Chunks go on from a cursor."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchrepo import Database
from batchrepo.testing import assert_statements
from tests.paging.models import Item, ItemRepository, Maker, MakerRepository
from tests.paging.orders import EXPRESSIONS, OWN, RELATED, orders
from tests.paging.relations import ById
from tests.paging.rows import Row, Store, item_rows, put_rows

pytestmark = pytest.mark.asyncio(loop_scope="module")

FEW = settings(
    max_examples=max(5, settings.default.max_examples // 5),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)

SORTED = (*OWN[:6], *OWN[12:16], *EXPRESSIONS[:4], RELATED[6], RELATED[8])
"""Columns, expressions, and columns of related rows."""

MAKERS = [{"id": i, "name": name, "rating": i} for i, name in ((1, "a"), (2, None))]


class World:
    """The items of a database, some of which come and go."""

    def __init__(self, db: Database, rows: list[Row]) -> None:
        self.db = db
        self.rows = {row["id"]: row for row in rows}
        self.stayed = set(self.rows)

    async def change(self, gone: list[int], come: list[Row]) -> None:
        """Delete rows and insert others, in a transaction of somebody else."""
        async with self.db.engine.begin() as connection:
            if gone:
                await connection.execute(sa.delete(Item).where(Item.id.in_(gone)))
            added = [row for row in come if row["id"] not in self.rows]
            for row in added:
                await connection.execute(
                    sa.insert(Item.__table__).values(
                        {Item.__table__.c[n if n != "id" else "item_no"]: v for n, v in row.items()}
                    )
                )
        self.stayed -= set(gone)
        self.rows |= {row["id"]: row for row in added}

    def check(self, seen: list[int], whole: list[int]) -> None:
        """What was seen against the order in which the rows were at first."""
        assert len(set(seen)) == len(seen), "a row was seen twice"
        assert [key for key in seen if key in self.stayed] == [key for key in whole if key in self.stayed]


@st.composite
def changes(
    draw: st.DrawFn, dialect: str, rows: list[Row], columns: list[str]
) -> list[tuple[list[int], list[Row]]]:
    """What happens between pages: which rows go, and which come."""
    keys = [row["id"] for row in rows]
    found = []
    for _ in range(draw(st.integers(1, 4))):
        gone = draw(st.lists(st.sampled_from(keys), unique=True, max_size=3)) if keys else []
        come = draw(item_rows(dialect, columns, most=3))
        found.append((gone, come))
    return found


@settings(FEW)
@given(data=st.data())
async def test_no_row_that_stayed_is_skipped_or_repeated(db, data):
    """By pages forward, backward and of a relation, and by chunks, while rows are inserted and deleted at any place."""
    dialect = db.engine.dialect.name
    case = data.draw(orders(SORTED))
    rows = data.draw(item_rows(dialect, case.columns, most=10, least=1))
    for row in rows:
        row["maker_id"] = 1
    steps = data.draw(changes(dialect, rows, case.columns))
    size = data.draw(st.integers(1, 3))
    for way in ("forward", "backward", "related", "chunks"):
        await put_rows(db.engine, Store(rows, MAKERS))
        async with db.engine.connect() as connection:
            whole = list(await connection.scalars(sa.select(Item.id).order_by(*case.whole(dialect))))
        world, pending = World(db, rows), list(steps)
        seen: list[int] = []
        async for keys in WAYS[way](db, case.elements(dialect), size):
            seen = [*keys, *seen] if way == "backward" else [*seen, *keys]
            if pending:
                await world.change(*pending.pop())
        world.check(seen, whole)


async def forward(db: Database, order: Any, size: int) -> Any:
    after = None
    while True:
        async with db.scope() as scope:  # as a client does: each page by a request of its own
            page = await ItemRepository(scope).page(ById, order_by=order, first=size, after=after)
        yield [item.id for item in page.items]
        if not page.has_next:
            return
        after = page.end_cursor or after


async def backward(db: Database, order: Any, size: int) -> Any:
    before = None
    while True:
        async with db.scope() as scope:
            page = await ItemRepository(scope).page(ById, order_by=order, last=size, before=before)
        yield [item.id for item in page.items]
        if not page.has_previous:
            return
        before = page.start_cursor or before


async def related(db: Database, order: Any, size: int) -> Any:
    after = None
    while True:
        async with db.scope() as scope:
            page = await MakerRepository(scope).related_page(
                1, Maker.items, ById, order_by=order, first=size, after=after
            )
        yield [item.id for item in page.items]
        if not page.has_next:
            return
        after = page.end_cursor or after


async def chunks(db: Database, order: Any, size: int) -> Any:
    async with db.scope() as scope:
        async for chunk in ItemRepository(scope).chunks(ById, order_by=order, size=size):
            yield [item.id for item in chunk.items]


WAYS = {"forward": forward, "backward": backward, "related": related, "chunks": chunks}


@settings(FEW)
@given(data=st.data())
async def test_chunks_from_a_cursor_are_the_rest_of_the_whole(db, data):
    """A job that was stopped goes on behind any row; it is told how many rows are done, chunk by chunk."""
    dialect = db.engine.dialect.name
    case = data.draw(orders((*SORTED, *RELATED[:6])))
    rows = data.draw(item_rows(dialect, case.columns, most=10, least=1))
    size = data.draw(st.integers(1, 4))
    await put_rows(db.engine, Store(rows))
    async with db.engine.connect() as connection:
        whole = list(await connection.scalars(sa.select(Item.id).order_by(*case.whole(dialect))))
    place = data.draw(st.integers(0, len(whole) - 1))
    async with db.scope() as scope:
        items = ItemRepository(scope)
        first = await items.page(ById, order_by=case.elements(dialect), first=len(whole))
        rest, after = whole[place + 1 :], first.cursors[place]
        told: list[int] = []
        with assert_statements(max(1, -(-len(rest) // size)), db):
            chunks = [
                chunk
                async for chunk in items.chunks(
                    ById, order_by=case.elements(dialect), after=after, size=size, progress=told.append
                )
            ]
        assert [item.id for chunk in chunks for item in chunk.items] == rest
        assert [cursor for chunk in chunks for cursor in chunk.cursors] == list(first.cursors)[place + 1 :]
        assert told == [min(done + size, len(rest)) for done in range(0, len(rest), size)]
        streamed = items.stream(order_by=case.elements(dialect), after=after, chunk_size=size)
        assert [item.id async for item in streamed] == rest
        if chunks:
            again = items.chunks(ById, order_by=case.elements(dialect), after=chunks[0].end_cursor, size=50)
            assert [item.id async for chunk in again for item in chunk.items] == rest[size:]
