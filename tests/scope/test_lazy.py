"""What was not read with its entity: batched where it can be waited for, an error that helps where it cannot."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import load_only
from sqlalchemy.orm.exc import DetachedInstanceError

from batchrepo import Database, LazyLoad, Repository
from batchrepo.testing import assert_statements
from tests.criteria.models import Label, Member, Page, Part, Picture, Remark
from tests.criteria.rows import keys_of
from tests.scope.repositories import REPOSITORY_OF, STORE, Labels, Pages, Remarks

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def engine(db):
    """An engine of the user's, with transactions; the Database's own commits each statement."""
    created = create_async_engine(db.engine.url)
    yield created
    await created.dispose()


@pytest_asyncio.fixture(loop_scope="module")
async def session(engine):
    """A session of the user's, whose changes are rolled back."""
    async with AsyncSession(engine, expire_on_commit=False) as opened:
        yield opened
        await opened.rollback()


# --- where nobody can wait -------------------------------------------------------------------------------

TOUCHED = {
    "remarks": r"Page\.remarks was touched.*`await scope\.related\(page, Page\.remarks\)`, or "
    r"`await page\.awaitable_attrs\.remarks`, or name it in a view",
    "author": r"Page\.author was touched.*`await scope\.related\(page, Page\.author\)`",
    "body": r"Page\.body was touched.*Write `await page\.awaitable_attrs\.body`",
    "best": r"Page\.best was touched.*Write `await page\.awaitable_attrs\.best`",
}


@pytest.mark.parametrize(("name", "message"), TOUCHED.items(), ids=TOUCHED)
async def test_touching_what_was_not_read_names_the_way_out(db, scope, name, message):
    page = await Pages(scope).get(1)
    with assert_statements(0, db), pytest.raises(LazyLoad, match=message):
        getattr(page, name)


async def test_touching_what_was_read_costs_nothing(db, scope):
    page = await Pages(scope).get(1)
    await scope.related(page, Page.remarks)
    await page.awaitable_attrs.author
    await page.awaitable_attrs.body
    with assert_statements(0, db):
        assert keys_of(Remark, page.remarks) == STORE.related(Page.remarks, 1)
        assert page.author.id == STORE.related(Page.author, 1)
        assert page.body == "body 1"


async def test_a_touch_that_failed_does_not_spoil_the_next_way(scope):
    page = await Pages(scope).get(1)
    with pytest.raises(LazyLoad):
        _ = page.remarks
    assert keys_of(Remark, await page.awaitable_attrs.remarks) == STORE.related(Page.remarks, 1)


async def test_what_was_read_stays_after_the_scope_and_the_rest_is_gone(db):
    async with db.scope() as scope:
        page = await Pages(scope).get(1)
        await scope.related(page, Page.remarks)
    assert page.title == STORE.row(Page, 1)["title"]
    assert keys_of(Remark, page.remarks) == STORE.related(Page.remarks, 1)
    with pytest.raises(DetachedInstanceError):
        _ = page.author


async def test_a_forbidden_relation_is_not_loaded_lazily(db):
    class Forbidding(Repository[Page]):
        loading = {Page.remarks: "forbid"}  # noqa: RUF012

    async with Database(db.engine, repositories=[Forbidding]).scope() as scope:
        page = await Forbidding(scope).get(1)
        for asking in (page.awaitable_attrs.remarks, scope.related(page, Page.remarks)):
            with (
                assert_statements(0, db),
                pytest.raises(LazyLoad, match=r"Page\.remarks has the policy 'forbid'"),
            ):
                await asking


# --- columns ---------------------------------------------------------------------------------------------


async def in_a_loop(entities, name):
    return [await getattr(entity.awaitable_attrs, name) for entity in entities]


async def gathered(entities, name):
    return await asyncio.gather(*(getattr(entity.awaitable_attrs, name) for entity in entities))


both_ways = pytest.mark.parametrize("read", [in_a_loop, gathered], ids=lambda read: read.__name__)


@both_ways
async def test_a_deferred_column_costs_one_statement(db, scope, read):
    pages = await Pages(scope).find()
    with assert_statements(1, db):
        assert await read(pages, "body") == [f"body {page.id}" for page in pages]
    with assert_statements(1, db):
        best = await read(pages, "best")
    for page, value in zip(pages, best, strict=True):
        stars = [given for given in STORE.values(Page.remarks, page.id, "stars") if given is not None]
        assert value == max(stars, default=None)


