"""Runs a test inside an outer transaction that is rolled back: reads, writes and commits leave nothing behind."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import greenlet_spawn

from batchrepo.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sqlalchemy.ext.asyncio import AsyncConnection

    from batchrepo.database import Database

_MARK = "batchrepo_rolled_back"


@asynccontextmanager
async def rolled_back(database: Database, **session_options: Any) -> AsyncIterator[AsyncSession]:
    """Everything of a Database happens in one transaction, which is rolled back when the block ends.

    ::

        @pytest_asyncio.fixture
        async def session(db):
            async with rolled_back(db) as session:
                yield session

    Scopes that are opened in the block read on one connection, inside the transaction. The session that is
    given works on the same connection: hand it to the code under test, which may commit and roll back it as
    usual, since its transactions are savepoints here. For code that makes sessions of its own, make them with
    ``async_sessionmaker(session.bind, join_transaction_mode="create_savepoint")``. What uses the engine directly
    is outside of the transaction; on SQLite it waits for it when it writes.

    On one connection statements run one after the other, in the order they came.

    Args:
        database: whose scopes are redirected. Its engine's connection must be usable in the running event loop.
        session_options: of the session that is given, such as ``autoflush=False``. ``expire_on_commit`` is
            False where not named here, as usual for an AsyncSession.

    Raises:
        InvalidArgument: the Database is inside such a block already.
        AssertionError: when the block ends: the transaction was ended inside it, by SQL or by a call on the
            connection, so that what was done may be in the database.
    """
    if database.reading.connection is not None:
        raise InvalidArgument(
            f"{database!r} is inside rolled_back() already. Use the session of the outer block; a savepoint in "
            f"it is session.begin_nested()."
        )
    async with database.engine.connect() as connection:
        await _begin(connection)
        session = AsyncSession(
            connection,
            join_transaction_mode="create_savepoint",
            **{"expire_on_commit": False, **session_options},
        )
        database.reading.connection = connection
        closing: DBAPIError | None = None
        try:
            yield session
        finally:
            database.reading.connection = None
            try:
                await session.close()
            except DBAPIError as error:  # its savepoint is gone, which `_roll_back` will find too
                closing = error
            finally:
                whole = await _roll_back(connection)
    if not whole:
        raise AssertionError(
            "The transaction of rolled_back() was ended inside its block, by connection.commit(), "
            "connection.rollback() or SQL, so what came before or after it may be in the database. Commit and "
            "roll back sessions, whose transactions are savepoints there."
        ) from closing
    if closing is not None:
        raise closing


async def _begin(connection: AsyncConnection) -> None:
    """Begin a real transaction, whatever the engine is set to, and mark its beginning."""
    if connection.dialect.name == "sqlite":
        # The driver must neither begin nor commit by itself: it would, around savepoints.
        connection = await connection.execution_options(isolation_level="AUTOCOMMIT")
        _ = await connection.begin()
        raw = await connection.get_raw_connection()
        if not cast("Any", raw.driver_connection).in_transaction:  # unless a listener of the engine did it
            await connection.exec_driver_sql("BEGIN")
    else:
        level = cast("Any", connection.sync_connection).default_isolation_level
        connection = await connection.execution_options(isolation_level=level)
        _ = await connection.begin()
    await connection.exec_driver_sql(f"SAVEPOINT {_MARK}")


async def _roll_back(connection: AsyncConnection) -> bool:
    """Roll everything back. False if the transaction was not the one that began, any more."""
    if connection.closed or connection.invalidated:
        return True  # the database rolls back what a lost connection leaves
    try:
        await connection.exec_driver_sql(f"ROLLBACK TO SAVEPOINT {_MARK}")
    except DBAPIError:
        return False
    else:
        return True
    finally:
        raw = await connection.get_raw_connection()
        # On the driver's connection: SQLAlchemy skips a rollback where it believes in autocommit.
        await greenlet_spawn(raw.rollback)
        await connection.rollback()
