"""`db.scope(session=...)`: a scope inside the session and the transaction that an application has already."""

from __future__ import annotations

import asyncio
import gc

import pytest
from sqlalchemy import event, func, insert, inspect, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import InvalidArgument, LazyLoad
from batchrepo.testing import assert_statements, capture_batches, statement_counter
from tests.testing.library import Author, AuthorRepository, Book, BookRepository, BookView, add


async def committed(db) -> int:
    """How many authors another connection sees."""
    async with AsyncSession(db.engine) as other:
        return await other.scalar(select(func.count()).select_from(Author))


# --- transaction ------------------------------------------------------------------------------------


async def test_it_sees_what_the_session_has_not_committed(db, session):
    await add(session, range(6, 7))
    await session.execute(update(Author).where(Author.id == 1).values(name="changed"))
    async with db.scope(session=session) as scope:
        authors = AuthorRepository(scope)
        assert (await authors.get(6)).name == "author 6"
        assert (await authors.get(1)).name == "changed"
        assert await authors.count() == 6
        assert [
            view.author.name for view in await BookRepository(scope).find(BookView, Book.author_id == 6)
        ] == ["author 6"] * 3
        assert await scope.related(await authors.get(6), AuthorRepository.book_count) == 3
    async with db.scope() as scope:
        assert await AuthorRepository(scope).get_or_none(6) is None


@pytest.mark.parametrize("read", ["entities", "views", "count", "by key", "fetch"])
async def test_pending_changes_are_flushed_before_a_read_as_autoflush_says(db, session, read):
    session.add(Author(id=6, name="pending", books=[Book(id=90, title="pending")]))
    async with db.scope(session=session) as scope:
        found = {
            "entities": lambda: AuthorRepository(scope).find(Author.id == 6),
            "views": lambda: BookRepository(scope).find(BookView, Book.id == 90),
            "count": lambda: AuthorRepository(scope).count(Author.id == 6),
            "by key": lambda: AuthorRepository(scope).get_or_none(6),
            "fetch": lambda: scope.fetch(select(Author).where(Author.id == 6)),
        }
        assert await found[read]()
    assert not session.new


async def test_without_autoflush_nothing_is_flushed(db):
    async with AsyncSession(db.engine, autoflush=False) as session:
        session.add(Author(id=6, name="pending"))
        async with db.scope(session=session) as scope:
            assert await AuthorRepository(scope).count() == 5
            assert await AuthorRepository(scope).get_or_none(6) is None
        assert len(session.new) == 1


async def test_within_no_autoflush_nothing_is_flushed(db, session):
    session.add(Author(id=6, name="pending"))
    async with db.scope(session=session) as scope:
        with session.no_autoflush:
            assert await AuthorRepository(scope).count() == 5
        assert await AuthorRepository(scope).count() == 6


async def test_it_neither_commits_nor_rolls_back_nor_closes(db, session):
    await add(session, range(6, 7))
    transaction = session.get_transaction()
    author = await session.get(Author, 6)
    async with db.scope(session=session) as scope:
        await AuthorRepository(scope).find()
    assert session.get_transaction() is transaction
    assert transaction.is_active
    assert author in session
    assert await committed(db) == 5
    await session.commit()
    assert await committed(db) == 6


async def test_an_error_in_the_scope_leaves_the_transaction_to_its_owner(db, session):
    await add(session, range(6, 7))
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with db.scope(session=session) as scope:
            await AuthorRepository(scope).find()
            1 / 0  # noqa: B018
    assert session.in_transaction()
    await session.commit()
    assert await committed(db) == 6


async def test_the_owner_may_commit_and_go_on_in_the_scope(db, session):
    async with db.scope(session=session) as scope:
        author = await AuthorRepository(scope).get(1)
        author.name = "changed"
        await session.commit()
        assert (await AuthorRepository(scope).first(Author.name == "changed")) is author
        author.name = "changed again"
        await session.rollback()
        assert (await AuthorRepository(scope).find(Author.id == 1))[0].name == "changed"


async def test_a_savepoint_of_the_owner(db, session):
    async with db.scope(session=session) as scope:
        async with session.begin_nested():
            await add(session, range(6, 7))
            assert await AuthorRepository(scope).count() == 6
        nested = await session.begin_nested()
        await add(session, range(7, 8))
        assert await AuthorRepository(scope).count() == 7
        await nested.rollback()
        assert await AuthorRepository(scope).count() == 6


