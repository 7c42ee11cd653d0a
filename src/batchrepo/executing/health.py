"""Is the database there?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.util import greenlet_spawn

from batchrepo.errors import DatabaseUnavailable
from batchrepo.executing.border import reason
from batchrepo.executing.shared import SharedConnection

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass(frozen=True)
class Health:
    """The answer of a database to ``SELECT 1``.

    Attributes:
        ok: whether it answered in time.
        dialect: such as ``postgresql+asyncpg``.
        seconds: how long it took, in seconds, waiting for a connection included.
        server_version: such as ``18.1``; None as long as no connection was made.
        pool: the state of the pool in SQLAlchemy's words.
        error: what went wrong, in one line, without password; None if it is well.
    """

    ok: bool
    dialect: str
    seconds: float
    server_version: str | None
    pool: str
    error: str | None


async def check(engine: AsyncEngine, timeout: float = 2.0) -> Health:  # noqa: ASYNC109 - part of the answer
    """Take a connection and run ``SELECT 1``.

    Args:
        engine: the engine to check.
        timeout: seconds after which the database counts as away.

    Returns:
        What was found; a database that is away is an answer, not an exception.
    """
    started = perf_counter()
    error: str | None = None
    try:
        async with asyncio.timeout(timeout):
            await _ask(engine)
    except TimeoutError:
        error = f"no answer within {timeout:g} s"
    except (SQLAlchemyError, OSError, DatabaseUnavailable) as failure:
        error = reason(failure)
    version = getattr(engine.dialect, "server_version_info", None)
    return Health(
        ok=error is None,
        dialect=f"{engine.dialect.name}+{engine.dialect.driver}",
        seconds=perf_counter() - started,
        server_version=".".join(str(part) for part in version) if version else None,
        pool=engine.sync_engine.pool.status(),
        error=error,
    )


async def _ask(engine: AsyncEngine) -> None:
    shared = SharedConnection.of(engine.sync_engine)
    if shared is not None:
        await shared.run(lambda connection: connection.execute(text("SELECT 1")).all())
        return

    def ask() -> None:
        with engine.sync_engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    await greenlet_spawn(ask)
