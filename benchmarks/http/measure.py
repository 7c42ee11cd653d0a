"""Runs: all servers of a workload are up, and one client process asks them in turn, so that a slow minute hits all."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from statistics import quantiles
from typing import Any
from urllib.request import urlopen

import psutil

from benchmarks.data import Dataset
from benchmarks.http.client import HANG_SECONDS, Order, Outcome
from benchmarks.http.workload import HttpWorkload, Load, Server
from benchmarks.measure import Effort

START_SECONDS = 60
"""When a server that does not say its port is killed."""

COMPARED = 5
"""How many paths are asked for to see that all servers answer equally."""


def measure_http(
    workload: HttpWorkload, dataset: Dataset, effort: Effort, progress: Callable[[int], None]
) -> dict[str, Load]:
    """Check that all servers answer equally, then measure them in turn.

    Args:
        workload: the workload.
        dataset: what they read.
        effort: how long.
        progress: called with the number of finished rounds.

    Returns:
        What was measured, by server.

    Raises:
        AssertionError: two servers gave different answers.
        RuntimeError: a server or the client failed.
    """
    measured = {server.name: Load([], [], [], [], [], []) for server in workload.servers}
    with ExitStack() as started:
        running = {
            server.name: started.enter_context(serving(workload, server, dataset))
            for server in workload.servers
        }
        ports = {name: port for name, (port, _) in running.items()}
        check_equal_http(
            workload,
            dataset,
            {server.name: ports[server.name] for server in workload.servers if not server.floor},
        )
        paths = workload.paths(dataset)
        for port in ports.values():
            ask(Order(port, paths, workload.clients, effort.seconds, effort.requests))
        order = random.Random(1)
        names = list(running)
        for number in range(effort.runs):
            for name in order.sample(names, len(names)):
                port, process = running[name]
                before = _cpu(process)
                outcome = ask(Order(port, paths, workload.clients, effort.seconds, effort.requests))
                _add(measured[name], outcome, _cpu(process) - before)
            progress(number + 1)
    return measured


@contextmanager
def serving(
    workload: HttpWorkload,
    server: Server,
    dataset: Dataset,
    tool: Sequence[str] = (),
    seconds: float = START_SECONDS,
) -> Iterator[tuple[int, psutil.Process]]:
    """A server in a process of its own: its port and its process.

    Args:
        workload: the workload.
        server: one of its servers.
        dataset: what it reads.
        tool: a command that runs the server's, such as valgrind's.
        seconds: how long it may take to start.

    Raises:
        RuntimeError: it did not start.
    """
    command = [
        *(*tool, sys.executable, "-m", "benchmarks.http.serve"),
        *(dataset.url, str(dataset.scale), workload.name, server.name),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        watchdog = threading.Timer(seconds, child.kill)
        watchdog.start()
        try:
            said = child.stdout.readline().strip()
            watchdog.cancel()
            if not said.isdecimal():
                raise RuntimeError(f"{workload.name}/{server.name} did not start.")
            yield int(said), psutil.Process(child.pid)
        finally:
            watchdog.cancel()
            child.stdin.close()
            try:
                child.wait(timeout=HANG_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


def check_equal_http(workload: HttpWorkload, dataset: Dataset, ports: Mapping[str, int]) -> list[Any]:
    """All servers give the answers of the baseline.

    Args:
        workload: the workload.
        dataset: what is read.
        ports: of the servers, by name.

    Returns:
        Its answers to the first paths, as `HttpWorkload.plain` makes them.

    Raises:
        AssertionError: one does not, or an answer is empty.
    """
    expected: list[Any] = []
    for path in workload.paths(dataset)[:COMPARED]:
        answers = {name: workload.plain(_get(port, path)) for name, port in ports.items()}
        found = answers[workload.baseline]
        if not found:
            raise AssertionError(f"{workload.name}: {workload.baseline} gave an empty answer to {path}.")
        for name, answer in answers.items():
            if answer != found:
                raise AssertionError(
                    f"{workload.name}: {name} and {workload.baseline} answer {path} differently.\n"
                    f"{name}: {answer!r:.500}\n{workload.baseline}: {found!r:.500}"
                )
        expected.append(found)
    return expected


def _get(port: int, path: str) -> bytes:
    with urlopen(f"http://127.0.0.1:{port}{path}", timeout=HANG_SECONDS) as response:
        return bytes(response.read())


def ask(order: Order) -> Outcome:
    """Let a client of a process of its own make requests.

    Raises:
        RuntimeError: it failed; the message has its output.
    """
    command = [sys.executable, "-m", "benchmarks.http.client"]
    done = subprocess.run(
        command,
        input=json.dumps(asdict(order)),
        capture_output=True,
        text=True,
        check=False,
        timeout=order.seconds + 2 * HANG_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"The client failed:\n{done.stderr[-3_000:]}")
    return Outcome(**json.loads(done.stdout))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _add(load: Load, outcome: Outcome, cpu: float) -> None:
    times = outcome.times
    hundredths = quantiles(times, n=100, method="inclusive")
    load.rates.append(len(times) / outcome.seconds)
    load.p50.append(hundredths[49])
    load.p95.append(hundredths[94])
    load.p99.append(hundredths[98])
    load.cpu.append(cpu / len(times) * 1e3)
    load.client.append(outcome.cpu / outcome.seconds)