async def test_a_scope_takes_no_connection_of_its_own(db, session):
    await session.connection()
    before = db.engine.pool.checkedout()
    async with db.scope(session=session) as scope:
        books = await BookRepository(scope).find()
        await asyncio.gather(*(scope.related(book, Book.author) for book in books))
        assert db.engine.pool.checkedout() == before == 1


async def test_concurrent_tasks_share_the_session(db, session):
    """SQLAlchemy itself refuses two statements at once on one session."""
    await add(session, range(6, 7))

    async def one(book):
        author = await scope.related(book, Book.author)
        return len(await scope.related(author, Author.books)), len(await BookRepository(scope).find(BookView))

    async with db.scope(session=session) as scope:
        books = await BookRepository(scope).find()
        assert await asyncio.gather(*(one(book) for book in books)) == [(3, 18)] * 18


async def test_snapshot_is_the_sessions_own_business(db, session):
    with pytest.raises(InvalidArgument, match="snapshot=True has no meaning with session="):
        db.scope(session=session, snapshot=True)


# --- identity ---------------------------------------------------------------------------------------


async def test_their_entities_and_ours_are_the_same_objects(db, session):
    theirs = await session.get(Author, 1)
    async with db.scope(session=session) as scope:
        assert scope.session is session
        assert await AuthorRepository(scope).get(1) is theirs
        assert (await AuthorRepository(scope).find(Author.id == 1))[0] is theirs
        book = await BookRepository(scope).get(4)
        assert await session.get(Book, 4) is book
        author = await scope.related(book, Book.author)
        assert (await session.scalars(select(Author).where(Author.id == 2))).one() is author
        assert (await scope.related(theirs, Author.books))[0] is await session.get(Book, 1)
    assert book in session
    assert not inspect(book).detached


async def test_what_the_session_has_is_not_read_again(db, session):
    await session.get(Author, 1)
    async with db.scope(session=session) as scope:
        with assert_statements(1, db):
            await AuthorRepository(scope).get_many([1, 2])


async def test_changes_of_entities_are_the_owners_to_save(db, session):
    async with db.scope(session=session) as scope:
        author = await AuthorRepository(scope).get(1)
        author.name = "changed"
        session.add(Author(id=6, name="new"))
        await session.delete(await BookRepository(scope).get(15))
    await session.commit()
    async with db.scope() as scope:
        assert (await AuthorRepository(scope).get(1)).name == "changed"
        assert await AuthorRepository(scope).count() == 6
        assert await BookRepository(scope).get_or_none(15) is None


async def test_changes_are_not_overwritten_by_a_read(db):
    async with AsyncSession(db.engine, autoflush=False) as session, db.scope(session=session) as scope:
        author = await AuthorRepository(scope).get(1)
        author.name = "changed"
        await AuthorRepository(scope).find()
        assert author.name == "changed"


# --- lazy loads -------------------------------------------------------------------------------------


async def test_awaitable_attrs_of_our_entities_are_batched(db, session):
    async with db.scope(session=session) as scope:
        books = await BookRepository(scope).find()
        with assert_statements(1, db), capture_batches(scope) as seen:
            authors = await asyncio.gather(*(book.awaitable_attrs.author for book in books))
        assert seen.sizes == [5]
        assert {author.id for author in authors} == {1, 2, 3, 4, 5}
        with assert_statements(1, db):
            for author in authors:
                assert len(await author.awaitable_attrs.books) == 3


async def test_awaitable_attrs_of_their_entities_are_left_to_sqlalchemy(db, session):
    theirs = (await session.scalars(select(Author).order_by(Author.id))).all()
    async with db.scope(session=session) as scope:
        with assert_statements(5, db), capture_batches() as seen:
            for author in theirs:
                assert len(await author.awaitable_attrs.books) == 3
        assert seen.sizes == []
        assert scope.report().statements == 0


async def test_an_entity_of_theirs_that_we_read_too_becomes_ours(db, session):
    theirs = (await session.scalars(select(Author).order_by(Author.id))).all()
    async with db.scope(session=session) as scope:
        assert await AuthorRepository(scope).find() == list(theirs)
        with assert_statements(1, db):
            for author in theirs:
                assert len(await author.awaitable_attrs.books) == 3


