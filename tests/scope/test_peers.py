"""A plain loop costs one statement for each relation: what one entity is asked for, its peers get too."""

from __future__ import annotations

import asyncio
import gc

import pytest
from sqlalchemy import select
from sqlalchemy.orm import aliased, joinedload, selectinload

from batchrepo import Database, Repository, batched, fetched
from batchrepo.scope import peers
from batchrepo.testing import assert_statements, capture_batches
from tests.criteria.models import Chapter, Label, Member, Page, Part, Picture, Remark
from tests.criteria.rows import RELATIONS, keys_of
from tests.scope.repositories import (
    REPOSITORY_OF,
    STORE,
    Chapters,
    Keyed,
    Labels,
    Members,
    Pages,
    Pictures,
    Remarks,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask_related(scope, owner, relation):
    return await scope.related(owner, relation.attribute)


async def ask_awaitable_attrs(_scope, owner, relation):
    return await getattr(owner.awaitable_attrs, relation.name)


both_ways = pytest.mark.parametrize("ask", [ask_related, ask_awaitable_attrs], ids=lambda ask: ask.__name__)


@both_ways
async def test_a_loop_costs_one_statement(db, ask):
    for relation in RELATIONS:
        async with db.scope() as scope:
            owners = await REPOSITORY_OF[relation.owner](scope).find()
            # Whoever teaches is a member, and all members are known.
            with assert_statements(0 if relation.attribute is Member.mentor else 1, db):
                for owner in owners:
                    found = await ask(scope, owner, relation)
                    key = keys_of(relation.owner, owner)
                    assert keys_of(relation.target, found) == STORE.related(relation.attribute, key)


@both_ways
async def test_loops_in_loops_cost_a_statement_for_each_level(db, scope, ask):
    with assert_statements(5, db):
        for label in await Labels(scope).find():
            for page in await scope.related(label, Label.pages):
                for remark in await scope.related(page, Page.remarks):
                    assert remark.page_id == page.id
                for reader in await scope.related(page, Page.readers):
                    await scope.related(reader, Member.badge)


async def test_a_loop_over_computed_values_costs_one_statement(db, scope):
    pages = await Pages(scope).find()
    for computed in (Pages.remark_total, Pages.last_remark, Pages.shouted, Pages.mean):
        with assert_statements(1, db):
            for page in pages:
                await scope.related(page, computed)
    with assert_statements(1, db):
        for page in pages:
            await scope.related(page, Page.remarks, Keyed)


async def test_the_batch_holds_each_key_once(scope):
    remarks = await Remarks(scope).find()
    with capture_batches(scope) as seen:
        for remark in remarks:
            await scope.related(remark, Remark.page)
    assert seen.sizes == [len({remark.page_id for remark in remarks})]


async def test_only_living_peers_are_loaded(scope):
    (*pages,) = await Pages(scope).find(order_by=Page.id)
    kept = pages[:4]
    del pages
    gc.collect()
    with capture_batches(scope) as seen:
        await scope.related(kept[0], Page.remarks)
    assert seen.sizes == [4]


async def test_what_was_loaded_is_not_loaded_again(db, scope):
    pages = await Pages(scope).find()
    for page in pages:
        await scope.related(page, Page.remarks)
    with assert_statements(0, db):
        for page in pages:
            await scope.related(page, Page.remarks)
            await page.awaitable_attrs.remarks


# --- how entities become peers ---------------------------------------------------------------------------


@pytest.mark.parametrize("attribute", [Page.author, Page.readers, Page.labels], ids=str)
async def test_included_entities_are_peers(db, scope, attribute):
    owners = await Pages(scope).find(include=[attribute])
    relation = Member.read if attribute is not Page.labels else Label.pages
    with assert_statements(1, db):
        for owner in owners:
            found = owner.__dict__[attribute.key]
            for one in found if isinstance(found, list) else [found]:
                await scope.related(one, relation)


@pytest.mark.parametrize("option", [joinedload, selectinload], ids=lambda option: option.__name__)
async def test_entities_that_options_load_are_peers_at_every_depth(db, scope, option):
    statement = select(Label).options(option(Label.pages).selectinload(Page.author))
    labels = await scope.fetch(statement)
    with assert_statements(1, db):
        for label in labels:
            for page in label.pages:
                await scope.related(page.author, Member.read)


async def test_entities_of_tuples_are_peers_column_by_column(db, scope):
    pairs = await scope.fetch(select(Page, Member).join(Page.author))
    with assert_statements(2, db):
        for page, author in pairs:
            await scope.related(page, Page.remarks)
            await scope.related(author, Member.badge)


async def test_a_class_and_its_alias_in_one_result_are_peers(db, scope):
    mentor = aliased(Member)
    pairs = await scope.fetch(select(Member, mentor).join(Member.mentor.of_type(mentor)))
    assert pairs
    with assert_statements(2, db):
        for member, other in pairs:
            await scope.related(member, Member.pages)
            await scope.related(other, Member.badge)


async def test_entities_that_get_many_gave_are_peers(db, scope):
    pages = await Pages(scope).get_many(range(1, 11))
    with assert_statements(1, db):
        for page in pages:
            await scope.related(page, Page.remarks)


async def test_concurrent_gets_are_peers(db, scope):
    pages = await asyncio.gather(*(Pages(scope).get(key) for key in range(1, 11)))
    with assert_statements(1, db):
        for page in pages:
            await scope.related(page, Page.remarks)


async def test_entities_that_find_by_gave_are_peers(db, scope):
    pages = await Pages(scope).find_by(Page.title, "p1")
    assert len(pages) > 2
    with assert_statements(1, db):
        for page in pages:
            await scope.related(page, Page.remarks)


async def test_composite_keys_are_peers(db, scope):
    chapters = await Chapters(scope).find()
    with assert_statements(2, db):
        for chapter in chapters:
            await scope.related(chapter, Chapter.notes)
            await scope.related(chapter, Chapters.note_count)


async def test_subclasses_in_one_result_are_peers(db, scope):
    """A relation that their base declares is one relation for all of them."""
    parts = await REPOSITORY_OF[Part](scope).find()
    assert {type(part) for part in parts} == {Part, Picture}
    with assert_statements(1, db):
        for part in parts:
            await scope.related(part, Part.page)


async def test_a_relation_of_a_base_is_asked_by_a_subclass_s_attribute(db, scope):
    pictures = await Pictures(scope).find()
    with assert_statements(1, db):
        for picture in pictures:
            await scope.related(picture, Picture.page)


# --- which group an entity is in -------------------------------------------------------------------------


async def test_an_entity_stays_with_the_larger_group(db, scope):
    everything = await Pages(scope).find()
    (some,) = await Pages(scope).find(Page.id == 1)
    assert some in everything
    with capture_batches(scope) as seen:
        await scope.related(some, Page.remarks)
    assert seen.sizes == [len(everything)]


async def test_an_entity_joins_a_larger_group(db, scope):
    some = await Pages(scope).get(1)
    everything = await Pages(scope).find()
    with capture_batches(scope) as seen:
        await scope.related(some, Page.remarks)
    assert seen.sizes == [len(everything)]


async def test_of_two_equal_groups_the_later_one_wins(scope):
    first = await Pages(scope).find(Page.id.in_([1, 2, 3]))
    second = await Pages(scope).find(Page.id.in_([3, 4, 5]))
    shared = next(page for page in first if page in second)
    with capture_batches(scope) as seen:
        await scope.related(shared, Page.remarks)
        await scope.related(first[0], Page.remarks)
    assert seen.sizes == [3, 2]


async def test_a_group_is_bounded(db, scope, monkeypatch):
    monkeypatch.setattr(peers, "PEER_LIMIT", 7)
    pages = await Pages(scope).find()
    assert len(pages) == 30
    with capture_batches(scope) as seen:
        for page in pages:
            await scope.related(page, Page.remarks)
    assert seen.sizes == [7, 7, 7, 7, 2]


# --- the first caller goes -------------------------------------------------------------------------------


@both_ways
async def test_a_first_caller_that_is_cancelled_leaves_the_others_together(db, scope, ask):
    for attribute in (Page.remarks, Page.author):
        (relation,) = (one for one in RELATIONS if one.attribute is attribute)
        pages = await Pages(scope).find()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await ask(scope, pages[0], relation)
        with assert_statements(1, db):
            for page in pages:
                await ask(scope, page, relation)


async def test_a_first_caller_of_a_deferred_column_that_is_cancelled_leaves_the_others_together(db, scope):
    pages = await Pages(scope).find()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await pages[0].awaitable_attrs.body
    with assert_statements(1, db):
        for page in pages:
            assert await page.awaitable_attrs.body == f"body {page.id}"


async def test_one_of_several_callers_that_is_cancelled_costs_the_others_nothing(db, scope):
    pages = await Pages(scope).find()
    with assert_statements(1, db):
        tasks = [asyncio.create_task(scope.related(page, Page.remarks)) for page in pages]
        await asyncio.sleep(0)
        tasks[0].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert [keys_of(Remark, one) for one in found[1:]] == [
        STORE.related(Page.remarks, p.id) for p in pages[1:]
    ]


async def test_a_first_caller_that_fails_leaves_the_others_together(db):
    asked = []

    @batched
    async def fails_once(keys):
        asked.append(sorted(keys))
        if len(asked) == 1:
            raise ConnectionError("once")
        return {key: key * 2 for key in keys}

    class Doubled(Repository[Page]):
        double = fetched(fails_once, key=Page.id)

    async with Database(db.engine, repositories=[Doubled]).scope() as scope:
        pages = await Doubled(scope).find()
        with pytest.raises(ConnectionError):
            await scope.related(pages[0], Doubled.double)
        assert [await scope.related(page, Doubled.double) for page in pages] == [
            page.id * 2 for page in pages
        ]
    assert asked == [list(range(1, 31))] * 2


async def test_a_key_that_fails_fails_alone(db):
    @batched
    async def fails_for_three(keys):
        return {key: ValueError("three") if key == 3 else key for key in keys}

    class Checked(Repository[Page]):
        checked = fetched(fails_for_three, key=Page.id)

    async with Database(db.engine, repositories=[Checked]).scope() as scope:
        for page in await Checked(scope).find():
            if page.id == 3:
                with pytest.raises(ValueError, match="three"):
                    await scope.related(page, Checked.checked)
            else:
                assert await scope.related(page, Checked.checked) == page.id


async def test_two_loops_at_once_cost_no_more_than_one(db, scope):
    pages = await Pages(scope).find()

    async def loop(order):
        return {page.id: keys_of(Remark, await scope.related(page, Page.remarks)) for page in order}

    with assert_statements(1, db):
        one, other = await asyncio.gather(loop(pages), loop(pages[::-1]))
    assert one == other == {page.id: STORE.related(Page.remarks, page.id) for page in pages}


async def test_members_of_two_results_are_loaded_apart(db, scope):
    """Peers are what came together: what was read at another place is not loaded along."""
    first = await Members(scope).find(Member.id <= 4)
    second = await Members(scope).find(Member.id > 4)
    with capture_batches(scope) as seen:
        for member in (*first, *second):
            await scope.related(member, Member.pages)
    assert seen.sizes == [len(first), len(second)]
