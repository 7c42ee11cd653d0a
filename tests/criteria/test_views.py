"""Row criteria hold at every depth of a view, in flattened columns, and in filtered, ordered, limited includes."""

from __future__ import annotations

import json
from typing import Annotated

import pytest
from pydantic import BaseModel
from sqlalchemy import func, select

from batchrepo import Database, MissingRelated, column, include
from batchrepo.testing import assert_statements
from tests.criteria.models import Chapter, Label, Member, Note, Page, Remark
from tests.criteria.repositories import (
    REPOSITORIES,
    ChapterRepository,
    Context,
    LabelRepository,
    MemberRepository,
    NoteRepository,
    PageRepository,
    RemarkRepository,
)
from tests.criteria.rows import View

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)

both_strategies = pytest.mark.parametrize("strategy", ["batched", "eager"])


class RemarkView(BaseModel):
    id: int
    site: int


class OtherPageView(BaseModel):
    id: int
    site: int
    remarks: list[RemarkView]
    number_of_remarks: int


class MentorView(BaseModel):
    id: int
    site: int
    pages: list[OtherPageView]


class AuthorView(BaseModel):
    id: int
    site: int
    mentor: MentorView | None
    page_count: int


class DeepView(BaseModel):
    id: int
    site: int
    author: AuthorView | None
    readers: list[AuthorView]


def deep(page):
    author = SEES.related(Page.author, page)
    return {
        "id": page,
        "site": 1,
        "author": author_of(author) if author is not None else None,
        "readers": [author_of(reader) for reader in SEES.related(Page.readers, page)],
    }


def author_of(member):
    mentor = SEES.related(Member.mentor, member)
    return {
        "id": member,
        "site": 1,
        "mentor": mentor_of(mentor) if mentor is not None else None,
        "page_count": len(SEES.related(Member.pages, member)),
    }


def mentor_of(member):
    pages = SEES.related(Member.pages, member)
    return {
        "id": member,
        "site": 1,
        "pages": [
            {
                "id": page,
                "site": 1,
                "remarks": [{"id": remark, "site": 1} for remark in SEES.related(Page.remarks, page)],
                "number_of_remarks": len(SEES.related(Page.remarks, page)),
            }
            for page in pages
        ],
    }


@both_strategies
async def test_a_deep_view(scope, strategy):
    found = await PageRepository(scope).find(DeepView, order_by=Page.id, strategy=strategy)
    assert [view.model_dump() for view in found] == [deep(page) for page in SEES.keys(Page)]


class Flat(BaseModel):
    id: int
    author: Annotated[str | None, column(Page.author, Member.name)]
    mentor: Annotated[str | None, column(Page.author, Member.mentor, Member.name)]
    mentor_id: Annotated[int | None, column(Page.author, Member.mentor, Member.id)]


@both_strategies
async def test_flattened_columns_of_hidden_rows_are_none(scope, strategy):
    found = await PageRepository(scope).find(Flat, order_by=Page.id, strategy=strategy)
    for view in found:
        author = SEES.related(Page.author, view.id)
        mentor = SEES.related(Member.mentor, author) if author is not None else None
        assert view.author == (SEES.row(Member, author)["name"] if author is not None else None)
        assert view.mentor == (SEES.row(Member, mentor)["name"] if mentor is not None else None)
        assert view.mentor_id == mentor
    assert {None} < {view.mentor for view in found}


# The key of a to-one target is in the foreign key, but whether the row may be seen is not.
class OnlyKey(BaseModel):
    id: int


class KeyedRemark(BaseModel):
    id: int
    page: OnlyKey | None


@both_strategies
async def test_a_key_alone_does_not_show_a_hidden_row(scope, strategy):
    found = await RemarkRepository(scope).find(KeyedRemark, strategy=strategy)
    assert {view.id: view.page and view.page.id for view in found} == {
        key: SEES.related(Remark.page, key) for key in SEES.keys(Remark)
    }


pages_written = (
    select(func.count(Page.id)).where(Page.author_id == Member.id).correlate(Member).scalar_subquery()
)


class NumberedChapter(BaseModel):
    number: int


