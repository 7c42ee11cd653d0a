"""The session that hydrates on a door's connection, and the SQLAlchemy internals that this rests on."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from sqlalchemy import select, text
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session, joinedload, selectinload
from sqlalchemy.util import greenlet_spawn

from batchrepo.executing import ReadSession
from batchrepo.executing.session import lend, lent
from tests.executing.conftest import in_use, on
from tests.executing.models import AUTHORS, Author

MOVED = "SQLAlchemy has moved an internal that batchrepo.executing uses: "


def test_canary_the_session_asks_connection_for_bind() -> None:
    """If this fails, find where the session now gets the connection of a statement."""
    assert hasattr(Session, "_connection_for_bind"), MOVED + "Session._connection_for_bind"
    named = list(inspect.signature(Session._connection_for_bind).parameters)[:2]
    assert named == ["self", "engine"], MOVED + "the arguments of Session._connection_for_bind"
    assert "_connection_for_bind(" in inspect.getsource(Session._execute_internal), (
        MOVED + "Session.execute no longer asks _connection_for_bind"
    )


@on("file")
async def test_canary_raw_tuples(engine: AsyncEngine) -> None:
    """If this fails, use `result.all()` and make tuples of the rows."""
    assert hasattr(CursorResult, "_raw_all_tuples"), MOVED + "CursorResult._raw_all_tuples"
    async with engine.connect() as connection:
        result = await connection.execute(text("SELECT 1, 'a'"))
        assert list(result._raw_all_tuples()) == [(1, "a")], MOVED + "what _raw_all_tuples returns"


@on("file")
async def test_canary_results_say_when_they_need_unique(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        for option, needed in ((joinedload(Author.books), True), (selectinload(Author.books), False)):
            result = await session.run_sync(lambda s, o=option: s.execute(select(Author).options(o)))
            context = getattr(result, "context", None)
            assert context is not None, MOVED + "Result.context"
            assert context.requires_uniquing is needed, MOVED + "QueryContext.requires_uniquing"
            result.close()


async def test_a_lent_connection_is_used_and_no_transaction_begins(engine: AsyncEngine) -> None:
    async with AsyncSession(engine, sync_session_class=ReadSession) as session, engine.connect() as other:
        sync, connection = session.sync_session, other.sync_connection
        assert isinstance(sync, ReadSession)
        assert connection is not None

        def load() -> list[Author]:
            with lend(sync, connection):
                assert lent(sync)
                return list(sync.scalars(select(Author).options(selectinload(Author.books))))

        authors = await greenlet_spawn(load)
        assert len(authors) == AUTHORS
        assert not session.in_transaction()
        assert not lent(sync)


@on("file", "asyncpg", "psycopg")
async def test_otherwise_the_session_behaves_as_ever(engine: AsyncEngine) -> None:
    async with AsyncSession(engine, sync_session_class=ReadSession) as session:
        author = await session.get(Author, 1)
        assert author is not None
        assert session.in_transaction()
        assert in_use(engine) == 1
        assert (session.autoflush, session.sync_session.expire_on_commit) == (False, False)
    assert in_use(engine) == 0


@on("file")
async def test_a_loan_is_for_one_session_and_ends_for_tasks_that_inherited_it(engine: AsyncEngine) -> None:
    async with (
        AsyncSession(engine, sync_session_class=ReadSession) as mine,
        AsyncSession(engine, sync_session_class=ReadSession) as yours,
        engine.connect() as other,
    ):
        session, connection = mine.sync_session, other.sync_connection
        assert isinstance(session, ReadSession)
        assert connection is not None
        ended = asyncio.Event()

        async def later() -> bool:
            await ended.wait()
            return lent(session)

        with lend(session, connection):
            assert await yours.connection() is not other
            inheritor = asyncio.create_task(later())
            await asyncio.sleep(0)
        ended.set()
        assert await inheritor is False


@pytest.mark.parametrize("option", ["autoflush", "expire_on_commit"])
def test_defaults_can_be_overridden(option: str) -> None:
    session = ReadSession(**{option: True})
    assert getattr(session, option) is True