@both_ways
async def test_a_subclass_s_columns_of_rows_that_its_base_read_cost_one_statement(db, scope, read):
    parts = await REPOSITORY_OF[Part](scope).find()
    pictures = [part for part in parts if isinstance(part, Picture)]
    with assert_statements(1, db):
        assert await read(pictures, "width") == [picture.id * 10 for picture in pictures]


@both_ways
async def test_columns_that_a_statement_left_out_cost_one_statement(db, scope, read):
    pages = await scope.fetch(select(Page).options(load_only(Page.id)))
    with assert_statements(1, db):
        assert await read(pages, "title") == [STORE.row(Page, page.id)["title"] for page in pages]


async def test_a_relation_of_rows_without_its_key_reads_the_keys_first(db, scope):
    pages = await scope.fetch(select(Page).options(load_only(Page.id)))
    with assert_statements(2, db):
        found = [keys_of(Member, await scope.related(page, Page.author)) for page in pages]
    assert found == [STORE.related(Page.author, page.id) for page in pages]


async def test_getting_a_row_that_was_read_in_part_reads_the_rest(db, scope):
    _kept = await scope.fetch(select(Page).options(load_only(Page.id)))
    with assert_statements(1, db):
        page = await Pages(scope).get(1)
    assert page.title == STORE.row(Page, 1)["title"]


# --- expired rows in a session of the user's ---------------------------------------------------------------


async def test_expired_columns_are_read_again_each_time_together(db, engine, session):
    """However often they expire, a loop costs one statement."""
    async with db.scope(session=session) as scope:
        labels = await Labels(scope).find()
        for number in range(1, 4):
            for label in labels:
                session.expire(label)
            await session.execute(
                update(Label).values(name=f"name {number}").execution_options(synchronize_session=False)
            )
            with assert_statements(1, engine):
                assert await in_a_loop(labels, "name") == [f"name {number}"] * len(labels)


async def test_getting_an_expired_row_reads_it_again(db, engine, session):
    async with db.scope(session=session) as scope:
        label = await Labels(scope).get(1)
        for _ in range(2):
            session.expire(label)
            with assert_statements(1, engine):
                assert await Labels(scope).get(1) is label
            assert label.name == "l1"
        session.expire(label)
        with assert_statements(1, engine):
            assert await Labels(scope).get_many([1]) == [label]
        assert label.name == "l1"


async def test_an_expired_row_that_is_gone_is_not_found(db, session):
    session.add(Label(id=99, site=1, name="new"))
    await session.flush()
    async with db.scope(session=session) as scope:
        label = await Labels(scope).get(99)
        await session.execute(
            Label.__table__.delete().where(Label.__table__.c.id == 99),
            execution_options={"synchronize_session": False},
        )
        session.expire(label)
        assert await Labels(scope).get_or_none(99) is None


async def test_expired_relations_are_read_again(db, session):
    async with db.scope(session=session) as scope:
        page = await Pages(scope).get(STORE.row(Remark, 1)["page_id"])
        before = keys_of(Remark, await page.awaitable_attrs.remarks)
        session.add(Remark(id=999, site=1, page_id=page.id))
        await session.flush()
        session.expire(page, ["remarks"])
        assert keys_of(Remark, await page.awaitable_attrs.remarks) == [*before, 999]
        assert keys_of(Remark, await scope.related(page, Page.remarks)) == [*before, 999]


@pytest.mark.parametrize("autoflush", [True, False])
async def test_a_flush_loads_what_it_needs_by_itself(db, engine, autoflush):
    """It cannot wait for a batch, and it must see every row: here those whose reference to a label it takes away."""
    async with AsyncSession(engine, autoflush=autoflush) as session:
        async with db.scope(session=session) as scope, asyncio.timeout(20):
            label = await Labels(scope).get(1)
            await session.delete(label)
            await session.flush()
            assert await Labels(scope).get_or_none(1) is None
            for page in await Pages(scope).find():
                assert 1 not in keys_of(Label, await scope.related(page, Page.labels))
        await session.rollback()


async def test_entities_of_the_user_s_own_load_as_they_always_did(db, session):
    """What the scope did not read is none of its business."""
    own = await session.get(Remark, 2)
    async with db.scope(session=session) as scope:
        assert (await own.awaitable_attrs.page).id == STORE.related(Remark.page, 2)
        (remark,) = await Remarks(scope).find(Remark.id == 1)
        assert (await remark.awaitable_attrs.page).id == STORE.related(Remark.page, 1)