class LastChapter(BaseModel):
    id: int
    last: Annotated[list[NumberedChapter], include(Page.chapters, first=1, order_by=Chapter.number.desc())]
    noted: Annotated[list[NumberedChapter], include(Page.chapters, where=Chapter.notes.any())]


def busiest(page):
    def pages(member):
        return len(SEES.related(Member.pages, member))

    return sorted(SEES.related(Page.readers, page), key=lambda member: (-pages(member), member))


class Readers(BaseModel):
    id: int
    of_known: Annotated[list[RemarkView], include(Page.remarks, where=Remark.page.has(Page.author.has()))]
    foreign: Annotated[
        list[RemarkView], include(Page.remarks, where=Remark.page.has(Page.labels.any(Label.site == 2)))
    ]
    writing: Annotated[
        list[OnlyKey],
        include(Page.readers, where=pages_written >= 1, order_by=(pages_written.desc(), Member.id)),
    ]
    busiest: Annotated[
        list[OnlyKey], include(Page.readers, first=2, order_by=(pages_written.desc(), Member.id))
    ]


@both_strategies
async def test_conditions_and_orders_of_includes_see_visible_rows_only(scope, strategy):
    for view in await PageRepository(scope).find(Readers, strategy=strategy):
        known = SEES.related(Page.author, view.id) is not None
        assert [one.id for one in view.of_known] == (SEES.related(Page.remarks, view.id) if known else [])
        assert view.foreign == []
        by_pages = busiest(view.id)
        assert [one.id for one in view.writing] == [m for m in by_pages if SEES.related(Member.pages, m)]
        assert [one.id for one in view.busiest] == by_pages[:2]


@both_strategies
async def test_includes_through_composite_keys(scope, strategy):
    found = await PageRepository(scope).find(LastChapter, strategy=strategy)
    assert any(view.noted for view in found)
    for view in found:
        chapters = SEES.related(Page.chapters, view.id)
        assert [(view.id, one.number) for one in view.last] == chapters[-1:]
        noted = [chapter for chapter in chapters if SEES.related(Chapter.notes, chapter)]
        assert [(view.id, one.number) for one in view.noted] == noted


# --- a required row that is hidden ---------------------------------------------------------------------


class NeedsAuthor(BaseModel):
    id: int
    author: OnlyKey


class NeedsName(BaseModel):
    id: int
    author: Annotated[str, column(Page.author, Member.name)]


def page_without_author():
    return next(page for page in SEES.keys(Page) if SEES.related(Page.author, page) is None)


def page_with_author():
    return next(page for page in SEES.keys(Page) if SEES.related(Page.author, page) is not None)


async def find(repository, view, key):
    return await repository.find(view)


async def find_json(repository, view, key):
    return await repository.find_json(view)


async def get(repository, view, key):
    return await repository.get(key, view)


async def get_many(repository, view, key):
    return await repository.get_many([key], view)


async def stream(repository, view, key):
    return [one async for one in repository.stream(view)]


async def first(repository, view, key):
    return await repository.first(view, Page.id == key)


@pytest.mark.parametrize(
    "call", [find, find_json, get, get_many, stream, first], ids=lambda call: call.__name__
)
async def test_a_required_row_that_is_hidden_is_named(scope, call):
    missing = SEES.row(Page, page_without_author())["author_id"]
    with pytest.raises(MissingRelated, match=r"NeedsAuthor\.author does not allow None") as refusal:
        await call(PageRepository(scope), NeedsAuthor, page_without_author())
    if call in (get, get_many, first):
        assert f"key {missing}" in str(refusal.value)


async def test_a_required_row_that_is_visible_is_given(scope):
    page = page_with_author()
    view = await PageRepository(scope).get(page, NeedsAuthor)
    assert view.author.id == SEES.related(Page.author, page)


@both_strategies
async def test_a_required_row_that_is_hidden_is_never_empty(scope, strategy):
    """Whatever the strategy, no view comes out that has half a row in it."""
    with pytest.raises((MissingRelated, ValueError)):
        await PageRepository(scope).find(NeedsAuthor, strategy=strategy)
    with pytest.raises((MissingRelated, ValueError)):
        await PageRepository(scope).find(NeedsName, strategy=strategy)


