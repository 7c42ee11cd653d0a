"""The life of a scope: its end, what remains of it, scopes inside scopes, snapshots, and closing under fire."""

from __future__ import annotations

import asyncio
import random
import threading
from dataclasses import dataclass

import pytest
from sqlalchemy import func, inspect, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.exc import DetachedInstanceError

from batchrepo import Database, NestedScope, ScopeClosed, batched, current_scope
from tests.testing.library import (
    Author,
    AuthorRepository,
    AuthorView,
    Book,
    BookRepository,
    BookView,
    in_use,
    library,
)


@pytest.fixture
async def db(database_url):
    """Its engine is ours: a snapshot on SQLite lets others write only in WAL mode."""
    async with library(database_url) as opened:
        yield opened
    # The thread of a SQLite connection whose statement was cancelled reports its end to the event loop, which
    # must not be closed before.
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            await asyncio.to_thread(thread.join, 30)


# --- the way out ------------------------------------------------------------------------------------


async def test_the_session_of_a_scope_holds_its_entities(db):
    async with db.scope() as scope:
        author = await AuthorRepository(scope).get(1)
        assert isinstance(scope.session, AsyncSession)
        assert author in scope.session
        assert await scope.session.get(Author, 1) is author
        rows = await scope.session.execute(select(func.count()).select_from(Book))
        assert rows.scalar_one() == 15


async def test_statements_of_ones_own_return_their_connection(db):
    async with db.scope() as scope:
        await scope.session.execute(text("SELECT 1"))
    assert in_use(db.engine) == 0


# --- after the end ----------------------------------------------------------------------------------


@batched
async def doubles(numbers: list[int]) -> dict[int, int]:
    return {number: 2 * number for number in numbers}


