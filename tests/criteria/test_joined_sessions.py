"""Row criteria in a session of the user's, who may have read rows of the other site into it already."""

from __future__ import annotations

import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import joinedload, selectinload

from batchrepo import NotFound
from tests.criteria.models import Member, Page, Remark
from tests.criteria.reading import (
    awaitable_attrs_gathered,
    awaitable_attrs_in_a_loop,
    in_a_view,
    in_an_eager_view,
    included,
    related_gathered,
    related_in_a_loop,
)
from tests.criteria.repositories import REPOSITORY_OF, Context, MemberRepository, PageRepository
from tests.criteria.rows import RELATIONS, View, keys_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)
EVERYTHING = View(site=None)


@pytest_asyncio.fixture(loop_scope="module")
async def engine(db):
    """An engine of the user's, with transactions; the Database's own commits each statement."""
    created = create_async_engine(db.engine.url)
    yield created
    await created.dispose()


@pytest_asyncio.fixture(loop_scope="module")
async def session(engine):
    """A session that holds every row of every class, and keeps them."""
    async with AsyncSession(engine, expire_on_commit=False) as opened:
        opened.info["kept"] = [(await opened.scalars(select(cls))).all() for cls in REPOSITORY_OF]
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def full_session(engine):
    """A session whose entities have their relations already, hidden rows and all."""
    async with AsyncSession(engine, expire_on_commit=False) as opened:
        kept = []
        for relation in RELATIONS:
            option = selectinload(relation.attribute) if relation.many else joinedload(relation.attribute)
            kept.append((await opened.scalars(select(relation.owner).options(option))).unique().all())
        opened.info["kept"] = kept
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def scope(db, session):
    async with db.scope(Context(site=1), session=session) as opened:
        yield opened


@pytest.mark.parametrize("cls", REPOSITORY_OF, ids=lambda cls: cls.__name__)
async def test_rows_by_key_are_not_taken_from_the_session(scope, cls):
    repository = REPOSITORY_OF[cls](scope)
    keys = EVERYTHING.keys(cls)
    expected = [key if SEES.sees(cls, key) else None for key in keys]
    assert [keys_of(cls, one) for one in await repository.get_many_or_none(keys)] == expected
    assert [keys_of(cls, await repository.get_or_none(key)) for key in keys[:10]] == expected[:10]
    with pytest.raises(NotFound):
        await repository.get(next(key for key in keys if not SEES.sees(cls, key)))


async def test_the_scope_gives_the_session_s_own_entities(scope, session):
    (visible, *_) = SEES.keys(Page)
    assert await PageRepository(scope).get(visible) is await session.get(Page, visible)


WAYS = (related_in_a_loop, related_gathered, included, in_a_view, in_an_eager_view)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_relations_lead_to_visible_rows_only(db, session, way):
    for relation in RELATIONS:
        async with db.scope(Context(site=1), session=session) as scope:
            expected = {key: SEES.related(relation.attribute, key) for key in SEES.keys(relation.owner)}
            assert await way(scope, relation) == expected, str(relation)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_relations_that_the_user_has_read_lead_to_visible_rows_only(db, full_session, way):
    for relation in RELATIONS:
        async with db.scope(Context(site=1), session=full_session) as scope:
            expected = {key: SEES.related(relation.attribute, key) for key in SEES.keys(relation.owner)}
            assert await way(scope, relation) == expected, str(relation)


@pytest.mark.parametrize(
    "way", [awaitable_attrs_in_a_loop, awaitable_attrs_gathered], ids=lambda way: way.__name__
)
async def test_awaitable_attrs_lead_to_visible_rows_only(db, session, way):
    """SQLAlchemy would take a reference's row from the session, without a statement to guard."""
    for relation in RELATIONS:
        for one in session.sync_session.identity_map.values():
            if isinstance(one, relation.owner):
                session.expire(one, [relation.name])
        async with db.scope(Context(site=1), session=session) as scope:
            expected = {key: SEES.related(relation.attribute, key) for key in SEES.keys(relation.owner)}
            assert await way(scope, relation) == expected, str(relation)


