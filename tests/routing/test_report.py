"""The report says where statements went, and why; without replicas it says nothing of it."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

from batchrepo.events import EventLog, RouteEvent, StatementEvent
from batchrepo.report import Report
from tests.routing.servers import AuthorRepository, AuthorView, NoteRepository, files, server_of


def masked(report: Report) -> str:
    """The text without SQL, and with times hidden."""
    lines = [line for line in str(report).splitlines() if not re.match(r"\s*(SELECT|INSERT)", line)]
    return re.sub(r"[\d,]+\.\d ms", "0.0 ms", "\n".join(lines)) + "\n"


async def test_routes_and_the_server_of_each_statement(tmp_path: Path):
    async with files(tmp_path, replicas=["replica-1"]) as db, db.scope() as scope:
        await AuthorRepository(scope).find(AuthorView)
        async with scope.transaction():
            await NoteRepository(scope).insert_many([{"id": 99, "server": "written", "author_id": 1}])
        await server_of(scope)
        text = masked(scope.report())
        found = scope.report().to_dict(sql=False)
    assert re.sub(r", waited 0.0 ms", "", text) == dedent(
        """\
        4 statements in 0.0 ms, 1 round, 2 on replica-1, 2 on primary
          to replica-1: nothing was written
          find Author on replica-1: 3 rows, 0.0 ms
          Author.notes on replica-1: 3 keys -> 6 rows, 0.0 ms
          to primary: a transaction that may write
          insert Note on primary: 1 key -> 0 rows, 0.0 ms
          committed: 1 change, 0.0 ms
          round 1, quiet
            Note as NoteView: batch of 1 key, 0.0 ms
              Note by id on primary: 1 key -> 1 row, 0.0 ms
          to primary: no replica has replayed what was written within 0.1 s
        slowest: X
        """
    ).replace("slowest: X", text.splitlines()[-1])
    assert found["by_endpoint"] == {"replica-1": 2, "primary": 2}
    assert next(step for step in found["steps"] if "to" in step)["to"] == "replica-1"
    assert found["slowest"]["endpoint"] in {"replica-1", "primary"}


async def test_without_replicas_there_is_nothing_of_it(tmp_path: Path):
    async with files(tmp_path, replicas=[]) as db, db.scope() as scope:
        await AuthorRepository(scope).find(AuthorView)
        assert masked(scope.report()).splitlines()[:-1] == [
            "2 statements in 0.0 ms",
            "  find Author: 3 rows, 0.0 ms",
            "  Author.notes: 3 keys -> 6 rows, 0.0 ms",
        ]
        found = scope.report().to_dict()
        assert "by_endpoint" not in found
        assert not any("endpoint" in step or "to" in step for step in found["steps"])


def test_a_wait_that_took_long_is_shown_and_what_differs_in_its_server_is_not_one_line():
    log = EventLog()
    log.emit(RouteEvent("replica-2", "replica", "it has replayed what was written", 0.0123))
    log.emit(RouteEvent("primary", "primary", "a transaction that may write", 0.0001))
    for number in range(8):
        server = "replica-2" if number < 4 else "primary"
        log.emit(StatementEvent("count Note", "SELECT 1", None, 1, 0.001, endpoint=server))
    assert str(Report(log)).splitlines()[1:9] == [
        "  to replica-2: it has replayed what was written, waited 12.3 ms",
        "  to primary: a transaction that may write",
        "  count Note on replica-2: 1 row, 1.0 ms",
        "    SELECT 1",
        "  ... and 3 more like it: 3 statements, 3 rows, 3.0 ms",
        "  count Note on primary: 1 row, 1.0 ms",
        "    SELECT 1",
        "  ... and 3 more like it: 3 statements, 3 rows, 3.0 ms",
    ]
