"""What a scope has read it does not read again, and what it knows to be missing it does not ask for again."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select

from batchrepo import NotFound
from batchrepo.testing import assert_statements, capture_batches
from tests.criteria.models import Chapter, Member, Page, Part, Picture
from tests.criteria.rows import keys_of
from tests.scope.repositories import REPOSITORY_OF, STORE, Chapters, Keyed, Members, Pages, Pictures, Remarks

pytestmark = pytest.mark.asyncio(loop_scope="module")

every_class = pytest.mark.parametrize("cls", REPOSITORY_OF, ids=lambda cls: cls.__name__)


@every_class
async def test_get_after_find_costs_nothing(db, scope, cls):
    repository = REPOSITORY_OF[cls](scope)
    kept = await repository.find()
    with assert_statements(0, db):
        for entity in kept:
            assert await repository.get(keys_of(cls, entity)) is entity
        assert await repository.get_many(STORE.keys(cls)) == sorted(kept, key=lambda one: keys_of(cls, one))


async def test_get_many_asks_for_what_is_not_known(db, scope):
    pages = Pages(scope)
    kept = await pages.find(Page.id <= 10)
    with assert_statements(1, db), capture_batches(scope) as seen:
        found = await pages.get_many(range(1, 16))
    assert [page.id for page in found] == list(range(1, 16))
    assert set(kept) <= set(found)
    with assert_statements(0, db):
        assert await pages.get_many(range(1, 16)) == found
    assert seen.sizes == [15]  # the batch has all keys, the statement those of five rows


async def test_the_statement_holds_the_unknown_keys_only(db, scope):
    kept = await Pages(scope).find(Page.id <= 10)
    await Pages(scope).get_many(range(1, 16))
    (last,) = [event for event in scope.events.events if getattr(event, "cause", "") == "Page by id"][-1:]
    assert (last.keys, last.rows) == (5, 5)
    assert len(kept) == 10


async def test_rows_that_nobody_keeps_are_kept_by_who_got_them_by_key(db, scope):
    with assert_statements(1, db):
        for _ in range(3):
            assert (await Pages(scope).get(1)).id == 1


async def test_a_missing_row_is_asked_for_once(db, scope):
    with assert_statements(1, db):
        for _ in range(3):
            assert await Pages(scope).get_or_none(4711) is None
            with pytest.raises(NotFound):
                await Pages(scope).get(4711)


async def test_concurrent_gets_of_one_key_are_one_row(db, scope):
    with assert_statements(1, db), capture_batches(scope) as seen:
        found = await asyncio.gather(*(Pages(scope).get(1 + number % 3) for number in range(30)))
    assert seen.sizes == [3]
    assert len({id(page) for page in found}) == 3


async def test_repositories_of_one_scope_share_what_is_known(db, scope):
    page = await Pages(scope).get(1)
    with assert_statements(0, db):
        assert await Pages(scope).get(1) is page
        assert await scope.loaders.entity(Pages(scope)._entity).load(1) is page


async def test_views_by_key_are_remembered(db, scope):
    with assert_statements(1, db):
        first = await Pages(scope).get(1, Keyed)
        assert await Pages(scope).get(1, Keyed) == first


async def test_a_reference_to_a_known_row_costs_nothing(db, scope):
    members = await Members(scope).find()
    remarks = await Remarks(scope).find()
    pages = await Pages(scope).find()
    with assert_statements(0, db):
        for page in pages:
            assert await scope.related(page, Page.author) in members
        for remark in remarks:
            assert (await remark.awaitable_attrs.page) in pages


async def test_an_empty_reference_costs_nothing(db, scope):
    members = await Members(scope).find(Member.mentor_id.is_(None))
    assert members
    with assert_statements(0, db):
        for member in members:
            assert await scope.related(member, Member.mentor) is None


async def test_a_composite_key_is_known(db, scope):
    kept = await Chapters(scope).find()
    with assert_statements(0, db):
        for chapter in kept:
            assert await Chapters(scope).get(keys_of(Chapter, chapter)) is chapter


async def test_a_row_of_the_base_s_columns_alone_is_read_whole_by_the_subclass(db, scope):
    parts = await REPOSITORY_OF[Part](scope).find()
    pictures = [part for part in parts if isinstance(part, Picture)]
    with assert_statements(1, db):
        found = await Pictures(scope).get_many([picture.id for picture in pictures])
    assert found == pictures
    assert [picture.width for picture in pictures] == [picture.id * 10 for picture in pictures]


async def test_a_row_of_another_class_is_not_taken_for_one_s_own(scope):
    parts = await REPOSITORY_OF[Part](scope).find()
    plain = next(part.id for part in parts if type(part) is Part)
    assert await Pictures(scope).get_or_none(plain) is None


async def test_a_scope_knows_nothing_of_another(db):
    async with db.scope() as scope:
        first = await Pages(scope).get(1)
    async with db.scope() as scope:
        with assert_statements(1, db):
            second = await Pages(scope).get(1)
    assert first is not second


async def test_rows_that_fetch_gave_are_known(db, scope):
    kept = await scope.fetch(select(Page))
    with assert_statements(0, db):
        for page in kept:
            assert await Pages(scope).get(page.id) is page
