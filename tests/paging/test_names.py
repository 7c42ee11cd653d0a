"""Tables and columns that are called as what statements make up are read all the same."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Page, Repository, count, expression, include, latest, top, total
from batchrepo.strategies import related_pages
from tests.paging.walking import walk_backward, walk_forward

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Base(AsyncAttrs, DeclarativeBase):
    pass


linked = sa.Table(
    "linked",
    Base.metadata,
    sa.Column("match_0", sa.ForeignKey("batch.ordinal")),
    sa.Column("c0", sa.ForeignKey("ranked.place")),
)
"""A pair may be linked twice."""


class Batch(Base):
    __tablename__ = "batch"

    ordinal: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[int | None]
    value: Mapped[int]
    k0: Mapped[int]
    page_rows: Mapped[int | None]

    pages: Mapped[list[PageRow]] = relationship(
        primaryjoin="and_(Batch.ordinal == PageRow.o0, PageRow.c0 >= Batch.value)",
        viewonly=True,
    )
    firsts: Mapped[list[First]] = relationship(
        primaryjoin="and_(Batch.ordinal == foreign(First.key), Batch.k0 == foreign(First.ordinal))",
        viewonly=True,
    )
    ranks: Mapped[list[Ranked]] = relationship(secondary=linked)


class PageRow(Base):
    __tablename__ = "page"

    id: Mapped[int] = mapped_column("match_0", primary_key=True)
    o0: Mapped[int] = mapped_column(sa.ForeignKey("batch.ordinal"), index=True)
    c0: Mapped[int]
    o1: Mapped[int | None]
    part: Mapped[int]
    beyond_start: Mapped[bool]


class Ranked(Base):
    __tablename__ = "ranked"

    place: Mapped[int] = mapped_column(primary_key=True)
    repetition: Mapped[int]
    order_0: Mapped[int | None]


class First(Base):
    __tablename__ = "firsts"

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[int] = mapped_column(index=True)
    ordinal: Mapped[int]
    counted: Mapped[int]


class PageView(BaseModel):
    id: int
    o1: int | None


class BatchView(BaseModel):
    ordinal: int
    pages: Annotated[Page[PageView], include(Batch.pages, first=2, order_by=PageRow.o1, total="exact")]
    firsts: Annotated[list[FirstView], include(Batch.firsts, first=2)]
    ranks: list[RankedView]
    page_count: int


class FirstView(BaseModel):
    id: int


class RankedView(BaseModel):
    place: int


class BatchRepository(Repository[Batch]):
    page_count = count(Batch.pages)
    rank_count = count(Batch.ranks)
    newest = latest(Batch.pages, by=PageRow.o1)
    ranked = top(Batch.ranks, 2, order_by=Ranked.order_0)


class PageRepository(Repository[PageRow]):
    pass


class RankedRepository(Repository[Ranked]):
    pass


class FirstRepository(Repository[First]):
    pass


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(module_database_url: str):
    repositories = [BatchRepository, PageRepository, RankedRepository, FirstRepository]
    async with Database(module_database_url, repositories=repositories, views=[BatchView]) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            batches = [
                {"ordinal": i, "key": None if i % 2 else 9, "value": 0, "k0": i, "page_rows": None}
                for i in range(1, 8)
            ]
            await connection.execute(sa.insert(Batch), batches)
            pages = [
                {"match_0": i, "o0": 1 + i % 3, "c0": i % 5, "part": -i, "beyond_start": i % 2 == 0}
                | {"o1": (i * 7) % 4 or None}
                for i in range(1, 22)
            ]
            await connection.execute(sa.insert(PageRow.__table__), pages)
            ranked = [{"place": i, "repetition": i % 3, "order_0": i % 2 or None} for i in range(1, 6)]
            await connection.execute(sa.insert(Ranked), ranked)
            pairs = [{"match_0": 1 + i % 2, "c0": 1 + i % 5} for i in range(20)]
            await connection.execute(sa.insert(linked), pairs)
            firsts = [{"id": i, "key": 1 + i % 3, "ordinal": 1 + i % 3, "counted": i} for i in range(9)]
            await connection.execute(sa.insert(First), firsts)
        yield opened


async def ordered(db: Database, of: Any, *order: Any) -> list[int]:
    async with db.engine.connect() as connection:
        return list(await connection.scalars(sa.select(of).order_by(*order)))


BY_MANY = (PageRow.o1.desc().nulls_last(), PageRow.part, PageRow.beyond_start.desc(), PageRow.c0)


async def test_pages_of_such_a_table(db):
    whole = await ordered(db, PageRow.id, *BY_MANY, PageRow.id)
    async with db.scope() as scope:

        async def read(**arguments: Any) -> Any:
            return await PageRepository(scope).page(order_by=BY_MANY, **arguments)

        assert await walk_forward(read, whole, 4) == await walk_backward(read, whole, 3)
        capped = await PageRepository(scope).numbered_page(PageRow.c0 > 0, number=2, size=3, order_by=BY_MANY)
    assert capped.total == 17


async def test_computed_attributes_and_relations_of_it(db):
    by_place = {place: sorted({1 + i % 5 for i in range(20) if 1 + i % 2 == place}) for place in (1, 2)}
    async with db.scope() as scope:
        page = await BatchRepository(scope).page(
            BatchView, order_by=(BatchRepository.page_count.desc(), Batch.ordinal), first=3
        )
        first = page.items[0]
        assert [item.ordinal for item in page.items] == [1, 2, 3]
        assert (first.page_count, first.pages.total, len(first.pages.items)) == (7, 7, 2)
        assert sorted(row.place for row in first.ranks) == by_place[1]
        assert [[row.id for row in item.firsts] for item in page.items] == [[0, 3], [1, 4], [2, 5]]
        batches = await BatchRepository(scope).find(order_by=Batch.ordinal)
        counts = [await scope.related(batch, BatchRepository.rank_count) for batch in batches]
        assert counts == [5, 5, 0, 0, 0, 0, 0]
        tops = await scope.related(batches[0], BatchRepository.ranked)
        assert len(tops) == 2
        newest = await scope.related(batches[0], BatchRepository.newest)
        assert newest.o1 == 3


@pytest.mark.parametrize("attribute", [Batch.pages, Batch.ranks, Batch.firsts], ids=str)
async def test_pages_of_its_relations_for_each_parent(db, attribute):
    target = attribute.property.mapper.class_
    key = sa.inspect(target).primary_key[0]
    async with db.engine.connect() as connection:
        found = sa.select(Batch.ordinal, key).distinct().join(attribute).order_by(Batch.ordinal, key)
        rows = list(await connection.execute(found))
    async with db.scope() as scope:
        for batch in await BatchRepository(scope).find(order_by=Batch.ordinal):
            whole = [child for parent, child in rows if parent == batch.ordinal]

            async def read(batch=batch, **arguments: Any) -> Any:
                return await scope.related_page(batch, attribute, order_by=(), **arguments)

            def keys(page: Any) -> list[int]:
                return [sa.inspect(item).identity[0] for item in page.items]

            assert await walk_forward(read, whole, 2, keys) == await walk_backward(read, whole, 3, keys)


async def test_parameters_of_such_names_in_conditions_stay_the_callers_own(db):
    whole = await ordered(db, PageRow.id, PageRow.id)
    async with db.scope() as scope:
        for name in (
            "page_rows",
            "start_0",
            "stop_0",
            "keys",
            "keys_0",
            "p0_key_0",
            "p0_start_0",
        ):
            condition = PageRow.id > sa.bindparam(name, 3)

            async def read(condition=condition, **arguments: Any) -> Any:
                return await PageRepository(scope).page(condition, order_by=PageRow.id, **arguments)

            await walk_forward(read, whole[3:], 11)
            await walk_backward(read, whole[3:], 11)
            (batch,) = await BatchRepository(scope).find(Batch.ordinal == 1)
            expected = [i for i in whole if i > 3 and 1 + i % 3 == 1]

            async def related(condition=condition, batch=batch, **arguments: Any) -> Any:
                return await scope.related_page(
                    batch, Batch.pages, condition, order_by=PageRow.id, **arguments
                )

            await walk_forward(related, expected, 3)
            page = await scope.related_page(batch, Batch.pages, condition, total="exact")
            assert page.total == len(expected)


@pytest.mark.parametrize("name", ["where_0", "row_limit", "row_offset", "page_rows", "start_0", "stop_0"])
async def test_a_parameter_of_such_a_name_beside_values_of_conditions(db, name):
    """In the condition, in the order, and in a condition on many parents' pages from one cursor."""
    condition = PageRow.id > sa.bindparam(name, 3)
    distance = sa.func.abs(PageRow.id - sa.bindparam(name, 12, sa.Integer))
    nearest = sorted((abs(i - 12), i) for i in range(1, 22) if i > 2)
    async with db.scope() as scope:
        pages = PageRepository(scope)
        found = await pages.find(PageView, condition, order_by=PageRow.id, limit=13)
        assert [row.id for row in found] == list(range(4, 17))
        found = (await pages.numbered_page(PageView, condition, order_by=PageRow.id, number=2, size=13)).items
        assert [row.id for row in found] == list(range(17, 22))

        async def read(**arguments: Any) -> Any:
            return await pages.page(PageView, PageRow.id > 2, order_by=distance, **arguments)

        await walk_forward(read, [i for _, i in nearest], 7)