async def test_related_as_a_view_that_needs_a_hidden_row(scope):
    members = MemberRepository(scope)
    owner = await members.get(next(m for m in SEES.keys(Member) if page_without_author_read_by(m)))
    with pytest.raises(MissingRelated, match=r"NeedsAuthor\.author"):
        await scope.related(owner, Member.read, NeedsAuthor)


def page_without_author_read_by(member):
    return any(SEES.related(Page.author, page) is None for page in SEES.related(Member.read, member))


async def test_one_missing_row_does_not_spoil_the_batch_of_others(scope):
    """Views by key go out in one batch; who asked for a whole row gets it in the next call."""
    pages = PageRepository(scope)
    with pytest.raises(MissingRelated):
        await pages.get(page_without_author(), NeedsAuthor)
    assert (await pages.get(page_with_author(), NeedsAuthor)).id == page_with_author()


async def test_views_in_one_statement_for_each_relation(db: Database):
    """Guarding costs no statement: the deep view takes one for each different lookup."""
    async with db.scope(Context(site=1)) as scope:
        with assert_statements(8, db):
            await PageRepository(scope).find(DeepView, strategy="batched")


async def test_views_of_every_repository_with_itself_inside(scope):
    class Inner(BaseModel):
        id: int
        site: int

    class Label_(BaseModel):
        id: int
        pages: list[Inner]

    class Note_(BaseModel):
        id: int
        chapter: Annotated[int | None, column(Note.chapter, Chapter.number)]

    class Chapter_(BaseModel):
        page_id: int
        number: int
        notes: list[Inner]

    for view in await LabelRepository(scope).find(Label_):
        assert [page.id for page in view.pages] == SEES.related(Label.pages, view.id)
    for view in await NoteRepository(scope).find(Note_):
        chapter = SEES.related(Note.chapter, view.id)
        assert view.chapter == (chapter[1] if chapter else None)
    for view in await ChapterRepository(scope).find(Chapter_):
        assert [note.id for note in view.notes] == SEES.related(Chapter.notes, (view.page_id, view.number))


@pytest.mark.parametrize("site", [1, 2])
async def test_one_statement_has_the_criteria_at_every_depth(db: Database, site: int):
    async with db.scope(Context(site=site)) as scope:
        pages = PageRepository(scope)
        for view in (DeepView, OtherPageView):
            expected = json.loads(await pages.find_json(view, order_by=Page.id, strategy="batched"))
            with assert_statements(1, db):
                found = await pages.find_json(view, order_by=Page.id, strategy="single")
            assert json.loads(found) == expected
            assert expected


async def test_a_required_row_that_is_hidden_is_named_by_one_statement_too(scope):
    with pytest.raises(MissingRelated, match=r"NeedsAuthor\.author does not allow None"):
        await PageRepository(scope).find_json(NeedsAuthor, strategy="single")


@pytest.mark.parametrize("site", [1, 2])
async def test_the_criteria_hold_inside_of_statements_too(db: Database, site: int):
    """A row that leads to a hidden one shows None, or is refused with the same words."""
    inline = Database(db.engine, repositories=REPOSITORIES, inline_lookups=300)
    of_site = View(site=site)
    hidden = next(page for page in of_site.keys(Page) if of_site.related(Page.author, page) is None)
    answers = []
    for each, statements in ((inline, 1), (db, 2)):
        async with each.scope(Context(site=site)) as scope:
            pages = PageRepository(scope)
            with assert_statements(statements, each):
                found = await pages.find(MaybeAuthor, order_by=Page.id, limit=100)
            with pytest.raises(MissingRelated) as refused:
                await pages.get(hidden, NeedsAuthor)
            answers.append(([view.model_dump() for view in found], str(refused.value)))
    assert answers[0] == answers[1]
    assert {author and author["id"] for author in (view["author"] for view in answers[0][0])} == {
        of_site.related(Page.author, page) for page in of_site.keys(Page)
    }


class SiteOfAuthor(BaseModel):
    id: int
    site: int


class MaybeAuthor(BaseModel):
    id: int
    author: SiteOfAuthor | None
