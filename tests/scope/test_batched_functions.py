"""`scope.load` of a user's own batch functions: batched, with the scope's resources, holding no connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, select

from batchrepo import Database, NotFound, Repository, Scope, ScopeClosed, batched, fetched
from batchrepo.testing import assert_statements, capture_batches
from tests.criteria.models import Page
from tests.scope.repositories import REPOSITORIES, STORE, Pages

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Service:
    """A foreign service: it notes what it is asked, and answers when it is told to."""

    def __init__(self):
        self.asked = []
        self.arrived = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def call(self, keys):
        self.asked.append(sorted(keys))
        self.arrived.set()
        await self.may_answer.wait()
        return {key: f"answer {key}" for key in keys if key < 1000}


@batched
async def answers(keys: list[int], scope: Scope) -> dict[int, str]:
    return await scope.resources["service"].call(keys)


@batched(dispatch="immediate")
async def slow_answers(keys: list[int], scope: Scope) -> dict[int, str]:
    return await scope.resources["service"].call(keys)


@batched(max_batch_size=4, missing=None)
async def answers_in_parts(keys: list[int], scope: Scope) -> dict[int, str]:
    return await scope.resources["service"].call(keys)


@batched
async def titles(keys: list[int], scope: Scope) -> dict[int, Any]:
    """Reads the database itself, through the repositories of the scope."""
    return {page.id: page.title for page in await Pages(scope).get_many(keys)}


class Answered(Repository[Page]):
    answer = fetched(answers, key=Page.author_id)
    slow_answer = fetched(slow_answers, key=Page.author_id)


@pytest.fixture
def service():
    return Service()


@pytest_asyncio.fixture(loop_scope="module")
async def scope(db, service):
    database = Database(db.engine, repositories=[*REPOSITORIES, Answered], resources={"service": service})
    async with database.scope() as opened:
        yield opened


def in_use(db):
    return db.engine.sync_engine.pool.checkedout()


async def test_concurrent_loads_are_one_call_with_each_key_once(scope, service):
    found = await asyncio.gather(*(scope.load(answers, key % 5) for key in range(20)))
    assert found == [f"answer {key % 5}" for key in range(20)]
    assert service.asked == [[0, 1, 2, 3, 4]]


async def test_load_many_keeps_order_and_duplicates(scope, service):
    assert await scope.load_many(answers, [3, 1, 3, 2]) == ["answer 3", "answer 1", "answer 3", "answer 2"]
    assert await scope.load_many(answers, iter([3, 1])) == ["answer 3", "answer 1"]
    assert await scope.load_many(answers, []) == []
    assert service.asked == [[1, 2, 3]]


async def test_a_key_without_an_answer_fails_alone(scope):
    found = await asyncio.gather(
        scope.load(answers, 1), scope.load(answers, 1001), scope.load(answers, 2), return_exceptions=True
    )
    assert (found[0], found[2]) == ("answer 1", "answer 2")
    assert isinstance(found[1], NotFound)
    assert await scope.load_many(answers_in_parts, [1, 1001]) == ["answer 1", None]


async def test_large_batches_go_out_in_parts(scope, service):
    await scope.load_many(answers_in_parts, range(10))
    assert sorted(map(len, service.asked)) == [2, 4, 4]


async def test_each_scope_asks_for_itself(db, service):
    database = Database(db.engine, resources={"service": service})
    for _ in range(2):
        async with database.scope() as scope:
            assert await scope.load(answers, 1) == "answer 1"
    assert service.asked == [[1], [1]]


async def test_a_loop_over_entities_is_one_call(scope, service):
    pages = await Answered(scope).find()
    for page in pages:
        assert await scope.related(page, Answered.answer) == f"answer {page.author_id}"
    assert service.asked == [sorted({page.author_id for page in pages})]


async def test_no_connection_is_held_while_a_function_calls_out(db, scope, service):
    pages = await Answered(scope).find()
    service.may_answer.clear()
    asked = asyncio.gather(*(scope.related(page, Answered.answer) for page in pages))
    await service.arrived.wait()
    assert in_use(db) == 0
    service.may_answer.set()
    assert len(await asked) == len(pages)


async def test_an_immediate_function_holds_up_no_round(db, scope, service):
    """While it waits for its service, relations are loaded round after round."""
    pages = await Answered(scope).find()
    service.may_answer.clear()
    asked = asyncio.gather(*(scope.related(page, Answered.slow_answer) for page in pages))
    await service.arrived.wait()
    with capture_batches(scope) as seen:
        for page in pages:
            await scope.related(page, Page.remarks)
            await scope.related(page, Page.author)
    assert seen.names == ["Page.remarks", "Member"]
    assert not asked.done()
    assert in_use(db) == 0
    service.may_answer.set()
    assert await asked == [f"answer {page.author_id}" for page in pages]


async def test_a_round_that_runs_holds_up_no_immediate_function(db, scope, service):
    """The other way round: the service is asked while a batch of a round is still out."""
    gate, running = asyncio.Event(), asyncio.Event()

    @batched
    async def slow(keys: list[int]) -> dict[int, int]:
        running.set()
        await gate.wait()
        return {key: key for key in keys}

    held = asyncio.ensure_future(scope.load(slow, 1))
    await running.wait()
    assert await scope.load(slow_answers, 7) == "answer 7"
    assert not held.done()
    gate.set()
    assert await held == 1


async def test_a_function_may_read_through_repositories(db, scope):
    with assert_statements(1, db):
        found = await asyncio.gather(*(scope.load(titles, key) for key in range(1, 11)))
    assert found == [STORE.row(Page, key)["title"] for key in range(1, 11)]


async def test_loads_of_different_kinds_share_a_round(db, scope, service):
    pages = await Answered(scope).find()
    with capture_batches(scope) as seen:
        await asyncio.gather(
            *(scope.related(page, Page.remarks) for page in pages),
            *(scope.related(page, Answered.answer) for page in pages),
            *(scope.load(titles, page.id) for page in pages),
        )
    assert len(seen.rounds[0]) == 3


async def test_a_closed_scope_loads_nothing(db, service):
    async with Database(db.engine, resources={"service": service}).scope() as scope:
        pass
    with pytest.raises(ScopeClosed):
        await scope.load(answers, 1)
    with pytest.raises(ScopeClosed):
        await scope.load_many(answers, [1])
    with pytest.raises(ScopeClosed):
        await scope.fetch(select(func.count(Page.id)))
    assert service.asked == []


async def test_closing_ends_what_is_still_out(db, service):
    service.may_answer.clear()
    async with Database(db.engine, resources={"service": service}).scope() as scope:
        waiting = asyncio.ensure_future(scope.load(answers, 1))
        await service.arrived.wait()
    with pytest.raises(ScopeClosed):
        await waiting
    assert in_use(db) == 0
