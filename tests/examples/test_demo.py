"""`make demo` runs, shows its numbers, and fails when one of them does not hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from examples.chinook.store import open_store
from examples.demo import Tour

ROOT = Path(__file__).parents[2]


def test_the_demo_runs_and_its_claims_hold(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)  # it takes times; tests reach its code too
    result = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "utf-8"},
    )
    assert (result.returncode, result.stderr) == (0, "")
    statements = {
        name.strip(): int(n)
        for name, n in re.findall(r"^  ((?!POST)\w.*?) {2,}(\d+) +[\d,]+ *$", result.stdout, re.MULTILINE)
    }
    assert statements == {
        "SQLAlchemy, a loop that loads as it goes": 924,
        "SQLAlchemy, eager loading kept by hand": 5,
        "batchrepo, the same loop": 5,
        "batchrepo, a task for each album and track": 5,
        "batchrepo, a view": 5,
        "batchrepo, a view as the bytes of a response": 5,
    }
    listed = re.findall(r"^  (/albums\S*) +(\d+) +(\d.*?) *$", result.stdout, re.MULTILINE)
    assert listed == [
        ("/albums?title__icontains=rock", "7", "5"),
        ("/albums?title__icontains=rock&total=exact", "7", "6"),
        ("/albums?track_count__ge=20&first=100", "22", "5"),
        ("/albums?first=1000&fields=id,title", "347", "1"),
        ("/albums?first=1000&fields=artist(name)", "347", "2"),
        ("/albums?sort=-track_count&first=50&fields=id,title", "347", "1 for each of 7 pages"),
    ]
    written = re.findall(
        r"^  ((?:POST|PATCH) .*?) {2,}(\d+(?:, \d+)?) +\d+(?:, \d+)? *$", result.stdout, re.MULTILINE
    )
    assert written == [
        ("POST /orders", "201"),
        ("POST /genres/1/reprice", "200"),
        ("PATCH /playlists/1, twice at once", "200, 412"),
        ("POST /catalogue, 500 lines", "207"),
    ]
    assert "X-Statements: 5" in result.stdout
    assert "claims held" in result.stdout
    assert "\x1b" not in result.stdout  # plain text where nobody sees colours
    assert max(map(len, result.stdout.splitlines())) <= 100


@pytest.mark.parametrize("held", [True, False])
def test_a_claim_that_does_not_hold_is_said(capsys, held):
    tour = Tour(Console(), open_store("sqlite+aiosqlite://"))
    tour.claim("the earth is round", True)
    tour.claim("the earth is flat", held)
    assert tour.conclude() is held
    assert ("did not hold: the earth is flat" in capsys.readouterr().out) is not held
