"""Scopes opened, used, shared and closed as they should not be: a clear error, and nothing else is hurt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select

from batchrepo import Database, LazyLoad, Scope, ScopeClosed, ScopeError, batched, current_scope
from batchrepo.testing import assert_statements
from tests.executing.gate import gate_for
from tests.testing.library import (
    REPOSITORIES,
    Author,
    AuthorRepository,
    AuthorView,
    fill,
    in_use,
    library,
)


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with library(database_url) as opened:
        yield opened


@batched
async def doubles(numbers: list[int]) -> dict[int, int]:
    return {number: 2 * number for number in numbers}


# --- never opened -----------------------------------------------------------------------------------

UNOPENED = {
    "related": lambda scope, author: scope.related(author, Author.books),
    "load": lambda scope, author: scope.load(doubles, 1),
    "load_many": lambda scope, author: scope.load_many(doubles, [1]),
    "fetch": lambda scope, author: scope.fetch(select(Author)),
    "close": lambda scope, author: scope.__aexit__(None, None, None),
}


@pytest.mark.parametrize("use", UNOPENED.values(), ids=UNOPENED)
async def test_a_scope_that_was_never_opened_says_how_to_open_it(db: Database, use: Any):
    async with db.scope() as scope:
        author = await AuthorRepository(scope).get(1)
        with pytest.raises(ScopeClosed, match=r"not open yet.*async with db.scope\(\) as scope"):
            await use(db.scope(), author)
        assert current_scope() is scope


@pytest.mark.parametrize("name", ["session", "loaders", "scheduler", "door"])
async def test_nor_has_it_any_parts(db: Database, name: str):
    with pytest.raises(ScopeClosed, match="not open yet"):
        getattr(db.scope(), name)


async def test_its_report_is_empty(db: Database):
    scope = db.scope()
    assert scope.report().statements == 0
    assert repr(scope) == "<Scope new>"
    assert not scope.closed


# --- closed twice, or in the wrong order ------------------------------------------------------------


async def test_closing_twice_changes_nothing(db: Database):
    async with db.scope() as outer:
        inner = db.scope()
        await inner.__aenter__()
        await AuthorRepository(inner).get(1)
        for _ in range(2):
            await inner.__aexit__(None, None, None)
            assert current_scope() is outer
        async with db.scope() as another:
            await inner.__aexit__(None, None, None)
            assert current_scope() is another
        assert (await AuthorRepository(outer).get(1)).name == "author 1"


async def test_an_outer_scope_may_be_closed_before_an_inner_one(db: Database):
    async with db.scope() as first:
        second, third = db.scope(), db.scope()
        await second.__aenter__()
        await third.__aenter__()
        await second.__aexit__(None, None, None)
        assert current_scope() is third
        assert await AuthorRepository(third).count() == 5
        await third.__aexit__(None, None, None)
        assert current_scope() is first


async def test_a_database_may_be_closed_twice_and_in_the_middle(tmp_path):
    db = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}", repositories=REPOSITORIES)
    await db.dispose()
    async with db:
        await fill(db.engine)
        async with db.scope() as scope:
            authors = AuthorRepository(scope)
            await authors.get(1)
            await db.dispose()
            assert (await authors.get(2)).name == "author 2"
            await db.dispose()
    assert in_use(db.engine) == 0


# --- other tasks ------------------------------------------------------------------------------------


async def test_a_scope_may_be_opened_used_and_closed_by_three_tasks(db: Database):
    """As a framework does that runs set-up and tear-down in tasks of their own."""
    scope = db.scope()
    await asyncio.create_task(scope.__aenter__())
    assert current_scope() is None
    author = await asyncio.create_task(AuthorRepository(scope).get(1))
    assert len(await asyncio.create_task(scope.related(author, Author.books))) == 3
    await asyncio.create_task(scope.__aexit__(None, None, None))
    assert scope.closed
    assert in_use(db.engine) == 0


async def test_a_task_that_outlives_its_scope_is_told_so(db: Database):
    release = asyncio.Event()

    async def late(authors: AuthorRepository) -> Author:
        await release.wait()
        return await authors.get(1)

    async with db.scope() as scope:
        task = asyncio.create_task(late(AuthorRepository(scope)))
    release.set()
    with pytest.raises(ScopeClosed, match="scope has ended"):
        await task
    async with db.scope():
        assert in_use(db.engine) == 0


async def test_a_call_is_awaited_once(db: Database):
    async with db.scope() as scope:
        call = AuthorRepository(scope).get(1)
        author = await call
        with pytest.raises(RuntimeError, match="already awaited"):
            await call
        assert await AuthorRepository(scope).get(1) is author


async def test_a_stream_has_one_reader(db: Database):
    """Two tasks that read one stream: one of them is told so, and the stream loses nothing."""
    async with db.scope() as scope:
        stream = AuthorRepository(scope).stream(chunk_size=2)
        first, refused = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        assert isinstance(refused, RuntimeError)
        assert [first.id, *[author.id async for author in stream]] == [1, 2, 3, 4, 5]
        assert [author async for author in stream] == []


async def test_a_stream_may_be_left_in_the_middle(db: Database):
    async with db.scope() as scope:
        async for author in AuthorRepository(scope).stream(chunk_size=2):
            if author.id == 3:
                break
        assert in_use(db.engine) == 0
        assert await AuthorRepository(scope).count() == 5


# --- other loops and threads ------------------------------------------------------------------------

USES = {
    "get": lambda scope, authors, author: authors.get(2),
    "get what is there": lambda scope, authors, author: authors.get(1),
    "get a view": lambda scope, authors, author: authors.get(1, AuthorView),
    "find": lambda scope, authors, author: authors.find(),
    "find_json": lambda scope, authors, author: authors.find_json(AuthorView),
    "find_by": lambda scope, authors, author: authors.find_by(Author.name, "author 1"),
    "count": lambda scope, authors, author: authors.count(),
    "stream": lambda scope, authors, author: anext(authors.stream()),
    "related": lambda scope, authors, author: scope.related(author, Author.books),
    "computed": lambda scope, authors, author: scope.related(author, AuthorRepository.book_count),
    "awaitable_attrs": lambda scope, authors, author: attribute(author, "books"),
    "load": lambda scope, authors, author: scope.load(doubles, 1),
    "fetch": lambda scope, authors, author: scope.fetch(select(Author)),
}


async def attribute(entity: Any, name: str) -> Any:
    return await getattr(entity.awaitable_attrs, name)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_a_scope_belongs_to_the_event_loop_that_opened_it(db: Database, use: Any):
    """A thread that runs a loop of its own: refused, before a connection is spoilt for all others."""
    async with db.scope() as scope:
        authors = AuthorRepository(scope)
        author = await authors.get(1)

        async def elsewhere() -> None:
            with pytest.raises(ScopeError, match=r"opened in another event loop.*run_coroutine_threadsafe"):
                await use(scope, authors, author)

        with assert_statements(0, db):
            await asyncio.to_thread(asyncio.run, elsewhere())
        await use(scope, authors, author)


def test_a_scope_that_its_loop_left_open_is_refused_in_the_next_and_may_be_closed(tmp_path):
    db = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}", repositories=REPOSITORIES)

    async def leave_open() -> Scope:
        await fill(db.engine)
        scope = db.scope()
        await scope.__aenter__()
        await AuthorRepository(scope).get(1)
        return scope

    async def go_on(scope: Scope) -> None:
        with pytest.raises(ScopeError, match="opened in another event loop"):
            await AuthorRepository(scope).get(1)
        await scope.__aexit__(None, None, None)
        await db.dispose()

    asyncio.run(go_on(asyncio.run(leave_open())))


async def test_a_thread_may_ask_the_loop_of_the_scope(db: Database):
    loop = asyncio.get_running_loop()
    async with db.scope() as scope:
        authors = AuthorRepository(scope)

        def in_a_thread(key: int) -> Author:
            return asyncio.run_coroutine_threadsafe(authors.get(key), loop).result(30)

        found = await asyncio.gather(*(asyncio.to_thread(in_a_thread, key) for key in (1, 2, 1)))
    assert [author.id for author in found] == [1, 2, 1]
    assert found[0] is found[2]


async def test_a_thread_that_touches_what_nobody_loaded_is_told_so(db: Database):
    async with db.scope() as scope:
        author = await AuthorRepository(scope).get(1)
        with assert_statements(0, db), pytest.raises(LazyLoad, match=r"Author\.books"):
            await asyncio.to_thread(lambda: author.books)
        assert len(await author.awaitable_attrs.books) == 3
        assert len(await asyncio.to_thread(lambda: author.books)) == 3


# --- cancelled while closing ------------------------------------------------------------------------


@pytest.mark.parametrize("snapshot", [False, True], ids=["pooled", "snapshot"])
async def test_closing_that_is_cancelled_still_gives_everything_back(database_url: str, snapshot: bool):
    async with Database(database_url, repositories=REPOSITORIES) as db, gate_for(db.engine) as gate:
        await fill(db.engine)
        scope = db.scope(snapshot=snapshot)
        await scope.__aenter__()
        authors = AuthorRepository(scope)
        waiting = asyncio.ensure_future(scope.door.rows(gate.statement, cause="gate"))
        await gate.reached()
        behind = [asyncio.ensure_future(read) for read in (authors.get(1), authors.find(AuthorView))]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(scope.__aexit__(None, None, None))
        await asyncio.sleep(0)
        closing.cancel()
        await gate.open()
        await asyncio.wait([closing, waiting, *behind])
        assert scope.closed
        for reader in (waiting, *behind):
            assert (
                reader.cancelled()
                or reader.exception() is None
                or isinstance(reader.exception(), ScopeClosed)
            )
        assert in_use(db.engine) == 0
        async with db.scope() as another:
            assert await AuthorRepository(another).count() == 5


# --- too much ---------------------------------------------------------------------------------------


async def test_a_hundred_thousand_keys_are_one_statement(db: Database):
    """No bind limit applies; what is there is found, and each key is sent once."""
    keys = [*range(1, 100_001), *range(1, 1001)]
    async with db.scope() as scope:
        with assert_statements(1, db):
            found = await AuthorRepository(scope).get_many_or_none(keys)
    assert len(found) == len(keys)
    assert [author.id for author in found if author is not None] == [1, 2, 3, 4, 5] * 2


async def test_one_key_many_times_is_one_row(db: Database):
    async with db.scope() as scope:
        with assert_statements(1, db):
            found = await AuthorRepository(scope).get_many([1] * 50_000)
    assert len(found) == 50_000
    assert len(set(map(id, found))) == 1


async def test_a_key_of_megabytes_is_a_key(db: Database):
    async with db.scope() as scope:
        assert await AuthorRepository(scope).find_by(Author.name, "x" * 4_000_000) == []
        assert len(await AuthorRepository(scope).find_by(Author.name, "author 1")) == 1


async def test_ten_thousand_tasks_are_one_statement(db: Database):
    async with db.scope() as scope:
        authors = AuthorRepository(scope)
        with assert_statements(1, db):
            found = await asyncio.gather(*(authors.get(n % 5 + 1) for n in range(10_000)))
    assert len(set(map(id, found))) == 5
