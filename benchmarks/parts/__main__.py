"""Counts the instructions of each part of a nested read: ``python -m benchmarks.parts``.

Prints the table of docs/performance.md. Needs valgrind; a PostgreSQL of its own is started and removed, unless
``--url`` names one that `benchmarks.data.fill` has filled.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.data import Dataset, fill
from benchmarks.instructions import switch, valgrind_missing
from benchmarks.parts.report import table
from benchmarks.server import private_postgres


def main() -> None:
    """Count, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="of the data; 1 is 100,000 posts")
    parser.add_argument("--requests", type=int, default=10, help="how many of each part are counted")
    parser.add_argument("--url", help="of a filled database")
    asked = parser.parse_args()
    missing = valgrind_missing()
    if missing is not None:
        sys.exit(f"Instructions cannot be counted: {missing}.")
    if asked.url:
        print(table(count(Dataset(asked.url, asked.scale), asked.requests)))
        return
    with private_postgres() as url:
        dataset = Dataset(url, asked.scale)
        asyncio.run(fill(dataset))
        print(table(count(dataset, asked.requests)))


def count(dataset: Dataset, requests: int) -> dict[str, float]:
    """Thousand instructions of each section."""
    with tempfile.TemporaryDirectory(prefix="batchrepo-parts-") as folder:
        output = Path(folder) / "out"
        command = [
            *("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"),
            *(sys.executable, "-m", "benchmarks.parts.child"),
            *(dataset.url, str(dataset.scale), str(requests)),
        ]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore"}
        names: list[str] = []
        pipe = subprocess.PIPE
        with (
            (Path(folder) / "errors").open("w+") as errors,
            subprocess.Popen(
                command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=errors
            ) as child,
        ):
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                while (line := child.stdout.readline().strip()) not in ("", "end"):
                    # Instructions are counted throughout: to switch it each time would translate the code anew.
                    if line == "ready":
                        switch(child.pid, "on")
                    elif line == "done":
                        _control("--dump", child.pid)
                    else:
                        names.append(line)
                        _control("--zero", child.pid)
                    child.stdin.write("go\n")
                    child.stdin.flush()
                if line != "end":
                    errors.seek(0)
                    raise RuntimeError(f"The child failed after {names}:\n{errors.read()[-3_000:]}")
                child.stdin.write("go\n")
                child.stdin.flush()
                child.wait()
            finally:
                child.kill()
        return {
            name: _total(Path(f"{output}.{number}")) / requests / 1e3 for number, name in enumerate(names, 1)
        }


def _control(what: str, pid: int) -> None:
    """Forget what was counted, or write it to a file of its own."""
    command = ["callgrind_control", what, str(pid)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _total(output: Path) -> int:
    found = re.search(r"^summary: (\d+)", output.read_text(), re.MULTILINE)
    assert found is not None, f"callgrind wrote no total to {output}"
    return int(found.group(1))


if __name__ == "__main__":
    main()
