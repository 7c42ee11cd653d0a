"""Predicates, several criteria on one class or column, and classes that share a name."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import BaseModel
from sqlalchemy import ForeignKey, and_, bindparam, func, or_, select, true
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)

from batchrepo import Database, Repository, count, latest, match, predicate
from tests.criteria.models import Label, Member, Page, Part, Remark
from tests.criteria.rows import View, keys_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING = View(site=None)


@dataclass(frozen=True)
class Reader:
    """A context with more in it than a site."""

    site: int = 1
    least: int = 0
    titles: tuple[str, ...] = ()
    is_editor: bool = False


class Keyed(BaseModel):
    id: int


class PageView(BaseModel):
    id: int
    remarks: list[Keyed]
    remark_total: int


class LabelView(BaseModel):
    id: int
    pages: list[Keyed]


class Labels(Repository[Label]):
    page_total = count(Label.pages)


class Remarks(Repository[Remark]):
    pass


def big_enough(row, least):
    return row["size"] is not None and row["size"] >= least


PREDICATES = {
    "a column": (predicate(Page.size >= 10), lambda row, reader: big_enough(row, 10)),
    "two conditions": (
        predicate(and_(Page.size >= 10, Page.title != "p1")),
        lambda row, reader: big_enough(row, 10) and row["title"] != "p1",
    ),
    "alternatives": (
        predicate(or_(Page.size >= 30, Page.size.is_(None))),
        lambda row, reader: row["size"] is None or row["size"] >= 30,
    ),
    "a relation": (
        predicate(Page.author.has(Member.name == "m1")),
        lambda row, reader: EVERYTHING.row(Member, row["author_id"])["name"] == "m1",
    ),
    "a list": (
        predicate(Page.labels.any(Label.id == 2)),
        lambda row, reader: 2 in EVERYTHING.related(Page.labels, row["id"]),
    ),
    "from the context": (
        predicate(lambda reader: Page.size >= reader.least),
        lambda row, reader: big_enough(row, reader.least),
    ),
    "from the context, in a list": (
        predicate(lambda reader: Page.title.in_(reader.titles)),
        lambda row, reader: row["title"] in reader.titles,
    ),
    "from the context, sometimes nothing": (
        predicate(lambda reader: True if reader.is_editor else Page.size >= reader.least),
        lambda row, reader: reader.is_editor or big_enough(row, reader.least),
    ),
    "from the context, sometimes SQL's own true": (
        predicate(lambda reader: true() if reader.is_editor else Page.size >= reader.least),
        lambda row, reader: reader.is_editor or big_enough(row, reader.least),
    ),
}

READERS = (Reader(), Reader(least=20, titles=("p1", "p2")), Reader(site=2, least=30), Reader(is_editor=True))


async def assert_visible_pages(database, repository, reader, visible):
    """All ways to read pages and what leads to them, against the keys that may be seen."""
    async with database.scope(reader) as scope:
        pages = repository(scope)
        assert sorted(one.id for one in await pages.find()) == visible
        assert [one.id for one in await pages.find(PageView, order_by=Page.id)] == visible
        assert await pages.count() == len(visible)
        assert await pages.exists() == bool(visible)
        assert [one.id async for one in pages.stream(chunk_size=5)] == visible
        assert [one and one.id for one in await pages.get_many_or_none(range(1, 31))] == [
            key if key in visible else None for key in range(1, 31)
        ]
        assert sorted(await scope.fetch(select(Page.id))) == visible
        assert await scope.fetch(select(func.count()).select_from(aliased(Page))) == [len(visible)]
        for label in await scope.fetch(select(Label).options(selectinload(Label.pages))):
            expected = [key for key in EVERYTHING.related(Label.pages, label.id) if key in visible]
            assert [one.id for one in label.pages] == expected
    async with database.scope(reader) as scope:
        views = {view.id: view for view in await Labels(scope).find(LabelView)}
        for label in await Labels(scope).find():
            expected = [key for key in EVERYTHING.related(Label.pages, label.id) if key in visible]
            assert keys_of(Page, await scope.related(label, Label.pages)) == expected
            assert await scope.related(label, Labels.page_total) == len(expected)
            assert [one.id for one in views[label.id].pages] == expected
        for remark in await Remarks(scope).find(include=[Remark.page]):
            page = EVERYTHING.row(Remark, remark.id)["page_id"]
            assert (remark.page and remark.page.id) == (page if page in visible else None)
        assert await Remarks(scope).count(Remark.page.has()) == sum(
            row["page_id"] in visible for row in EVERYTHING.rows(Remark)
        )


def pages_repository(*declared):
    class Pages(Repository[Page]):
        criteria = declared
        remark_total = count(Page.remarks)
        last_remark = latest(Page.remarks, by=Remark.stars)

    return Pages


@pytest.mark.parametrize(("criterion", "oracle"), PREDICATES.values(), ids=PREDICATES)
async def test_a_predicate_holds_everywhere(db, criterion, oracle):
    repository = pages_repository(criterion)
    database = Database(db.engine, repositories=[repository, Labels, Remarks])
    for reader in READERS:
        visible = [row["id"] for row in EVERYTHING.rows(Page) if oracle(row, reader)]
        await assert_visible_pages(database, repository, reader, visible)


async def test_a_match_and_predicates_hold_together(db):
    """Also two matches of one column, whose values travel under names of their own."""
    repository = pages_repository(
        match(Page.site, lambda reader: reader.site),
        match(Page.site, lambda reader: 1),
        predicate(Page.size >= 10),
        predicate(lambda reader: Page.size >= reader.least),
    )
    database = Database(db.engine, repositories=[repository, Labels, Remarks])
    for reader in READERS:
        visible = [
            row["id"]
            for row in EVERYTHING.rows(Page)
            if row["site"] == reader.site == 1 and big_enough(row, max(10, reader.least))
        ]
        await assert_visible_pages(database, repository, reader, visible)


async def test_criteria_of_all_repositories_of_a_class_hold_together(db):
    first, second = (
        pages_repository(match(Page.site, lambda reader: reader.site)),
        pages_repository(predicate(Page.size >= 10)),
    )
    database = Database(db.engine, repositories=[first, second, Labels, Remarks])
    visible = [row["id"] for row in EVERYTHING.rows(Page) if row["site"] == 1 and big_enough(row, 10)]
    for repository in (first, second):
        await assert_visible_pages(database, repository, Reader(), visible)


async def test_a_predicate_of_a_base_class_holds_for_its_subclasses(db):
    class Parts(Repository[Part]):
        criteria = (predicate(lambda reader: Part.id > reader.least),)

    database = Database(db.engine, repositories=[Parts])
    async with database.scope(Reader(least=20)) as scope:
        found = await Parts(scope).find()
        assert sorted(one.id for one in found) == [key for key in EVERYTHING.keys(Part) if key > 20]
        counted = await scope.fetch(select(func.count(Part.id)).where(Part.kind == "picture"))
        assert counted == [sum(one.kind == "picture" for one in found)]


async def test_a_predicate_with_a_self_reference_holds_in_aliases(db):
    """Inside the alias of a class, the class's own predicate speaks of the alias."""

    class Members(Repository[Member]):
        criteria = (predicate(Member.mentor.has()),)

    has_mentor = [row["id"] for row in EVERYTHING.rows(Member) if row["mentor_id"] is not None]
    mentored_twice = [key for key in has_mentor if EVERYTHING.related(Member.mentor, key) in has_mentor]
    async with Database(db.engine, repositories=[Members]).scope() as scope:
        other = aliased(Member)
        assert sorted(await scope.fetch(select(other.id))) == has_mentor
        found = await Members(scope).find(Member.mentor.has(), order_by=Member.id)
        assert [one.id for one in found] == mentored_twice
        seen = {
            key: mentor if (mentor := EVERYTHING.related(Member.mentor, key)) in has_mentor else None
            for key in has_mentor
        }
        joined = select(Member.id, other.id).outerjoin(Member.mentor.of_type(other))
        assert sorted(await scope.fetch(joined)) == sorted(seen.items())
        for found in (
            await Members(scope).find(include=[Member.mentor]),
            await scope.fetch(select(Member).options(joinedload(Member.mentor))),
            await scope.fetch(select(Member).options(selectinload(Member.mentor))),
        ):
            assert {one.id: one.mentor and one.mentor.id for one in found} == seen


