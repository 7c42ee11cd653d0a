"""Through PgBouncer in transaction mode, where 20 clients share two server connections and each statement gets another.

The contract suite runs through it in tests/contract/test_pgbouncer.py, writing in tests/writing/test_pgbouncer.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import URL, bindparam, cast, make_url, select, text
from sqlalchemy import Integer as IntegerType
from sqlalchemy.exc import DBAPIError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from batchrepo import Database, Repository
from batchrepo.errors import DeclarationError
from batchrepo.events import EventLog
from batchrepo.executing import DriverPath, PooledDoor, describe, make_engine
from tests.executing.conftest import POSTGRESQL, in_use, on
from tests.executing.models import AUTHORS, BOOKS_EACH, Author, Book, fill
from tests.support.pgbouncer import (
    SERVER_CONNECTIONS,
    PgBouncer,
    assert_servers_alternate,
    running_pgbouncer,
)
from tests.support.postgres import PostgresServer

by_each_driver = on(*POSTGRESQL)
by_asyncpg = on("asyncpg")

TASKS = 20


class AuthorRepository(Repository[Author]):
    pass


class BookRepository(Repository[Book]):
    pass


REPOSITORIES = (AuthorRepository, BookRepository)


@pytest.fixture
def through(url: str, pgbouncer: PgBouncer) -> URL:
    """The test's database, through the bouncer."""
    return pgbouncer.through(make_url(url))


@pytest_asyncio.fixture
async def filled(through: URL) -> URL:
    """The same, filled."""
    await fill_through(through)
    return through


async def fill_through(url: URL) -> None:
    engine = make_engine(url, pooler="pgbouncer")
    await fill(engine)
    await engine.dispose()


@pytest_asyncio.fixture
async def engine(filled: URL) -> AsyncIterator[AsyncEngine]:
    """An engine with the preset, whose statements get the two server connections in turn."""
    made = make_engine(filled, pooler="pgbouncer")
    await assert_servers_alternate(made)
    yield made
    assert in_use(made) == 0
    await made.dispose()


async def on_every_server(engine: AsyncEngine, statement: str) -> list[Any]:
    """What a statement gives on each server connection, all of which are held for that."""
    async with asyncio.TaskGroup() as group:
        barrier = asyncio.Barrier(SERVER_CONNECTIONS)

        async def ask() -> Any:
            async with in_transaction(engine) as connection:
                answer = await connection.scalar(text(statement))
                await barrier.wait()
                return answer

        tasks = [group.create_task(ask()) for _ in range(SERVER_CONNECTIONS)]
    return [task.result() for task in tasks]


@asynccontextmanager
async def in_transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="READ COMMITTED")
        yield connection
        await connection.rollback()


async def read_at_once(url: URL, **options: Any) -> list[BaseException | None]:
    """Twenty tasks read different things, each several times; what became of each."""
    async with Database(url, repositories=REPOSITORIES, pool_size=TASKS, **options) as db:

        async def read(task: int) -> None:
            for turn in range(12):
                n = (task + turn) % AUTHORS + 1
                async with db.scope() as scope:
                    author = await AuthorRepository(scope).get(n)
                    books = await scope.related(author, Author.books)
                    found = await BookRepository(scope).find(
                        Book.author_id == n, order_by=Book.id.desc(), limit=turn + 1
                    )
                assert [book.id for book in books] == [10 * n + i for i in range(BOOKS_EACH)]
                assert [book.id for book in found] == [book.id for book in books[::-1]][: turn + 1]

        return await asyncio.gather(*(read(task) for task in range(TASKS)), return_exceptions=True)


# --- reading ----------------------------------------------------------------------------------


@by_each_driver
async def test_twenty_tasks_over_two_server_connections(filled: URL, pgbouncer: PgBouncer):
    assert await read_at_once(filled, pooler="pgbouncer") == [None] * TASKS
    servers = [row for row in pgbouncer.show("SERVERS") if row["database"] == filled.database]
    assert len(servers) == SERVER_CONNECTIONS


@by_each_driver
async def test_without_the_preset_they_fail(filled: URL):
    """Each driver names its statements, which then are on another server connection, or another one's by that name.

    So some are refused, and some answer with the rows of another statement.
    """
    failed = [error for error in await read_at_once(filled) if error is not None]
    assert any(isinstance(error, DBAPIError) and "prepared statement" in str(error) for error in failed)


@by_each_driver
async def test_with_prepared_statements_they_pass_where_the_bouncer_keeps_them(
    url: str, postgres_server: PostgresServer
):
    with running_pgbouncer(postgres_server, prepared_statements=100) as bouncer:
        through = bouncer.through(make_url(url))
        await fill_through(through)
        assert await read_at_once(through, pooler="pgbouncer", prepared_statements=True) == [None] * TASKS
        engine = make_engine(through, pooler="pgbouncer")
        assert all(await on_every_server(engine, "SELECT count(*) FROM pg_prepared_statements"))
        await engine.dispose()


