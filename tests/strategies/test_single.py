"""The single strategy: when AUTO takes it, what it refuses, and what it does where a row is missing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import BaseModel, create_model, field_serializer

from batchrepo import (
    Database,
    MissingRelated,
    Repository,
    column,
    include,
)
from batchrepo.errors import StrategyRefused
from batchrepo.routing.statements import is_plain_select
from batchrepo.strategies.root import Rooted
from batchrepo.testing import assert_statements
from tests.strategies.shelves import (
    AboveNeeding,
    Book,
    BookRepository,
    BoxView,
    Named,
    Needing,
    Shelf,
    ShelfRepository,
    ShelfView,
    Titled,
    WithComputed,
    filled,
    guarded_by_floor,
)


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with filled(database_url) as made:
        yield made


async def both(
    db: Database, repository: type[Repository[Any]], view: type[BaseModel], *where: Any, context: Any = None
) -> Any:
    """What both strategies give, which must be the same; the single one by one statement."""
    async with db.scope(context) as scope:
        with assert_statements(1, db):
            found = await repository(scope).find_json(view, *where, strategy="single")
        assert json.loads(found) == json.loads(
            await repository(scope).find_json(view, *where, strategy="batched")
        )
    return json.loads(found)


async def test_everything_at_once_is_one_statement(db: Database):
    shelves = await both(db, ShelfRepository, ShelfView)
    assert [shelf["book_count"] for shelf in shelves] == [3, 1, 1, 0]
    assert shelves[3] == {"name": "shelf 4", "books": [], "book_count": 0, "last_book": None, "two_books": []}
    assert shelves[0]["last_book"]["first_title"] == "book 9"


async def test_no_rows_are_an_empty_list(db: Database):
    assert await both(db, ShelfRepository, ShelfView, Shelf.id > 100) == []
    async with db.scope() as scope:
        page = await ShelfRepository(scope).page_json(ShelfView, Shelf.id > 100, strategy="single")
    assert (page.items, page.has_next, page.has_previous, page.end_cursor) == (b"[]", False, False, None)


async def test_an_empty_page_behind_a_cursor_still_knows_what_is_before_it(db: Database):
    for strategy in ("single", "batched"):
        async with db.scope() as scope:
            shelves = ShelfRepository(scope)
            whole = await shelves.page_json(ShelfView, first=4, strategy=strategy)
            with assert_statements(1, db):
                beyond = await shelves.page_json(
                    ShelfView, first=4, after=whole.end_cursor, strategy=strategy
                )
        assert (beyond.items, beyond.has_next, beyond.has_previous) == (b"[]", False, True), strategy


async def test_conditions_of_one_shape_share_a_statement(db: Database):
    async with db.scope() as scope:
        shelves = ShelfRepository(scope)
        kept = scope.guards.statements
        for number in (1, 2):
            found = json.loads(await shelves.find_json(ShelfView, Shelf.id == number, strategy="single"))
            assert [shelf["name"] for shelf in found] == [f"shelf {number}"]
            if number == 1:
                before = len(kept)
        assert len(kept) == before


# --- a row that must be there ----------------------------------------------------------------------------


@pytest_asyncio.fixture
async def guarded(db: Database) -> AsyncIterator[Database]:
    async with guarded_by_floor(db) as made:
        yield made


@pytest.mark.parametrize(
    ("view", "missing", "complete"),
    [(Needing, Book.id == 5, Book.id < 4), (AboveNeeding, Book.id == 2, Book.id == 1)],
)
async def test_a_missing_row_that_is_required_is_said_as_by_the_batched_strategy(
    guarded: Database, view: type[BaseModel], missing: Any, complete: Any
):
    await both(guarded, BookRepository, view, complete, context=1)
    errors: list[str] = []
    for strategy in ("single", "batched"):
        async with guarded.scope(1) as scope:
            with pytest.raises(MissingRelated, match=r"Needing\.kept_on does not allow None") as refused:
                await BookRepository(scope).find_json(view, missing, strategy=strategy)
        errors.append(str(refused.value))
    assert errors[0] == errors[1]


async def test_what_is_missing_on_the_next_page_does_not_matter(guarded: Database):
    """One row more than the page has is read, to see whether there are more."""
    async with guarded.scope(1) as scope:
        with assert_statements(1, guarded):
            page = await BookRepository(scope).page_json(Needing, first=3, strategy="single")
    assert [book["id"] for book in json.loads(page.items)] == [1, 2, 3]
    assert page.has_next


# --- which strategy --------------------------------------------------------------------------------------


class WithBooks(BaseModel):
    name: str
    books: list[Titled]


class WithBoxes(BaseModel):
    name: str
    boxes: list[BoxView]


class WithFetched(BaseModel):
    name: str
    asked: str


class Shouted(BaseModel):
    title: str

    @field_serializer("title")
    def shout(self, title: str) -> str:
        return title.upper()


class WithShouted(BaseModel):
    name: str
    books: list[Shouted]


REFUSED = [
    (WithFetched, "WithFetched.asked has its values from a function"),
    (WithComputed, "WithComputed has validators, serializers, computed fields"),
    (WithShouted, "Shouted.title is not written as its column of type String"),
]


@pytest.mark.parametrize(("view", "reason"), REFUSED, ids=[view.__name__ for view, _ in REFUSED])
async def test_a_view_that_the_database_cannot_write_is_refused_with_the_reason(
    db: Database, view: type[BaseModel], reason: str
):
    async with db.scope() as scope:
        with pytest.raises(StrategyRefused, match=reason):
            await ShelfRepository(scope).find_json(view, strategy="single")
        assert json.loads(await ShelfRepository(scope).find_json(view, limit=10))


async def statements_of(db: Database, view: type[BaseModel], *where: Any, limit: int | None = 10) -> int:
    async with db.scope() as scope:
        await ShelfRepository(scope).find_json(view, *where, limit=limit)
        return scope.report().statements


async def test_auto_takes_it_for_few_rows_with_something_below(db: Database):
    """On PostgreSQL: SQLite runs in this process, and making texts there takes longer than reading rows."""
    is_postgres = db.engine.dialect.name == "postgresql"
    assert await statements_of(db, WithBooks) == (1 if is_postgres else 2)
    assert await statements_of(db, WithBooks, limit=501) == 2, "there may be many rows"
    assert await statements_of(db, WithBooks, limit=None) == 2, "nobody knows how many rows there will be"
    assert await statements_of(db, WithBoxes) == 2, "boxes have no index"
    made_at_execution = sa.bindparam("late", callable_=lambda: 1, type_=sa.Integer())
    assert await statements_of(db, WithBooks, Shelf.id == made_at_execution) == 2, "built for one call"
    async with db.scope() as scope:
        await ShelfRepository(scope).page_json(WithBooks)
        assert scope.report().statements == (1 if is_postgres else 2)


async def test_a_policy_is_stronger(db: Database):
    class Batching(Repository[Shelf]):
        loading = {Shelf.books: "batch"}  # noqa: RUF012

    async with Database(db.engine, repositories=[Batching, BookRepository]) as other, other.scope() as scope:
        await Batching(scope).find_json(WithBooks, limit=10)
        assert scope.report().statements == 2


def reasons(db: Database, view: type[BaseModel]) -> dict[str, str]:
    info = db.reading.catalog.by_class[ShelfRepository]
    delivery, _ = db.reading.views(view, info.entity, info)
    return dict(db.reading.choose_for_json(delivery).refusals)


async def test_auto_says_why_it_does_not(db: Database):
    found = [reasons(db, view).get("single") for view in (WithBooks, WithBoxes, Named)]
    if db.engine.dialect.name == "sqlite":
        assert found == ["SQLite runs in this process, where making texts costs more than reading rows"] * 3
    else:
        assert found == [
            None,
            "no index of the schema starts with the columns by which Shelf.boxes is looked up",
            "there is nothing below the rows, and reading them is one statement anyway",
        ]


async def test_explain_shows_the_statement_that_runs(db: Database):
    explanation = db.explain(WithBooks, ShelfRepository, strategy="single")
    assert explanation.choice.strategy == "single"
    async with db.scope() as scope:
        with assert_statements(1, db) as seen:
            await ShelfRepository(scope).find_json(WithBooks, strategy="single")
    assert [statement.sql for statement in explanation.statements] == seen.statements


async def test_in_a_transaction_it_sees_what_was_written(db: Database):
    async with db.scope() as scope, scope.transaction():
        shelf = await ShelfRepository(scope).get(4)
        shelf.name = "new"
        found = await ShelfRepository(scope).find_json(WithBooks, Shelf.id == 4, strategy="single")
    assert json.loads(found) == [{"name": "new", "books": []}]


async def test_many_fields_are_no_limit(db: Database):
    """PostgreSQL's functions take 100 arguments, and SQLite's expressions have a depth."""
    fields: dict[str, Any] = {f"field_{i}": (Annotated[str, column(Shelf.name)], ...) for i in range(400)}
    view = create_model("Wide", **fields)
    (shelf, *_) = await both(db, ShelfRepository, view)
    assert len(shelf) == 400


async def test_replicas_may_run_it_whatever_fields_are_called(db: Database):
    """Nothing in it looks like SQL by hand, of which nobody knows whether it only reads."""

    class Of(BaseModel):
        into: Annotated[str, column(Book.title)]
        update: Annotated[Named, include(Book.kept_on)]
        kept_on: Named

    view = create_model(
        "Worded",
        **{
            "for": (Annotated[str, column(Shelf.name)], ...),
            "set": (Annotated[list[Of], include(Shelf.books)], ...),
        },
    )
    await both(db, ShelfRepository, view)
    async with db.scope() as scope:
        await ShelfRepository(scope).find_json(view, strategy="single")
        built = [kept[0] for kept in scope.guards.statements.values() if isinstance(kept[0], Rooted)]
    statements = [kept.statement for kept in built if str(kept.statement).startswith("WITH")]
    assert statements
    assert all(map(is_plain_select, statements))
