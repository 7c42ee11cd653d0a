"""Databases for the tests: SQLite files, PostgreSQL databases, and the Chinook store in both.

A test asks for `database_url` and runs on SQLite and on PostgreSQL, each time on an empty database of its
own. To run with the third driver too::

    @pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)   # from tests.support.databases

`batchrepo.testing.counting.statement_counter(engine)` counts what reaches the driver.

PostgreSQL is the one at BATCHREPO_POSTGRES_URL, or an embedded server that this session starts and stops.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from tests.support.databases import EVERY_DATABASE, sqlite_file_url
from tests.support.postgres import PostgresServer, running_server

pytest_plugins = ["tests.support.tracing", "tests.support.pgbouncer", "tests.support.stores"]

# A machine that others use too is slow at times: a deadline would report the machine, not the code.
# Half of Hypothesis' own number of examples: other ones in every run, and `thorough` for a night.
hypothesis.settings.register_profile("default", deadline=None, max_examples=50)
hypothesis.settings.register_profile("brief", deadline=None, max_examples=10)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000, print_blob=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A test run that is told to end stops its server, as it does on Ctrl-C.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def small_heap() -> None:
    """Garbage collection looks at what a module's tests make, not at all that was imported and made before.

    Collections were a tenth of a whole run, and nine tenths of tests that ask for them.
    """
    gc.collect()
    gc.freeze()


gc.set_threshold(10_000, 20, 20)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The PostgreSQL server of this session. It is always required: failing to start is an error."""
    with running_server(os.environ.get("BATCHREPO_POSTGRES_URL")) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database of the test's own, through asyncpg."""
    with postgres_server.empty_database() as url:
        yield _text(url)


@pytest.fixture
def psycopg_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database of the test's own, through psycopg."""
    with postgres_server.empty_database(driver="psycopg") as url:
        yield _text(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file of the test's own, through aiosqlite. The file does not exist yet."""
    return sqlite_file_url(tmp_path / "test.db")


@pytest.fixture(params=EVERY_DATABASE)
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of the test's own, on each database in turn."""
    return str(request.getfixturevalue(_FIXTURE_OF[request.param]))


@pytest.fixture(scope="module", params=EVERY_DATABASE)
def module_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database that all tests of a module share: for schemas that are slow to make."""
    if request.param == "sqlite":
        yield sqlite_file_url(tmp_path_factory.mktemp("module") / "test.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    driver = "psycopg" if request.param == "psycopg" else "asyncpg"
    with server.empty_database(driver=driver) as url:
        yield _text(url)


@pytest_asyncio.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on `database_url`, disposed in the loop that used it."""
    created = create_async_engine(database_url)
    yield created
    await created.dispose()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chinook_sqlite_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Chinook store as an SQLite file, loaded once. To be copied, not opened."""
    path = tmp_path_factory.mktemp("chinook") / "chinook.db"
    await _load_chinook(sqlite_file_url(path))
    return path


@pytest.fixture(scope="session")
def chinook_sqlite_shared(chinook_sqlite_original: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Chinook store in SQLite, one file for all tests: read it, do not change it."""
    copied = tmp_path_factory.mktemp("chinook_shared") / "chinook.db"
    return sqlite_file_url(Path(shutil.copyfile(chinook_sqlite_original, copied)))


@pytest.fixture
def chinook_sqlite(chinook_sqlite_original: Path, tmp_path: Path) -> str:
    """The Chinook store in an SQLite file of the test's own."""
    return sqlite_file_url(Path(shutil.copyfile(chinook_sqlite_original, tmp_path / "chinook.db")))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chinook_postgres_original(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """The name of a database with the Chinook store, loaded once. To be copied: nobody may connect to it."""
    with postgres_server.database() as url:
        await _load_chinook(_text(url))
        yield str(url.database)


@pytest.fixture(scope="session")
def chinook_postgres(postgres_server: PostgresServer, chinook_postgres_original: str) -> Iterator[str]:
    """The Chinook store in PostgreSQL, one for all tests: read it, do not change it."""
    with postgres_server.database(template=chinook_postgres_original) as url:
        yield _text(url)


@pytest.fixture
def chinook_postgres_copy(postgres_server: PostgresServer, chinook_postgres_original: str) -> Iterator[str]:
    """The Chinook store in a PostgreSQL database of the test's own, which it may change."""
    with postgres_server.database(template=chinook_postgres_original) as url:
        yield _text(url)


@pytest.fixture(params=EVERY_DATABASE)
def chinook_url(request: pytest.FixtureRequest) -> str:
    """The Chinook store on each database in turn: read it, do not change it."""
    return str(request.getfixturevalue(f"chinook_{_CHINOOK_OF[request.param]}"))


@pytest.fixture(params=["chinook_sqlite", "chinook_postgres_copy"], ids=EVERY_DATABASE)
def chinook_copy_url(request: pytest.FixtureRequest) -> str:
    """A Chinook store of the test's own on each database in turn, which it may change."""
    return str(request.getfixturevalue(request.param))


_FIXTURE_OF = {"sqlite": "sqlite_url", "postgresql": "postgres_url", "psycopg": "psycopg_url"}
_CHINOOK_OF = {"sqlite": "sqlite_shared", "postgresql": "postgres"}


async def _load_chinook(url: str) -> None:
    from examples.chinook.loader import load_chinook

    loading = create_async_engine(url)
    try:
        await load_chinook(loading)
    finally:
        await loading.dispose()


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
