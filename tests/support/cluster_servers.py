"""One PostgreSQL server of a cluster, as a test sees it: it can be stopped, frozen, held back, promoted."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import psutil
import psycopg
from psycopg import sql
from sqlalchemy import URL

DATABASE = "app"
"""The database that tests use; it is emptied after each."""

PATIENCE = 30.0
"""Seconds that a server has for what it does in a fraction of one: a machine that others use is slow at times."""

StopMode = Literal["smart", "fast", "immediate"]
"""How a server stops: when its clients have left, at once but in order, or as in a crash."""

_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

SETTINGS = {
    "shared_buffers": "16MB",
    "max_connections": "100",
    "fsync": "off",
    "full_page_writes": "off",
    "jit": "off",
    # What a new primary has kept for a replica that had no slot on it.
    "wal_keep_size": "64MB",
    # A replica comes back in a tenth of a second, not in five.
    "wal_retrieve_retry_interval": "100ms",
    # Queries on replicas are not cancelled by what the primary removes, unless a test wants just that.
    "hot_standby_feedback": "on",
    "max_standby_streaming_delay": "30s",
    "wal_receiver_status_interval": "1s",
}
"""What all servers of a cluster are configured with; a test may change it for itself."""


class Server:
    """One server of a cluster.

    Args:
        binaries: the folder of `postgres`.
        user: the system user that runs it, or None for this one.
        folder: the cluster's folder, where the socket is too.
        name: the server's own, and that of its data's folder.
        port: tells its socket from those beside it.
    """

    def __init__(self, binaries: Path, user: str | None, folder: Path, name: str, port: int) -> None:
        self.name = name
        self.port = port
        self.data = folder / name
        self._binaries = binaries
        self._user = user
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: psycopg.Connection[Any] | None = None
        self._frozen: list[psutil.Process] = []
        self._configured: set[str] = set()

    def __repr__(self) -> str:
        state = "frozen" if self.frozen else "running" if self.running else "stopped"
        return f"<{type(self).__name__} {self.name} {state}>"

    @property
    def running(self) -> bool:
        """Whether its process lives; a frozen one does."""
        return self._process is not None and self._process.poll() is None

    @property
    def frozen(self) -> bool:
        """Whether it was frozen, and not thawed."""
        return bool(self._frozen)

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._folder / f".s.PGSQL.{self.port}"

    def url(self, driver: str = "asyncpg", database: str = DATABASE) -> str:
        """The URL of a database on it, for `asyncpg` or `psycopg`."""
        where = {"host": str(self._folder), "port": str(self.port)}
        return URL.create(
            f"postgresql+{driver}", username="postgres", database=database, query=where
        ).render_as_string()

    def connect(self, database: str = DATABASE) -> psycopg.Connection[Any]:
        """A connection of the test's own, autocommitting."""
        return psycopg.connect(
            host=str(self._folder),
            port=self.port,
            user="postgres",
            dbname=database,
            autocommit=True,
            connect_timeout=int(PATIENCE),
        )

    def ask(self, query: str, *values: Any) -> Any:
        """The one value that a query gives, in the administrative database."""
        assert not self.frozen, f"{self.name} is frozen and would not answer"
        if self._admin is None:
            self._admin = self.connect("postgres")
        cursor = self._admin.execute(query, values or None)
        row = cursor.fetchone() if cursor.description else None
        return None if row is None else row[0]

    def backends(self) -> int:
        """How many clients are connected to the database of the tests."""
        return int(self.ask("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", DATABASE))

    def configure(self, **settings: str) -> None:
        """Change settings, until the test is over, and wait until they hold."""
        self._configured.update(settings)
        for name, value in settings.items():
            self.ask(sql.SQL("ALTER SYSTEM SET {} = {}").format(sql.Identifier(name), value).as_string())
        self._reload(settings)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        assert not self.running, f"{self.name} runs"
        log = self.data.with_suffix(".log")
        command = ["postgres", "-D", str(self.data), "-k", str(self._folder), "-p", str(self.port)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._binaries / command[0]), *command[1:], "-c", "listen_addresses="],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=self._user,
                cwd=self._folder,
                start_new_session=True,  # Ctrl-C is for the tests, which then stop it
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError as error:
                if not self.running or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} does not start: {error}\n{log.read_text()}") from error
                time.sleep(0.02)
            else:
                return

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop it, and wait until it is gone."""
        self.thaw()
        if self._admin is not None:
            self._admin.close()
            self._admin = None
        if self._process is None:
            return
        if self.running:
            self._process.send_signal(_SIGNALS[mode])
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        self._process = None

    def freeze(self) -> None:
        """Stop all its processes where they are: it takes connections, as the system does that for it, and never answers."""
        assert self._process is not None, f"{self.name} is stopped"
        postmaster = psutil.Process(self._process.pid)
        postmaster.suspend()  # first, so that no child is born meanwhile
        self._frozen = [postmaster]
        for child in postmaster.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.suspend()
                self._frozen.append(child)

    def thaw(self) -> None:
        """Let its processes go on."""
        while self._frozen:
            with suppress(psutil.NoSuchProcess):
                self._frozen.pop().resume()

    def restore(self) -> None:
        """Undo what a test did to it: it runs, and has its own settings."""
        self.thaw()
        if not self.running:
            self.start()
        reset, self._configured = self._configured, set()
        for name in reset:
            self.ask(sql.SQL("ALTER SYSTEM RESET {}").format(sql.Identifier(name)).as_string())
        if reset:
            self._reload({name: SETTINGS.get(name) for name in reset})

    def _reload(self, expected: dict[str, str | None]) -> None:
        self.ask("SELECT pg_reload_conf()")
        wanted = {name: value for name, value in expected.items() if value is not None}

        def hold() -> bool:
            with self.connect("postgres") as fresh:
                return all(
                    fresh.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)
                    for name, value in wanted.items()
                )

        until(hold, lambda: f"{self.name} takes {wanted}")


class Primary(Server):
    """The server that takes writes."""

    def position(self) -> int:
        """Where its log ends, in bytes from its beginning: what is committed lies before."""
        return int(self.ask("SELECT (pg_current_wal_lsn() - '0/0')::bigint"))


class Replica(Server):
    """A hot standby."""

    def pause_replay(self) -> None:
        """Hold it back: it goes on receiving, and shows nothing new. Waits until that holds."""
        self.ask("SELECT pg_wal_replay_pause()")
        until(
            lambda: self.ask("SELECT pg_get_wal_replay_pause_state()") == "paused",
            lambda: f"the replay of {self.name} is paused",
        )

    def resume_replay(self) -> None:
        """Let it show what it has received meanwhile."""
        self.ask("SELECT pg_wal_replay_resume()")

    def replayed_lsn(self) -> int:
        """How far it shows what the primary wrote, in bytes from the log's beginning."""
        return int(self.ask("SELECT (pg_last_wal_replay_lsn() - '0/0')::bigint"))

    def wait_for(self, position: int) -> None:
        """Wait until it shows what lies before a position of the log."""
        until(
            lambda: self.replayed_lsn() >= position,
            lambda: f"{self.name} shows {position}; it is at {self.replayed_lsn()}",
        )

    def promote(self) -> None:
        """Make a primary of it, on a new timeline. The cluster is of no use to other tests then."""
        assert self.ask("SELECT pg_promote(true, %s)", int(PATIENCE)), f"{self.name} was not promoted"

    def follow(self, promoted: Replica) -> None:
        """Replicate from another server, which was promoted. Waits until it says that it does."""
        promoted.ask("SELECT pg_create_physical_replication_slot(%s)", self.name)
        self.configure(primary_conninfo=conninfo(promoted, self.name))
        # A standby speaks of a timeline when it has received something of it.
        promoted.ask("SELECT pg_logical_emit_message(true, 'cluster', 'promoted')")
        timeline = promoted.ask(
            "SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
        )
        until(
            lambda: self.ask("SELECT received_tli FROM pg_stat_wal_receiver") == timeline,
            lambda: f"{self.name} follows {promoted.name} on timeline {timeline}",
        )

    def restore(self) -> None:
        """Undo what a test did to it, a paused replay too."""
        super().restore()
        self.resume_replay()


def conninfo(server: Server, name: str) -> str:
    """How a standby of this name connects to a server."""
    return f"host={server.data.parent} port={server.port} user=postgres application_name={name}"


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    """Ask an outside process again and again, for a bounded time; `what` says what should have come."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"After {PATIENCE:g} seconds it does not hold that {what()}.")
        time.sleep(0.005)
