"""The border to the driver: errors of connecting become ours, and returning a connection is not interrupted."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from batchrepo.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from sqlalchemy.engine import Engine

T = TypeVar("T")

CLEANUP_SECONDS = 5.0
"""How long a cancelled task still waits for its connection to be returned before it leaves that to itself."""

_unfinished: set[asyncio.Task[Any]] = set()


@contextmanager
def connecting(engine: Engine) -> Iterator[None]:
    """Translate what goes wrong while a connection is made.

    Raises:
        DatabaseUnavailable: the pool is exhausted, or the server is away or refuses.
    """
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable(_exhausted(engine)) from error
    except (DBAPIError, OSError) as error:
        raise DatabaseUnavailable(f"No connection to {address(engine)}: {reason(error)}") from error


def _exhausted(engine: Engine) -> str:
    pool = engine.pool
    count, waited = "", ""
    if isinstance(pool, QueuePool):
        count = f"{pool.size() + max(pool._max_overflow, 0)} "
        waited = f" within {pool.timeout():g} s"
    return (
        f"No connection to {address(engine)} became free{waited}: all {count}connections of the pool are in "
        f"use. Raise pool_size or max_overflow, or keep scopes and transactions shorter."
    )


def address(engine: Engine) -> str:
    """The URL of an engine, without password."""
    return engine.url.render_as_string(hide_password=True)


def reason(error: BaseException) -> str:
    """What the driver said, in one line, without SQLAlchemy's decoration."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = " ".join(str(said).split())
    return text or type(said).__name__


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of an error of PostgreSQL, such as ``40001``; None where there is none."""
    said: Any = error.orig if isinstance(error, DBAPIError) else error
    return getattr(said, "sqlstate", None) or getattr(said, "pgcode", None)


def collision(error: BaseException) -> str | None:
    """What the database said, if the error is a collision of transactions of which one may simply be run again.

    A serialisation failure, a deadlock, or on SQLite another process that kept its lock too long. The errors that an
    error was made from count too.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DBAPIError) and (
            sqlstate(cause) in {"40001", "40P01"} or "database is locked" in str(cause.orig)
        ):
            return reason(cause)
        cause = cause.__cause__
    return None


async def finish(
    work: Coroutine[Any, Any, T] | asyncio.Task[T], unfinished: set[asyncio.Task[Any]] = _unfinished
) -> T:
    """Run work that must come to its end although the caller may be cancelled.

    A cancellation is passed on when the work is done, or after ``CLEANUP_SECONDS``, or at the second
    cancellation; in the last two cases the work goes on by itself.

    Args:
        work: what must be done.
        unfinished: keeps the work while it is going on, for whoever wants to wait for it.
    """
    task = asyncio.ensure_future(work)
    unfinished.add(task)
    task.add_done_callback(unfinished.discard)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=CLEANUP_SECONDS)
        if task.done() and not task.cancelled():
            task.exception()  # marks it as seen: the cancellation is what the caller gets
        raise