@by_each_driver
async def test_no_statement_is_left_on_a_server_connection(filled: URL, engine: AsyncEngine):
    await read_at_once(filled, pooler="pgbouncer")
    assert await on_every_server(engine, "SELECT count(*) FROM pg_prepared_statements") == [0, 0]


@by_each_driver
@pytest.mark.parametrize("driver_path", [True, False])
async def test_a_column_whose_type_is_changed_is_read_as_what_it_is(
    engine: AsyncEngine, driver_path: bool, url: str
):
    """Only what is prepared on the server is refused there, so that nothing may be remembered here."""
    statement = select(Book.author_id).where(Book.id == bindparam("id"))
    path = DriverPath.of(engine.sync_engine) if driver_path else None
    door = PooledDoor(engine, EventLog(), driver_path=path)
    for _ in range(3):
        assert await door.rows(statement, {"id": 10}, cause="Book") == [(1,)]
    direct = make_engine(url)
    async with direct.connect() as connection:
        # Of the same width as before: bytes that could be read as the old type without an error.
        await connection.execute(text("ALTER TABLE book DROP CONSTRAINT book_author_id_fkey"))
        await connection.execute(text("ALTER TABLE book ALTER author_id TYPE REAL"))
        await connection.execute(text("UPDATE book SET author_id = 1.5"))
    await direct.dispose()
    for _ in range(3):
        assert await door.rows(statement, {"id": 10}, cause="Book") == [(1.5,)]
    await door.aclose()


# --- what asyncpg begins ----------------------------------------------------------------------


@by_asyncpg
@pytest.mark.parametrize("driver_path", [True, False])
async def test_a_value_that_the_driver_refuses_keeps_no_server_connection(
    engine: AsyncEngine, driver_path: bool, pgbouncer: PgBouncer
):
    """More of them than there are server connections: each would wait for its client's next statement."""
    statement = select(Author.name).where(Author.id == cast(bindparam("id"), IntegerType))
    path = DriverPath.of(engine.sync_engine) if driver_path else None
    doors = [PooledDoor(engine, EventLog(), driver_path=path) for _ in range(SERVER_CONNECTIONS + 1)]
    for door in doors:
        for _ in range(3):
            assert await door.rows(statement, {"id": 2}, cause="Author") == [("author 2",)]
    for door in doors:
        with pytest.raises(DBAPIError, match="invalid input for query argument"):
            await door.rows(statement, {"id": "two"}, cause="Author")
        assert busy(pgbouncer, engine) == 0
    async with asyncio.timeout(20):
        assert await asyncio.gather(*(door.rows(statement, {"id": 3}, cause="Author") for door in doors)) == [
            [("author 3",)]
        ] * len(doors)
    for door in doors:
        await door.aclose()


@by_asyncpg
async def test_without_the_preset_a_refused_value_keeps_one(
    filled: URL, engine: AsyncEngine, pgbouncer: PgBouncer
):
    plain = make_engine(filled, prepared_statements=False)
    async with plain.connect() as connection:
        with pytest.raises(DBAPIError, match="invalid input for query argument"):
            await connection.execute(text("SELECT CAST(:id AS INTEGER)"), {"id": "two"})
        assert busy(pgbouncer, engine) == 1
    await plain.dispose()


@by_asyncpg
async def test_a_bouncer_that_goes_away_meanwhile_costs_the_connection_and_hides_no_error(
    url: str, postgres_server: PostgresServer, caplog: pytest.LogCaptureFixture
):
    with running_pgbouncer(postgres_server) as bouncer:

        class Last:
            """No number, and the last thing that the bouncer sees a client ask for."""

            def __index__(self) -> int:
                bouncer.stop()
                raise TypeError

        engine = make_engine(bouncer.through(make_url(url)), pooler="pgbouncer")
        async with engine.connect() as connection:
            with pytest.raises(DBAPIError, match="invalid input for query argument") as caught:
                await connection.execute(text("SELECT CAST(:id AS INTEGER)"), {"id": Last()})
            assert caught.value.connection_invalidated
            assert connection.invalidated
        assert "did not answer after a failed statement" in caplog.text
        bouncer.start()
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 7")) == 7
        await engine.dispose()


def busy(pgbouncer: PgBouncer, engine: AsyncEngine) -> int:
    """How many server connections the bouncer has lent at this moment."""
    rows = pgbouncer.show("SERVERS")
    return sum(row["database"] == engine.url.database and row["state"] == "active" for row in rows)


