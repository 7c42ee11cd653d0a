"""Reading inside the transaction of a session that the user has."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import selectinload

from batchrepo.errors import DatabaseUnavailable, InvalidArgument, ScopeClosed
from batchrepo.events import EventLog
from batchrepo.executing import JoinedDoor, ReadSession
from tests.executing.conftest import POOLED, POSTGRESQL, in_use, on
from tests.executing.gate import Gate
from tests.executing.models import AUTHORS, BOOKS_EACH, Author, Base, Book
from tests.support.databases import transactional_engine

ONE = select(Author.id, Author.name).where(Author.id == bindparam("id"))


@pytest.fixture
async def users(url: str, engine: AsyncEngine) -> AsyncEngine:
    """The engine of an existing application, with transactions, on the filled database."""
    return create_async_engine(url)


async def names(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as other:
        return list(
            await other.scalars(select(Author.name).where(Author.id.in_([1, 99])).order_by(Author.id))
        )


@on(*POOLED)
async def test_pending_changes_are_flushed_first_and_seen(
    engine: AsyncEngine, users: AsyncEngine, log: EventLog
) -> None:
    async with AsyncSession(users) as session:
        door = JoinedDoor(session, log)
        session.add(Author(id=99, name="new"))
        assert await door.rows(ONE, {"id": 99}, cause="Author") == [(99, "new")]
        await door.aclose()
        assert await names(engine) == ["author 1"]  # not committed by us
        await session.commit()
    assert await names(engine) == ["author 1", "new"]
    assert log.statement_count == 1  # the user's INSERT is not ours
    await users.dispose()


@on(*POOLED)
async def test_closing_neither_commits_nor_rolls_back(
    engine: AsyncEngine, users: AsyncEngine, log: EventLog
) -> None:
    async with AsyncSession(users) as session:
        author = await session.get_one(Author, 1)
        author.name = "changed"
        door = JoinedDoor(session, log)
        await door.rows(ONE, {"id": 1}, cause="Author")
        await door.aclose()
        assert session.in_transaction()
        assert author in session
        await session.rollback()
    assert await names(engine) == ["author 1"]
    assert in_use(users) == 0
    await users.dispose()


@on(*POOLED)
async def test_without_autoflush_nothing_is_flushed(users: AsyncEngine, log: EventLog) -> None:
    async with AsyncSession(users, autoflush=False) as session:
        door = JoinedDoor(session, log)
        session.add(Author(id=99, name="new"))
        assert await door.rows(ONE, {"id": 99}, cause="Author") == []
        [*rows] = await door.entities(session, select(Author).where(Author.id == 99), cause="Author")
        assert rows == []
        await door.aclose()
    await users.dispose()


@on(*POOLED)
async def test_a_flush_that_fails_is_sqlalchemys_error(users: AsyncEngine, log: EventLog) -> None:
    async with AsyncSession(users) as session:
        door = JoinedDoor(session, log)
        session.add(Author(id=1, name="twice"))
        with pytest.raises(IntegrityError):
            await door.rows(ONE, {"id": 1}, cause="Author")
        await door.aclose()
    assert log.statement_count == 0
    await users.dispose()


@on(*POOLED)
async def test_entities_may_go_into_the_users_own_session(users: AsyncEngine, log: EventLog) -> None:
    async with AsyncSession(users) as session:
        door = JoinedDoor(session, log)
        mine = Author(id=99, name="new", books=[])
        session.add(mine)
        statement = select(Author).options(selectinload(Author.books)).order_by(Author.id)
        rows = await door.entities(session, statement, cause="find Author")

        assert [author.id for (author,) in rows] == [*range(1, AUTHORS + 1), 99]
        assert rows[-1][0] is mine
        assert [event.rows for event in log.events] == [AUTHORS + 1, AUTHORS * BOOKS_EACH]
        rows[0][0].name = "changed"
        await session.commit()
        await door.aclose()
    await users.dispose()


@on(*POOLED)
async def test_a_scopes_session_reads_inside_the_users_transaction(users: AsyncEngine, log: EventLog) -> None:
    async with (
        AsyncSession(users) as session,
        AsyncSession(users, sync_session_class=ReadSession) as reading,
    ):
        door = JoinedDoor(session, log)
        session.add(Author(id=99, name="new"))
        [(found,)] = await door.entities(reading, select(Author).where(Author.id == 99), cause="Author")
        assert found.name == "new"
        assert not reading.in_transaction()
        assert in_use(users) == 1
        await door.aclose()
    await users.dispose()


@on(*POOLED)
async def test_another_ordinary_session_is_refused(users: AsyncEngine, log: EventLog) -> None:
    async with AsyncSession(users) as session, AsyncSession(users) as other:
        door = JoinedDoor(session, log)
        with pytest.raises(InvalidArgument, match="got Session"):
            await door.entities(other, select(Author), cause="Author")
        await door.aclose()
    await users.dispose()


@on(*POOLED)
async def test_a_session_bound_by_entity_joins_with_a_dialect(users: AsyncEngine, log: EventLog) -> None:
    async with AsyncSession(binds={Base: users}) as session:
        with pytest.raises(InvalidArgument, match="pass dialect="):
            JoinedDoor(session, log)
        door = JoinedDoor(session, log, dialect=users.dialect)
        assert await door.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
        [(book,)] = await door.entities(session, select(Book).where(Book.id == 10), cause="Book")
        assert book.title == "book 1.0"
        await door.aclose()
    await users.dispose()


@on(*POOLED)
async def test_a_session_in_somebodys_rolled_back_connection(
    url: str, engine: AsyncEngine, log: EventLog
) -> None:
    """How tests of an application run: one outer transaction, sessions with savepoints inside.

    On SQLite this needs an engine that sends BEGIN itself: the driver sends none before a savepoint.
    """
    outer_engine = transactional_engine(url)
    async with outer_engine.connect() as connection:
        outer = await connection.begin()
        async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
            door = JoinedDoor(session, log)
            session.add(Author(id=99, name="new"))
            assert await door.rows(ONE, {"id": 99}, cause="Author") == [(99, "new")]
            await session.commit()
            assert await door.rows(ONE, {"id": 99}, cause="Author") == [(99, "new")]
            await door.aclose()
        await outer.rollback()
    assert await names(engine) == ["author 1"]
    await outer_engine.dispose()


@on(*POOLED)
async def test_no_connection_is_our_error(url: str, users: AsyncEngine, log: EventLog) -> None:
    small = create_async_engine(url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    async with small.connect(), AsyncSession(small) as session:
        door = JoinedDoor(session, log)
        with pytest.raises(DatabaseUnavailable, match="Raise pool_size"):
            await door.rows(ONE, {"id": 1}, cause="Author")
        await door.aclose()
    await small.dispose()
    await users.dispose()


@on(*POSTGRESQL)
async def test_closing_waits_for_the_running_statement_and_ends_the_waiting(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    """To stop it would invalidate the user's transaction."""
    engine, gate = gated
    async with AsyncSession(engine) as session:
        door = JoinedDoor(session, log)
        running, waiting = (asyncio.create_task(door.rows(gate.statement, cause="gate")) for _ in range(2))
        await gate.reached()
        closing = asyncio.create_task(door.aclose())
        with pytest.raises(ScopeClosed):
            await waiting
        assert not closing.done()
        await gate.open()
        assert await running == [(7,)]
        await closing
        assert len((await session.scalars(select(Author))).all()) == AUTHORS


@on(*POSTGRESQL)
async def test_a_cancelled_statement_returns_the_connection(
    gated: tuple[AsyncEngine, Gate], log: EventLog
) -> None:
    engine, gate = gated
    async with AsyncSession(engine) as session:
        door = JoinedDoor(session, log)
        slow = asyncio.create_task(door.rows(gate.statement, cause="gate"))
        await gate.reached()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        await session.rollback()
        assert await door.rows(ONE, {"id": 1}, cause="Author") == [(1, "author 1")]
        await door.aclose()
    assert in_use(engine) == 0
