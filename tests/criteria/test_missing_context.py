"""A scope without the context that criteria need reads nothing: an error, never unfiltered rows."""

from __future__ import annotations

import re
from typing import Annotated

import pytest
import pytest_asyncio
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from batchrepo import (
    Database,
    MissingContext,
    Repository,
    column,
    count,
    exists,
    include,
    latest,
    predicate,
    top,
)
from batchrepo.testing import assert_statements, statement_counter
from tests.criteria.models import Label, Member, Page, Remark
from tests.criteria.repositories import Context, PageRepository
from tests.criteria.rows import View

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYTHING = View(site=None)


class Keyed(BaseModel):
    id: int


CONTEXTS = {
    "none": None,
    "one without the attribute": object(),
    "one without the value": Context(site=None),
    "one of another kind": {"site": 1},
}

CALLS = {
    "get": lambda scope: PageRepository(scope).get(1),
    "get, as a view": lambda scope: PageRepository(scope).get(1, Keyed),
    "get_or_none": lambda scope: PageRepository(scope).get_or_none(1),
    "get_many": lambda scope: PageRepository(scope).get_many([1, 2]),
    "get_many_or_none": lambda scope: PageRepository(scope).get_many_or_none([1, 2]),
    "find": lambda scope: PageRepository(scope).find(),
    "find, as views": lambda scope: PageRepository(scope).find(Keyed),
    "find, as eager views": lambda scope: PageRepository(scope).find(Keyed, strategy="eager"),
    "find_json": lambda scope: PageRepository(scope).find_json(Keyed),
    "find_by": lambda scope: PageRepository(scope).find_by(Page.title, "p1"),
    "find_by_many": lambda scope: PageRepository(scope).find_by_many(Page.title, ["p1", "p2"]),
    "first": lambda scope: PageRepository(scope).first(),
    "count": lambda scope: PageRepository(scope).count(),
    "exists": lambda scope: PageRepository(scope).exists(),
    "stream": lambda scope: anext(PageRepository(scope).stream()),
    "stream, as views": lambda scope: anext(PageRepository(scope).stream(Keyed)),
    "fetch": lambda scope: scope.fetch(select(Page)),
    "fetch of a count": lambda scope: scope.fetch(select(func.count(Page.id))),
    "fetch through another": lambda scope: scope.fetch(select(Label.id).where(Label.pages.any())),
}


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
async def test_nothing_is_read(db, context, subtests):
    async with db.scope(context) as scope:
        for name, call in CALLS.items():
            with subtests.test(name), assert_statements(0, db):
                with pytest.raises(MissingContext, match="context=") as refusal:
                    await call(scope)
                assert "Open it with db.scope(context=...)" in str(refusal.value)


async def test_nothing_is_read_in_a_session_of_the_user_s(db, subtests):
    async with AsyncSession(db.engine) as session, db.scope(session=session) as scope:
        for name, call in CALLS.items():
            with subtests.test(name), assert_statements(0, db), pytest.raises(MissingContext):
                await call(scope)


# --- one class has criteria, others have none ----------------------------------------------------------


class FreeLabels(Repository[Label]):
    """Labels for everybody; the pages that they lead to are not."""

    page_count = count(Label.pages)
    has_pages = exists(Label.pages)
    first_page = top(Label.pages, 1)
    last_page = latest(Label.pages, by=Page.size)


class FreeRemarks(Repository[Remark]):
    pass


class FreeMembers(Repository[Member]):
    pass


@pytest_asyncio.fixture(loop_scope="module")
async def free(db):
    return Database(db.engine, repositories=[FreeLabels, FreeRemarks, FreeMembers, PageRepository])


class WithPages(BaseModel):
    id: int
    pages: list[Keyed]


class WithPage(BaseModel):
    id: int
    page: Keyed | None


class WithTitle(BaseModel):
    id: int
    title: Annotated[str | None, column(Remark.page, Page.title)]


class Included(BaseModel):
    id: int
    pages: Annotated[list[Keyed], include(Label.pages, first=1)]


pages_of_remark = select(func.count(Page.id)).where(Page.id == Remark.page_id).scalar_subquery()


class WithCount(BaseModel):
    id: int
    page_count: int


