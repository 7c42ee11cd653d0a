"""How many statements a read takes, and that their text says nothing about how many rows there are."""

from __future__ import annotations

import asyncio
from typing import Annotated

import pytest
import pytest_asyncio
from pydantic import BaseModel

from batchrepo import Database, column, include
from batchrepo.testing import assert_statements, statement_counter
from tests.criteria.models import Label, Member, Note, Page, Remark
from tests.criteria.repositories import REPOSITORIES as GUARDED
from tests.criteria.repositories import Context
from tests.criteria.repositories import RemarkRepository as GuardedRemarks
from tests.criteria.rows import View, fill
from tests.scope.repositories import REPOSITORIES, STORE, Chapters, Keyed, Members, Notes, Pages

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(module_database_url):
    async with Database(module_database_url, repositories=REPOSITORIES) as opened:
        await fill(opened.engine)
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def scope(db):
    async with db.scope() as opened:
        yield opened


class Named(BaseModel):
    id: int
    name: str


class Sized(BaseModel):
    id: int
    size: int | None


class Sited(BaseModel):
    id: int
    site: int


class Titled(BaseModel):
    id: int
    title: str


class ChapterKey(BaseModel):
    page_id: int
    number: int


class Mentored(BaseModel):
    id: int
    name: str
    mentor: Named | None


# --- what a view takes -----------------------------------------------------------------------------------


async def test_the_key_answers_what_is_only_a_key(db, scope):
    class PageView(BaseModel):
        title: str
        author: Keyed
        author_key: Annotated[int, column(Page.author, Member.id)]

    with assert_statements(1, db):
        found = await Pages(scope).find(PageView, order_by=Page.id)
    for view, key in zip(found, STORE.keys(Page), strict=True):
        assert view.author.id == view.author_key == STORE.related(Page.author, key)


async def test_an_empty_key_answers_with_nothing(db, scope):
    class NoteView(BaseModel):
        id: int
        chapter: ChapterKey | None

    with assert_statements(1, db):
        for view in await Notes(scope).find(NoteView):
            found = STORE.related(Note.chapter, view.id)
            assert (view.chapter and (view.chapter.page_id, view.chapter.number)) == found


async def test_a_key_does_not_answer_where_criteria_may_hide_the_row(db):
    class RemarkView(BaseModel):
        id: int
        page: Keyed | None

    async with Database(db.engine, repositories=GUARDED).scope(Context(site=1)) as scope:
        with assert_statements(2, db):
            found = await GuardedRemarks(scope).find(RemarkView)
    sees = View(site=1)
    assert {view.id: view.page and view.page.id for view in found} == {
        key: sees.related(Remark.page, key) for key in sees.keys(Remark)
    }


async def test_siblings_that_look_up_one_table_by_key_share_a_statement(db, scope):
    class PageView(BaseModel):
        id: int
        author: Named
        writer: Annotated[Sited, include(Page.author)]
        author_name: Annotated[str, column(Page.author, Member.name)]

    with assert_statements(2, db):
        found = await Pages(scope).find(PageView)
    for view in found:
        row = STORE.row(Member, STORE.related(Page.author, view.id))
        assert (view.author.name, view.author_name, view.writer.site) == (
            row["name"],
            row["name"],
            row["site"],
        )


async def test_siblings_over_one_relation_share_a_statement(db, scope):
    class MemberView(BaseModel):
        id: int
        pages: list[Sized]
        titles: Annotated[list[Titled], include(Member.pages)]

    with assert_statements(2, db):
        found = await Members(scope).find(MemberView)
    for view in found:
        expected = STORE.related(Member.pages, view.id)
        assert [page.id for page in view.pages] == [page.id for page in view.titles] == expected


async def test_rows_found_by_key_are_remembered_for_the_levels_below(db, scope):
    class MentorView(BaseModel):
        id: int
        name: str
        mentor: Mentored | None

    with statement_counter(db) as seen:
        found = await Members(scope).find(MentorView, order_by=Member.id)
    # The mentors of mentors were mostly read as mentors; at most one statement for each level.
    assert seen.count <= 3
    for view in found:
        mentor = STORE.related(Member.mentor, view.id)
        assert (view.mentor and view.mentor.id) == mentor
        if view.mentor is not None:
            above = STORE.related(Member.mentor, mentor)
            assert (view.mentor.mentor and view.mentor.mentor.id) == above


