"""Closing the Database when the application ends."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from batchrepo.database import Database


def lifespan(
    database: Database, inner: Callable[[Any], AbstractAsyncContextManager[Any]] | None = None
) -> Callable[[Any], AbstractAsyncContextManager[Any]]:
    """A lifespan that closes a Database: ``FastAPI(lifespan=lifespan(database))``.

    Args:
        database: closed when the application ends.
        inner: a lifespan of yours, which may use the Database from its first line to its last. What it
            yields becomes the state of the application, as without this one.
    """

    @asynccontextmanager
    async def around(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
        async with database:
            if inner is None:
                yield None
            else:
                async with inner(app) as state:
                    yield state

    return around
