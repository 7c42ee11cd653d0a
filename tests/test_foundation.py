"""The fixtures themselves: isolation, drivers, the Chinook store, missing services."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchrepo.testing.counting import statement_counter
from tests.support.databases import EVERY_DRIVER
from tests.support.postgres import PostgresServer, running_server
from tests.support.services import service_missing


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
async def test_every_test_has_an_empty_database(engine: AsyncEngine, turn):
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE mark (n integer)"))
        await connection.execute(text("INSERT INTO mark VALUES (:turn)"), {"turn": turn})
        assert (await connection.execute(text("SELECT n FROM mark"))).scalars().all() == [turn]


async def test_every_database_has_its_driver(sqlite_url, postgres_url, psycopg_url):
    drivers = [create_async_engine(url).driver for url in (sqlite_url, postgres_url, psycopg_url)]
    assert drivers == ["aiosqlite", "asyncpg", "psycopg"]


def test_a_dropped_database_takes_its_connections_along(postgres_server: PostgresServer):
    import psycopg

    with postgres_server.database() as url:
        left = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    with left, pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")


def test_a_database_that_is_lent_again_is_as_new(postgres_server: PostgresServer):
    """Whatever a test left: tables, types, schemas, settings, an open transaction that holds locks."""
    import psycopg

    def plain(url) -> str:
        return url.set(drivername="postgresql").render_as_string(hide_password=False)

    def state(connection) -> list[object]:
        return [
            connection.execute(query).fetchall()
            for query in (
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_' ORDER BY 1",
                "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
                "SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace",
                "SHOW work_mem",
            )
        ]

    with postgres_server.database() as fresh, psycopg.connect(plain(fresh)) as connection:
        expected = state(connection)
    with postgres_server.empty_database() as used:
        left = psycopg.connect(plain(used), autocommit=True)
        left.execute(
            "CREATE TYPE color AS ENUM ('red'); CREATE SCHEMA more; CREATE TABLE more.mark (n color)"
        )
        left.execute(f"ALTER DATABASE {used.database} SET work_mem = '1MB'")
        left.execute("CREATE TABLE mark (n integer); BEGIN; LOCK TABLE mark")
    with left, pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    with (
        postgres_server.empty_database(driver="psycopg") as again,
        psycopg.connect(plain(again)) as connection,
    ):
        assert again.database == used.database
        assert again.drivername == "postgresql+psycopg"
        assert state(connection) == expected


def test_two_databases_at_once_are_two(postgres_server: PostgresServer):
    with postgres_server.empty_database() as first, postgres_server.empty_database() as second:
        assert first.database != second.database


def test_the_server_of_a_url_is_used_and_left_running(postgres_server: PostgresServer):
    url = postgres_server.url.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)
    with running_server(url) as same, same.database() as database:
        assert database.database
        assert same.url.query == postgres_server.url.query
    assert postgres_server.version


async def test_the_counter_sees_statements_and_nothing_else(engine: AsyncEngine):
    with statement_counter(engine) as seen:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1"))
            await connection.execute(text("SELECT 2"))
        assert seen.take() == ["SELECT 1", "SELECT 2"]
        async with engine.connect() as connection:
            await connection.execute(text("SELECT 3"))
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 4"))
    assert seen.statements == ["SELECT 3"]
    assert seen.count == 1


async def test_chinook_is_whole(chinook_url):
    engine = create_async_engine(chinook_url)
    try:
        async with engine.connect() as connection:
            counts = [
                (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
                for table in ("artist", "album", "track", "playlist_track")
            ]
    finally:
        await engine.dispose()
    assert counts == [275, 347, 3503, 8715]


@pytest.fixture(params=["chinook_sqlite", "chinook_postgres_copy"])
def chinook_copy(request):
    """Not asked for by the test itself: what loads the store cannot be run inside a running loop."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("turn", [1, 2])
async def test_a_copy_of_chinook_may_be_changed(chinook_copy, turn):
    engine = create_async_engine(chinook_copy)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("DELETE FROM playlist_track WHERE playlist_id = 1"))
            left = (await connection.execute(text("SELECT count(*) FROM playlist_track"))).scalar_one()
    finally:
        await engine.dispose()
    assert left == 8715 - 3290


def test_a_missing_service_is_a_visible_skip():
    with pytest.raises(pytest.skip.Exception, match="redis is missing: not installed"):
        service_missing("redis", "not installed", required=frozenset())


def test_a_missing_service_that_is_required_is_a_failure():
    with pytest.raises(pytest.fail.Exception, match="redis is required by BATCHREPO_REQUIRE"):
        service_missing("redis", "not installed", required=frozenset({"redis"}))