async def test_nothing_is_asked_for_nobody(db, scope):
    class PageView(BaseModel):
        id: int
        remarks: list[Keyed]
        labels: list[Named]
        remark_total: int

    with assert_statements(1, db):
        assert await Pages(scope).find(PageView, Page.id < 0) == []
    with assert_statements(2, db):
        # One statement finds that there is no such page.
        assert await Pages(scope).get_or_none(4711, PageView) is None
        assert await Pages(scope).find(PageView, Page.id < 0) == []


async def test_aggregates_over_one_relation_share_a_statement_in_a_gather_and_in_a_view(db, scope):
    class PageView(BaseModel):
        id: int
        remark_total: int
        stars: int
        mean: float | None

    with assert_statements(2, db):
        views = {view.id: view for view in await Pages(scope).find(PageView)}
    pages = await Pages(scope).find()
    with assert_statements(1, db):
        found = await asyncio.gather(
            *(scope.related(page, Pages.remark_total) for page in pages),
            *(scope.related(page, Pages.stars) for page in pages),
            *(scope.related(page, Pages.mean) for page in pages),
        )
    totals, stars, means = found[:30], found[30:60], found[60:]
    for page, total, star, mean in zip(pages, totals, stars, means, strict=True):
        view = views[page.id]
        assert (view.remark_total, view.stars, view.mean) == (total, star, mean)
        assert total == len(STORE.related(Page.remarks, page.id))


async def test_a_deep_view_takes_a_statement_for_each_lookup(db, scope):
    class RemarkView(BaseModel):
        id: int
        stars: int | None

    class PageView(BaseModel):
        id: int
        title: str
        remarks: list[RemarkView]
        labels: list[Named]
        remark_total: int

    class ReaderView(BaseModel):
        id: int
        name: str
        read: list[PageView]
        pages: list[PageView]

    # Members; the pages that they read and wrote; remarks, labels and totals of both together.
    with assert_statements(6, db):
        found = await Members(scope).find(ReaderView)
    for view in found:
        assert [page.id for page in view.read] == STORE.related(Member.read, view.id)
        for page in (*view.read, *view.pages):
            assert [remark.id for remark in page.remarks] == STORE.related(Page.remarks, page.id)
            assert [label.id for label in page.labels] == STORE.related(Page.labels, page.id)


# --- their text ------------------------------------------------------------------------------------------


async def texts_of(db, read):
    async with db.scope() as scope:
        with statement_counter(db) as seen:
            await read(scope)
    return seen.statements


@pytest.mark.parametrize("view", [(), (Keyed,)], ids=["entities", "views"])
async def test_the_text_of_a_read_by_key_is_one_for_any_number_of_keys(db, view):
    texts = [
        await texts_of(db, lambda scope, n=n: Pages(scope).get_many_or_none(range(n), *view))
        for n in (1, 2, 10, 1000)
    ]
    assert all(text == texts[0] for text in texts)
    assert len(texts[0]) == 1


async def test_the_text_of_a_read_by_a_composite_key_is_one_for_any_number_of_keys(db):
    texts = [
        await texts_of(db, lambda scope, n=n: Chapters(scope).get_many_or_none([(i, 0) for i in range(n)]))
        for n in (1, 2, 10, 1000)
    ]
    assert all(text == texts[0] for text in texts)
    assert len(texts[0]) == 1


async def test_the_text_of_a_read_by_columns_is_one_for_any_number_of_keys(db):
    texts = [
        await texts_of(
            db,
            lambda scope, n=n: Pages(scope).find_by_many(
                (Page.title, Page.size), [(f"p{i}", 10) for i in range(n)]
            ),
        )
        for n in (1, 2, 10, 1000)
    ]
    assert all(text == texts[0] for text in texts)
    assert len(texts[0]) == 1


RELATED = {
    "a list": Page.remarks,
    "one": Page.author,
    "a list through a link table": Page.labels,
    "a list through repeated links": Page.readers,
    "a count": Pages.remark_total,
    "a total": Pages.stars,
    "an expression": Pages.shouted,
}