READING_PAGES = {
    "related": lambda scope, label, remark: scope.related(label, Label.pages),
    "related, to one": lambda scope, label, remark: scope.related(remark, Remark.page),
    "related, as a view": lambda scope, label, remark: scope.related(remark, Remark.page, Keyed),
    "awaitable_attrs": lambda scope, label, remark: label.awaitable_attrs.pages,
    "awaitable_attrs, to one": lambda scope, label, remark: remark.awaitable_attrs.page,
    "count": lambda scope, label, remark: scope.related(label, FreeLabels.page_count),
    "exists": lambda scope, label, remark: scope.related(label, FreeLabels.has_pages),
    "top": lambda scope, label, remark: scope.related(label, FreeLabels.first_page),
    "latest": lambda scope, label, remark: scope.related(label, FreeLabels.last_page),
    "include": lambda scope, label, remark: FreeLabels(scope).find(include=[Label.pages]),
    "include, to one": lambda scope, label, remark: FreeRemarks(scope).find(include=[Remark.page]),
    "a view": lambda scope, label, remark: FreeLabels(scope).find(WithPages),
    "a view, to one": lambda scope, label, remark: FreeRemarks(scope).find(WithPage),
    "an eager view": lambda scope, label, remark: FreeRemarks(scope).find(WithPage, strategy="eager"),
    "a flattened column": lambda scope, label, remark: FreeRemarks(scope).find(WithTitle),
    "a limited include": lambda scope, label, remark: FreeLabels(scope).find(Included),
    "a computed field": lambda scope, label, remark: FreeLabels(scope).find(WithCount),
    "a condition": lambda scope, label, remark: FreeLabels(scope).find(Label.pages.any()),
    "a condition on one": lambda scope, label, remark: FreeRemarks(scope).count(Remark.page.has()),
    "an order": lambda scope, label, remark: FreeRemarks(scope).find(order_by=pages_of_remark),
    "fetch": lambda scope, label, remark: scope.fetch(select(Label.id).join(Label.pages)),
    "fetch with options": lambda scope, label, remark: scope.fetch(
        select(Label).options(selectinload(Label.pages))
    ),
    "fetch with a join": lambda scope, label, remark: scope.fetch(
        select(Remark).options(joinedload(Remark.page))
    ),
}


async def test_what_has_no_criteria_needs_no_context(free):
    async with free.scope() as scope:
        assert await FreeLabels(scope).count() == len(EVERYTHING.keys(Label))
        assert len(await FreeLabels(scope).find()) == len(EVERYTHING.keys(Label))
        assert sorted(await scope.fetch(select(Label.id))) == EVERYTHING.keys(Label)
        assert sorted(one.id for one in await scope.fetch(select(Label))) == EVERYTHING.keys(Label)
        (member, *_) = await FreeMembers(scope).find()
        assert await scope.related(member, Member.pupils) is not None


async def test_what_leads_to_criteria_needs_a_context(free, subtests):
    async with free.scope() as scope:
        for name, call in READING_PAGES.items():
            (label, *_), (remark, *_) = await FreeLabels(scope).find(), await FreeRemarks(scope).find()
            with subtests.test(name), statement_counter(free) as seen:
                with pytest.raises(MissingContext, match=r"Reading Page .*'Page\.site'"):
                    await call(scope, label, remark)
                assert not [sql for sql in seen.statements if re.search(r"\bpage\b", sql)]


async def test_an_error_does_not_stay(free):
    """A scope that is told of a missing context goes on working for what needs none."""
    async with free.scope() as scope:
        labels = await FreeLabels(scope).find()
        for label in labels:
            with pytest.raises(MissingContext):
                await scope.related(label, Label.pages)
        assert await FreeLabels(scope).get(labels[0].id) is labels[0]


# --- predicates ----------------------------------------------------------------------------------------


class OfPeriod(Repository[Page]):
    criteria = (predicate(lambda context: Page.size >= context.least, name="period"),)


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
async def test_a_predicate_from_the_context_needs_it(db, context):
    database = Database(db.engine, repositories=[OfPeriod])
    async with database.scope(context) as scope:
        for call in (OfPeriod(scope).find, OfPeriod(scope).count, OfPeriod(scope).exists):
            with assert_statements(0, db), pytest.raises(MissingContext, match="'period'"):
                await call()
        with assert_statements(0, db), pytest.raises(MissingContext, match="'period'"):
            await scope.fetch(select(Page.id))


async def test_a_predicate_that_gives_nothing_is_an_error(db):
    class Nothing(Repository[Page]):
        criteria = (predicate(lambda context: None, name="nothing"),)

    async with Database(db.engine, repositories=[Nothing]).scope(Context(site=1)) as scope:
        with assert_statements(0, db), pytest.raises(MissingContext, match="'nothing'"):
            await Nothing(scope).find()
