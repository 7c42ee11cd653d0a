"""assert_statements and assert_constant_statements: exact numbers, and messages that lead to the cause."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import event, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from batchrepo import InvalidArgument
from batchrepo.testing import assert_constant_statements, assert_statements, rolled_back, statement_counter
from tests.testing.library import Author, AuthorRepository, Book, BookRepository, BookView, add, library

# --- assert_statements ------------------------------------------------------------------------------


async def test_the_right_number_passes(db):
    async with db.scope() as scope:
        with assert_statements(2, db) as counted:
            books = await BookRepository(scope).find()
            for book in books:
                await scope.related(book, Book.author)
        with assert_statements(0, db):
            await scope.related(books[0], Book.author)
    assert counted.count == 2


@pytest.mark.parametrize("expected", [0, 1, 3])
async def test_a_wrong_number_lists_every_statement_with_its_cause(db, expected):
    async with db.scope() as scope:
        books = await BookRepository(scope).find(limit=1)
        with pytest.raises(AssertionError) as raised, assert_statements(expected, db):  # noqa: PT012
            await scope.related(books[0], Book.author)
            await scope.session.execute(select(Author.id).where(Author.id == 4711))
    first, *listed = str(raised.value).splitlines()
    assert first == f"Expected {expected} statement{'' if expected == 1 else 's'}, 2 ran:"
    assert len(listed) == 2
    assert listed[0].startswith("  1. Author by id: SELECT author.id, ")
    assert listed[1].startswith("  2. not by a scope: SELECT author.id FROM author WHERE")


async def test_a_statement_that_nobody_ran_is_a_failure(db):
    with (
        pytest.raises(AssertionError, match=r"^Expected 1 statement, 0 ran\.$"),
        assert_statements(1, db),
    ):
        pass


async def test_an_error_in_the_block_is_not_masked(db):
    with pytest.raises(ZeroDivisionError), assert_statements(7, db):
        1 / 0  # noqa: B018


async def test_a_negative_number_is_refused(db):
    with pytest.raises(InvalidArgument, match="0 or more; got -1"), assert_statements(-1, db):
        pass


async def test_counting_ends_with_the_block(db):
    async with db.scope() as scope:
        with assert_statements(1, db) as counted:
            await AuthorRepository(scope).get(1)
        await AuthorRepository(scope).get(2)
    assert counted.count == 1


@pytest.mark.parametrize("listen_to", ["database", "async engine", "engine"])
async def test_the_users_engine_hears_the_database_made_from_it(database_url, listen_to):
    engine = create_async_engine(database_url)
    async with library(engine) as db:
        target = {"database": db, "async engine": engine, "engine": engine.sync_engine}[listen_to]
        with assert_statements(2, target):
            async with db.scope() as scope:
                await AuthorRepository(scope).get(1)
            async with AsyncSession(engine) as session:
                await session.get(Author, 2)
    await engine.dispose()


async def test_connections_that_were_open_before_are_heard(db):
    async with db.engine.connect() as connection, db.scope(snapshot=True) as scope:
        await AuthorRepository(scope).get(1)
        with assert_statements(2, db):
            await connection.execute(text("SELECT 1"))
            await AuthorRepository(scope).get(2)


async def test_transaction_control_is_not_counted(db):
    with assert_statements(2, db):
        async with rolled_back(db) as session:
            await session.execute(insert(Author), {"id": 90, "name": "x"})
            await session.commit()
            async with db.scope() as scope:
                await AuthorRepository(scope).get(90)
        async with db.scope(snapshot=True):
            pass


async def test_it_counts_what_the_driver_gets_and_not_our_events(db):
    """A statement made by a listener of the user inside a scope's statement is seen, and named as nobody's."""
    engine = db.engine.sync_engine

    def extra(connection, cursor, statement, parameters, context, executemany):
        if "4711" not in statement:
            connection.exec_driver_sql("SELECT 4711")

    event.listen(engine, "after_cursor_execute", extra)
    try:
        async with db.scope() as scope:
            with (
                pytest.raises(AssertionError, match="not by a scope: SELECT 4711") as raised,
                assert_statements(1, db),
            ):
                await AuthorRepository(scope).count()
            assert scope.report().statements == 1
    finally:
        event.remove(engine, "after_cursor_execute", extra)
    assert "Expected 1 statement, 2 ran" in str(raised.value)


async def test_reports_and_the_driver_agree(db):
    with statement_counter(db) as counted:
        async with db.scope() as scope:
            await BookRepository(scope).find(BookView)
            books = await BookRepository(scope).find()
            await asyncio.gather(*(scope.related(book, Book.author) for book in books))
            await asyncio.gather(*(book.awaitable_attrs.author for book in books))
            report = scope.report()
    assert counted.count == report.statements == 4


# --- assert_constant_statements ---------------------------------------------------------------------


def reader(db):
    """A handler without N+1."""

    async def read(limit):
        async with db.scope() as scope:
            books = await BookRepository(scope).find(limit=limit)
            authors = [await scope.related(book, Book.author) for book in books]
            return len(authors)

    return read


async def test_a_batched_handler_is_constant(db):
    seen = await assert_constant_statements(reader(db), db, small=2, large=15)
    assert (seen.small, seen.large, seen.statements) == (2, 15, 2)


async def test_a_handler_with_n_plus_1_fails_with_both_counts_and_what_grew(db):
    async def naive(limit):
        async with db.scope() as scope:
            for book in await BookRepository(scope).find(limit=limit):
                await AuthorRepository(scope).first(Author.id == book.author_id)

    with pytest.raises(AssertionError) as raised:
        await assert_constant_statements(naive, db, small=2, large=9)
    lines = str(raised.value).splitlines()
    assert lines[0] == "The number of statements grows with the data: 3 for 2, 10 for 9. What grew:"
    assert lines[1].startswith("  2 -> 9 times: find Author: SELECT author.id, ")
    assert len(lines) == 2


async def test_statements_of_others_count_as_well(db):
    async def naive(limit):
        async with AsyncSession(db.engine) as session:
            for book in (await session.scalars(select(Book).limit(limit))).all():
                await session.scalar(select(Author.name).where(Author.id == book.author_id))

    with pytest.raises(
        AssertionError, match=r"2 -> 5 times: not by a scope: SELECT author\.name FROM author"
    ):
        await assert_constant_statements(naive, db, small=2, large=5)


async def test_the_data_is_made_before_each_run_and_not_counted(db):
    made = []

    async def prepare(authors):
        made.append(authors)
        async with AsyncSession(db.engine) as session:
            await add(session, authors)
            await session.commit()

    async def read(authors):
        async with db.scope() as scope:
            found = await AuthorRepository(scope).find(Author.id.in_(authors))
            return sum([len(await scope.related(author, Author.books)) for author in found])

    seen = await assert_constant_statements(
        read, db, small=range(10, 12), large=range(20, 50), prepare=prepare
    )
    assert (seen.small, seen.large, seen.statements) == (6, 90, 2)
    assert made == [range(10, 12), range(20, 50)]


async def test_fewer_statements_on_large_data_are_fine(db):
    async def cached(limit):
        async with db.scope() as scope:
            await BookRepository(scope).find(limit=limit)
            if limit < 5:
                await AuthorRepository(scope).get(1)

    assert (await assert_constant_statements(cached, db, small=2, large=9)).statements == 1


async def test_a_handler_that_runs_no_statement_proves_nothing(db):
    async def idle(limit):
        return limit

    with pytest.raises(AssertionError, match="ran no statement on this database, for 2 and for 9"):
        await assert_constant_statements(idle, db, small=2, large=9)


async def test_an_error_of_the_handler_goes_on(db):
    async def broken(limit):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await assert_constant_statements(broken, db, small=2, large=9)
