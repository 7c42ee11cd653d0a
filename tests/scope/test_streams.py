"""Streams: every row once and in order, a statement for each chunk, and nothing kept of the chunks before."""

from __future__ import annotations

import asyncio
import gc
from weakref import WeakSet

import pytest
from pydantic import BaseModel

from batchrepo import InvalidArgument
from batchrepo.testing import assert_statements
from tests.criteria.models import Chapter, Member, Note, Page, Remark
from tests.criteria.rows import key_of, keys_of
from tests.scope.repositories import REPOSITORY_OF, STORE, Chapters, Keyed, Members, Pages, Remarks

pytestmark = pytest.mark.asyncio(loop_scope="module")

PAGES = STORE.keys(Page)
every_class = pytest.mark.parametrize("cls", REPOSITORY_OF, ids=lambda cls: cls.__name__)


def statements(rows, size):
    """Each chunk looks one row ahead, so that the last one is known for the last."""
    return max(1, -(-rows // size))


# --- rows ------------------------------------------------------------------------------------------------


@every_class
async def test_rows_come_once_and_in_order_of_their_keys(scope, cls):
    found = [key_of(cls, one) async for one in REPOSITORY_OF[cls](scope).stream(chunk_size=4)]
    assert found == STORE.keys(cls)


@pytest.mark.parametrize("size", [1, 2, 7, 29, 30, 31, 500])
async def test_a_chunk_costs_one_statement(db, scope, size):
    with assert_statements(statements(len(PAGES), size), db):
        assert [page.id async for page in Pages(scope).stream(chunk_size=size)] == PAGES
    with assert_statements(statements(len(PAGES), size), db):
        assert [view.id async for view in Pages(scope).stream(Keyed, chunk_size=size)] == PAGES


async def test_chunks_of_composite_keys_begin_behind_the_last_key(db, scope):
    keys = STORE.keys(Chapter)
    for size in (1, 2, 5, len(keys)):
        with assert_statements(statements(len(keys), size), db):
            found = [key_of(Chapter, one) async for one in Chapters(scope).stream(chunk_size=size)]
        assert found == keys


async def test_a_condition_holds_in_every_chunk(db, scope):
    expected = [row["id"] for row in STORE.rows(Page) if row["title"] in ("p1", "p2")]
    with assert_statements(statements(len(expected), 3), db):
        found = [page.id async for page in Pages(scope).stream(Page.title.in_(["p1", "p2"]), chunk_size=3)]
    assert found == expected


async def test_no_rows(db, scope):
    with assert_statements(1, db):
        assert [page async for page in Pages(scope).stream(Page.id < 0)] == []


async def test_progress_is_told_after_each_chunk(scope):
    for view in ((), (Keyed,)):
        told = []
        seen = 0
        async for _ in Pages(scope).stream(*view, chunk_size=8, progress=told.append):
            seen += 1
            assert told == [8 * n for n in range(1, (seen - 1) // 8 + 1)]
        assert told == [8, 16, 24, 30]


async def test_nothing_is_told_of_nothing(scope):
    told = []
    assert [one async for one in Pages(scope).stream(Page.id < 0, progress=told.append)] == []
    assert told == []


@pytest.mark.parametrize("size", [0, -1])
async def test_a_chunk_has_a_row_at_least(scope, size):
    with pytest.raises(InvalidArgument, match="chunk_size"):
        await anext(Pages(scope).stream(chunk_size=size))


# --- what belongs to them --------------------------------------------------------------------------------


class RemarkView(BaseModel):
    id: int
    stars: int | None


class PageView(BaseModel):
    id: int
    author: Keyed
    remarks: list[RemarkView]
    remark_total: int


async def test_relations_are_batched_for_each_chunk(db, scope):
    with assert_statements(4 + 4 * 2, db):
        async for page in Pages(scope).stream(chunk_size=9):
            assert keys_of(Remark, await scope.related(page, Page.remarks)) == STORE.related(
                Page.remarks, page.id
            )
            assert await scope.related(page, Pages.remark_total) == len(STORE.related(Page.remarks, page.id))


async def test_views_are_read_whole_for_each_chunk(db, scope):
    # The author's key is in the page; remarks and their number take a statement each.
    with assert_statements(4 * 3, db):
        found = [view async for view in Pages(scope).stream(PageView, chunk_size=9)]
    assert [view.id for view in found] == PAGES
    for view in found:
        assert [remark.id for remark in view.remarks] == STORE.related(Page.remarks, view.id)
        assert (view.author.id, view.remark_total) == (STORE.related(Page.author, view.id), len(view.remarks))


async def test_an_entity_that_is_kept_can_be_asked_later(scope):
    kept = [page async for page in Pages(scope).stream(chunk_size=7)]
    for page in kept:
        assert keys_of(Remark, await scope.related(page, Page.remarks)) == STORE.related(
            Page.remarks, page.id
        )
        assert (await page.awaitable_attrs.author).id == STORE.related(Page.author, page.id)


# --- memory ----------------------------------------------------------------------------------------------


async def its_remarks(scope, page):
    await scope.related(page, Page.remarks)


async def its_remarks_lazily(scope, page):
    await page.awaitable_attrs.remarks


async def its_author(scope, page):
    await scope.related(page, Page.author)


async def its_author_lazily(scope, page):
    await page.awaitable_attrs.author


async def its_readers(scope, page):
    await scope.related(page, Page.readers)


async def its_body(scope, page):
    await page.awaitable_attrs.body


async def its_values(scope, page):
    await scope.related(page, Pages.remark_total)
    await scope.related(page, Pages.shouted)


async def its_last_remark(scope, page):
    await scope.related(page, Pages.last_remark)


async def a_view_of_its_remarks(scope, page):
    await scope.related(page, Page.remarks, Keyed)


async def the_way_there_and_back(scope, page):
    for remark in await scope.related(page, Page.remarks):
        assert await scope.related(remark, Remark.page) is page


async def the_way_there_and_back_lazily(scope, page):
    for remark in await page.awaitable_attrs.remarks:
        assert await remark.awaitable_attrs.page is page


async def everything_at_once(scope, page):
    await asyncio.gather(
        its_remarks(scope, page), its_author(scope, page), its_body(scope, page), its_values(scope, page)
    )


ASKING = (
    its_remarks,
    its_remarks_lazily,
    its_author,
    its_author_lazily,
    its_readers,
    its_body,
    its_values,
    its_last_remark,
    a_view_of_its_remarks,
    the_way_there_and_back,
    the_way_there_and_back_lazily,
    everything_at_once,
)


def collect_states():
    """Entities first, then SQLAlchemy's states of them, which are garbage only when their entities are gone."""
    gc.collect()
    gc.collect()


async def nothing(_scope, _page):
    pass


async def largest_crowd(scope, asking, size=5):
    """How many entities of a stream live at most at the beginning of a chunk."""
    pages: WeakSet[Page] = WeakSet()
    crowd = 0
    number = 0
    async for page in Pages(scope).stream(chunk_size=size):
        pages.add(page)
        await asking(scope, page)
        del page
        number += 1
        if number % size == 1:
            gc.collect()
            crowd = max(crowd, len(pages))
    assert number == len(PAGES)
    return crowd


@pytest.mark.parametrize("asking", [nothing, *ASKING], ids=lambda asking: asking.__name__)
async def test_chunks_are_forgotten(db, asking):
    """Whatever was asked of them: entities, what belongs to them, and the loaders that remembered it."""
    async with db.scope() as scope:
        # The first row of a chunk is counted when the chunk before has gone.
        assert await largest_crowd(scope, asking) == 1
        assert len(scope.loaders) == 0
        gc.collect()
        assert (
            len(list(scope.session.sync_session.identity_map.values())) <= 40
        )  # the last chunk's surroundings


async def test_peers_of_earlier_chunks_are_forgotten(db):
    async with db.scope() as scope:
        async for page in Pages(scope).stream(chunk_size=5):
            await its_remarks(scope, page)
            if page.id % 5 == 1:
                collect_states()
                chunk = range(page.id, page.id + 5)
                remarks = sum(len(STORE.related(Page.remarks, key)) for key in chunk)
                assert len(scope.peers._groups) == len(chunk) + remarks
            del page
        await asyncio.sleep(0)  # the event loop lets go of the batch that has just ended
        collect_states()
        assert len(scope.peers._groups) == 0


async def test_what_is_kept_of_a_chunk_keeps_nothing_else(db):
    async with db.scope() as scope:
        pages: WeakSet[Page] = WeakSet()
        kept = []
        async for page in Pages(scope).stream(chunk_size=5):
            pages.add(page)
            await scope.related(page, Pages.remark_total)
            if page.id % 10 == 1:
                kept.append(page)
            del page
        gc.collect()
        assert sorted(page.id for page in pages) == [page.id for page in kept] == [1, 11, 21]


class Noted(BaseModel):
    """Views are not hashable; who they are is."""

    __hash__ = object.__hash__
    id: int
    remarks: list[RemarkView]


async def test_views_are_forgotten(db):
    async with db.scope() as scope:
        views: WeakSet[Noted] = WeakSet()
        number = crowd = 0
        async for view in Pages(scope).stream(Noted, chunk_size=5):
            views.add(view)
            del view
            number += 1
            if number % 5 == 1:
                gc.collect()
                crowd = max(crowd, len(views))
        assert (number, crowd) == (len(PAGES), 1)


# --- ends before the end ---------------------------------------------------------------------------------


async def test_a_stream_may_be_left_early(db, scope):
    with assert_statements(1, db):
        async for page in Pages(scope).stream(chunk_size=5):
            if page.id == 3:
                break
    assert db.engine.sync_engine.pool.checkedout() == 0
    assert await Pages(scope).count() == len(PAGES)


async def test_no_connection_is_held_between_rows(db, scope):
    async for page in Pages(scope).stream(chunk_size=5):
        assert db.engine.sync_engine.pool.checkedout() == 0
        if page.id > 7:
            break


async def test_a_stream_that_is_cancelled_returns_its_connection(db, scope):
    for hops in range(12):
        task = asyncio.create_task(anext(Pages(scope).stream(PageView, chunk_size=5)))
        for _ in range(hops):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    found = [page.id async for page in Pages(scope).stream(chunk_size=5)]
    assert found == PAGES
    assert db.engine.sync_engine.pool.checkedout() == 0


async def test_an_error_of_the_consumer_ends_the_stream(db, scope):
    async def consume():
        async for page in Pages(scope).stream(chunk_size=5):
            _ = 1 // (3 - page.id)

    with pytest.raises(ZeroDivisionError):
        await consume()
    assert db.engine.sync_engine.pool.checkedout() == 0


async def test_streams_side_by_side_in_one_scope(db, scope):
    async def pages():
        return [
            (page.id, keys_of(Member, await scope.related(page, Page.author)))
            async for page in Pages(scope).stream(chunk_size=4)
        ]

    async def members():
        return [
            (member.id, keys_of(Page, await scope.related(member, Member.pages)))
            async for member in Members(scope).stream(chunk_size=3)
        ]

    found = await asyncio.gather(pages(), members(), pages())
    assert found[0] == found[2] == [(key, STORE.related(Page.author, key)) for key in PAGES]
    assert found[1] == [(key, STORE.related(Member.pages, key)) for key in STORE.keys(Member)]


async def test_a_stream_inside_a_stream(db, scope):
    async for chapter in Chapters(scope).stream(chunk_size=3):
        key = key_of(Chapter, chapter)
        notes = [
            note.id
            async for note in REPOSITORY_OF[Note](scope).stream(
                Note.page_id == chapter.page_id, Note.number == chapter.number, chunk_size=2
            )
        ]
        assert notes == STORE.related(Chapter.notes, key)


async def test_a_stream_in_a_snapshot_holds_its_one_connection(db):
    async with db.scope(snapshot=True) as scope:
        found = [remark.id async for remark in Remarks(scope).stream(chunk_size=20)]
        assert db.engine.sync_engine.pool.checkedout() == 1
    assert found == STORE.keys(Remark)