async def test_touching_what_was_not_read_is_our_error_for_our_entities_only(db, session):
    async with db.scope(session=session) as scope:
        ours = await BookRepository(scope).get(1)
        with pytest.raises(LazyLoad, match=r"Book\.author was touched"):
            ours.author  # noqa: B018
        assert (await ours.awaitable_attrs.author).id == 1


async def test_what_a_commit_expired_is_read_again_in_one_statement(db):
    async with AsyncSession(db.engine, expire_on_commit=True) as session, db.scope(session=session) as scope:
        books = await BookRepository(scope).find()
        await session.execute(update(Book).where(Book.id == 2).values(title="changed"))
        await session.commit()
        with pytest.raises(LazyLoad, match=r"A column of Book was touched that has expired"):
            books[1].title  # noqa: B018
        with assert_statements(1, db):
            titles = [await book.awaitable_attrs.title for book in books]
        assert titles[:3] == ["book 1", "changed", "book 3"]


async def test_relations_of_what_a_commit_expired(db):
    async with AsyncSession(db.engine, expire_on_commit=True) as session, db.scope(session=session) as scope:
        books = await BookRepository(scope).find()
        await session.commit()
        authors = [await scope.related(book, Book.author) for book in books]
        assert len(authors) == 15
        assert {await author.awaitable_attrs.name for author in authors} == {
            f"author {n}" for n in range(1, 6)
        }


async def test_get_after_a_commit_reads_the_row_again(db):
    async with AsyncSession(db.engine, expire_on_commit=True) as session, db.scope(session=session) as scope:
        author = await AuthorRepository(scope).get(1)
        await session.commit()
        async with AsyncSession(db.engine) as other:
            await other.execute(update(Author).where(Author.id == 1).values(name="changed elsewhere"))
            await other.commit()
        assert await AuthorRepository(scope).get(1) is author
        assert author.name == "changed elsewhere"


# --- what was loaded before a write ------------------------------------------------------------------


async def flushed(session):
    await add(session, range(6, 7))


async def executed(session):
    await session.execute(insert(Author), [{"id": 6, "name": "author 6"}])
    await session.execute(
        insert(Book), [{"id": n, "title": f"book {n}", "author_id": 6} for n in (16, 17, 18)]
    )


async def as_text(session):
    await session.execute(text("INSERT INTO author (id, name) VALUES (6, 'author 6')"))
    for number in (16, 17, 18):
        await session.execute(text(f"INSERT INTO book (id, title, author_id) VALUES ({number}, 'b', 6)"))


async def elsewhere(session):
    """Another transaction wrote; it is seen after the session's own has ended."""
    await session.commit()
    async with AsyncSession(session.bind) as other:
        await add(other, range(6, 7))
        await other.commit()


@pytest.mark.parametrize("write", [flushed, executed, as_text, elsewhere])
async def test_a_row_that_was_missing_is_found_after_it_was_written(db, session, write):
    async with db.scope(session=session) as scope:
        authors = AuthorRepository(scope)
        assert await authors.get_or_none(6) is None
        assert await BookRepository(scope).find_by(Book.author_id, 6) == []
        await write(session)
        assert (await authors.get(6)).name == "author 6"
        assert len(await BookRepository(scope).find_by(Book.author_id, 6)) == 3


async def test_values_computed_before_a_write_are_computed_again(db, session):
    async with db.scope(session=session) as scope:
        author = await AuthorRepository(scope).get(1)
        assert await scope.related(author, AuthorRepository.book_count) == 3
        session.add(Book(id=90, title="one more", author_id=1))
        await session.flush()
        assert await scope.related(author, AuthorRepository.book_count) == 4
        await session.rollback()
        assert await scope.related(author, AuthorRepository.book_count) == 3


async def test_after_a_write_peers_are_loaded_together_again(db, session):
    async with db.scope(session=session) as scope:
        authors = await AuthorRepository(scope).find()
        for author in authors:
            await scope.related(author, AuthorRepository.book_count)
        session.add(Book(id=90, title="one more", author_id=1))
        await session.flush()
        with assert_statements(1, db):
            counts = [await scope.related(author, AuthorRepository.book_count) for author in authors]
        assert counts == [4, 3, 3, 3, 3]


