"""Changes to entities of an own scope are an error that names them, and never a silent loss."""

from __future__ import annotations

import pytest

from batchrepo import BatchRepoError, UnsavedChanges
from tests.testing.library import Author, AuthorRepository, Book, BookRepository


async def test_a_changed_entity_is_named_when_the_scope_closes(db):
    with pytest.raises(UnsavedChanges) as raised:  # noqa: PT012
        async with db.scope() as scope:
            author = await AuthorRepository(scope).get(3)
            author.name = "changed"
    message = str(raised.value)
    assert "Author 3 (name)" in message
    assert "db.scope(session=your_session)" in message
    assert scope.closed


async def test_every_changed_attribute_and_entity_is_named(db):
    with pytest.raises(UnsavedChanges) as raised:  # noqa: PT012
        async with db.scope() as scope:
            book = await BookRepository(scope).get(4)
            book.title = "changed"
            book.author = await AuthorRepository(scope).get(1)
            await scope.session.delete(await BookRepository(scope).get(15))
            scope.session.add(Author(id=6, name="new"))
    message = str(raised.value)
    assert "Book 4 (title, author)" in message or "Book 4 (author, title)" in message
    assert "a new Author" in message
    assert "Book 15 (deleted)" in message


async def test_many_changes_are_counted(db):
    with pytest.raises(UnsavedChanges, match="and 10 more"):  # noqa: PT012
        async with db.scope() as scope:
            for book in await BookRepository(scope).find():
                book.title = "changed"


async def test_a_changed_collection_is_a_change(db):
    with pytest.raises(UnsavedChanges, match=r"Author 1 \(books\)"):  # noqa: PT012
        async with db.scope() as scope:
            author = await AuthorRepository(scope).get(1)
            books = await author.awaitable_attrs.books
            books.append(await BookRepository(scope).get(4))


async def test_a_flush_is_refused(db):
    async with db.scope() as scope:
        author = await AuthorRepository(scope).get(3)
        author.name = "changed"
        with pytest.raises(UnsavedChanges, match=r"Author 3 \(name\)"):
            await scope.session.flush()
        with pytest.raises(UnsavedChanges, match=r"Author 3 \(name\)"):
            await scope.session.commit()
        scope.session.expunge(author)
    async with db.scope() as scope:
        assert (await AuthorRepository(scope).get(3)).name == "author 3"


async def test_reading_on_with_a_changed_entity_saves_nothing_and_loses_nothing(db):
    with pytest.raises(UnsavedChanges):  # noqa: PT012
        async with db.scope() as scope:
            author = await AuthorRepository(scope).get(3)
            author.name = "changed"
            assert (await AuthorRepository(scope).find(Author.id == 3))[0] is author
            assert author.name == "changed"
            assert await AuthorRepository(scope).count(Author.name == "changed") == 0


async def test_an_exception_under_way_is_not_masked(db):
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with db.scope() as scope:
            (await AuthorRepository(scope).get(3)).name = "changed"
            1 / 0  # noqa: B018
    assert scope.closed


async def test_connections_are_returned_before_the_error(db):
    with pytest.raises(UnsavedChanges):
        async with db.scope(snapshot=True) as scope:
            (await AuthorRepository(scope).get(3)).name = "changed"
    assert db.engine.pool.checkedout() == 0


async def test_setting_the_same_value_is_no_change(db):
    async with db.scope() as scope:
        author = await AuthorRepository(scope).get(3)
        author.name = "author 3"
        book = await BookRepository(scope).get(7)
        book.author = await scope.related(book, Book.author)


async def test_a_change_that_was_taken_back_is_no_change(db):
    async with db.scope() as scope:
        author = await AuthorRepository(scope).get(3)
        author.name = "changed"
        author.name = "author 3"


async def test_attributes_that_are_not_columns_may_be_set(db):
    async with db.scope() as scope:
        author = await AuthorRepository(scope).get(3)
        author.score = 7
        assert author.score == 7


async def test_entities_read_by_a_relation_are_watched_too(db):
    with pytest.raises(UnsavedChanges, match=r"Author 2 \(name\)"):  # noqa: PT012
        async with db.scope() as scope:
            author = await scope.related(await BookRepository(scope).get(4), Book.author)
            author.name = "changed"


async def test_after_the_scope_an_entity_is_free(db):
    async with db.scope() as scope:
        author = await AuthorRepository(scope).get(3)
    author.name = "changed"
    assert author.name == "changed"


async def test_it_is_an_error_of_ours():
    assert issubclass(UnsavedChanges, BatchRepoError)
