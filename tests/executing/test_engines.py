"""Presets: what an engine of ours is like, and what it says about a wrong URL."""

from __future__ import annotations

import asyncio
import builtins
import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import URL, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool, StaticPool

from batchrepo.errors import DeclarationError
from batchrepo.events import EventLog
from batchrepo.executing import (
    PooledDoor,
    PoolOptions,
    describe,
    make_engine,
    read_engine,
)
from tests.executing.conftest import on
from tests.executing.models import Author

IN_MEMORY = [
    "sqlite+aiosqlite://",
    "sqlite+aiosqlite:///:memory:",
    "sqlite+aiosqlite:///file:one?mode=memory&cache=shared&uri=true",
    "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true",
]


async def pragma(engine: AsyncEngine, name: str) -> object:
    async with engine.connect() as connection:
        return await connection.scalar(text(f"PRAGMA {name}"))


async def test_sqlite_file_preset(sqlite_url: str) -> None:
    engine = make_engine(sqlite_url)
    assert await pragma(engine, "journal_mode") == "wal"
    assert await pragma(engine, "synchronous") == 1  # NORMAL
    assert await pragma(engine, "foreign_keys") == 1
    assert await pragma(engine, "busy_timeout") == 30_000
    assert describe(engine) == "sqlite+aiosqlite, pool 5+5"
    await engine.dispose()


async def test_sqlite_pragmas_can_be_overridden(sqlite_url: str) -> None:
    engine = make_engine(
        sqlite_url, busy_timeout=1, foreign_keys=False, journal_mode="", synchronous="FULL", pool_size=2
    )
    assert await pragma(engine, "journal_mode") == "delete"
    assert await pragma(engine, "synchronous") == 2
    assert await pragma(engine, "foreign_keys") == 0
    assert await pragma(engine, "busy_timeout") == 1000
    assert describe(engine) == "sqlite+aiosqlite, pool 2+5"
    await engine.dispose()