USES = {
    "get": lambda scope, authors, author: authors.get(1),
    "get_many": lambda scope, authors, author: authors.get_many([1, 2]),
    "get a view": lambda scope, authors, author: authors.get(1, AuthorView),
    "find": lambda scope, authors, author: authors.find(),
    "count": lambda scope, authors, author: authors.count(),
    "exists": lambda scope, authors, author: authors.exists(),
    "find_by": lambda scope, authors, author: authors.find_by(Author.name, "author 1"),
    "related": lambda scope, authors, author: scope.related(author, Author.books),
    "computed": lambda scope, authors, author: scope.related(author, AuthorRepository.book_count),
    "load": lambda scope, authors, author: scope.load(doubles, 1),
    "load_many": lambda scope, authors, author: scope.load_many(doubles, [1]),
    "fetch": lambda scope, authors, author: scope.fetch(select(Author)),
    "enter again": lambda scope, authors, author: scope.__aenter__(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_use_after_the_end_is_a_clear_error(db, use):
    async with db.scope() as scope:
        authors = AuthorRepository(scope)
        author = await authors.get(1)
    with pytest.raises(ScopeClosed, match=r"scope has ended|opened once"):
        await use(scope, authors, author)


async def test_a_stream_that_outlives_its_scope_is_a_clear_error(db):
    async with db.scope() as scope:
        stream = AuthorRepository(scope).stream(chunk_size=2)
        assert (await anext(stream)).id == 1
    await anext(stream)  # the rest of the chunk is there
    with pytest.raises(ScopeClosed, match="scope has ended"):
        await anext(stream)


def test_use_before_the_beginning_is_a_clear_error(tmp_path):
    db = Database(f"sqlite+aiosqlite:///{tmp_path / 'a.db'}", repositories=[AuthorRepository])
    with pytest.raises(ScopeClosed, match="not open yet"):
        AuthorRepository(db.scope())


@pytest.mark.parametrize("name", ["session", "loaders", "scheduler"])
async def test_parts_of_an_ended_scope_are_a_clear_error(db, name):
    async with db.scope() as scope:
        pass
    with pytest.raises(ScopeClosed, match="scope has ended"):
        getattr(scope, name)
    with pytest.raises(ScopeClosed, match="scope has ended"):
        AuthorRepository(scope)


async def test_what_was_loaded_stays_usable(db):
    async with db.scope() as scope:
        book = await BookRepository(scope).get(1)
        author = await book.awaitable_attrs.author
        views = await BookRepository(scope).find(BookView)
    assert inspect(book).detached
    assert (book.title, book.author, author.name) == ("book 1", author, "author 1")
    assert views[0].author.name == "author 1"
    assert scope.report().statements == 4
    assert repr(scope) == "<Scope closed>"


async def test_what_was_not_loaded_is_gone(db):
    async with db.scope() as scope:
        book = await BookRepository(scope).get(1)
    with pytest.raises(DetachedInstanceError):
        await book.awaitable_attrs.author


async def test_waiters_are_told_when_the_scope_ends(db):
    async with db.scope(manual=True) as scope:
        waiting = asyncio.ensure_future(AuthorRepository(scope).get(1))
        await asyncio.sleep(0)
    with pytest.raises(ScopeClosed):
        await waiting


# --- scopes in scopes -------------------------------------------------------------------------------


@dataclass(frozen=True)
class User:
    name: str


async def test_a_nested_scope_with_another_context_is_refused(db):
    async with db.scope(User("ann")) as outer:
        with pytest.raises(NestedScope, match=r"name='bob'.*inside one with context=.*name='ann'"):
            async with db.scope(User("bob")):
                pass
        with pytest.raises(NestedScope, match="context=None"):
            async with db.scope():
                pass
        assert current_scope() is outer
        assert await AuthorRepository(outer).count() == 5
    assert in_use(db.engine) == 0


async def test_a_nested_scope_with_another_context_is_refused_in_a_child_task(db):
    async def child():
        async with db.scope(User("bob")):
            pass

    async with db.scope(User("ann")):
        with pytest.raises(NestedScope):
            await asyncio.create_task(child())


async def test_a_nested_scope_with_an_equal_context_is_a_scope_of_its_own(db):
    async with db.scope(User("ann")) as outer:
        author = await AuthorRepository(outer).get(1)
        async with db.scope(User("ann")) as inner:
            assert current_scope() is inner
            assert await AuthorRepository(inner).get(1) is not author
        assert current_scope() is outer
    assert current_scope() is None


async def test_scopes_one_after_the_other_may_differ(db):
    async with db.scope(User("ann")):
        pass
    async with db.scope(User("bob")) as scope:
        assert scope.context == User("bob")


async def test_scopes_side_by_side_may_differ(db):
    async def request(name):
        async with db.scope(User(name)) as scope:
            await AuthorRepository(scope).find()
            assert current_scope() is scope
            return scope.context.name

    assert await asyncio.gather(*map(request, "abc")) == ["a", "b", "c"]


async def test_another_database_has_its_own_context(db, tmp_path):
    async with (
        library(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}") as other,
        db.scope(User("ann")),
        other.scope(User("bob")) as scope,
    ):
        assert await AuthorRepository(scope).count() == 5


# --- snapshots --------------------------------------------------------------------------------------


async def write(db):
    """Another connection commits a change: one more book of author 1, and another name."""
    async with AsyncSession(db.engine) as session, session.begin():
        session.add(Book(id=90, title="one more", author_id=1))
        await session.execute(update(Author).where(Author.id == 1).values(name="changed"))


async def test_a_snapshot_sees_one_state(db):
    async with db.scope(snapshot=True) as scope:
        assert await BookRepository(scope).count() == 15
        await write(db)
        author = await AuthorRepository(scope).get(1)
        assert await BookRepository(scope).count() == 15
        assert author.name == "author 1"
        assert await scope.related(author, AuthorRepository.book_count) == 3
        assert len(await scope.related(author, Author.books)) == 3
        assert len(await BookRepository(scope).find(BookView)) == 15
        assert await BookRepository(scope).get_or_none(90) is None
    async with db.scope(snapshot=True) as scope:
        assert await BookRepository(scope).count() == 16


async def test_without_a_snapshot_each_statement_sees_what_is_committed(db):
    async with db.scope() as scope:
        assert await BookRepository(scope).count() == 15
        await write(db)
        assert await BookRepository(scope).count() == 16
        assert (await AuthorRepository(scope).get(1)).name == "changed"


async def test_a_snapshot_serves_concurrent_tasks_on_one_connection(db):
    async with db.scope(snapshot=True) as scope:
        assert await BookRepository(scope).count() == 15
        await write(db)
        books = await BookRepository(scope).find()
        authors, counts, views = await asyncio.gather(
            asyncio.gather(*(scope.related(book, Book.author) for book in books)),
            asyncio.gather(*(BookRepository(scope).count() for _ in range(10))),
            asyncio.gather(*(BookRepository(scope).find(BookView) for _ in range(10))),
        )
        assert in_use(db.engine) == 1
    assert {author.name for author in authors} == {f"author {number}" for number in range(1, 6)}
    assert counts == [15] * 10
    assert [len(found) for found in views] == [15] * 10


# --- closing under fire -----------------------------------------------------------------------------


async def request(scope, random_):
    """What a request may do, in no particular order."""
    for _ in range(3):
        match random_.randrange(4):
            case 0:
                await AuthorRepository(scope).get(random_.randint(1, 5))
            case 1:
                await BookRepository(scope).find(BookView)
            case 2:
                for book in await BookRepository(scope).find():
                    await scope.related(book, Book.author)
            case 3:
                books = await BookRepository(scope).find()
                await asyncio.gather(*(book.awaitable_attrs.author for book in books))


async def hops(number):
    for _ in range(number):
        await asyncio.sleep(0)


@pytest.mark.parametrize("snapshot", [False, True], ids=["pooled", "snapshot"])
@pytest.mark.parametrize("seed", range(8))
async def test_closing_returns_every_connection_when_tasks_were_cancelled(db, seed, snapshot):
    random_ = random.Random(seed)
    for _ in range(6):
        async with db.scope(snapshot=snapshot) as scope:
            tasks = [asyncio.create_task(request(scope, random_)) for _ in range(8)]
            await hops(random_.randrange(60))
            for task in random_.sample(tasks, 5):
                task.cancel()
            await hops(random_.randrange(5))
        assert in_use(db.engine) == 0
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        # An entity whose scope has ended before its attribute was touched is detached, as SQLAlchemy says itself.
        ended = ScopeClosed | DetachedInstanceError | asyncio.CancelledError | None
        assert [outcome for outcome in outcomes if not isinstance(outcome, ended)] == []
    async with db.scope() as scope:
        assert await BookRepository(scope).count() == 15


@pytest.mark.parametrize("seed", range(8))
async def test_a_cancelled_request_returns_every_connection(db, seed):
    """The task that opened the scope is cancelled itself, as a web server does when the client goes away."""
    random_ = random.Random(seed)

    async def whole_request():
        async with db.scope() as scope, asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(request(scope, random_))

    for _ in range(6):
        task = asyncio.create_task(whole_request())
        await hops(random_.randrange(80))
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled() or task.exception() is None
        assert in_use(db.engine) == 0
