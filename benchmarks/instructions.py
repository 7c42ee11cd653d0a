"""Instructions of this side per request, counted by valgrind: nearly free of noise.

A child process opens one stack and warms up while valgrind only translates; then counting is switched
on from outside, the child answers some requests, and counting is switched off.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

from benchmarks.data import Dataset
from benchmarks.workload import Stack, Workload

WARM_UP = 20
"""Requests before counting starts."""

LIMIT_SECONDS = 300
"""When a child that says nothing any more is killed."""


def valgrind_missing() -> str | None:
    """Why instructions cannot be counted on this machine, or None."""
    for tool in ("valgrind", "callgrind_control"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


def count_instructions(
    workload: Workload, stack: Stack, dataset: Dataset, requests: int, keep: Path | None = None
) -> float:
    """Millions of instructions per request.

    Args:
        workload: the workload.
        stack: one of its stacks.
        dataset: what it reads.
        requests: how many requests are counted.
        keep: where to leave callgrind's output, for `callgrind_annotate`.

    Raises:
        RuntimeError: the child failed; the message has its output.
    """
    with tempfile.TemporaryDirectory(prefix="batchrepo-callgrind-") as folder:
        output = keep or Path(folder) / "callgrind.out"
        command = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={output}",
            *(sys.executable, "-m", "benchmarks.counted"),
            *(dataset.url, str(dataset.scale), workload.name, stack.name, str(WARM_UP), str(requests)),
        ]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
        with (Path(folder) / "errors").open("w+") as errors:
            try:
                _converse(command, environment, errors)
            except (RuntimeError, subprocess.SubprocessError, OSError) as error:
                errors.seek(0)
                said = errors.read()[-3_000:]
                raise RuntimeError(f"{workload.name}/{stack.name} under valgrind: {error}\n{said}") from error
        found = re.search(r"^totals: (\d+)", output.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{workload.name}/{stack.name}: callgrind wrote no total.")
    return int(found.group(1)) / requests / 1e6


def _converse(command: list[str], environment: dict[str, str], errors: IO[str]) -> None:
    """Run the child and switch counting on while it answers requests."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=errors
    ) as child:
        watchdog = threading.Timer(LIMIT_SECONDS, child.kill)
        watchdog.start()
        try:
            _expect(child, "ready")
            switch(child.pid, "on")
            _tell(child, "go")
            _expect(child, "done")
            switch(child.pid, "off")
            _tell(child, "end")
            child.wait()
        finally:
            watchdog.cancel()
            child.kill()


def _expect(child: subprocess.Popen[str], word: str) -> None:
    assert child.stdout is not None
    line = child.stdout.readline().strip()
    if line != word:
        raise RuntimeError(f"expected {word!r} from the child, got {line!r}")


def _tell(child: subprocess.Popen[str], word: str) -> None:
    assert child.stdin is not None
    child.stdin.write(f"{word}\n")
    child.stdin.flush()


def switch(pid: int, state: str) -> None:
    """Switch counting ``on`` or ``off`` in a process under callgrind."""
    command = ["callgrind_control", f"--instr={state}", str(pid)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
