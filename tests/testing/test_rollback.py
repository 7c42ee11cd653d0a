"""rolled_back: everything of a Database in one transaction that leaves nothing behind."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_sessionmaker, create_async_engine

from batchrepo import Database, InvalidArgument
from batchrepo.executing import make_engine
from batchrepo.testing import rolled_back
from tests.support.databases import EVERY_DRIVER
from tests.testing.library import (
    REPOSITORIES,
    Author,
    AuthorRepository,
    Base,
    Book,
    BookRepository,
    BookView,
    add,
    fill,
    in_use,
    library,
)


@pytest.fixture(params=EVERY_DRIVER)
def database_url(request):
    """On every driver, since each has its own way with transactions."""
    fixtures = {"sqlite": "sqlite_url", "postgresql": "postgres_url", "psycopg": "psycopg_url"}
    return request.getfixturevalue(fixtures[request.param])


async def names(db: Database) -> dict[int, str]:
    """What the database holds, by a connection of its own."""
    async with db.engine.connect() as connection:
        rows = await connection.execute(select(Author.id, Author.name))
        return {row.id: row.name for row in rows}


FILLED = {number: f"author {number}" for number in range(1, 6)}


async def test_scopes_see_what_the_session_wrote_and_nobody_else_does(db):
    async with rolled_back(db) as session:
        await add(session, range(6, 8))
        async with db.scope() as scope:
            assert [author.id for author in await AuthorRepository(scope).find()] == [1, 2, 3, 4, 5, 6, 7]
            assert [
                book.author.name for book in await BookRepository(scope).find(BookView, Book.id > 18)
            ] == ["author 7"] * 3
        assert await names(db) == FILLED
    assert await names(db) == FILLED


async def test_a_commit_is_a_savepoint(db):
    async with rolled_back(db) as session:
        await add(session, range(6, 7))
        await session.commit()
        await add(session, range(7, 8))
        await session.rollback()
        async with db.scope() as scope:
            assert await AuthorRepository(scope).get_or_none(6) is not None
            assert await AuthorRepository(scope).get_or_none(7) is None
    assert await names(db) == FILLED


async def test_updates_and_deletes_are_undone(db):
    async with rolled_back(db) as session:
        author = await session.get(Author, 1)
        author.name = "changed"
        for book in await (await session.get(Author, 2)).awaitable_attrs.books:
            await session.delete(book)
        await session.commit()
        assert author.name == "changed"  # a commit does not expire what a test looks at
        async with db.scope() as scope:
            assert (await AuthorRepository(scope).get(1)).name == "changed"
            assert await BookRepository(scope).count() == 12
    async with db.scope() as scope:
        assert (await AuthorRepository(scope).get(1)).name == "author 1"
        assert await BookRepository(scope).count() == 15


async def test_a_failed_flush_does_not_spoil_the_transaction(db):
    """On PostgreSQL an error ends the transaction; the savepoint of the session keeps the outer one."""
    async with rolled_back(db) as session:
        await add(session, range(6, 7))
        await session.commit()
        session.add(Author(id=6, name="twice"))
        session.expunge(await session.get(Author, 6))
        with pytest.raises(IntegrityError):
            await session.commit()
        await session.rollback()
        async with db.scope() as scope:
            assert (await AuthorRepository(scope).get(6)).name == "author 6"
    assert await names(db) == FILLED


async def test_a_scope_may_join_the_session(db):
    async with rolled_back(db) as session:
        async with db.scope(session=session) as scope:
            author = await AuthorRepository(scope).get(1)
            author.name = "changed"
            assert await session.get(Author, 1) is author
        await session.commit()
        async with db.scope() as scope:
            other = await AuthorRepository(scope).get(1)
            assert other is not author
            assert other.name == "changed"
    assert await names(db) == FILLED


async def test_a_session_factory_of_the_application_works_in_it(db):
    async def sign_up(make_session, number):
        async with make_session() as session, session.begin():
            await add(session, range(number, number + 1))

    async with rolled_back(db) as session:
        make_session = async_sessionmaker(session.bind, join_transaction_mode="create_savepoint")
        await sign_up(make_session, 6)
        await sign_up(make_session, 7)
        async with db.scope() as scope:
            assert await AuthorRepository(scope).count() == 7
    assert await names(db) == FILLED


async def test_many_scopes_at_once_share_the_connection(db):
    async def read(make_scope):
        async with make_scope() as scope:
            books = await BookRepository(scope).find()
            authors = await asyncio.gather(*(scope.related(book, Book.author) for book in books))
            counts = [await scope.related(author, AuthorRepository.book_count) for author in authors]
            return len(books), sum(counts)

    async def write(session):
        for number in range(6, 16):
            session.add(Author(id=number, name="new"))
            await session.commit()

    async with rolled_back(db) as session:
        *read_, _ = await asyncio.gather(
            *(read(db.scope) for _ in range(20)),
            *(read(lambda: db.scope(snapshot=True)) for _ in range(5)),
            write(session),
        )
        assert read_ == [(15, 45)] * 25
        assert await session.scalar(select(func.count()).select_from(Author)) == 15
    assert await names(db) == FILLED


async def test_a_cancelled_reader_leaves_the_transaction_alone(db):
    async def read():
        async with db.scope() as scope:
            for book in await BookRepository(scope).find():
                await scope.related(book, Book.author)

    async with rolled_back(db) as session:
        await add(session, range(6, 7))
        for hops in range(30):
            task = asyncio.create_task(read())
            for _ in range(hops):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
        async with db.scope() as scope:
            assert await AuthorRepository(scope).get_or_none(6) is not None
    assert await names(db) == FILLED


async def test_an_error_in_the_block_goes_on_and_everything_is_undone(db):
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with rolled_back(db) as session:
            await add(session, range(6, 7))
            await session.commit()
            1 / 0  # noqa: B018
    assert await names(db) == FILLED
    assert in_use(db.engine) == 0


async def test_after_the_block_scopes_read_as_before(db):
    async with rolled_back(db):
        pass
    assert db.reading.connection is None
    async with db.scope() as scope:
        assert await AuthorRepository(scope).count() == 5
    async with rolled_back(db) as session:
        await add(session, range(6, 7))
    assert await names(db) == FILLED


async def test_one_block_at_a_time(db):
    async with rolled_back(db) as session:
        with pytest.raises(InvalidArgument, match="inside rolled_back"):
            async with rolled_back(db):
                pass
        await add(session, range(6, 7))
        async with db.scope() as scope:
            assert await AuthorRepository(scope).count() == 6


async def test_the_session_takes_options(db):
    async with rolled_back(db, autoflush=False, expire_on_commit=True) as session:
        assert session.sync_session.autoflush is False
        author = await session.get(Author, 1)
        await session.commit()
        assert "name" not in author.__dict__


async def test_an_engine_of_the_users_own(database_url):
    """Its driver begins transactions by itself, and on SQLite only before a write."""
    engine = create_async_engine(database_url)
    async with library(engine) as db:
        async with rolled_back(db) as session:
            assert await session.scalar(select(func.count()).select_from(Author)) == 5
            await add(session, range(6, 7))
            await session.commit()
            await session.rollback()
            async with db.scope() as scope:
                assert await AuthorRepository(scope).count() == 6
        assert await names(db) == FILLED
    await engine.dispose()


async def test_an_engine_that_autocommits(database_url):
    engine = create_async_engine(database_url, isolation_level="AUTOCOMMIT")
    async with library(engine) as db:
        async with rolled_back(db) as session:
            await add(session, range(6, 7))
            await session.commit()
        assert await names(db) == FILLED
        async with engine.connect() as connection:
            await connection.execute(text("INSERT INTO author VALUES (6, 'kept')"))
        assert len(await names(db)) == 6, "the connection came back in another mode"
    await engine.dispose()


async def end_by_commit(session: AsyncSession) -> None:
    assert isinstance(session.bind, AsyncConnection)
    await session.bind.commit()


async def end_by_sql(session: AsyncSession) -> None:
    await session.execute(text("COMMIT"))


@pytest.mark.parametrize("end", [end_by_commit, end_by_sql])
async def test_a_transaction_that_was_ended_inside_is_noticed(db, end):
    with pytest.raises(AssertionError, match="was ended inside its block"):  # noqa: PT012
        async with rolled_back(db) as session:
            await add(session, range(6, 7))
            await end(session)
    assert db.reading.connection is None
    assert in_use(db.engine) == 0


async def test_a_transaction_that_was_ended_does_not_mask_an_error(db):
    with pytest.raises(ZeroDivisionError):  # noqa: PT012
        async with rolled_back(db) as session:
            await end_by_sql(session)
            1 / 0  # noqa: B018


async def test_a_connection_that_was_lost_is_rolled_back_by_the_database(db):
    async with rolled_back(db) as session:
        await add(session, range(6, 7))
        await (await session.connection()).invalidate()
    assert await names(db) == FILLED


# --- SQLite only ------------------------------------------------------------------------------------


async def test_a_database_in_memory():
    async with library("sqlite+aiosqlite://") as db:
        for _ in range(2):
            async with rolled_back(db) as session:
                await add(session, range(6, 7))
                await session.commit()
                async with db.scope() as scope:
                    assert await AuthorRepository(scope).count() == 6
            async with db.scope() as scope:
                assert await AuthorRepository(scope).count() == 5


async def test_an_engine_whose_listeners_begin_transactions(sqlite_url):
    """The usual recipe for savepoints with SQLite's driver."""
    engine = create_async_engine(sqlite_url)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN")

    db = Database(engine, repositories=REPOSITORIES)
    await fill(engine)
    async with rolled_back(db) as session:
        await add(session, range(6, 7))
        await session.commit()
    assert await names(db) == FILLED
    await engine.dispose()


async def test_tables_made_in_the_block_are_gone(sqlite_url):
    engine = make_engine(sqlite_url)
    db = Database(engine, repositories=REPOSITORIES)
    async with rolled_back(db) as session:
        await (await session.connection()).run_sync(Base.metadata.create_all)
        await add(session, range(1, 2))
        await session.commit()
        async with db.scope() as scope:
            assert await AuthorRepository(scope).count() == 1
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM sqlite_master"))).scalar_one() == 0
    await engine.dispose()
