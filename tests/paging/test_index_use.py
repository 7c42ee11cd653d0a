"""PostgreSQL reads a page from an index, however deep it is: as many rows as the page has, and none is sorted.

The table has far more rows than a page, and the statements are those that really ran, explained with what they did.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Repository
from batchrepo.testing import assert_statements

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", ["postgresql"], indirect=True),
]

ROWS = 6_000
"""Rows of the table."""

SHELVES = 20
"""Each has so many of them."""

STARS = [None if i % 3 == 0 else i // 5 for i in range(ROWS + 1)]
"""The stars of each book by its key."""

SIZE = 10
"""Rows on a page."""


TIES = 3
"""Most rows besides one that are equal in a column of an order."""

FILLER = "x" * 100


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"

    id: Mapped[int] = mapped_column(primary_key=True)

    leaves: Mapped[list[Leaf]] = relationship()


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int]
    year: Mapped[int]
    stars: Mapped[int | None]
    filler: Mapped[str]

    __table_args__ = (
        sa.Index("by_price", "price", "id"),
        sa.Index("by_price_and_year", "price", sa.desc("year"), "id"),
        sa.Index("by_stars", "stars", "id"),
        sa.Index("by_stars_nulls_first", sa.text("stars ASC NULLS FIRST"), "id"),
    )


class Leaf(Base):
    """Of a shelf."""

    __tablename__ = "leaf"
    __table_args__ = (
        sa.Index("by_shelf", "shelf_id", "price", "id"),
        sa.Index("by_shelf_and_stars", "shelf_id", "stars", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(sa.ForeignKey("shelf.id"))
    price: Mapped[int]
    stars: Mapped[int | None]
    filler: Mapped[str]


class ShelfRepository(Repository[Shelf]):
    pass


class BookRepository(Repository[Book]):
    max_page_size = 6_000


class LeafRepository(Repository[Leaf]):
    max_page_size = 6_000


class Line(BaseModel):
    id: int


REPOSITORIES = [ShelfRepository, BookRepository, LeafRepository]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(module_database_url: str):
    async with Database(module_database_url, repositories=REPOSITORIES) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(sa.insert(Shelf), [{"id": i} for i in range(SHELVES)])
            both = [
                {"id": i, "price": i // 3, "stars": STARS[i], "filler": FILLER} for i in range(1, ROWS + 1)
            ]
            await connection.execute(sa.insert(Book), [{**row, "year": row["id"] % 7} for row in both])
            await connection.execute(
                sa.insert(Leaf), [{**row, "shelf_id": row["id"] % SHELVES} for row in both]
            )
        async with opened.engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.execute(sa.text("VACUUM ANALYZE book, leaf"))
        yield opened


@dataclass(frozen=True)
class Work:
    """What PostgreSQL did for a statement."""

    plan: dict[str, Any]

    @property
    def nodes(self) -> list[dict[str, Any]]:
        return list(_nodes(self.plan))

    @property
    def scans(self) -> list[dict[str, Any]]:
        """The nodes that read a table and that ran."""
        return [node for node in self.nodes if "Relation Name" in node and node["Actual Loops"]]

    @property
    def rows_read(self) -> int:
        """Rows that were taken from the table or its indexes, those that a condition then left out too."""
        return sum(
            round(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))
            for node in self.scans
        )

    @property
    def rows_sorted(self) -> int:
        """The most rows that a node sorted."""
        return max(
            (
                round(child["Actual Rows"] * child["Actual Loops"])
                for node in self.nodes
                if node["Node Type"] in ("Sort", "Incremental Sort")
                for child in node["Plans"]
            ),
            default=0,
        )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


async def explained(db: Database, sql: str, parameters: Any) -> Work:
    async with db.engine.connect() as connection:
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}"
        answer = (await connection.exec_driver_sql(explain, tuple(parameters))).scalar_one()
    plan = json.loads(answer) if isinstance(answer, str) else answer
    return Work(plan[0]["Plan"])


async def work_of(db: Database, reading: Any) -> tuple[Any, Work]:
    """What a read gives, and the work of its one statement."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(db.engine.sync_engine, "before_cursor_execute", note)
    try:
        with assert_statements(1, db):
            result = await reading
    finally:
        event.remove(db.engine.sync_engine, "before_cursor_execute", note)
    ((sql, parameters),) = seen
    return result, await explained(db, sql, parameters)