@by_asyncpg
@pytest.mark.parametrize("options", [{}, {"connect_args": {"connection_class": asyncpg.Connection}}])
async def test_looking_up_types_leaves_no_setting_behind(
    url: str, postgres_server: PostgresServer, options: dict[str, Any]
):
    """asyncpg switches jit off, looks at the type, and switches it on again: three statements, three servers."""
    with running_pgbouncer(postgres_server, size=3) as bouncer:
        engine = make_engine(bouncer.through(make_url(url)), pooler="pgbouncer", **options)
        async with engine.connect() as connection:
            await connection.execute(text("CREATE TYPE mood AS ENUM ('fine')"))
        async with asyncio.TaskGroup() as group:
            barrier = asyncio.Barrier(3)

            async def hold() -> None:
                async with in_transaction(engine) as connection:
                    await connection.execute(text("SELECT"))
                    await barrier.wait()

            for _ in range(3):
                group.create_task(hold())
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT CAST('fine' AS mood)")) == "fine"
            settings = {await connection.scalar(text("SHOW jit")) for _ in range(3)}
        await engine.dispose()
    assert settings == ({"on", "off"} if options else {"on"})


# --- transactions -----------------------------------------------------------------------------


@by_each_driver
async def test_a_transaction_has_its_settings_and_leaves_none(engine: AsyncEngine):
    async with Database(engine, repositories=REPOSITORIES) as db:
        async with db.scope() as scope, scope.transaction(isolation="SERIALIZABLE", read_only=True):
            assert await scope.session.scalar(text("SHOW transaction_isolation")) == "serializable"
            with pytest.raises(DBAPIError, match="read-only"):
                await scope.session.execute(text("DELETE FROM book"))
        async with db.scope() as scope, scope.transaction():
            await scope.session.execute(text("SET LOCAL work_mem = '77MB'"))
            assert await scope.session.scalar(text("SHOW work_mem")) == "77MB"
    assert "77MB" not in await on_every_server(engine, "SHOW work_mem")
    for setting in ("default_transaction_isolation", "default_transaction_read_only"):
        assert set(await on_every_server(engine, f"SHOW {setting}")) <= {"read committed", "off"}


@by_each_driver
async def test_a_snapshot_sees_one_state(filled: URL, engine: AsyncEngine):
    async with Database(engine, repositories=REPOSITORIES) as db:
        async with db.scope(snapshot=True) as snapshot:
            before = await AuthorRepository(snapshot).count()
            async with db.scope() as scope, scope.transaction():
                scope.add(Author(id=99, name="new"))
            assert await AuthorRepository(snapshot).count() == before
        async with db.scope() as scope:
            assert await AuthorRepository(scope).count() == before + 1


@by_each_driver
async def test_an_error_of_the_server_leaves_the_connection_usable(engine: AsyncEngine, pgbouncer: PgBouncer):
    async with engine.connect() as connection:
        for _ in range(SERVER_CONNECTIONS + 1):
            with pytest.raises(ProgrammingError, match="nowhere"):
                await connection.execute(text("SELECT * FROM nowhere"))
            with pytest.raises(DBAPIError, match="division by zero"):
                await connection.execute(text("SELECT 1 / CAST(:n AS INTEGER)"), {"n": 0})
            assert busy(pgbouncer, engine) == 0
        assert await connection.scalar(text("SELECT 7")) == 7


# --- cancellation, lost connections -----------------------------------------------------------


@asynccontextmanager
async def locked_books(url: str) -> AsyncIterator[AsyncConnection]:
    """Nobody reads books inside, past the bouncer."""
    direct = make_engine(url)
    async with in_transaction(direct) as connection:
        await connection.execute(text("LOCK TABLE book"))
        yield connection
    await direct.dispose()


async def waiting(keeper: AsyncConnection, expected: int) -> None:
    """Until so many statements wait for a lock of this database."""
    statement = text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid "
        "WHERE datname = current_database() AND NOT granted"
    )
    async with asyncio.timeout(20):
        while await keeper.scalar(statement) != expected:
            pass


@by_each_driver
async def test_a_cancelled_read_ends_in_the_server_too(url: str, engine: AsyncEngine):
    async with Database(engine, repositories=REPOSITORIES) as db:
        async with locked_books(url) as keeper:
            for _ in range(SERVER_CONNECTIONS + 1):
                async with db.scope() as scope:
                    task = asyncio.create_task(BookRepository(scope).find())
                    await waiting(keeper, 1)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
                await waiting(keeper, 0)
            assert in_use(engine) == 0
        async with db.scope() as scope:
            assert await BookRepository(scope).count() == AUTHORS * BOOKS_EACH


