"""Names of the databases that tests run on, and URLs of SQLite files."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

EVERY_DATABASE = ("sqlite", "postgresql")
"""The databases that every test of `database_url` runs on; PostgreSQL through asyncpg."""

EVERY_DRIVER = (*EVERY_DATABASE, "psycopg")
"""The same, and PostgreSQL through psycopg: for suites that depend on the driver."""


def sqlite_file_url(path: Path) -> str:
    """The URL of an SQLite file, through aiosqlite."""
    return URL.create("sqlite+aiosqlite", database=str(path)).render_as_string()


def transactional_engine(url: str | URL) -> AsyncEngine:
    """An application's own engine: transactions as SQLAlchemy makes them, on SQLite as its documentation says."""
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def _leave_transactions_to_us(connection, _) -> None:
            connection.isolation_level = None

        @event.listens_for(engine.sync_engine, "begin")
        def _begin(connection) -> None:
            connection.exec_driver_sql("BEGIN")

    return engine
