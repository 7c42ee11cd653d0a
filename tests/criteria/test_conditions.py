"""What a condition reaches beyond its own entity is guarded too: has(), any(), subqueries, aliases, tables."""

from __future__ import annotations

from functools import partial

import pytest
from pydantic import BaseModel
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    case,
    column,
    except_,
    exists,
    func,
    literal,
    literal_column,
    select,
    table,
    text,
    union,
)
from sqlalchemy.orm import aliased, outerjoin

from batchrepo import InvalidArgument, UnguardedStatement
from batchrepo.testing import assert_statements
from tests.criteria.models import Chapter, Label, Member, Page, Part, Picture, Remark
from tests.criteria.repositories import REPOSITORY_OF, Context, PageRepository
from tests.criteria.rows import View, keys_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)


class Keyed(BaseModel):
    id: int


def related(attribute):
    return lambda key: SEES.related(attribute, key)


def pictures(page):
    return [part for part in SEES.related(Page.parts, page) if SEES.sees(Picture, part)]


def author_name(page):
    author = SEES.related(Page.author, page)
    return SEES.row(Member, author)["name"] if author is not None else None


def stars(page):
    return [value or 0 for value in SEES.values(Page.remarks, page, "stars")]


def same_author(page):
    """Whether another visible page has the same author, visible or not."""
    author = SEES.row(Page, page)["author_id"]
    return any(other["author_id"] == author and other["id"] != page for other in SEES.rows(Page))


def nobody(_key):
    return False


def everybody(_key):
    return True


def remark_count(**options):
    counted = select(func.count(Remark.id)).where(Remark.page_id == Page.id)
    return (counted.correlate(Page) if options.get("explicit") else counted).scalar_subquery()


other_page, other_remark, other_member = aliased(Page), aliased(Remark), aliased(Member)
good_remark = aliased(Remark, select(Remark).where(Remark.stars >= 2).subquery())
flat_picture = aliased(Picture, flat=True)
remark_table, picture_table = Remark.__table__, Picture.__table__
remark_alias = remark_table.alias("remark_alias")

