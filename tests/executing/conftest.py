"""A filled database on each kind of connection: SQLite in memory and in a file, PostgreSQL by two drivers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from batchrepo.events import EventLog
from batchrepo.executing import make_engine
from tests.executing.gate import Gate, gate_for
from tests.executing.models import fill

POSTGRESQL = ("asyncpg", "psycopg")
POOLED = ("file", *POSTGRESQL)
EVERYWHERE = ("memory", *POOLED)

_FIXTURE_OF = {"file": "sqlite_url", "asyncpg": "postgres_url", "psycopg": "psycopg_url"}


@pytest.fixture(params=EVERYWHERE)
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database. `on(...)` narrows it to some of the kinds."""
    if request.param == "memory":
        return "sqlite+aiosqlite://"
    return str(request.getfixturevalue(_FIXTURE_OF[request.param]))


def on(*kinds: str) -> pytest.MarkDecorator:
    """Run a test on these kinds of database only."""
    return pytest.mark.parametrize("url", kinds, indirect=True)


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine with our preset on a filled database; at the end no connection may be in use."""
    made = make_engine(url)
    await fill(made)
    yield made
    assert in_use(made) == 0
    await made.dispose()


@pytest.fixture
def log() -> EventLog:
    return EventLog()


def in_use(engine: AsyncEngine) -> int:
    """Connections that are out of the pool; a pool of one shared connection lends none."""
    pool = engine.sync_engine.pool
    return pool.checkedout() if hasattr(pool, "checkedout") else 0


@pytest_asyncio.fixture
async def gated(url: str) -> AsyncIterator[tuple[AsyncEngine, Gate]]:
    """As `engine`, with a gate that statements can wait at."""
    made = make_engine(url)
    async with gate_for(made) as gate:
        await fill(made)
        yield made, gate
    assert in_use(made) == 0
    await made.dispose()
