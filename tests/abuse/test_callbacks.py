"""Functions that users hand over, and that fail: listeners, progress, fetch modes. The error is theirs, and arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import inspect

from batchrepo import PEERS, Database, FetchMode, InvalidArgument
from batchrepo.events import StatementEvent
from batchrepo.testing import assert_statements
from tests.testing.library import Author, AuthorRepository, AuthorView, Book, BookView, in_use, library


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with library(database_url) as opened:
        yield opened


class Mistake(Exception):
    """What the user's function raises."""


def fail(*_: Any) -> Any:
    raise Mistake("of the user's own")


# --- listeners --------------------------------------------------------------------------------------

READS: dict[str, Callable[[AuthorRepository], Any]] = {
    "get": lambda authors: authors.get(1),
    "find": lambda authors: authors.find(),
    "a view": lambda authors: authors.find(AuthorView),
    "count": lambda authors: authors.count(),
    "stream": lambda authors: anext(authors.stream()),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_an_error_of_a_listener_reaches_the_caller(db: Database, read: Any):
    stop = db.on_event(fail)
    async with db.scope() as scope:
        with pytest.raises(Mistake):
            await read(AuthorRepository(scope))
        assert in_use(db.engine) == 0
    stop()
    async with db.scope() as scope:
        assert await read(AuthorRepository(scope))


async def test_an_error_of_a_listener_reaches_every_caller_of_the_batch(db: Database):
    stop = db.on_event(fail)
    async with db.scope() as scope:
        authors = AuthorRepository(scope)
        outcomes = await asyncio.gather(authors.get(1), authors.get(2), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Mistake, Mistake]
    stop()


async def test_a_listener_ends_once(db: Database):
    """Saying so twice does nothing, and leaves the same function alone where it was registered again."""
    heard: list[Any] = []
    first, second = db.on_event(heard.append), db.on_event(heard.append)
    first()
    first()
    async with db.scope() as scope:
        await AuthorRepository(scope).count()
    assert len([event for event in heard if isinstance(event, StatementEvent)]) == 1
    second()
    heard.clear()
    async with db.scope() as scope:
        await AuthorRepository(scope).count()
    assert heard == []


async def an_async_function(_: Any) -> None:
    """Nobody would await what it returns."""


@pytest.mark.parametrize("listener", [None, 5, "print", an_async_function])
async def test_a_listener_is_a_plain_function(db: Database, listener: Any):
    with pytest.raises(InvalidArgument, match=r"^on_event\(\) expects a plain function of one event; got "):
        db.on_event(listener)


# --- progress ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", [(), (AuthorView,)], ids=["entities", "views"])
async def test_an_error_of_progress_ends_the_stream(db: Database, view: Any):
    async with db.scope() as scope:
        stream = AuthorRepository(scope).stream(*view, chunk_size=2, progress=fail)
        seen = [(await anext(stream)).id, (await anext(stream)).id]
        with pytest.raises(Mistake):
            await anext(stream)
        assert seen == [1, 2]
        assert in_use(db.engine) == 0
        assert await AuthorRepository(scope).count() == 5


@pytest.mark.parametrize("progress", [5, "print", an_async_function])
async def test_progress_is_a_plain_function(db: Database, progress: Any):
    async with db.scope() as scope:
        with pytest.raises(InvalidArgument, match=r"^progress= expects a plain function of a number; got "):
            AuthorRepository(scope).stream(progress=progress)


async def test_progress_counts_the_rows(db: Database):
    counts: list[int] = []
    async with db.scope() as scope:
        found = [row async for row in AuthorRepository(scope).stream(chunk_size=2, progress=counts.append)]
    assert len(found) == 5
    assert counts == [2, 4, 5]


# --- fetch modes ------------------------------------------------------------------------------------


class Own(FetchMode):
    """A mode of the user's that does what a test says."""

    def __init__(self, answer: Callable[[Any, Any, Any], Any]) -> None:
        self.answer = answer

    def companions(self, peers: Any, state: Any, what: Any, description: str) -> Any:
        return self.answer(peers, state, what)


ASKING: dict[str, Callable[[Any, Any], Any]] = {
    "related": lambda scope, author: scope.related(author, Author.books),
    "a view": lambda scope, author: scope.related(author, Author.books, BookTitle),
    "computed": lambda scope, author: scope.related(author, AuthorRepository.book_count),
    "awaitable_attrs": lambda scope, author: author.awaitable_attrs.books,
}


class BookTitle(BookView):
    pass


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
async def test_an_error_of_a_fetch_mode_reaches_the_caller_and_the_next_is_right(db: Database, ask: Any):
    async with db.scope(mode=Own(fail)) as scope:
        author, *_ = await AuthorRepository(scope).find()
        with assert_statements(0, db), pytest.raises(Mistake):
            await ask(scope, author)
        assert len(await scope.related(author, Author.books, mode=PEERS)) == 3


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
@pytest.mark.parametrize("answer", [None, 5, [1], ["x"]], ids=repr)
async def test_a_fetch_mode_that_answers_nonsense_hurts_its_caller_only(db: Database, ask: Any, answer: Any):
    async with db.scope(mode=Own(lambda *_: answer)) as scope:
        author, *_ = await AuthorRepository(scope).find()
        with assert_statements(0, db), pytest.raises((TypeError, AttributeError, InvalidArgument)):
            await ask(scope, author)
        assert len(await scope.related(author, Author.books, mode=PEERS)) == 3


STRANGERS: dict[str, Callable[[Any], list[Any]]] = {
    "the entity itself, twice": lambda state: [state, state],
    "an entity that was never saved": lambda _: [inspect(Author(id=3))],
    "an entity without a key": lambda _: [inspect(Author())],
    "an entity of another class": lambda _: [inspect(Book(id=1, author_id=1, title="x"))],
}


@pytest.mark.parametrize("stranger", STRANGERS.values(), ids=STRANGERS)
@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
async def test_companions_that_are_no_peers_change_no_answer(db: Database, ask: Any, stranger: Any):
    async with db.scope() as scope:
        author, *_ = await AuthorRepository(scope).find()
        expected = plain(await ask(scope, author))
    async with db.scope(mode=Own(lambda _peers, state, _what: stranger(state))) as scope:
        author, *_ = await AuthorRepository(scope).find()
        with assert_statements(1 if ask is not ASKING["a view"] else 2, db):
            found = await ask(scope, author)
    assert plain(found) == expected


def plain(found: Any) -> Any:
    return [each.id for each in found] if isinstance(found, list) else found


async def test_entities_of_another_scope_may_be_companions(db: Database):
    """They are loaded along, and stay as they were."""
    async with db.scope() as other:
        theirs = await AuthorRepository(other).get(2)
    async with db.scope(mode=Own(lambda *_: [inspect(theirs)])) as scope:
        author = await AuthorRepository(scope).get(1)
        assert len(await scope.related(author, Author.books)) == 3
    assert "books" not in inspect(theirs).dict