CONDITIONS = {
    "has": (Page, Page.author.has(), related(Page.author)),
    "not has": (Page, ~Page.author.has(), lambda key: SEES.related(Page.author, key) is None),
    "has of a value": (Page, Page.author.has(Member.name == "m1"), lambda key: author_name(key) == "m1"),
    "has of a hidden value": (Page, Page.author.has(Member.site == 2), nobody),
    "self-referential has": (Member, Member.mentor.has(), related(Member.mentor)),
    "self-referential has, twice": (
        Member,
        Member.mentor.has(Member.mentor.has()),
        lambda key: (mentor := SEES.related(Member.mentor, key)) and SEES.related(Member.mentor, mentor),
    ),
    "self-referential any": (Member, Member.pupils.any(), related(Member.pupils)),
    "any": (Page, Page.remarks.any(), related(Page.remarks)),
    "any of a hidden value": (Page, Page.remarks.any(Remark.site == 2), nobody),
    "not any of a hidden value": (Page, ~Page.remarks.any(Remark.site == 2), everybody),
    "any through a link table": (
        Page,
        Page.labels.any(Label.id == 2),
        lambda k: 2 in SEES.related(Page.labels, k),
    ),
    "any through repeated links": (Page, Page.readers.any(), related(Page.readers)),
    "any of a hidden value through a link table": (Page, Page.labels.any(Label.site == 2), nobody),
    "any below has": (
        Remark,
        Remark.page.has(Page.labels.any()),
        lambda key: (page := SEES.related(Remark.page, key)) and SEES.related(Page.labels, page),
    ),
    "has below any": (
        Member,
        Member.pages.any(Page.remarks.any(Remark.stars == 3)),
        lambda key: any(3 in stars(page) for page in SEES.related(Member.pages, key)),
    ),
    "any through a composite key": (
        Page,
        Page.chapters.any(Chapter.notes.any()),
        lambda key: any(SEES.related(Chapter.notes, chapter) for chapter in SEES.related(Page.chapters, key)),
    ),
    "any of an alias": (Page, Page.remarks.of_type(other_remark).any(other_remark.site == 2), nobody),
    "any of a subclass": (Page, Page.parts.of_type(Picture).any(), pictures),
    "any of a subclass's column": (
        Page,
        Page.parts.of_type(Picture).any(Picture.width > 100),
        lambda key: any(picture > 10 for picture in pictures(key)),
    ),
    "contains": (Page, Page.labels.contains(Label(id=3)), lambda key: 3 in SEES.related(Page.labels, key)),
    "in a subquery": (Page, Page.id.in_(select(Remark.page_id)), related(Page.remarks)),
    "in a subquery of hidden rows": (
        Page,
        Page.id.in_(select(Remark.page_id).where(Remark.site == 2)),
        nobody,
    ),
    "not in a subquery of hidden rows": (
        Page,
        Page.id.not_in(select(Remark.page_id).where(Remark.site == 2)),
        everybody,
    ),
    "in a subquery of a subclass": (Page, Page.id.in_(select(Picture.page_id)), pictures),
    "in a subquery that joins": (
        Page,
        Page.id.in_(select(Remark.page_id).join(Remark.page).where(Page.site == 2)),
        nobody,
    ),
    "in a subquery that joins a subclass": (
        Page,
        Page.id.in_(select(Remark.page_id).join(Picture, Picture.page_id == Remark.page_id)),
        lambda key: SEES.related(Page.remarks, key) and pictures(key),
    ),
    "in a subquery that joins an alias of a subclass": (
        Page,
        Page.id.in_(select(Remark.page_id).join(flat_picture, flat_picture.page_id == Remark.page_id)),
        lambda key: SEES.related(Page.remarks, key) and pictures(key),
    ),
    "in a subquery of its own class by an alias": (
        Member,
        Member.mentor_id.in_(select(other_member.id)),
        related(Member.mentor),
    ),
    "in a subquery of a subquery": (
        Page,
        Page.id.in_(select(select(Remark.page_id).where(Remark.site == 2).subquery().c.page_id)),
        nobody,
    ),
    "in a common table expression": (
        Page,
        Page.id.in_(select(select(Remark.page_id).cte().c.page_id)),
        related(Page.remarks),
    ),
    "in a union": (
        Page,
        Page.id.in_(union(select(Remark.page_id), select(Part.page_id))),
        lambda key: SEES.related(Page.remarks, key) or SEES.related(Page.parts, key),
    ),
    "in a difference": (
        Page,
        Page.id.in_(except_(select(Remark.page_id), select(Part.page_id))),
        lambda key: SEES.related(Page.remarks, key) and not SEES.related(Page.parts, key),
    ),
    "in an alias of a subquery": (
        Page,
        Page.id.in_(select(good_remark.page_id)),
        lambda key: any(value >= 2 for value in stars(key)),
    ),
    "exists": (Page, exists(select(Remark).where(Remark.page_id == Page.id)), related(Page.remarks)),
    "exists, its table in the condition only": (
        Page,
        select(literal(1)).where(Remark.page_id == Page.id, Remark.site == 2).exists(),
        nobody,
    ),
    "exists of its own class": (
        Page,
        exists().where(other_page.author_id == Page.author_id, other_page.id != Page.id),
        same_author,
    ),
    "a scalar subquery": (Page, remark_count() >= 2, lambda key: len(stars(key)) >= 2),
    "a scalar subquery that names its owner": (
        Page,
        remark_count(explicit=True) >= 2,
        lambda key: len(stars(key)) >= 2,
    ),
    "a filtered aggregate in a subquery": (
        Page,
        select(func.count(Remark.id).filter(Remark.site == 2))
        .where(Remark.page_id == Page.id)
        .scalar_subquery()
        > 0,
        nobody,
    ),
    "a mapped subquery": (Page, Page.remark_count >= 2, lambda key: len(stars(key)) >= 2),
    "a mapped subquery below has": (
        Remark,
        Remark.page.has(Page.remark_count >= 2),
        lambda key: (page := SEES.related(Remark.page, key)) and len(stars(page)) >= 2,
    ),
    "a case": (Page, case((Page.remarks.any(Remark.site == 2), 1), else_=0) == 1, nobody),
    "a table": (Page, Page.id.in_(select(remark_table.c.page_id)), related(Page.remarks)),
    "a table's hidden rows": (
        Page,
        Page.id.in_(select(remark_table.c.page_id).where(remark_table.c.site == 2)),
        nobody,
    ),
    "an alias of a table": (
        Page,
        Page.id.in_(select(remark_alias.c.page_id).where(remark_alias.c.site == 2)),
        nobody,
    ),
    "a joined table": (
        Page,
        Page.id.in_(select(Part.page_id).join(remark_table, remark_table.c.page_id == Part.page_id)),
        lambda key: SEES.related(Page.parts, key) and SEES.related(Page.remarks, key),
    ),
    "a subclass's own table": (
        Part,
        Part.id.in_(select(picture_table.c.id)),
        lambda key: SEES.sees(Picture, key),
    ),
    "counted rows of a subclass's own table": (
        Page,
        select(func.count()).select_from(picture_table).scalar_subquery() == len(SEES.keys(Picture)),
        everybody,
    ),
    "counted rows of an alias of a subclass's own table": (
        Page,
        select(func.count()).select_from(picture_table.alias()).scalar_subquery() == len(SEES.keys(Picture)),
        everybody,
    ),
}
"""For each name a class, a condition on it, and which of the visible rows meet it."""


