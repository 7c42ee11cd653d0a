"""`make serve` serves both examples over real sockets, and ends on Ctrl+C."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from examples.serve import listen

ROOT = Path(__file__).parents[2]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "examples.serve", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def server(sqlite_url: str) -> Iterator[subprocess.Popen[str]]:
    process = start("--port", "0", "--database", sqlite_url)
    with process:
        yield process
        process.kill()


def test_both_examples_are_served_until_ctrl_c(server):
    lines = iter(server.stdout.readline, "")
    found = next(match for line in lines if (match := re.search(r"Links to try +(http://\S+)/", line)))
    with httpx.Client(base_url=found[1]) as client:
        albums = client.get("/albums?first=1000")
        graphql = client.post("/graphql", json={"query": "{ albums(first: 400) { edges { node { id } } } }"})
        page = client.get("/")
    assert (len(albums.json()["items"]), albums.headers["X-Statements"]) == (347, "5")
    assert (len(graphql.json()["data"]["albums"]["edges"]), graphql.headers["X-Statements"]) == (347, "1")
    assert 'href="/queries"' in page.text
    server.send_signal(signal.SIGINT)
    rest = server.stdout.read()
    assert server.wait() == 0, rest
    assert "Traceback" not in rest


def test_a_port_in_use_is_a_sentence(sqlite_url):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start("--port", port, "--database", sqlite_url) as process:
            output, _ = process.communicate()
    assert process.returncode == 1
    assert f"Cannot listen on 127.0.0.1, port {port}" in output
    assert "Give another: --port 9000." in output
    assert "Traceback" not in output


def test_without_a_port_a_free_one_is_found():
    with listen("127.0.0.1", None) as first, listen("127.0.0.1", None) as second:
        assert first.getsockname()[1] < second.getsockname()[1]