async def test_references_of_the_user_s_own_entities_are_his(db, session):
    """Those that the scope did not read, and all of them when it has ended."""
    async with db.scope(Context(site=1), session=session) as scope:
        seen = {one.id for one in await PageRepository(scope).find(Page.id <= 15)}
        for key in EVERYTHING.keys(Page):
            author = await (await session.get(Page, key)).awaitable_attrs.author
            sees = SEES if key in seen else EVERYTHING
            assert keys_of(Member, author) == sees.related(Page.author, key)
    session.expire_all()
    for key in EVERYTHING.keys(Page):
        author = await (await session.get(Page, key)).awaitable_attrs.author
        assert keys_of(Member, author) == EVERYTHING.related(Page.author, key)


async def test_include_leaves_what_the_user_has_changed(db, engine):
    """His session, his change: it is neither lost nor flushed by reading."""
    async with AsyncSession(engine, autoflush=False) as session, session.begin() as transaction:
        page = await session.get(Page, SEES.keys(Page)[0], options=[selectinload(Page.remarks)])
        page.remarks = []
        async with db.scope(Context(site=1), session=session) as scope:
            (found,) = await PageRepository(scope).find(Page.id == page.id, include=[Page.remarks])
            assert found is page
        assert page.remarks == []
        assert page in session.dirty
        await transaction.rollback()


async def test_rows_that_the_user_adds_are_seen_if_the_criteria_allow_it(db, engine):
    async with AsyncSession(engine) as session:
        session.add_all([Member(id=901, site=1, name="own"), Member(id=902, site=2, name="foreign")])
        async with db.scope(Context(site=1), session=session) as scope:
            found = await MemberRepository(scope).get_many_or_none([901, 902])
            assert [one and one.id for one in found] == [901, None]
            assert await MemberRepository(scope).count() == len(SEES.keys(Member)) + 1
        await session.rollback()


async def test_two_scopes_of_two_sites_in_one_session(db, session):
    """One after the other: what the first one has checked, the second one checks again."""
    for site in (1, 2, 1):
        async with db.scope(Context(site=site), session=session) as scope:
            sees = View(site)
            pages = await PageRepository(scope).get_many_or_none(EVERYTHING.keys(Page))
            assert [one.id for one in pages if one is not None] == sees.keys(Page)
            for page in pages:
                if page is not None:
                    found = await scope.related(page, Page.remarks)
                    assert keys_of(Remark, found) == sees.related(Page.remarks, page.id)
                    author = await scope.related(page, Page.author)
                    assert keys_of(Member, author) == sees.related(Page.author, page.id)


async def test_fetch_in_a_session_that_holds_every_row(scope):
    for option in (selectinload, joinedload):
        for page in await scope.fetch(select(Page).options(option(Page.author))):
            assert keys_of(Member, page.author) == SEES.related(Page.author, page.id)


@pytest.mark.parametrize("how", ["include", "fetch"])
async def test_rows_that_only_an_attribute_leads_to_are_not_trusted(db, full_session, how):
    """The user's own loads put them there; that their owner was checked says nothing about them."""
    async with db.scope(Context(site=1), session=full_session) as scope:
        if how == "include":
            await PageRepository(scope).find(include=[Page.labels])
        else:
            await scope.fetch(select(Page).options(selectinload(Page.labels)))
        for cls in (Member, Remark):
            repository = REPOSITORY_OF[cls](scope)
            for key in EVERYTHING.keys(cls):
                assert keys_of(cls, await repository.get_or_none(key)) == (
                    key if SEES.sees(cls, key) else None
                )


async def test_rows_that_only_an_attribute_leads_to_lead_to_visible_rows_only(db, full_session):
    async with db.scope(Context(site=1), session=full_session) as scope:
        for page in await PageRepository(scope).find(include=[Page.readers]):
            for reader in page.readers:
                found = await scope.related(reader, Member.read)
                assert keys_of(Page, found) == SEES.related(Member.read, reader.id)