async def test_conditions_see_visible_rows_only(db, subtests):
    for name, (cls, condition, oracle) in CONDITIONS.items():
        expected = [key for key in SEES.keys(cls) if oracle(key)]
        async with db.scope(Context(site=1)) as scope:
            repository = REPOSITORY_OF[cls](scope)
            with subtests.test(name):
                assert sorted(keys_of(cls, await repository.find(condition))) == expected
                assert sorted(keys_of(cls, await repository.find(Keyed, condition))) == expected
                assert await repository.count(condition) == len(expected)
                assert await repository.exists(condition) == bool(expected)
                assert [one.id async for one in repository.stream(Keyed, condition, chunk_size=5)] == expected


async def test_orders_see_visible_rows_only(scope):
    found = await PageRepository(scope).find(order_by=(remark_count().desc(), Page.id))
    expected = sorted(SEES.keys(Page), key=lambda key: (-len(stars(key)), key))
    assert keys_of(Page, found) == expected
    found = await PageRepository(scope).find(Keyed, order_by=(Page.remark_count.desc(), Page.id))
    assert keys_of(Page, found) == expected


other_metadata = Table("remark", MetaData(), Column("page_id", Integer), Column("site", Integer))

REFUSED = {
    "text": text("page.site = 2"),
    "text that undoes what stands beside it": text("1 = 1 or 1 = 1"),
    "literal SQL": literal_column("1 = 1 or 1 = 1"),
    "literal SQL that reads a table": Page.id == literal_column("(select max(page_id) from remark)"),
    "text in a list": Page.id.in_(text("(select page_id from remark)")),
    "text in a subquery": Page.remarks.any(text("1 = 1 or 1 = 1")),
    "text as a join condition": Page.id.in_(select(Part.page_id).join(remark_alias, text("true"))),
    "text before a subquery's columns": Page.id.in_(select(Remark.page_id).prefix_with("all")),
    "a table by its name alone": Page.id.in_(select(table("remark", column("page_id")).c.page_id)),
    "a table of other metadata": Page.id.in_(select(other_metadata.c.page_id)),
    "an outer join": Page.id.in_(select(Remark.page_id).outerjoin(Remark.page)),
    "an outer join by hand": Page.id.in_(select(Remark.page_id).select_from(outerjoin(Remark, Page))),
    "a full join": Page.id.in_(select(Remark.page_id).join(Remark.page, full=True)),
}
"""Conditions on which criteria cannot be put."""


async def test_what_cannot_be_guarded_is_refused_and_not_run(db, scope, subtests):
    pages = PageRepository(scope)
    calls = (pages.find, partial(pages.find, Keyed), pages.count, pages.exists, pages.first)
    for name, condition in REFUSED.items():
        with subtests.test(name), assert_statements(0, db):
            for call in calls:
                # A condition that is nothing but text may be refused for that alone.
                with pytest.raises((UnguardedStatement, InvalidArgument)):
                    await call(condition)


HARMLESS = {
    "a number": Page.id > literal_column("0"),
    "a text": Page.title != literal_column("'none'"),
    "a star": select(func.count(literal_column("*"))).select_from(Remark).scalar_subquery() >= 0,
}


async def test_literal_values_are_not_refused(scope, subtests):
    for name, condition in HARMLESS.items():
        with subtests.test(name):
            assert await PageRepository(scope).count(condition) == len(SEES.keys(Page))
