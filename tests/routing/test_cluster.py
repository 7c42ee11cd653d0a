"""The cluster of the tests itself: what a test does to it really happens, and is undone."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.support.cluster import Cluster
from tests.support.cluster_servers import PATIENCE, Server, until


def rows(server: Server) -> int:
    with closing(server.connect()) as connection:
        found = connection.execute("SELECT count(*) FROM mark").fetchone()
    assert found is not None
    return int(found[0])


def write(cluster: Cluster) -> None:
    with closing(cluster.primary.connect()) as connection:
        connection.execute("INSERT INTO mark VALUES (1)")


def answer(server: Server) -> bytes | None:
    """What it says to a client that connects and asks for encryption; a frozen one gets a fifth of a second."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(0.2 if server.frozen else PATIENCE)
        client.connect(str(server.socket))
        client.sendall(struct.pack("!ii", 8, 80877103))
        try:
            return client.recv(1)
        except TimeoutError:
            return None


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE  # whose exit the system has not asked for yet
    return False


@pytest.fixture
def marked(cluster: Cluster) -> Cluster:
    with closing(cluster.primary.connect()) as connection:
        connection.execute("CREATE TABLE mark (n integer)")
    cluster.caught_up()
    return cluster


def test_what_is_written_arrives(marked: Cluster):
    write(marked)
    marked.caught_up()
    assert [rows(server) for server in marked.servers] == [1, 1, 1]


def test_a_replica_refuses_to_write(marked: Cluster):
    with (
        closing(marked.replicas[0].connect()) as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("INSERT INTO mark VALUES (1)")


def test_a_paused_replica_shows_nothing_new(marked: Cluster):
    held, free = marked.replicas
    held.pause_replay()
    before = held.replayed_lsn()
    write(marked)
    marked.caught_up(free)
    assert [rows(held), rows(free)] == [0, 1]
    assert held.replayed_lsn() == before
    held.resume_replay()
    marked.caught_up()
    assert rows(held) == 1


def test_a_frozen_server_takes_connections_and_does_not_answer(marked: Cluster):
    frozen, other = marked.replicas
    with closing(frozen.connect()) as connection:
        frozen.freeze()
        assert frozen.running
        assert "frozen" in repr(frozen)
        assert answer(frozen) is None
        write(marked)
        marked.caught_up(other)
        frozen.thaw()
        assert answer(frozen) == b"N"
        marked.caught_up()
        assert connection.execute("SELECT count(*) FROM mark").fetchone() == (1,)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_stopped_replica_refuses_connections_and_catches_up(marked: Cluster, mode):
    stopped = marked.replicas[0]
    with closing(stopped.connect()) as connection:
        stopped.stop(mode)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert not stopped.running
    with pytest.raises(psycopg.OperationalError):
        stopped.connect()
    write(marked)
    stopped.start()
    marked.caught_up()
    assert rows(stopped) == 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_replicas_stay_while_the_primary_is_away(marked: Cluster, mode):
    marked.primary.stop(mode)
    with pytest.raises(psycopg.OperationalError):
        write(marked)
    assert [rows(replica) for replica in marked.replicas] == [0, 0]
    marked.primary.start()
    write(marked)
    marked.caught_up()
    assert [rows(server) for server in marked.servers] == [1, 1, 1]


def test_whatever_a_test_did_is_undone(shared_cluster: Cluster):
    with shared_cluster.lent() as lent:
        primary, first, second = lent.servers
        with closing(primary.connect()) as connection:
            connection.execute(
                "CREATE TABLE mark (n integer); CREATE SCHEMA more; CREATE TABLE more.mark (n int)"
            )
        lent.caught_up()
        left = first.connect()
        left.execute("BEGIN; SELECT * FROM mark")
        first.configure(max_standby_streaming_delay="0")
        lent.replicas[0].pause_replay()
        second.freeze()
        primary.stop("immediate")
    with left, pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    assert [server.backends() for server in shared_cluster.servers] == [0, 0, 0]
    for server in shared_cluster.servers:
        with closing(server.connect()) as connection:
            tables = connection.execute("SELECT * FROM pg_tables WHERE tablename = 'mark'").fetchall()
            delay = connection.execute("SHOW max_standby_streaming_delay").fetchone()
        assert tables == []
        assert delay == ("30s",)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_url_leads_to_its_server(cluster: Cluster, driver):
    ports = []
    for server in cluster.servers:
        engine = create_async_engine(server.url(driver))
        async with engine.connect() as connection:
            ports.append((await connection.execute(text("SHOW port"))).scalar_one())
        await engine.dispose()
    assert ports == ["5432", "5433", "5434"]


def test_a_promoted_replica_writes_and_the_other_follows(own_cluster: Cluster):
    promoted, other = own_cluster.replicas
    own_cluster.primary.stop("immediate")
    promoted.promote()
    other.follow(promoted)
    with closing(promoted.connect()) as connection:
        connection.execute("CREATE TABLE mark (n integer); INSERT INTO mark VALUES (1)")
        position = connection.execute("SELECT (pg_current_wal_lsn() - '0/0')::bigint").fetchone()
    assert position is not None
    other.wait_for(position[0])
    assert rows(other) == 1
    assert promoted.ask("SELECT timeline_id FROM pg_control_checkpoint()") == 2


_LEAVE = """
import os, sys
from tests.support.cluster import running_cluster

with running_cluster() as running:
    print(*(server.ask("SELECT current_setting('data_directory')") for server in running.servers), flush=True)
    sys.stdin.read()
"""


def test_nothing_is_left_of_a_process_that_was_killed():
    """Not even SIGKILL leaves servers behind: no `finally` runs then."""
    with subprocess.Popen(
        [sys.executable, "-c", _LEAVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        folders = [Path(folder) for folder in process.stdout.readline().split()]
        servers = [
            psutil.Process(int((folder / "postmaster.pid").read_text().split()[0])) for folder in folders
        ]
        assert len(servers) == 3
        process.kill()
    until(lambda: not folders[0].parent.exists(), lambda: "the folder is removed")
    assert [server for server in servers if alive(server)] == []
