"""Rows by their keys as JSON of one statement: one for all callers of a round, and each gets its own answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
import pytest_asyncio
from pydantic import BaseModel

from batchrepo import Database, MissingRelated, NotFound, Page, include
from batchrepo.errors import StrategyRefused
from batchrepo.routing.statements import is_plain_select
from batchrepo.sql.rows import Keyed
from batchrepo.strategies.single import MOST_KEYS
from batchrepo.testing import assert_statements
from tests.strategies.shelves import (
    BookRepository,
    BookView,
    Named,
    Needing,
    Shelf,
    ShelfRepository,
    ShelfView,
    filled,
    guarded_by_floor,
)


class WithPages(BaseModel):
    books: Annotated[Page[BookView], include(Shelf.books, first=1, total="exact")]


SINGLE: dict[str, Any] = {"strategy": "single"}


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with filled(database_url) as made:
        yield made


@pytest_asyncio.fixture
async def guarded(db: Database) -> AsyncIterator[Database]:
    async with guarded_by_floor(db) as made:
        yield made


async def test_callers_of_a_round_share_one_statement(db: Database):
    async with db.scope() as scope:
        shelves = ShelfRepository(scope)
        with assert_statements(1, db):
            answers: list[Any] = await asyncio.gather(
                shelves.get_json(2, ShelfView, **SINGLE),
                shelves.get_many_json([3, 1, 3], ShelfView, **SINGLE),
                shelves.get_many_json([1, 77, 4], ShelfView, **SINGLE),
                shelves.get_json(88, ShelfView, **SINGLE),
                shelves.get_json(2, ShelfView, **SINGLE),
                return_exceptions=True,
            )
        one, many, refused, missing, again = answers
        with assert_statements(0, db):
            assert await shelves.get_json(2, ShelfView, **SINGLE) == one == again
        assert isinstance(refused, NotFound)
        assert isinstance(missing, NotFound)
        assert (refused.keys, missing.keys) == ((77,), (88,))
        wanted = json.loads(await shelves.get_many_json([2, 3, 1, 3], ShelfView, strategy="batched"))
    assert [json.loads(one), *json.loads(many)] == wanted


async def test_replicas_may_run_it(db: Database):
    """Also with pages inside: nothing in it looks like SQL by hand, of which nobody knows whether it only reads."""
    async with db.scope() as scope:
        await ShelfRepository(scope).get_json(1, WithPages, **SINGLE)
        built = [kept for kept in scope.guards.statements.values() if isinstance(kept, Keyed)]
    assert [is_plain_select(keyed.statement) for keyed in built] == [True]


async def test_one_key_is_no_array(db: Database):
    """PostgreSQL makes a plan for an array of one key at every execution, which takes longer than to run it."""
    async with db.scope() as scope:
        with assert_statements(1, db) as seen:
            found = json.loads(await ShelfRepository(scope).get_json(1, ShelfView, **SINGLE))
    (text,) = seen.statements
    assert found["name"] == "shelf 1"
    if db.engine.dialect.name == "postgresql":
        assert "WHERE shelf.id = $1::BIGINT" in text
    else:
        assert "json_each" in text


async def test_no_keys_are_no_statement(db: Database):
    async with db.scope() as scope:
        with assert_statements(0, db):
            assert await ShelfRepository(scope).get_many_json([], ShelfView, **SINGLE) == b"[]"


async def test_fields_and_names_are_as_asked_for(db: Database):
    async with db.scope() as scope:
        with assert_statements(1, db):
            found = await ShelfRepository(scope).get_json(1, ShelfView, fields="name,books(id)", **SINGLE)
    assert json.loads(found) == {"name": "shelf 1", "books": [{"id": 1}, {"id": 2}, {"id": 6}]}


async def test_what_only_one_caller_cannot_have_is_said_to_nobody_else(guarded: Database):
    """A required row is missing: a text of the statement is not exact, and the batched strategy raises."""
    async with guarded.scope(1) as scope:
        books = BookRepository(scope)
        answers: list[Any] = await asyncio.gather(
            books.get_json(1, Needing, **SINGLE),
            books.get_many_json([1, 5], Needing, **SINGLE),
            return_exceptions=True,
        )
        whole, broken = answers
        with pytest.raises(MissingRelated, match=r"Needing\.kept_on does not allow None") as said:
            await books.get_many_json([1, 5], Needing, strategy="batched")
    assert isinstance(broken, MissingRelated)
    assert str(broken) == str(said.value)
    assert json.loads(whole) == {"id": 1, "kept_on": {"name": "shelf 1"}}


async def test_rows_that_the_scope_may_not_see_are_missing(guarded: Database):
    async with guarded.scope(2) as scope:
        books = BookRepository(scope)
        found = json.loads(await books.get_many_json([1, 5], BookView, **SINGLE))
        assert found == json.loads(await books.get_many_json([1, 5], BookView, strategy="batched"))
        assert [book["room"] for book in found] == [None, "room 3"]


async def test_what_a_write_changed_is_read_again(db: Database):
    async with db.scope() as scope:
        shelves = ShelfRepository(scope)
        before = json.loads(await shelves.get_json(4, ShelfView, **SINGLE))
        async with scope.transaction():
            book = await BookRepository(scope).get(4)
            book.shelf_id = 4
            await scope.flush()
            inside = json.loads(await shelves.get_json(4, ShelfView, **SINGLE))
        assert json.loads(await shelves.get_json(4, ShelfView, **SINGLE)) == inside
    assert (before["book_count"], inside["book_count"]) == (0, 1)
    assert [book["title"] for book in inside["books"]] == ["book 6"]


async def test_a_snapshot_sees_what_it_saw(db: Database):
    async with db.scope(snapshot=True) as scope:
        before = await ShelfRepository(scope).get_json(1, ShelfView, **SINGLE)
        async with db.scope() as other, other.transaction():
            (await ShelfRepository(other).get(1)).name = "new"
        found = await ShelfRepository(scope).get_json(1, ShelfView, fields="name,book_count", **SINGLE)
    assert json.loads(found)["name"] == json.loads(before)["name"] == "shelf 1"


# --- which strategy --------------------------------------------------------------------------------------


async def statements_of(db: Database, view: Any, keys: list[int]) -> int:
    async with db.scope() as scope:
        await ShelfRepository(scope).get_many_json(keys, view)
        return scope.report().statements


async def test_auto_takes_it_for_as_many_keys_as_it_was_measured_for(db: Database):
    is_postgres = db.engine.dialect.name == "postgresql"
    assert (await statements_of(db, ShelfView, [1, 2]) == 1) is is_postgres
    assert (await statements_of(db, ShelfView, [1] * MOST_KEYS) == 1) is is_postgres
    assert await statements_of(db, ShelfView, [1] * (MOST_KEYS + 1)) > 1
    assert await statements_of(db, Named, [1, 2]) == 1


async def test_entities_do_not_become_json_by_key(db: Database):
    async with db.scope() as scope:
        with pytest.raises(StrategyRefused, match="'eager' does not read Shelf by key"):
            await ShelfRepository(scope).get_json(1, ShelfView, strategy="eager")