@by_each_driver
async def test_a_cancelled_transaction_ends_in_the_server_too(url: str, engine: AsyncEngine):
    async with Database(engine, repositories=REPOSITORIES) as db:

        async def write() -> None:
            async with db.scope() as scope, scope.transaction():
                scope.add(Author(id=99, name="new"))
                await scope.flush()
                await BookRepository(scope).find()

        async with locked_books(url) as keeper:
            task = asyncio.create_task(write())
            await waiting(keeper, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await waiting(keeper, 0)
        async with db.scope() as scope:
            assert await AuthorRepository(scope).get_or_none(99) is None
            assert await BookRepository(scope).count() == AUTHORS * BOOKS_EACH


@by_each_driver
@pytest.mark.parametrize("seed", range(2))
async def test_cancelled_at_any_moment(filled: URL, seed: int):
    """Half of forty readers are cancelled; the others have their rows, and two server connections serve on."""
    async with Database(filled, repositories=REPOSITORIES, pooler="pgbouncer") as db:

        async def read(n: int) -> list[int]:
            async with db.scope() as scope:
                author = await AuthorRepository(scope).get(n % AUTHORS + 1)
                return [book.id for book in await scope.related(author, Author.books)]

        tasks = [asyncio.create_task(read(n)) for n in range(40)]
        for n, task in enumerate(tasks[::2]):
            for _ in range((7 * n + seed) % 30):
                await asyncio.sleep(0)
            task.cancel()
        async with asyncio.timeout(60):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for n, result in enumerate(results):
            first = 10 * (n % AUTHORS + 1)
            assert isinstance(result, asyncio.CancelledError) or result == [first, first + 1, first + 2]
        assert not any(isinstance(result, BaseException) for result in results[1::2])
        assert in_use(db.engine) == 0
        assert await read(0) == [10, 11, 12]


@by_each_driver
async def test_connections_of_a_bouncer_that_was_restarted_are_replaced(
    url: str, postgres_server: PostgresServer
):
    with running_pgbouncer(postgres_server) as bouncer:
        engine = make_engine(bouncer.through(make_url(url)), pooler="pgbouncer", pool_pre_ping=0.0)
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 1")) == 1
        bouncer.restart()
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT 2")) == 2
        await engine.dispose()


# --- options ----------------------------------------------------------------------------------


@by_each_driver
async def test_the_database_says_what_stands_in_front(filled: URL):
    async with Database(filled, pooler="pgbouncer") as db:
        assert repr(db).startswith(
            f"<Database postgresql+{db.engine.dialect.driver}, through pgbouncer, pool 10+10"
        )
        if db.engine.dialect.driver == "asyncpg":
            assert ", driver path," in repr(db)


def test_a_pooler_that_we_do_not_know():
    with pytest.raises(DeclarationError, match=r"pooler= expects 'pgbouncer', or None; got 'pgcat'"):
        make_engine("postgresql+asyncpg://db/shop", pooler="pgcat")


async def test_sqlite_has_none(sqlite_url: str):
    """The same settings serve a developer's SQLite."""
    assert describe(make_engine(sqlite_url, pooler="pgbouncer")) == "sqlite+aiosqlite, pool 5+5"


@pytest.mark.parametrize(
    ("driver", "unnamed"),
    [
        ("asyncpg", {"statement_cache_size": 0, "prepared_statement_cache_size": 0}),
        ("psycopg", {"prepare_threshold": None}),
    ],
)
def test_what_a_driver_is_told(driver: str, unnamed: dict[str, Any]):
    """A bouncer that keeps statements needs none of it; arguments of the user's own win, as in all options."""
    url = f"postgresql+{driver}://db/shop"
    for options, expected in (
        ({}, {}),
        ({"prepared_statements": False}, unnamed),
        ({"pooler": "pgbouncer"}, unnamed),
        ({"pooler": "pgbouncer", "prepared_statements": True}, {}),
        ({"pooler": "pgbouncer", "connect_args": dict.fromkeys(unnamed, 9)}, dict.fromkeys(unnamed, 9)),
    ):
        told = connect_arguments(make_engine(url, **options))
        assert {name: told[name] for name in unnamed if name in told} == expected
        assert ("connection_class" in told) == (driver == "asyncpg" and "pooler" in options)


def connect_arguments(engine: AsyncEngine) -> dict[str, Any]:
    """What the driver's `connect` would be called with."""
    caught: dict[str, Any] = {}

    class Called(Exception):
        pass

    def connect(*_: Any, **arguments: Any) -> None:
        caught.update(arguments)
        raise Called

    engine.dialect.loaded_dbapi.connect = connect
    with pytest.raises(Called):
        engine.sync_engine.raw_connection()
    return caught