@pytest.mark.parametrize("per_scope", [False, True], ids=["fixed", "per scope"])
@pytest.mark.parametrize("name", ["least", "where_0"])
async def test_a_parameter_of_a_criterion_has_its_value_whatever_a_caller_names_his(db, per_scope, name):
    """Of parameters with one name SQLAlchemy sends one value: the last one's, or that of a condition kept by name."""
    condition = Page.size >= bindparam(name, 20)
    pages = pages_repository(predicate((lambda reader: condition) if per_scope else condition))
    visible = [row["id"] for row in EVERYTHING.rows(Page) if big_enough(row, 20)]
    by_distance = func.abs(Page.size - bindparam(name, 0))
    async with Database(db.engine, repositories=[pages]).scope(Reader()) as scope:
        for where in ((), (Page.id > 0,), (Page.id > bindparam(name, 0),)):
            found = [
                await pages(scope).find(*where, order_by=(by_distance, Page.id)),
                await pages(scope).find(Keyed, *where, order_by=(by_distance, Page.id)),
                (await pages(scope).page(*where, order_by=by_distance, first=100)).items,
                (await pages(scope).page(Keyed, *where, order_by=by_distance, first=100)).items,
                await scope.fetch(select(Page).where(*where).order_by(by_distance)),
            ]
            assert [sorted(row.id for row in rows) for rows in found] == [visible] * 5
            assert await pages(scope).count(*where) == len(visible)