async def test_a_read_only_file_keeps_its_journal_mode(tmp_path: Path) -> None:
    """Setting WAL would be a write; reading must work all the same."""
    path = tmp_path / "still.db"
    writing = make_engine(f"sqlite+aiosqlite:///{path}", journal_mode="")
    async with writing.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER)"))
    await writing.dispose()
    engine = make_engine(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true")
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT * FROM t"))).all() == []
    await engine.dispose()


async def test_many_first_connections_to_a_new_file(sqlite_url: str) -> None:
    """They all want to switch the file to WAL at once, from two engines; none fails."""
    engines = [make_engine(sqlite_url) for _ in range(2)]

    async def first(engine: AsyncEngine) -> object:
        return await pragma(engine, "journal_mode")

    assert set(await asyncio.gather(*(first(engine) for engine in engines * 8))) == {"wal"}
    for engine in engines:
        await engine.dispose()


@pytest.mark.parametrize("url", IN_MEMORY)
async def test_sqlite_in_memory_has_one_connection(url: str) -> None:
    engine = make_engine(url)
    assert isinstance(engine.sync_engine.pool, StaticPool)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE t (n INTEGER)"))
    assert await pragma(engine, "foreign_keys") == 1
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT * FROM t"))).all() == []
    assert describe(engine) == "sqlite+aiosqlite, one shared connection"
    await engine.dispose()


@on("asyncpg", "psycopg")
async def test_postgresql_preset(url: str) -> None:
    engine = make_engine(url)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_setting('application_name')")) == "batchrepo"
    driver = engine.dialect.driver
    assert describe(engine) == f"postgresql+{driver}, pool 10+10, pre-ping after 2 s idle, recycle 1800 s"
    pool = engine.sync_engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    assert (pool.timeout(), pool._pool.use_lifo) == (10, True)
    await engine.dispose()


@on("asyncpg", "psycopg")
async def test_every_option_of_postgresql_can_be_overridden(url: str) -> None:
    options = PoolOptions(pool_size=1, max_overflow=-1, pool_timeout=3, pool_pre_ping=False)
    engine = make_engine(
        url,
        options,
        max_overflow=4,
        pool_recycle=-1,
        pool_use_lifo=False,
        application_name="shop",
        engine_args={"echo": False, "query_cache_size": 50},
    )
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_setting('application_name')")) == "shop"
    assert describe(engine) == f"postgresql+{engine.dialect.driver}, pool 1+4"
    pool = engine.sync_engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    assert (pool.timeout(), pool._pool.use_lifo) == (3, False)
    await engine.dispose()


async def test_connect_args_are_added_to_ours(postgres_url: str) -> None:
    engine = make_engine(postgres_url, connect_args={"server_settings": {"search_path": "pg_catalog"}})
    async with engine.connect() as connection:
        found = await connection.execute(
            text("SELECT current_setting('application_name'), current_setting('search_path')")
        )
        assert found.one() == ("batchrepo", "pg_catalog")
    await engine.dispose()


def test_presets_have_a_value_for_each_option_that_applies() -> None:
    chosen = PoolOptions(pool_size=7).over(PoolOptions(pool_size=1, max_overflow=2))
    assert (chosen.pool_size, chosen.max_overflow, chosen.pool_timeout) == (7, 2, None)


@on("file", "asyncpg", "psycopg")
async def test_reads_send_neither_begin_nor_rollback(url: str, engine: AsyncEngine) -> None:
    """Each statement is its own transaction, and the pool has nothing to roll back."""
    async with engine.connect() as connection:
        raw = (await connection.get_raw_connection()).dbapi_connection
        await connection.execute(select(Author))
        assert engine.dialect.detect_autocommit_setting(raw)
        assert engine.dialect.skip_autocommit_rollback
        driver = raw.driver_connection
        if engine.dialect.driver == "asyncpg":
            assert not driver.is_in_transaction()
        elif engine.dialect.driver == "psycopg":
            assert driver.info.transaction_status.name == "IDLE"
        else:
            assert not driver.in_transaction


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite:///shop.db", r"sqlite:///shop\.db does not name .* Use sqlite\+aiosqlite:// instead"),
        ("sqlite+pysqlite:///shop.db", r"Use sqlite\+aiosqlite:// instead"),
        ("postgresql://app:secret@db/shop", r"Use postgresql\+asyncpg:// or postgresql\+psycopg:// instead"),
        (
            "postgresql+psycopg2://app:secret@db/shop",
            r"app:\*\*\*@db/shop does not name an asynchronous driver",
        ),
        ("postgres://app:secret@db/shop", r"Use postgresql\+asyncpg:// or"),
        ("mysql+asyncmy://app:secret@db/shop", r"mysql is not supported\. Use .*sqlite\+aiosqlite"),
        ("app:secret@db", r"URL cannot be read\. Expected dialect\+driver"),
    ],
)
def test_a_wrong_url_names_the_right_one_and_no_password(url: str, says: str) -> None:
    with pytest.raises(DeclarationError, match=says) as caught:
        make_engine(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("sqlite+aiosqlite://", "aiosqlite", "sqlite"),
        ("postgresql+asyncpg://db/shop", "asyncpg", "postgres"),
        ("postgresql+psycopg://db/shop", "psycopg", "psycopg"),
    ],
)
def test_a_missing_driver_is_a_sentence_with_the_pip_line(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = builtins.__import__

    def without(name: str, *args: object, **options: object) -> object:
        if name.split(".", maxsplit=1)[0] == package:
            raise ImportError(f"No module named {name!r}")
        return original(name, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        DeclarationError, match=rf"{package}, which is not installed: pip install 'batchrepo\[{extra}\]'"
    ):
        make_engine(url)


def test_an_unknown_option_names_the_nearest() -> None:
    with pytest.raises(DeclarationError, match=r"no option 'poolsize'\. Did you mean 'pool_size' or"):
        make_engine("sqlite+aiosqlite://", poolsize=3)


async def test_describe_knows_other_pools(sqlite_url: str) -> None:
    engine = create_async_engine(sqlite_url, poolclass=NullPool)
    assert describe(engine) == "sqlite+aiosqlite, NullPool"


def test_describe_shows_no_password() -> None:
    url = URL.create("postgresql+asyncpg", "app", "secret", "db", database="shop")
    assert "secret" not in describe(make_engine(url, max_overflow=-1))
    assert "pool 10+any" in describe(make_engine(url, max_overflow=-1))


@on("file", "asyncpg", "psycopg")
async def test_read_engine_shares_the_users_pool(url: str) -> None:
    """The user's engine goes on to have transactions; the reading side does not."""
    users = create_async_engine(url, pool_size=1, max_overflow=0)
    reading = read_engine(users)
    assert reading.sync_engine.pool is users.sync_engine.pool
    async with users.begin() as connection:
        await connection.run_sync(Author.metadata.create_all)
        await connection.execute(text("INSERT INTO author (id, name) VALUES (1, 'one')"))
    door = PooledDoor(reading, EventLog())
    assert await door.rows(select(Author.name), cause="Author") == [("one",)]
    await door.aclose()
    async with AsyncSession(users) as session:
        session.add(Author(id=2, name="two"))
        await session.flush()
        await session.rollback()
        assert (await session.scalars(select(Author.id))).all() == [1]
    await users.dispose()


def test_options_have_no_default_but_none() -> None:
    """None means the preset: an option with another default could not be told from a choice."""
    scalars = [f for f in dataclasses.fields(PoolOptions) if f.default is not dataclasses.MISSING]
    assert {f.default for f in scalars} == {None}


async def test_only_a_connection_that_was_idle_is_tried_at_checkout(postgres_url: str) -> None:
    """A second checkout right after the first asks the server nothing; one after idling asks once."""
    for idle, expected in ((3600.0, 0), (0.0, 1)):
        engine = make_engine(postgres_url, pool_size=1, max_overflow=0, pool_pre_ping=idle)
        dialect, pings = engine.dialect, []
        original = dialect.do_ping
        dialect.do_ping = lambda connection, original=original, pings=pings: (
            pings.append(1) or original(connection)
        )
        async with engine.connect():
            pass
        async with engine.connect():
            pass
        assert len(pings) == expected
        await engine.dispose()


async def test_a_connection_that_died_while_idle_is_replaced(postgres_url: str) -> None:
    engine = make_engine(postgres_url, pool_size=1, max_overflow=0, pool_pre_ping=0.0)
    other = make_engine(postgres_url)
    async with engine.connect() as connection:
        pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with other.connect() as killer:
        await killer.execute(text(f"SELECT pg_terminate_backend({pid})"))
        while (
            await killer.execute(text(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}"))
        ).scalar_one():
            pass
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one() != pid
    await engine.dispose()
    await other.dispose()
