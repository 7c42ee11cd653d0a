"""Cutting the line to a server that does not answer, and leaving servers without waiting for those that do not."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import greenlet_spawn

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.pool import Pool

FAREWELL_SECONDS = 2.0
"""How long a server has to hear that connections end."""


def hang_up(connection: Connection) -> bool:
    """Whoever waits for an answer on this connection gets an error of the driver at once.

    To cancel him instead would take seconds: drivers then take their leave of the server, and wait for its answer.

    Returns:
        False if the driver has no line that could be cut.
    """
    if connection.invalidated or connection.closed:
        return False
    name = connection.dialect.driver
    driver: Any = connection.connection.driver_connection
    if name == "asyncpg":
        driver.terminate()
        return True
    if not name.startswith("psycopg"):
        return False
    # Of a copy: the driver waits for the descriptor, and closes it when it sees that nothing more will come.
    with suppress(OSError), socket.socket(fileno=os.dup(driver.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    return True


async def dispose(engine: Engine) -> None:
    """Close the connections of an engine; a server that does not hear the farewell is left without one.

    SQLAlchemy closes them one after the other, and asyncpg waits for each to be gone: of a server that hangs, for ever.
    """
    if engine.dialect.driver == "asyncpg":
        closing = [driver.close(timeout=FAREWELL_SECONDS) for driver in _idle(engine.pool)]
        await asyncio.gather(*closing, return_exceptions=True)
    await greenlet_spawn(engine.dispose)


def _idle(pool: Pool) -> list[Any]:
    if not isinstance(pool, AsyncAdaptedQueuePool):
        return []
    records: Any = pool._pool._queue._queue  # type: ignore[attr-defined]
    return [record.driver_connection for record in records if record.dbapi_connection is not None]