@pytest.mark.parametrize("name", ["start_0", "stop_0"])
async def test_such_parameters_of_many_parents_pages_from_one_cursor(db, name, monkeypatch):
    monkeypatch.setattr(related_pages, "MOST_PARTS", 2)
    condition = PageRow.c0 >= sa.bindparam(name, 2)
    async with db.scope() as scope:

        async def read(batch: int, **arguments: Any) -> list[int]:
            batches = BatchRepository(scope)
            page = await batches.related_page(batch, Batch.pages, condition, order_by=PageRow.id, **arguments)
            cursors.append(page.cursors[0])
            return [row.id for row in page.items]

        cursors: list[str] = []
        assert await read(1, first=1) == [3]
        assert await read(1, last=1) == [18]
        start, stop = cursors
        after = await asyncio.gather(*(read(i, first=2, after=start) for i in (1, 2, 3)))
        before = await asyncio.gather(*(read(i, last=2, before=stop) for i in (1, 2, 3)))
    assert after == [[9, 12], [4, 7], [8, 14]]
    assert before == [[9, 12], [7, 13], [14, 17]]


class Named(Repository[Batch]):
    """All of its parameters have one name."""

    low = count(Batch.pages, where=PageRow.c0 < sa.bindparam("least", 2))
    high = count(Batch.pages, where=[PageRow.c0 >= sa.bindparam("least", 2), PageRow.c0 < 9])
    shifted = total(Batch.pages, PageRow.c0 + sa.bindparam("least", 100))
    ten_more = expression(Batch.ordinal + sa.bindparam("least", 10))
    many_more = expression(Batch.ordinal + sa.bindparam("least", 1_000))


