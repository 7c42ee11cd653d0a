"""What every door does: rows, entities, events, budget, closing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import Numeric, bindparam, cast, func, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from batchrepo.errors import InvalidArgument, ScopeClosed, StatementBudgetExceeded
from batchrepo.events import EventLog, Origin, StatementEvent, current_origin
from batchrepo.executing import Door, JoinedDoor, PinnedDoor, PooledDoor, ReadSession
from tests.executing.models import AUTHORS, BOOKS_EACH, Author, Book

ONE = select(Author.id, Author.name).where(Author.id == bindparam("id"))


@pytest_asyncio.fixture(params=["pooled", "snapshot", "transaction", "connection", "joined"])
async def door(request: pytest.FixtureRequest, engine: AsyncEngine, log: EventLog) -> AsyncIterator[Door]:
    """Each kind of door, on each kind of database."""
    if request.param == "connection":
        async with engine.connect() as connection:
            made: Door = PinnedDoor(connection, log)
            yield made
            await made.aclose()
            assert not connection.closed
        return
    if request.param == "joined":
        async with AsyncSession(engine) as session:
            made = JoinedDoor(session, log)
            yield made
            await made.aclose()
        return
    if request.param == "pooled":
        made = PooledDoor(engine, log)
    else:
        made = PinnedDoor(engine, log, snapshot=request.param == "snapshot")
    yield made
    await made.aclose()


@pytest_asyncio.fixture
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine, sync_session_class=ReadSession) as made:
        yield made


def statements(log: EventLog) -> list[StatementEvent]:
    return [event for event in log.events if isinstance(event, StatementEvent)]


async def test_rows_are_plain_tuples(door: Door) -> None:
    rows = await door.rows(ONE, {"id": 3}, cause="find Author")

    assert rows == [(3, "author 3")]
    assert type(rows) is list
    assert type(rows[0]) is tuple


async def test_result_processors_are_applied(door: Door) -> None:
    """On SQLite a Numeric comes as a float or text from the driver; the type makes a Decimal of it."""
    [(value,)] = await door.rows(select(cast("1.50", Numeric(10, 2))), cause="number")

    assert str(value) == "1.50"


async def test_a_statement_without_rows_gives_none(door: Door) -> None:
    assert await door.rows(ONE, {"id": 999}, cause="find Author") == []


async def test_each_statement_is_one_event_with_its_cause(door: Door, log: EventLog) -> None:
    origin = Origin(round=2, depth=0, loader="Book.author")
    token = current_origin.set(origin)
    try:
        await door.rows(ONE, {"id": 3}, cause="Book.author", keys=1)
    finally:
        current_origin.reset(token)

    [event] = statements(log)
    assert (event.cause, event.keys, event.rows, event.origin) == ("Book.author", 1, 1, origin)
    assert event.sql.startswith("SELECT author.id, author.name")
    assert event.seconds > 0


async def test_a_refused_statement_is_counted_and_its_error_is_sqlalchemys(door: Door, log: EventLog) -> None:
    with pytest.raises(DBAPIError, match="no_such_table"):
        await door.rows(text("SELECT * FROM no_such_table"), cause="find Nothing")

    [event] = statements(log)
    assert (event.cause, event.rows, event.sql) == ("find Nothing", 0, "SELECT * FROM no_such_table")


async def test_entities_go_into_the_session(door: Door, session: AsyncSession, log: EventLog) -> None:
    rows = await door.entities(session, select(Author).order_by(Author.id), cause="find Author")

    assert [author.id for (author,) in rows] == list(range(1, AUTHORS + 1))
    assert {author for (author,) in rows} <= set(session.identity_map.values())
    assert all(type(row) is tuple for row in rows)
    assert not session.in_transaction()
    assert log.statement_count == 1


async def test_the_same_row_is_the_same_entity(door: Door, session: AsyncSession) -> None:
    statement = select(Author).where(Author.id == 3)
    [(first,)] = await door.entities(session, statement, cause="a")
    [(second,)] = await door.entities(session, statement, cause="b")

    assert first is second


async def test_further_columns_follow_the_entity(door: Door, session: AsyncSession) -> None:
    statement = (
        select(Author, func.count(Book.id))
        .join(Book)
        .where(Author.id == bindparam("id"))
        .group_by(Author.id, Author.name)
    )
    [(author, count)] = rows = await door.entities(session, statement, {"id": 4}, cause="count")

    assert (author.name, count) == ("author 4", BOOKS_EACH)
    assert type(rows[0]) is tuple


async def test_joined_collections_do_not_repeat_their_parents(
    door: Door, session: AsyncSession, log: EventLog
) -> None:
    statement = select(Author).options(joinedload(Author.books)).order_by(Author.id)
    rows = await door.entities(session, statement, cause="find Author")

    assert [author.id for (author,) in rows] == list(range(1, AUTHORS + 1))
    assert all(len(author.books) == BOOKS_EACH for (author,) in rows)
    [event] = statements(log)
    assert event.rows == AUTHORS * BOOKS_EACH


async def test_eager_statements_run_on_the_same_connection_and_are_counted(
    door: Door, session: AsyncSession, log: EventLog
) -> None:
    statement = select(Author).options(selectinload(Author.books)).order_by(Author.id)
    rows = await door.entities(session, statement, cause="find Author", keys=7)

    assert [book.id for book in rows[1][0].books] == [20, 21, 22]
    main, eager = statements(log)
    assert (main.rows, main.keys, eager.rows, eager.keys) == (AUTHORS, 7, AUTHORS * BOOKS_EACH, None)
    assert {main.cause, eager.cause} == {"find Author"}
    assert "FROM book" in eager.sql
    assert not session.in_transaction()


async def test_repeated_rows_stay_without_eager_joins(door: Door, session: AsyncSession) -> None:
    """Uniqueness is for joined eager loading only: a user's own join means what it says."""
    rows = await door.entities(session, select(Author).join(Book).where(Author.id == 1), cause="join")

    assert len(rows) == BOOKS_EACH


