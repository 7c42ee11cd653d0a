"""The store as one `Database`, which both example applications share."""

from __future__ import annotations

import os
from collections.abc import Sequence
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


URL_VARIABLE, REPLICAS_VARIABLE = "CHINOOK_URL", "CHINOOK_REPLICA_URLS"
"""Where the store is, if it is not in that file, and the replicas that answer reads, separated by commas."""


def open_store(database: Database | URL | str | None = None, replicas: Sequence[URL | str] = ()) -> Database:
    """The store's Database. Nothing is opened or read yet.

    Args:
        database: a Database with the store's repositories, which is given back; a URL; or None for what
            CHINOOK_URL and CHINOOK_REPLICA_URLS say, without them the SQLite file of the examples.
        replicas: servers that follow the database of the URL.
    """
    if isinstance(database, Database):
        return database
    if database is None:
        database = os.environ.get(URL_VARIABLE) or sqlite_url(DATABASE_FILE)
        replicas = [url for url in os.environ.get(REPLICAS_VARIABLE, "").split(",") if url]
    return Database(database, replicas=replicas, repositories=REPOSITORIES, views=VIEWS)
