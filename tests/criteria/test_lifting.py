"""`scope.without(criterion, reason=...)`: some criteria do not hold, all others do."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import InvalidArgument, match
from batchrepo.events import LiftedEvent
from tests.criteria.models import Label, Member, Page, Remark
from tests.criteria.reading import (
    awaitable_attrs_in_a_loop,
    in_a_view,
    in_an_eager_view,
    included,
    related_gathered,
    related_in_a_loop,
)
from tests.criteria.repositories import (
    Context,
    MemberRepository,
    PageRepository,
    of_site,
)
from tests.criteria.rows import RELATIONS, View, keys_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)
EVERYTHING = View(site=None)
ALL_PAGES = View(site=1, lifted=[Page])

(of_pages,) = PageRepository.criteria
(of_members,) = MemberRepository.criteria


async def test_the_lifted_criterion_does_not_hold(scope):
    async with scope.without(of_pages, reason="the editor in chief looks") as wide:
        pages = PageRepository(wide)
        keys = EVERYTHING.keys(Page)
        assert sorted(one.id for one in await pages.find()) == keys
        assert [one.id for one in await pages.get_many(keys)] == keys
        assert await pages.count() == len(keys)
        assert [one.id async for one in pages.stream(chunk_size=7)] == keys
        assert await wide.fetch(select(func.count(Page.id))) == [len(keys)]
        assert await pages.count(Page.author.has()) == len(
            [key for key in keys if ALL_PAGES.related(Page.author, key) is not None]
        )


WAYS = (related_in_a_loop, related_gathered, awaitable_attrs_in_a_loop, included, in_a_view, in_an_eager_view)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_all_others_hold(db, way):
    """From lifted classes to others, and from others to lifted ones."""
    for relation in RELATIONS:
        if Page in (relation.owner, relation.target):
            async with db.scope(Context(site=1)) as scope, scope.without(of_pages, reason="test") as wide:
                expected = {
                    key: ALL_PAGES.related(relation.attribute, key) for key in ALL_PAGES.keys(relation.owner)
                }
                assert await way(wide, relation) == expected, str(relation)


async def test_several_criteria_are_lifted(scope):
    async with scope.without(of_pages, of_members, reason="test") as wide:
        for page in await PageRepository(wide).find():
            author = await wide.related(page, Page.author)
            assert author.id == EVERYTHING.row(Page, page.id)["author_id"]
            found = await wide.related(page, Page.remarks)
            assert keys_of(Remark, found) == SEES.related(Page.remarks, page.id)


async def test_lifting_adds_to_what_was_lifted_before(scope):
    async with (
        scope.without(of_pages, reason="pages") as wide,
        wide.without(of_members, reason="members") as wider,
    ):
        assert await PageRepository(wider).count() == len(EVERYTHING.keys(Page))
        assert await MemberRepository(wider).count() == len(EVERYTHING.keys(Member))
        assert await MemberRepository(wide).count() == len(SEES.keys(Member))


async def test_the_scope_itself_stays_as_it_was(scope):
    """Before, during and after, also for the rows that the wider scope has read."""
    pages, keys = PageRepository(scope), EVERYTHING.keys(Page)
    visible = [key if SEES.sees(Page, key) else None for key in keys]
    assert [one and one.id for one in await pages.get_many_or_none(keys)] == visible
    async with scope.without(of_pages, reason="test") as wide:
        await PageRepository(wide).find()
        assert [one and one.id for one in await pages.get_many_or_none(keys)] == visible
        assert await pages.count() == len(SEES.keys(Page))
    assert [one and one.id for one in await pages.get_many_or_none(keys)] == visible
    for page in await pages.find():
        found = await scope.related(page, Page.labels)
        assert keys_of(Label, found) == SEES.related(Page.labels, page.id)


async def test_lifting_in_a_session_of_the_user_s(db):
    """The wider scope fills the session; the narrow one does not take rows from it."""
    async with AsyncSession(db.engine) as session, db.scope(Context(site=1), session=session) as scope:
        async with scope.without(of_pages, reason="test") as wide:
            everything = await PageRepository(wide).find()
        assert len(everything) == len(EVERYTHING.keys(Page))
        found = await PageRepository(scope).get_many_or_none(EVERYTHING.keys(Page))
        assert [one.id for one in found if one is not None] == SEES.keys(Page)


async def test_the_reason_is_kept(scope):
    async with scope.without(of_pages, reason="the editor in chief looks") as wide:
        await PageRepository(wide).count()
    lifted = [event for event in scope.events.events if isinstance(event, LiftedEvent)]
    assert [(event.criteria, event.reason) for event in lifted] == [
        (("Page.site",), "the editor in chief looks")
    ]
    assert "the editor in chief looks" in str(scope.report())
    assert "the editor in chief looks" in str(wide.report())


@pytest.mark.parametrize("reason", ["", "  "])
async def test_a_reason_is_needed(scope, reason):
    with pytest.raises(InvalidArgument, match="needs a reason"):
        scope.without(of_pages, reason=reason)
    assert not [event for event in scope.events.events if isinstance(event, LiftedEvent)]


async def test_what_no_repository_declares_cannot_be_lifted(scope):
    with pytest.raises(InvalidArgument, match="is not a criterion of a repository"):
        scope.without(match(Page.site, of_site), reason="test")