def assert_indexed(work: Work, pages: int = 1) -> None:
    """Only indexes were read, and of them no more than the pages and what tells whether there is more."""
    kinds = {node["Node Type"] for node in work.scans}
    assert kinds
    assert kinds <= {"Index Scan", "Index Only Scan"}
    # A page and the row behind it, where NULLs begin from a second range; two looks to the other side of the cursor;
    # and each time rows that are equal in the first column.
    assert work.rows_read <= pages * (2 * (SIZE + 1) + 2 + 4 * TIES)
    assert work.rows_sorted <= pages * 2 * (SIZE + 1)


ORDERS = {
    "row value": (Book.price,),
    "row value, descending": (Book.price.desc(), Book.id.desc()),
    "mixed": (Book.price, Book.year.desc(), Book.id),
    "nullable, last": (Book.stars,),
    "nullable, last, descending": (Book.stars.desc().nulls_last(), Book.id.desc()),
    "nullable, first": (Book.stars.nulls_first(),),
    "nullable, first, descending": (Book.stars.desc(), Book.id.desc()),
}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
async def test_a_page_is_read_from_an_index(db, order):
    """From any place, forward and backward: among values, among NULLs and where the ones end and the others begin."""
    async with db.scope() as scope:
        books = BookRepository(scope)
        walked = await books.page(Line, order_by=order, first=ROWS)
        null = [STARS[line.id] is None for line in walked.items]
        edges = [i for i in range(1, ROWS) if null[i] != null[i - 1]]
        around = [edges[0] - SIZE // 2, edges[0] + SIZE // 2] if len(edges) == 1 else []
        for place in (1, ROWS // 2, *around, int(ROWS * 0.9)):
            cursor = walked.cursors[place]
            page, work = await work_of(db, books.page(Line, order_by=order, first=SIZE, after=cursor))
            assert page.items == walked.items[place + 1 : place + 1 + SIZE]
            assert_indexed(work)
            page, work = await work_of(db, books.page(Line, order_by=order, last=SIZE, before=cursor))
            assert page.items == walked.items[max(0, place - SIZE) : place]
            assert_indexed(work)


async def test_the_plain_form_with_or_reads_everything_before_the_page(db):
    """What `a > x OR (a = x AND id > y)` costs, which says the same: why it is not written so."""
    last = ROWS * 3 // 4
    deep = last // 3
    plain = sa.or_(Book.price > deep, sa.and_(Book.price == deep, Book.id > last))
    statement = sa.select(Book.id).where(plain).order_by(Book.price, Book.id).limit(SIZE + 1)
    compiled = statement.compile(dialect=db.engine.dialect, compile_kwargs={"literal_binds": True})
    work = await explained(db, str(compiled), ())
    assert work.rows_read > ROWS / 2


async def test_entities_of_a_page_are_found_by_their_keys(db):
    async with db.scope() as scope:
        books = BookRepository(scope)
        cursor = (await books.page(Line, order_by=Book.price, first=ROWS // 2)).end_cursor
        page, work = await work_of(db, books.page(order_by=Book.price, first=SIZE, after=cursor))
        assert len(page.items) == SIZE
        kinds = {node["Node Type"] for node in work.scans}
        assert kinds <= {"Index Scan", "Index Only Scan"}
        assert work.rows_read <= 2 * (SIZE + 1) + 1 + 2 * TIES


@pytest.mark.parametrize("backward", [False, True], ids=["forward", "backward"])
@pytest.mark.parametrize("order", [(Leaf.price,), (Leaf.stars,)], ids=["row value", "nullable"])
async def test_pages_of_parents_are_read_from_an_index_each_from_its_cursor(db, order, backward):
    async with db.scope() as scope:
        repository = ShelfRepository(scope)
        size, most = ("last", "before") if backward else ("first", "after"), ROWS // SHELVES // 2
        half = [
            await repository.related_page(shelf, Shelf.leaves, Line, order_by=order, **{size[0]: most})
            for shelf in (1, 2, 3)
        ]
        cursors = [page.start_cursor if backward else page.end_cursor for page in half]
        shelves = await repository.find(Shelf.id.in_([1, 2, 3]), order_by=Shelf.id)

        async def gathered() -> Any:
            return await asyncio.gather(
                *(
                    scope.related_page(
                        shelf, Shelf.leaves, Line, order_by=order, **{size[0]: SIZE, size[1]: cursor}
                    )
                    for shelf, cursor in zip(shelves, cursors, strict=True)
                )
            )

        pages, work = await work_of(db, gathered())
    assert [len(page.items) for page in pages] == [SIZE] * 3
    assert_indexed(work, pages=3)
