"""Fetch modes: by Database, by scope, by call; for related() and for awaitable_attrs alike."""

from __future__ import annotations

import warnings

import pytest

from batchrepo import ONE, PEERS, RAISE, WARN, BatchRepoWarning, Database, FetchMode, LazyLoad
from batchrepo.testing import capture_batches
from tests.criteria.models import Page
from tests.scope.repositories import REPOSITORIES, Keyed, Pages

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = {
    "related": lambda scope, page: scope.related(page, Page.remarks),
    "related, as a view": lambda scope, page: scope.related(page, Page.remarks, Keyed),
    "a computed value": lambda scope, page: scope.related(page, Pages.remark_total),
    "computed rows": lambda scope, page: scope.related(page, Pages.last_remark),
    "an expression": lambda scope, page: scope.related(page, Pages.shouted),
    "awaitable_attrs": lambda scope, page: page.awaitable_attrs.remarks,
    "a deferred column": lambda scope, page: page.awaitable_attrs.body,
}

every_question = pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)


@every_question
@pytest.mark.parametrize(("mode", "sizes"), [(PEERS, [30]), (ONE, [1] * 30)], ids=["peers", "one"])
async def test_a_scope_has_a_mode(db, ask, mode, sizes):
    async with db.scope(mode=mode) as scope:
        pages = await Pages(scope).find()
        with capture_batches(scope) as seen:
            for page in pages:
                await ask(scope, page)
        assert seen.sizes == sizes


@every_question
async def test_raise_loads_nothing_and_says_what_to_write(db, ask):
    async with db.scope(mode=RAISE) as scope:
        page = await Pages(scope).get(1)
        with (
            capture_batches(scope) as seen,
            pytest.raises(LazyLoad, match="was not read with its entity") as refusal,
        ):
            await ask(scope, page)
        assert seen.sizes == []
        assert "Name it in a view, or in include=" in str(refusal.value)


@every_question
async def test_warn_loads_for_all_and_says_so_once(db, ask):
    async with db.scope(mode=WARN) as scope:
        pages = await Pages(scope).find()
        with capture_batches(scope) as seen, warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for page in pages:
                await ask(scope, page)
        assert seen.sizes == [30]
        assert [warning.category for warning in told] == [BatchRepoWarning]
        assert "with 29 peers" in str(told[0].message)


async def test_what_was_read_may_be_asked_in_any_mode(db):
    async with db.scope(mode=RAISE) as scope:
        for page in await Pages(scope).find(include=[Page.remarks, Page.author]):
            assert await scope.related(page, Page.remarks) is page.remarks
            assert await page.awaitable_attrs.author is page.author


async def test_a_call_has_a_mode_of_its_own(db):
    async with db.scope(mode=RAISE) as scope:
        pages = await Pages(scope).find()
        with capture_batches(scope) as seen:
            await scope.related(pages[0], Page.remarks, mode=ONE)
            await scope.related(pages[1], Page.remarks, mode=PEERS)
        assert seen.sizes == [1, 29]
    async with db.scope() as scope:
        page = await Pages(scope).get(1)
        with pytest.raises(LazyLoad):
            await scope.related(page, Page.remarks, mode=RAISE)


async def test_a_database_has_a_mode(db):
    database = Database(db.engine, repositories=REPOSITORIES, mode=RAISE)
    async with database.scope() as scope:
        page = await Pages(scope).get(1)
        with pytest.raises(LazyLoad):
            await scope.related(page, Page.remarks)
    async with database.scope(mode=PEERS) as scope:
        page = await Pages(scope).get(1)
        await scope.related(page, Page.remarks)


async def test_a_mode_of_one_s_own_chooses_whom_to_load_along(db):
    class Neighbours(FetchMode):
        """The next two rows only."""

        name = "neighbours"

        def companions(self, peers, state, what, description):
            group = peers.group(state)
            living = group.living()
            place = living.index(state)
            return living[place + 1 : place + 3]

    async with db.scope(mode=Neighbours()) as scope:
        pages = await Pages(scope).find(Page.id <= 9, order_by=Page.id)
        with capture_batches(scope) as seen:
            for page in pages:
                await scope.related(page, Page.remarks)
        assert seen.sizes == [3, 3, 3]


async def test_modes_show_their_names():
    assert [repr(mode) for mode in (PEERS, ONE, RAISE, WARN)] == [
        "<FetchMode peers>",
        "<FetchMode one>",
        "<FetchMode raise>",
        "<FetchMode warn>",
    ]


async def test_nothing_is_warned_of_in_the_usual_mode(db):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with db.scope() as scope:
            for page in await Pages(scope).find():
                await scope.related(page, Page.remarks)
