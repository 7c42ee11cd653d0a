"""One Database and one event loop for all examples of generated tests.

Its statements are built and compiled for the first example, as in a server that has been running for a while:
a Database for each example spends most of its time on them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import MetaData

from batchrepo import Database

Play = Callable[..., None]
"""Runs `await check(database, *arguments)`: called with the function and its other arguments."""


@contextmanager
def playing(url: str, metadata: MetaData, **options: Any) -> Iterator[Play]:
    """Makes the tables, and opens a Database that serves until the end of the block.

    Args:
        url: of a database without these tables.
        metadata: the tables.
        options: of the Database.
    """

    async def opened() -> Database:
        database = Database(url, **options)
        async with database.engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        return database

    async def played(check: Callable[..., Awaitable[None]], database: Database, *arguments: Any) -> None:
        await check(database, *arguments)

    with asyncio.Runner() as runner:
        database = runner.run(opened())
        try:
            yield lambda check, *arguments: runner.run(played(check, database, *arguments))
        finally:
            runner.run(database.dispose())