class NamedView(BaseModel):
    ordinal: int
    low: int
    high: int
    shifted: int
    ten_more: int
    many_more: int


async def test_declarations_that_name_their_parameters_alike_keep_their_own_values(module_database_url, db):
    """They stand in one statement, and so do the totals that several callers ask for."""
    c0 = [i % 5 for i in range(1, 22) if 1 + i % 3 == 1]
    expected = NamedView(
        ordinal=1,
        low=sum(value < 2 for value in c0),
        high=sum(value >= 2 for value in c0),
        shifted=sum(c0) + 100 * len(c0),
        ten_more=11,
        many_more=1_001,
    )
    async with Database(module_database_url, repositories=[Named]) as opened, opened.scope() as scope:
        batches = Named(scope)
        assert await batches.find(NamedView, order_by=(Named.low - Named.high, Batch.ordinal)) == sorted(
            await batches.find(NamedView), key=lambda view: (view.low - view.high, view.ordinal)
        )
        assert await batches.get(1, NamedView) == expected

        async def counted(least: int) -> int | None:
            condition = PageRow.c0 >= sa.bindparam("least", least)
            return (await batches.related_page(1, Batch.pages, condition, first=0, total="exact")).total

        assert await asyncio.gather(*map(counted, range(5))) == [
            sum(value >= least for value in c0) for least in range(5)
        ]
