"""The store as one `Database`, which both example applications share."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

from batchrepo import Database
from examples.chinook.repositories import REPOSITORIES
from examples.chinook.views import VIEWS

DATABASE_FILE = Path(__file__).parent / "data" / "chinook.db"
"""The SQLite file that the applications use where nothing else is said; filled when they start."""


def sqlite_url(path: Path) -> URL:
    """The URL of an SQLite file."""
    return URL.create("sqlite+aiosqlite", database=str(path))


def open_store(database: Database | URL | str | None = None) -> Database:
    """The store's Database. Nothing is opened or read yet.

    Args:
        database: a Database with the store's repositories, which is given back; a URL; or None for the
            SQLite file of the examples.
    """
    if isinstance(database, Database):
        return database
    url = database if database is not None else sqlite_url(DATABASE_FILE)
    return Database(url, repositories=REPOSITORIES, views=VIEWS)
