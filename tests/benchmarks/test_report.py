"""What a run leaves for programs, and what it says while it runs."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rich.console import Console

from benchmarks.data import Dataset
from benchmarks.machine import run_header, server_version
from benchmarks.measure import Effort
from benchmarks.results import Results, read, write
from benchmarks.running import run_all
from benchmarks.timing import UNKNOWN, Estimate
from benchmarks.workload import Request, Stack, Target, Workload


def run_of(date: str, *workloads: str) -> dict[str, object]:
    return {"date": date, "workloads": {name: {"title": name, "rounds": 1} for name in workloads}}


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "results.json"
    assert read(path) == Results()
    written = Results([run_of("1", "a")], [{"workload": "a", "value": 1}])
    write(written, path)
    assert read(path) == written
    assert json.loads(path.read_text()) == {"runs": written.runs, "records": written.records}


def test_records_of_workloads_that_did_not_run_stay_with_their_run():
    first = [{"workload": "a", "value": 1}, {"workload": "b", "value": 2}]
    results = Results().followed_by(run_of("1", "a", "b"), first, ["a", "b", "c"])
    second = [{"workload": "c", "value": 4}, {"workload": "b", "value": 3}]
    results = results.followed_by(run_of("2", "b", "c"), second, ["a", "b", "c"])
    assert [record["value"] for record in results.records] == [1, 3, 4]
    assert {name: results.run_of(name)["date"] for name in results.workloads} == {
        "a": "1",
        "b": "2",
        "c": "2",
    }
    assert [list(run["workloads"]) for run in results.runs] == [["a"], ["b", "c"]]


def test_a_run_of_which_nothing_is_left_and_a_workload_that_is_no_more_are_forgotten():
    results = Results().followed_by(
        run_of("1", "a", "old"), [{"workload": "a"}, {"workload": "old"}], ["a", "old"]
    )
    results = results.followed_by(run_of("2", "a"), [{"workload": "a"}], ["a"])
    assert [run["date"] for run in results.runs] == ["2"]
    assert results.workloads == ["a"]
    with pytest.raises(KeyError, match=r"No run measured old\. Measured: a"):
        results.run_of("old")


async def test_the_header_says_what_the_numbers_depend_on_and_no_names(postgres_url: str):
    header = run_header(await server_version(postgres_url), 0.5)
    assert header["postgresql"].split(".")[0].isdecimal()
    assert header["packages"]["sqlalchemy"].startswith("2.1")
    assert header["cores"] >= 1
    assert header["cpu"]
    text = json.dumps(header)
    assert socket.gethostname() not in text
    assert "/" not in json.dumps({**header, "cpu": ""})


def workload_of(name: str, answer: object) -> Workload:
    @asynccontextmanager
    async def opened(_dataset: Dataset) -> AsyncIterator[Request]:
        async def request() -> object:
            if isinstance(answer, Exception):
                raise answer
            return answer

        yield request

    target = Target(f"{name} never", lambda _measured: 2.0, at_most=1)
    return Workload(name, name, [Stack("only", "it", opened)], ["only"], lambda found: found, [target])


def test_a_workload_that_fails_is_told_of_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.running.busy", lambda: 0.75)
    said = io.StringIO()
    outcome = run_all(  # where no database is, there is no CPU time of it either
        Console(file=said, width=200),
        [workload_of("bad", ValueError("no rows")), workload_of("good", [1])],
        Dataset("sqlite+aiosqlite://", 0.1),
        Effort(warm_up=1, rounds=2, counted=0),
        Estimate({"bad": 30, "good": 45}, ["bad", "good"]),
    )
    assert outcome.failed == {"bad": "ValueError: no rows"}
    assert list(outcome.workloads) == ["good"]
    assert outcome.workloads["good"]["stacks"] == {"only": "it"}
    assert {record["workload"] for record in outcome.records} == {"good"}
    assert outcome.met is False, "the target of the other is missed, which is no failure"
    assert "1 of 2: bad; about 75 seconds remain" in said.getvalue()
    assert "ValueError: no rows" in said.getvalue()
    assert said.getvalue().count("The machine is busy: 75% of its processors' time") == 2
    assert outcome.workloads["good"]["busy"] == 0.75


def test_what_remains_is_estimated_by_earlier_runs_and_by_the_pace_of_this_one():
    estimate = Estimate({"a": 100, "b": 300}, ["a", "b", "new"])
    assert estimate.seconds == 400 + UNKNOWN
    estimate.finished("a", 50)  # twice as fast as before
    assert estimate.seconds == (300 + UNKNOWN) / 2
    assert estimate.said() == "about 3 minutes remain"
    estimate.finished("b", 150)
    assert estimate.said() == "about 30 seconds remain"
