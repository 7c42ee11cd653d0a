"""A PgBouncer in transaction mode in front of the tests' PostgreSQL, with fewer connections to it than tests use.

It is what `pgbouncer` in PATH or in a system folder starts; BATCHREPO_PGBOUNCER names another program. Without any,
tests that ask for it are skipped, or fail where BATCHREPO_REQUIRE has the name. Prepared statements are switched off,
which versions before 1.21 do not know at all, and each transaction gets another server connection than the one before.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.postgres import PostgresServer
from tests.support.services import service_missing

SERVER_CONNECTIONS = 2
"""How many connections to PostgreSQL all clients of a database share."""

KEEPS_STATEMENTS = (1, 21)
"""The first version that can keep prepared statements of its clients."""

_PORT = 6432
"""Names the socket in the bouncer's own folder; nothing listens on the network."""

_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin:/opt/homebrew/bin"


class PgBouncer:
    """A PgBouncer that `running_pgbouncer` has started.

    Args:
        program: what to start.
        folder: where its configuration is, its socket and its log.
        user: whom it lets in.
        runs_as: the system user that it runs as, or None for the one of the tests.
    """

    def __init__(self, program: str, folder: Path, user: str, runs_as: str | int | None) -> None:
        self._command = [program, "--quiet", str(folder / "config")]
        self._as_user: dict[str, Any] = {} if runs_as is None else {"user": runs_as, "extra_groups": []}
        self._folder = folder
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **self._as_user
        )
        deadline = monotonic() + 20
        while True:
            try:
                self.show("VERSION")
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or monotonic() > deadline:
                    log = self._folder / "log"
                    said = log.read_text() if log.exists() else ""
                    raise RuntimeError(f"PgBouncer does not answer: {error}\n{said}") from error
                sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it at once, and with it the connections of all clients."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def restart(self) -> None:
        """End it, and start it again at the same place."""
        self.stop()
        self.start()

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


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    """The PgBouncer of this session."""
    with running_pgbouncer(postgres_server) as bouncer:
        yield bouncer


def find_pgbouncer() -> str | None:
    """The program, or None."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), _SYSTEM_FOLDERS])
    return shutil.which(os.environ.get("BATCHREPO_PGBOUNCER", "pgbouncer"), path=path)


async def assert_servers_alternate(engine: AsyncEngine) -> None:
    """Has the bouncer open all its connections to a database, and sees that each statement gets another one."""
    async with AsyncExitStack() as stack:
        for _ in range(SERVER_CONNECTIONS):
            connection = await stack.enter_async_context(engine.connect())
            await connection.execution_options(isolation_level="READ COMMITTED")
            await connection.execute(text("SELECT"))
    async with engine.connect() as connection:
        pids = [await connection.scalar(text("SELECT pg_backend_pid()")) for _ in range(6)]
    assert len(set(pids)) == SERVER_CONNECTIONS
    assert all(one != next_one for one, next_one in pairwise(pids))


@contextmanager
def running_pgbouncer(
    server: PostgresServer, *, size: int = SERVER_CONNECTIONS, prepared_statements: int = 0, **settings: str
) -> Iterator[PgBouncer]:
    """A PgBouncer in front of a server, for the length of the block.

    Args:
        server: the server, of which any database can be had through it.
        size: how many connections to a database it opens.
        prepared_statements: how many statements it keeps prepared on each; a test that needs any is skipped where
            its version cannot.
        settings: others of its settings, which replace those of the tests.
    """
    program = find_pgbouncer()
    if program is None:
        service_missing("pgbouncer", "there is no such program; Debian's package has the same name")
    version = _version_of(program)
    if prepared_statements and version < KEEPS_STATEMENTS:
        service_missing("pgbouncer-1.21", f"this is version {'.'.join(map(str, version))}")
    # Not under pytest's folder: it runs as a user of its own when the tests run as root, and a socket's path may
    # have about 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="batchrepo-bouncer-"))
    owner = _owner(server.url) if os.geteuid() == 0 else None  # it refuses to run as root
    if owner is not None:
        shutil.chown(folder, owner)
    user = server.url.username or "postgres"
    (folder / "users").write_text(f'"{user}" ""\n')
    chosen = {
        "pool_mode": "transaction",
        "default_pool_size": size,
        "server_round_robin": 1,
        "max_client_conn": 500,
        "listen_addr": "",
        "listen_port": _PORT,
        "unix_socket_dir": folder,
        "auth_type": "trust",
        "auth_file": folder / "users",
        "admin_users": user,
        "logfile": folder / "log",
        "pidfile": folder / "pid",
        **({"max_prepared_statements": prepared_statements} if version >= KEEPS_STATEMENTS else {}),
        **settings,
    }
    lines = ["[databases]", f"* = {_connection_string(server.url)}", "[pgbouncer]"]
    lines += (f"{name} = {value}" for name, value in chosen.items())
    (folder / "config").write_text("\n".join(lines) + "\n")
    bouncer = PgBouncer(program, folder, user, owner)
    try:
        bouncer.start()
        yield bouncer
    finally:
        bouncer.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _version_of(program: str) -> tuple[int, int]:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.findall(r"\d+", said)[:2]
    return int(major), int(minor)


def _owner(url: URL) -> str | int:
    """A system user who may use the server's socket: its folder may be closed to all others."""
    socket_folder = url.query.get("host")
    return Path(str(socket_folder)).stat().st_uid if socket_folder else "nobody"


def _connection_string(url: URL) -> str:
    """Where the bouncer finds the server, in the words of its configuration."""
    host = url.query.get("host") or url.host
    parts = {"host": host, "port": url.port, "user": url.username, "password": url.password}
    return " ".join(
        "{}='{}'".format(name, str(value).replace("'", "''")) for name, value in parts.items() if value
    )
