"""A PgBouncer in transaction mode in front of the tests' PostgreSQL, with fewer connections to it than tests use.

It is what `pgbouncer` in PATH or in a system folder starts; BATCHREPO_PGBOUNCER names another one. Without any, tests
that ask for it are skipped, or fail where BATCHREPO_REQUIRE has the name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from tests.support.postgres import PostgresServer
from tests.support.services import service_missing

SERVER_CONNECTIONS = 2
"""How many connections to PostgreSQL all clients of a database share."""

_PORT = 6432
"""Names the socket in the bouncer's own folder; nothing listens on the network."""

_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin:/opt/homebrew/bin"

_CONFIG = """\
[databases]
* = {server}

[pgbouncer]
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 500
listen_addr =
listen_port = {port}
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
admin_users = {user}
logfile = {folder}/log
pidfile = {folder}/pid
{more}
"""


class PgBouncer:
    """A PgBouncer that is running.

    Args:
        folder: where its socket and its log are.
        user: whom it lets in.
    """

    def __init__(self, folder: Path, user: str) -> None:
        self._folder = folder
        self._user = user

    def through(self, url: URL) -> URL:
        """The same database, through the bouncer."""
        return url.set(
            username=self._user, password=None, host=None, port=_PORT, query={"host": str(self._folder)}
        )

    def show(self, what: str) -> list[dict[str, Any]]:
        """What its console answers to SHOW, such as `SERVERS`."""
        with psycopg.connect(
            f"host={self._folder} port={_PORT} user={self._user} dbname=pgbouncer", autocommit=True
        ) as console:
            rows = console.execute(f"SHOW {what}")
            names = [column.name for column in rows.description or ()]
            return [dict(zip(names, row, strict=True)) for row in rows]

    @property
    def version(self) -> tuple[int, ...]:
        """Such as `(1, 18, 0)`."""
        (row,) = self.show("VERSION")
        return tuple(int(part) for part in str(row["version"]).split()[-1].split("."))


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    """The PgBouncer of this session."""
    with running_pgbouncer(postgres_server) as bouncer:
        yield bouncer


def find_pgbouncer() -> str | None:
    """The program, or None."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), _SYSTEM_FOLDERS])
    return shutil.which(os.environ.get("BATCHREPO_PGBOUNCER", "pgbouncer"), path=path)


@contextmanager
def running_pgbouncer(
    server: PostgresServer, *, size: int = SERVER_CONNECTIONS, **settings: object
) -> Iterator[PgBouncer]:
    """A PgBouncer in front of a server, for the length of the block.

    Args:
        server: the server, of which any database can be had through it.
        size: how many connections to a database it opens.
        settings: more of its settings.
    """
    program = find_pgbouncer()
    if program is None:
        service_missing("pgbouncer", "there is no such program; Debian's package has the same name")
    # Not under pytest's folder: it runs as a user of its own when the tests run as root, and a socket's path may
    # have about 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="batchrepo-bouncer-"))
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # which it refuses to run as
        owner = _owner(server.url)
        shutil.chown(folder, owner)
        as_user = {"user": owner, "extra_groups": []}
    user = server.url.username or "postgres"
    (folder / "users").write_text(f'"{user}" ""\n')
    (folder / "config").write_text(
        _CONFIG.format(
            server=_connection_string(server.url),
            size=size,
            port=_PORT,
            folder=folder,
            user=user,
            more="\n".join(f"{name} = {value}" for name, value in settings.items()),
        )
    )
    process = subprocess.Popen(
        [program, "--quiet", str(folder / "config")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **as_user
    )
    try:
        bouncer = PgBouncer(folder, user)
        _wait_for(bouncer, process, folder / "log")
        yield bouncer
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(bouncer: PgBouncer, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers."""
    deadline = monotonic() + 20
    while True:
        try:
            bouncer.show("VERSION")
        except psycopg.OperationalError as error:
            if process.poll() is not None or monotonic() > deadline:
                said = log.read_text() if log.exists() else ""
                raise RuntimeError(f"PgBouncer does not answer: {error}\n{said}") from error
            sleep(0.02)
        else:
            return


def _owner(url: URL) -> str | int:
    """A system user who may use the server's socket: its folder may be closed to all others."""
    socket_folder = url.query.get("host")
    return Path(str(socket_folder)).stat().st_uid if socket_folder else "nobody"


def _connection_string(url: URL) -> str:
    """Where the bouncer finds the server, in the words of its configuration."""
    host = url.query.get("host") or url.host
    parts = {"host": host, "port": url.port, "user": url.username, "password": url.password}
    return " ".join(f"{name}='{value}'" for name, value in parts.items() if value)