# --- classes of one name -------------------------------------------------------------------------------


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    pages: Mapped[list[LooseLeaf]] = relationship(order_by=lambda: LooseLeaf.id)


class LooseLeaf(Base):
    __tablename__ = "loose_leaf"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int]
    shelf_id: Mapped[int] = mapped_column(ForeignKey("shelf.id"))


LooseLeaf.__name__ = "Page"


async def test_classes_of_one_name_keep_their_own_criteria(db):
    """`Page` of the store and another `Page` whose columns have other names and values."""

    class Leaves(Repository[LooseLeaf]):
        criteria = (match(LooseLeaf.owner, lambda reader: reader.least),)

    class Shelves(Repository[Shelf]):
        criteria = (match(Shelf.owner, lambda reader: reader.least),)
        page_total = count(Shelf.pages)

    pages = pages_repository(match(Page.site, lambda reader: reader.site))
    async with db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(Shelf.__table__.delete())
        await connection.execute(Shelf.__table__.insert(), [{"id": i, "owner": i % 3} for i in range(1, 10)])
        leaves = [{"id": i, "owner": i % 3, "shelf_id": 1 + i % 9} for i in range(1, 40)]
        await connection.execute(LooseLeaf.__table__.insert(), leaves)
    try:
        database = Database(db.engine, repositories=[Leaves, Shelves, pages])
        async with database.scope(Reader(site=1, least=2)) as scope:
            assert sorted(one.id for one in await pages(scope).find()) == View(1).keys(Page)
            own = [leaf for leaf in leaves if leaf["owner"] == 2]
            assert sorted(one.id for one in await Leaves(scope).find()) == [leaf["id"] for leaf in own]
            assert await scope.fetch(select(func.count(LooseLeaf.id))) == [len(own)]
            for shelf in await Shelves(scope).find():
                expected = [leaf["id"] for leaf in own if leaf["shelf_id"] == shelf.id]
                assert [leaf.id for leaf in await scope.related(shelf, Shelf.pages)] == expected
                assert await scope.related(shelf, Shelves.page_total) == len(expected)
    finally:
        async with db.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