async def test_many_tasks_read_at_once(door: Door, session: AsyncSession, log: EventLog) -> None:
    """Through one door and into one session, each gets its own answer."""

    async def read(n: int) -> tuple[object, ...]:
        [row] = await door.rows(ONE, {"id": n}, cause="rows")
        statement = select(Author).where(Author.id == n).options(selectinload(Author.books))
        [(author,)] = await door.entities(session, statement, cause="entities")
        return (*row, author.id, [book.id for book in author.books])

    everyone = range(1, AUTHORS + 1)
    async with door.hold():
        found = await asyncio.gather(*(read(n) for n in everyone))

    assert found == [(n, f"author {n}", n, [10 * n + i for i in range(BOOKS_EACH)]) for n in everyone]
    assert log.statements_by_cause == {"rows": AUTHORS, "entities": 2 * AUTHORS}


async def test_after_closing_nothing_runs(door: Door, session: AsyncSession, log: EventLog) -> None:
    await door.aclose()
    await door.aclose()

    with pytest.raises(ScopeClosed, match="scope is closed"):
        await door.rows(ONE, {"id": 1}, cause="late")
    with pytest.raises(ScopeClosed, match="scope is closed"):
        await door.entities(session, select(Author), cause="late")
    assert log.statement_count == 0
    assert "closed" in repr(door)


async def test_entities_refuse_an_ordinary_session(engine: AsyncEngine, log: EventLog) -> None:
    door = PooledDoor(engine, log)
    async with AsyncSession(engine) as ordinary:
        with pytest.raises(InvalidArgument, match="sync_session_class=ReadSession"):
            await door.entities(ordinary, select(Author), cause="find Author")
    await door.aclose()


async def test_a_statement_beyond_the_budget_names_the_worst(engine: AsyncEngine, log: EventLog) -> None:
    door = PooledDoor(engine, log, max_statements=3)
    for cause in ("Album.artist", "find Album", "Album.artist"):
        await door.rows(ONE, {"id": 1}, cause=cause)

    with pytest.raises(StatementBudgetExceeded, match=r"3 statements.* for Track\.genre.*2 x Album\.artist"):
        await door.rows(ONE, {"id": 1}, cause="Track.genre")
    assert log.statement_count == 3
    await door.aclose()


async def test_concurrent_statements_cannot_slip_past_the_budget(engine: AsyncEngine, log: EventLog) -> None:
    door = PooledDoor(engine, log, max_statements=2)
    answers = await asyncio.gather(
        *(door.rows(ONE, {"id": n}, cause="Author") for n in range(1, 5)), return_exceptions=True
    )

    assert [type(a) for a in answers].count(StatementBudgetExceeded) == 2
    assert log.statement_count == 2
    await door.aclose()


async def test_the_budget_holds_for_eager_statements(
    engine: AsyncEngine, session: AsyncSession, log: EventLog
) -> None:
    door = PooledDoor(engine, log, max_statements=1)
    with pytest.raises(StatementBudgetExceeded, match="1 x find Author"):
        await door.entities(session, select(Author).options(selectinload(Author.books)), cause="find Author")
    assert log.statement_count == 1
    await door.aclose()
