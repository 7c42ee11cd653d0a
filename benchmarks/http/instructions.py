"""Instructions of the server's process per request, counted by valgrind: nearly free of noise, the kernel's left out."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from benchmarks.data import Dataset
from benchmarks.http.client import Order
from benchmarks.http.measure import ask, serving
from benchmarks.http.workload import HttpWorkload, Server
from benchmarks.instructions import LIMIT_SECONDS, WARM_UP, switch


def count_http_instructions(
    workload: HttpWorkload, server: Server, dataset: Dataset, requests: int, keep: Path | None = None
) -> float:
    """Millions of instructions per request of one client.

    Args:
        workload: the workload.
        server: one of its servers.
        dataset: what it reads.
        requests: how many requests are counted.
        keep: where to leave callgrind's output, for `callgrind_annotate`.

    Raises:
        RuntimeError: the server or the client failed.
    """
    with tempfile.TemporaryDirectory(prefix="batchrepo-callgrind-") as folder:
        output = keep or Path(folder) / "callgrind.out"
        tool = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"]
        paths = workload.paths(dataset)
        with serving(workload, server, dataset, tool, LIMIT_SECONDS) as (port, process):
            ask(Order(port, paths, 1, LIMIT_SECONDS, WARM_UP))
            switch(process.pid, "on")
            asked = len(ask(Order(port, paths, 1, LIMIT_SECONDS, requests)).times)
            switch(process.pid, "off")
        found = re.search(r"^totals: (\d+)", output.read_text(), re.MULTILINE)
    if found is None:
        raise RuntimeError(f"{workload.name}/{server.name}: callgrind wrote no total.")
    return int(found.group(1)) / asked / 1e6
