"""Names of the databases that tests run on, and URLs of SQLite files."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

EVERY_DATABASE = ("sqlite", "postgresql")
"""The databases that every test of `database_url` runs on; PostgreSQL through asyncpg."""

EVERY_DRIVER = (*EVERY_DATABASE, "psycopg")
"""The same, and PostgreSQL through psycopg: for suites that depend on the driver."""


def sqlite_file_url(path: Path) -> str:
    """The URL of an SQLite file, through aiosqlite."""
    return URL.create("sqlite+aiosqlite", database=str(path)).render_as_string()
