"""PgBouncer in transaction mode: what a connection is, where each transaction may run on another server connection.

The bouncer lends one for the length of a transaction, or of a single statement outside of any. What a session keeps,
such as prepared statements and settings, stays on whichever server connection it was made on. So statements are sent
without a name, in a form that is whole in one message to the server, and what a driver does in several steps is done
in a transaction. psycopg needs no more than that; the rest here is for asyncpg.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import event
from sqlalchemy.util.concurrency import await_only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Dialect, Engine, ExceptionContext

POOLERS = ("pgbouncer",)
"""What ``pooler=`` may name."""

logger = logging.getLogger(__name__)

_poolers: WeakKeyDictionary[Dialect, str] = WeakKeyDictionary()


def driver_arguments(driver: str, *, pooler: str | None, prepared_statements: bool) -> dict[str, Any]:
    """Arguments of the driver's ``connect`` for these options of ``PoolOptions``.

    Args:
        driver: ``asyncpg``, or one of psycopg's.
        pooler: what stands in front of the server, or None.
        prepared_statements: whether statements are prepared on the server and run again by name.
    """
    arguments: dict[str, Any] = {}
    if driver != "asyncpg":
        return arguments if prepared_statements else {"prepare_threshold": None}
    if not prepared_statements:
        # Without the first, asyncpg sends statements without a name, and parses them again with their values. With
        # the second, SQLAlchemy would keep their descriptions, and read columns by a type that they had before an
        # ALTER TABLE: only a prepared statement is refused by the server then.
        arguments |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
    if pooler is not None:
        arguments["connection_class"] = _connection_class()
    return arguments


def put_behind(engine: Engine, pooler: str) -> None:
    """Remember that a pooler stands in front of an engine's server, and keep none of its connections by mistake."""
    _poolers[engine.dialect] = pooler
    if engine.dialect.driver == "asyncpg":
        event.listen(engine, "handle_error", _give_server_back)


def pooler_of(engine: Engine) -> str | None:
    """What stands in front of an engine's server, as far as `put_behind` was told."""
    return _poolers.get(engine.dialect)


def _give_server_back(failed: ExceptionContext) -> None:
    """End what a statement has begun that failed before it was sent.

    asyncpg asks for a statement's types first, and does not end that exchange: the statement follows. If it does not,
    since a value is not of its type, the bouncer would wait for it, and lend the server connection to nobody else.
    """
    connection = failed.connection
    if connection is None or failed.is_disconnect or connection.invalidated:
        return
    adapter: Any = connection.connection.dbapi_connection
    driver: Any = connection.connection.driver_connection
    if adapter._transaction is not None or driver.is_closed() or driver.is_in_transaction():
        return
    try:
        await_only(driver.execute("SELECT"))
    except Exception:
        logger.warning(
            "A connection was given up: it did not answer after a failed statement.", exc_info=True
        )
        failed.is_disconnect = True
        failed.invalidate_pool_on_disconnect = False


@cache
def _connection_class() -> type[Any]:
    """Asyncpg's connection, which looks at types of the database in a transaction.

    It switches the server's ``jit`` off for that and on again: on three server connections, perhaps.
    """
    import asyncpg  # type: ignore[import-untyped]

    class LentConnection(asyncpg.Connection):  # type: ignore[misc]
        __slots__ = ()

        async def _introspect_types(self, typeoids: Sequence[int], timeout: float | None) -> Any:  # noqa: ASYNC109
            if self.is_in_transaction():
                return await super()._introspect_types(typeoids, timeout)
            async with self.transaction():
                return await super()._introspect_types(typeoids, timeout)

    return LentConnection
