"""Wrong arguments of a repository's calls are InvalidArguments that name what came; no statement is sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, mapped_column, relationship

from batchrepo import Database, InvalidArgument, NotFound, Repository, Scope


class Base(DeclarativeBase):
    pass


book_tag = sa.Table(
    "book_tag",
    Base.metadata,
    sa.Column("book_id", sa.ForeignKey("book.id"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tag.id"), primary_key=True),
)


class Tag(Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)


class Author(Base):
    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Book(Base):
    __tablename__ = "book"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "book"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    title: Mapped[str]
    public: Mapped[bool]
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"))
    author: Mapped[Author] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=book_tag)

    @hybrid_property
    def shout(self) -> str:
        return self.title + "!"


class Novel(Book):
    __tablename__ = "novel"
    __mapper_args__ = {"polymorphic_identity": "novel"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey("book.id"), primary_key=True)
    genre: Mapped[str]


class AuthorRepository(Repository[Author]):
    pass


class BookRepository(Repository[Book]):
    pass


class NovelRepository(Repository[Novel]):
    pass


class BookView(BaseModel):
    title: str


@pytest_asyncio.fixture
async def scope(engine: AsyncEngine) -> AsyncIterator[Scope]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Author), [{"id": i, "name": f"A{i}"} for i in (1, 2)])
        rows = [(1, "B1", 1, "book"), (2, "B2", 2, "novel"), (3, "B3", 2, "novel")]
        await connection.execute(
            sa.insert(Book.__table__),
            [{"id": i, "title": t, "author_id": a, "kind": k, "public": i > 1} for i, t, a, k in rows],
        )
        await connection.execute(sa.insert(Novel.__table__), [{"id": i, "genre": "g"} for i in (2, 3)])
        await connection.execute(sa.insert(Tag), [{"id": 1}])
        await connection.execute(sa.insert(book_tag), [{"book_id": 1, "tag_id": 1}])
    db = Database(engine, repositories=[AuthorRepository, BookRepository, NovelRepository])
    async with db.scope() as opened:
        yield opened


async def assert_refused(scope: Scope, call: Any, message: str) -> None:
    with pytest.raises(InvalidArgument, match=f"^{re.escape(message)}"):
        await call
    assert scope.report().statements == 0


# --- lookups -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            Author.id,
            "Author.id is not a column of Book, which this repository reads. Ask the repository of Author.",
        ),
        (
            (Book.id, Author.name),
            "Author.name is not a column of Book, which this repository reads. Ask the repository of Author.",
        ),
        (
            Novel.genre,
            "Novel.genre is not a column of Book, which this repository reads. Ask the repository of Novel.",
        ),
        (
            Book.author,
            "A lookup of Book: Book.author is a relationship, not a column. Its key is Book.author_id.",
        ),
        (
            "title",
            "A lookup of Book: Expected an attribute of a mapped class, such as Album.title; got 'title'.",
        ),
        (None, "A lookup of Book: Expected an attribute of a mapped class, such as Album.title; got None."),
        (Book, "A lookup of Book: Expected an attribute of a mapped class, such as Album.title; got Book."),
        (aliased(Book).id, "A lookup of Book: aliased(Book).id belongs to an alias."),
        ((), "A lookup of Book needs a column, such as Book.id."),
    ],
)
async def test_find_by_takes_columns_of_its_entity(scope: Scope, columns: Any, message: str):
    books = BookRepository(scope)
    await assert_refused(scope, books.find_by(columns, 1), message)
    await assert_refused(scope, books.find_by_many(columns, [1, 2]), message)
    await assert_refused(scope, books.find_by(columns, 1, BookView), message)


async def test_find_by_takes_inherited_columns_hybrids_and_lists_of_columns(scope: Scope):
    novels = NovelRepository(scope)
    assert [novel.id for novel in await novels.find_by(Novel.title, "B2")] == [2]
    assert [novel.id for novel in await novels.find_by(Book.title, "B3")] == [3]
    assert [novel.id for novel in await novels.find_by([Book.title, Novel.genre], ("B3", "g"))] == [3]
    assert [book.id for book in await BookRepository(scope).find_by(Book.shout, "B1!")] == [1]


# --- conditions ----------------------------------------------------------------------------------------

A_COLUMN = "Book.title is a column without a comparison. Write a condition, such as Book.title == ..."
A_RELATIONSHIP = "Book.author is a relationship, not a condition. Use Book.author.has(...) or .any(...)"
A_TRUTH = (
    "True is not a SQL condition: a comparison of Python values gave it. Compare with a mapped attribute"
)
NOT_OWN = (
    "author.name = :name_1 has columns of author, where only columns of Book can be used. "
    "A condition on related rows is written with .has(...) or .any(...)."
)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (True, A_TRUTH),
        (
            "x",
            "'x' is not a SQL condition. Use a comparison with a mapped attribute, such as Album.title == 'x'.",
        ),
        (None, "None is not a SQL condition."),
        (5, "5 is not a SQL condition."),
        (Book.title, A_COLUMN),
        (Book.author, A_RELATIONSHIP),
        (sa.select(Book), "SELECT book.id"),
        (Author.name == "A1", NOT_OWN),
        (Author.id == Book.author_id, "author.id = book.author_id has columns of author, where only"),
        (Novel.genre == "g", "novel.genre = :genre_1 has columns of novel, where only columns of Book"),
        (aliased(Book, name="b").id == 1, "b.id = :id_1 has columns of b, where only columns of Book"),
    ],
)
async def test_conditions_are_sql_over_rows_that_are_read(scope: Scope, condition: Any, message: str):
    books = BookRepository(scope)
    for call in (
        books.find(Book.id > 0, condition),
        books.find(BookView, condition),
        books.find_json(BookView, condition),
        books.first(Book.id > 0, condition),
        books.count(condition),
        books.exists(condition),
    ):
        await assert_refused(scope, call, message)
    with pytest.raises(InvalidArgument, match=f"^{re.escape(message)}"):
        async for _ in books.stream(Book.id > 0, condition):
            pass
    assert scope.report().statements == 0


async def test_conditions_of_all_kinds_are_taken(scope: Scope):
    books = BookRepository(scope)
    tag = await scope.session.get(Tag, 1)
    conditions = [
        (Book.public, [2, 3]),
        (~Book.public, [1]),
        (Book.author.has(Author.name == "A1"), [1]),
        (Book.tags.any(), [1]),
        (Book.tags.contains(tag), [1]),
        (Book.author_id.in_(sa.select(Author.id).where(Author.name == "A2")), [2, 3]),
        (sa.text("book.title = 'B3'"), [3]),
        (sa.literal_column("book.id") == 2, [2]),
        (sa.true(), [1, 2, 3]),
        (sa.and_(Book.id > 1, sa.or_(Book.title == "B2", Book.title == "B9")), [2]),
        (Book.shout == "B1!", [1]),
    ]
    for condition, ids in conditions:
        assert [book.id for book in await books.find(condition, order_by=Book.id)] == ids


# --- orders --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order_by", "message"),
    [
        ("title", "Cannot order by it: 'title' is not a SQL expression."),
        (["title"], "Cannot order by it: 'title' is not a SQL expression."),
        (sa.desc("title"), "Cannot order by it: title DESC is not a SQL expression."),
        (sa.text("title"), "Cannot order by it: text('title') is not a SQL expression."),
        (Book.author, "Cannot order by it: Book.author is a relationship, which has no value in SQL."),
        ({Book.title}, "Cannot order by it: {"),
        (Book, "Cannot order by it: Book is not a SQL expression."),
        (5, "Cannot order by it: 5 is not a SQL expression."),
        (Author.name, "author.name has columns of author, where only columns of Book can be used."),
        (aliased(Book, name="b").title, "b.title has columns of b, where only columns of Book can be used."),
    ],
)
async def test_orders_are_sql_over_rows_that_are_read(scope: Scope, order_by: Any, message: str):
    books = BookRepository(scope)
    for call in (
        books.find(order_by=order_by),
        books.find(BookView, order_by=order_by),
        books.find_json(BookView, order_by=order_by),
        books.first(order_by=order_by),
    ):
        await assert_refused(scope, call, message)


# --- numbers, relations, views -------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [True, False, 1.5, "5", -1, 2**63, [1], sa.literal(5)])
async def test_a_limit_is_a_number_of_rows(scope: Scope, limit: Any):
    books = BookRepository(scope)
    for call in (
        books.find(limit=limit),
        books.find(BookView, limit=limit),
        books.find_json(BookView, limit=limit),
    ):
        await assert_refused(scope, call, "limit= expects a number of rows, 0 or more, or None; got ")


async def test_a_limit_may_be_nothing_or_everything(scope: Scope):
    books = BookRepository(scope)
    sizes = [len(await books.find(limit=limit)) for limit in (0, 1, 2**63 - 1, None)]
    assert sizes == [0, 1, 3, 3]


@pytest.mark.parametrize("size", [0, -1, True, 1.5, "5", None, 2**63])
def test_a_chunk_has_a_size(scope: Scope, size: Any):
    with pytest.raises(InvalidArgument, match=r"^chunk_size= expects a number of rows, 1 or more; got "):
        BookRepository(scope).stream(chunk_size=size)


@pytest.mark.parametrize(
    ("include", "message"),
    [
        (Book.author, "include= expects a list of relationships, such as [Album.artist]; got Book.author."),
        ("author", "include= expects a list of relationships, such as [Album.artist]; got 'author'."),
        (["author"], "include=: Expected an attribute of a mapped class, such as Album.title; got 'author'."),
        (
            [Book.title],
            "include= names Book.title, which is not a relationship of Book. It has: author, tags.",
        ),
        ([Author.name], "include= names Author.name, which is not a relationship of Book."),
    ],
)
async def test_include_names_relationships(scope: Scope, include: Any, message: str):
    await assert_refused(scope, BookRepository(scope).find(include=include), message)


async def test_include_goes_with_entities_and_a_strategy_with_views(scope: Scope):
    books = BookRepository(scope)
    message = "include= goes with entities; BookView says itself which relations are read. Add a field"
    await assert_refused(scope, books.find(BookView, include=[Book.author]), message)
    message = "strategy='eager' goes with a view; entities have none."
    await assert_refused(scope, books.find(strategy="eager"), message)


@pytest.mark.parametrize("view", [Book, int, BookView(title="x"), "BookView", 5])
async def test_a_view_is_a_model(scope: Scope, view: Any):
    books = BookRepository(scope)
    message = "Expected a view (a Pydantic model) or a condition; got "
    await assert_refused(scope, books.find_json(view), message)
    await assert_refused(scope, books.get(1, view), message)
    await assert_refused(scope, books.get_many([1], view), message)
    await assert_refused(scope, books.find_by(Book.id, 1, view), message)
    if isinstance(view, type):
        await assert_refused(scope, books.find(view), message)


@pytest.mark.parametrize("keys", [5, None])
async def test_many_keys_are_iterable(scope: Scope, keys: Any):
    books = BookRepository(scope)
    await assert_refused(scope, books.get_many(keys), f"Expected keys, such as [1, 2]; got {keys}.")
    await assert_refused(scope, books.get_many_or_none(keys), f"Expected keys, such as [1, 2]; got {keys}.")
    await assert_refused(
        scope, books.find_by_many(Book.id, keys), f"Expected keys, such as [1, 2]; got {keys}."
    )


async def test_a_text_is_one_key_and_not_many(scope: Scope):
    await assert_refused(
        scope, BookRepository(scope).get_many("12"), "Expected keys, such as [1, 2]; got '12'."
    )


async def test_missing_keys_are_named_once_in_their_order(scope: Scope):
    with pytest.raises(NotFound, match=re.escape("Book has no row for keys 9, 7.")) as caught:
        await BookRepository(scope).get_many([9, 1, 7, 9])
    assert caught.value.keys == (9, 7)


async def test_an_unregistered_repository_has_no_scope(scope: Scope):
    class Stray(Repository[Book]):
        pass

    with pytest.raises(InvalidArgument, match=r"^Stray is not registered"):
        Stray(scope)
