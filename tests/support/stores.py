"""The Chinook store's Database, opened once for each database: planning its views again takes longer than most tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar
from weakref import WeakKeyDictionary

import pytest
import pytest_asyncio

from batchrepo import Database
from examples.chinook.store import open_store

A = TypeVar("A")


@pytest.fixture(scope="session")
def opened_stores() -> dict[str, Database]:
    """By URL. Their connections are those of one test: they are closed in its loop."""
    return {}


@pytest_asyncio.fixture
async def store(chinook_url: str, opened_stores: dict[str, Database]) -> AsyncIterator[Database]:
    """The store on each database in turn. Whoever listens to its engine or changes it takes `own_store`."""
    database = opened_stores.get(chinook_url)
    if database is None:
        database = opened_stores[chinook_url] = open_store(chinook_url)
    try:
        yield database
    finally:
        await database.dispose()


@pytest_asyncio.fixture
async def own_store(chinook_url: str) -> AsyncIterator[Database]:
    """A Database of the test's own on each database in turn."""
    async with open_store(chinook_url) as database:
        yield database


class Kept:
    """What was made for a Database, and serves every test that uses it."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Database, dict[Callable[..., object], object]] = WeakKeyDictionary()

    def __call__(self, make: Callable[[Database], A], database: Database) -> A:
        """What `make` gives for a Database, made once."""
        made = self._made.setdefault(database, {})
        if make not in made:
            made[make] = make(database)
        return made[make]  # type: ignore[return-value]


kept = Kept()