@pytest.mark.parametrize("what", RELATED.values(), ids=RELATED)
async def test_the_text_of_what_belongs_to_rows_is_one_for_any_number_of_them(db, what):
    texts = []
    for n in (1, 2, 10, 30):
        async with db.scope() as scope:
            pages = await Pages(scope).find(Page.id <= n)
            with statement_counter(db) as seen:
                await asyncio.gather(*(scope.related(page, what) for page in pages))
            texts.append(seen.statements)
    assert all(text == texts[0] for text in texts)
    assert len(texts[0]) == 1


async def test_the_first_rows_of_one_owner_have_a_simpler_text_than_those_of_many(db):
    texts = []
    for n in (1, 2, 10, 30):
        async with db.scope() as scope:
            pages = await Pages(scope).find(Page.id <= n)
            with statement_counter(db) as seen:
                await asyncio.gather(*(scope.related(page, Pages.last_remark) for page in pages))
            texts.append(seen.statements)
    assert texts[1] == texts[2] == texts[3] != texts[0]
    assert "LATERAL" not in texts[0][0]
    assert "row_number" not in texts[0][0]


async def test_a_limit_is_no_part_of_the_text_unless_it_is_a_usual_one(db):
    """So that clients cannot make statements without end, and PostgreSQL plans the usual ones once."""
    texts = [
        await texts_of(db, lambda scope, n=n: Pages(scope).find(Keyed, order_by=Page.title, limit=n))
        for n in (14, 33, 777, 20)
    ]
    assert texts[0] == texts[1] == texts[2]
    assert "LIMIT 20" in texts[3][0]
    assert "LIMIT 33" not in texts[1][0]


# --- connections -----------------------------------------------------------------------------------------


class RemarkView(BaseModel):
    id: int
    stars: int | None


class WholePage(BaseModel):
    id: int
    title: str
    author: Named
    remarks: list[RemarkView]
    labels: list[Named]
    readers: list[Named]
    remark_total: int
    last_remark: RemarkView | None


async def test_one_connection_gives_what_several_give(db):
    found = []
    for number in (1, 2, 4):
        database = Database(db.engine, repositories=REPOSITORIES, read_connections=number)
        async with database.scope() as scope:
            with assert_statements(7, db):
                found.append(await Pages(scope).find(WholePage, order_by=Page.id))
            pages = await Pages(scope).find(order_by=Page.id)
            asked = await asyncio.gather(
                *(scope.related(page, Page.remarks) for page in pages),
                *(scope.related(page, Page.labels) for page in pages),
                *(scope.related(page, Pages.remark_total) for page in pages),
            )
            remarks, labels, totals = asked[:30], asked[30:60], asked[60:]
            for page, *others in zip(found[-1], remarks, labels, totals, strict=True):
                assert [one.id for one in page.remarks] == [one.id for one in others[0]]
                assert [one.id for one in page.labels] == [one.id for one in others[1]]
                assert page.remark_total == others[2]
        assert db.engine.sync_engine.pool.checkedout() == 0
    assert found[0] == found[1] == found[2]
    for page in found[0]:
        assert [one.id for one in page.remarks] == STORE.related(Page.remarks, page.id)
        assert [one.id for one in page.readers] == STORE.related(Page.readers, page.id)


async def test_a_snapshot_gives_the_same_and_sees_one_state(db):
    """What others write while it is open, it does not see: neither in views nor in what is asked later."""
    async with db.scope() as scope:
        usual = await Pages(scope).find(WholePage, order_by=Page.id)
    async with db.scope(snapshot=True) as scope:
        assert await Pages(scope).find(WholePage, order_by=Page.id) == usual
        async with db.engine.begin() as other:
            await other.execute(Remark.__table__.insert(), [{"id": 991, "site": 1, "stars": 3, "page_id": 1}])
            await other.execute(
                Label.__table__.update().where(Label.__table__.c.id == 1).values(name="changed")
            )
        try:
            assert await Pages(scope).find(WholePage, order_by=Page.id) == usual
            page = await Pages(scope).get(1)
            assert [one.id for one in await scope.related(page, Page.remarks)] == STORE.related(
                Page.remarks, 1
            )
        finally:
            async with db.engine.begin() as other:
                await other.execute(Remark.__table__.delete().where(Remark.__table__.c.id == 991))
                await other.execute(
                    Label.__table__.update().where(Label.__table__.c.id == 1).values(name="l1")
                )
    async with db.scope() as scope:
        assert await Pages(scope).find(WholePage, order_by=Page.id) == usual