async def test_a_stream_sees_what_is_written_while_it_runs(db, session):
    async with db.scope(session=session) as scope:
        counts = []
        async for author in AuthorRepository(scope).stream(chunk_size=3):
            counts.append(await scope.related(author, AuthorRepository.book_count))
            session.add(Book(id=90 + author.id, title="one more", author_id=author.id + 1))
            if author.id < 5:
                await session.flush()
            else:
                session.expunge_all()
        assert counts == [3, 4, 4, 4, 4]


async def test_reading_alone_forgets_nothing(db, session):
    async with db.scope(session=session) as scope:
        await AuthorRepository(scope).get_or_none(6)
        await session.execute(select(Author))
        await session.flush()
        with assert_statements(0, db):
            await AuthorRepository(scope).get_or_none(6)


async def test_a_write_in_the_session_of_an_own_scope(db):
    async with db.scope() as scope:
        assert await AuthorRepository(scope).get_or_none(6) is None
        await scope.session.execute(insert(Author), [{"id": 6, "name": "author 6"}])
        await scope.session.commit()
        assert (await AuthorRepository(scope).get(6)).name == "author 6"


# --- the end ----------------------------------------------------------------------------------------


async def test_after_the_scope_nothing_of_ours_listens_to_the_session(db, session):
    """But for who waits for its commit, to tell what a scope wrote: of a scope that wrote nothing, nobody."""
    listeners = session.sync_session.dispatch
    async with db.scope(session=session) as scope:
        books = await BookRepository(scope).find()
        assert len(listeners.do_orm_execute) > 0
    for name in ("do_orm_execute", "before_flush", "after_transaction_create", "after_soft_rollback"):
        assert len(getattr(listeners, name)) == 0, name
    with assert_statements(3, db):  # SQLAlchemy's own lazy loading, one by one; an identity map hit is none
        for book in books[:9]:
            assert (await book.awaitable_attrs.author).id == book.author_id


async def test_a_listener_of_theirs_stays(db, session):
    seen = []
    event.listen(session.sync_session, "do_orm_execute", seen.append)
    async with db.scope(session=session) as scope:
        await BookRepository(scope).find()
    await session.execute(select(Author))
    assert len(seen) == 2


async def test_two_scopes_in_one_session_end_each_for_itself(db, session):
    async with db.scope(session=session) as outer:
        books = await BookRepository(outer).find()
        async with db.scope(session=session) as inner:
            assert await AuthorRepository(inner).count() == 5
        with capture_batches(outer) as seen:
            await asyncio.gather(*(book.awaitable_attrs.author for book in books))
        assert seen.sizes == [5]


async def test_a_second_scope_in_the_same_session_batches_what_it_reads(db, session):
    async with db.scope(session=session) as scope:
        books = await BookRepository(scope).find()
    async with db.scope(session=session) as scope:
        again = await BookRepository(scope).find()
        assert again == books
        with assert_statements(1, db):
            for book in again:
                await book.awaitable_attrs.author


async def test_entities_go_when_nobody_holds_them(db, session):
    async with db.scope(session=session) as scope:
        await BookRepository(scope).find()
        gc.collect()
        assert len(session.sync_session.identity_map) == 0


async def test_reports_count_our_statements_and_the_driver_all(db, session):
    async with db.scope(session=session) as scope:
        session.add(Author(id=6, name="pending"))
        with statement_counter(db) as counted:
            await AuthorRepository(scope).find()
        assert counted.count == 2
        assert scope.report().statements == 1


async def test_an_ended_scope_leaves_running_statements_to_their_end(db, session):
    """Cancelling a statement would invalidate the session's connection, and with it the owner's transaction."""
    await add(session, range(6, 7))
    for hops in range(25):
        async with db.scope(session=session) as scope:
            task = asyncio.ensure_future(BookRepository(scope).find())
            for _ in range(hops):
                await asyncio.sleep(0)
        await asyncio.wait({task})
        assert task.exception() is None or type(task.exception()).__name__ == "ScopeClosed"
    await session.commit()
    assert await committed(db) == 6
