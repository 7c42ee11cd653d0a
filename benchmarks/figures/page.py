"""docs/benchmarks.md: what is measured, against whom, the ratios, their spread, and what became of the targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.figures.numbers import dashed, milliseconds, ratio
from benchmarks.machine import BUSY
from benchmarks.results import Record, Results

_HEAD = """# Benchmarks

<!-- Made of benchmarks/results.json by `python -m benchmarks.figures`: what is changed here is lost. -->

batchrepo side by side with what else answers the same request. `make bench` measures everything again, on a PostgreSQL of its own, and
makes this page; `make bench-quick` prints the most important ratios in two minutes. Before anything is measured, all stacks must give
equal answers. They take turns, in an order that is shuffled anew in each round; what is told is the median, and between which times
four of five requests were (p10 .. p90). **Read the ratios**, which compare stacks of one run: milliseconds are those of one machine.
[What is fair, and why](../benchmarks/README.md#what-is-fair-and-why) says how every stack is set up.

![How many times as long as batchrepo each stack takes](benchmarks-stacks.svg)
"""

_GROWTH = """
The exponent is the slope of the line with the least squares through the logarithms of size and median time: 1 is a cost
that is proportional to the number of parents. Over all sizes it is flattered by what a request costs in any case, so it is also given from
100 parents on, and between each size and the next; one target holds the fit over all, a stricter one the worst of the latter.

![Cost against the number of parents, on logarithmic axes](benchmarks-growth.svg)
"""

_GLOSSARY = """
**x** is the median divided by that of the stack that has 1.00. **CPU** is that of the client's process, **server** that of the database's processes for the
connection. **Mi** are millions of instructions of the client for a request, counted by valgrind: nearly free of noise.
"""


def page(results: Results) -> str:
    """The whole page, as Markdown."""
    parts = [_HEAD, _promises(results), _runs(results), "## The workloads\n", _GLOSSARY.strip() + "\n"]
    parts += [_workload(name, results) for name in results.workloads]
    return "\n".join(parts)


def _promises(results: Results) -> str:
    targets = [record for record in results.records if "target" in record]
    missed = [record for record in targets if record["met"] is False]
    unmeasured = [record for record in targets if record["met"] is None]
    lines = [
        "## Targets\n",
        f"{len(targets)} targets: {len(targets) - len(missed) - len(unmeasured)} met, {len(missed)} missed"
        + (f", {len(unmeasured)} not measured" if unmeasured else "")
        + ". All of them are below, with their workloads.\n",
    ]
    if missed:
        rows = [(_link(record["workload"]), record["target"], dashed(record["value"])) for record in missed]
        lines.append(_table(("missed in", "target", "came"), "llr", rows))
    return "\n".join(lines)


def _link(workload: str) -> str:
    return f"[`{workload}`](#{workload})"


def _runs(results: Results) -> str:
    rows = [
        (
            run["date"],
            *_made_on(run),
            f"{run['scale']:g}",
            ", ".join(run["workloads"]),
        )
        for run in results.runs
    ]
    packages = [
        f"{run['date']}: {', '.join(f'{name} {version}' for name, version in run['packages'].items())}."
        for run in results.runs
        if run["packages"]
    ]
    lines = [
        "## The runs\n",
        "Milliseconds of one run may be compared; those of different runs only by their ratios.\n",
        _table(("date", "machine", "versions", "scale", "workloads"), "lllrl", rows),
    ]
    if packages:
        lines.append("Packages. " + " ".join(packages) + "\n")
    return "\n".join(lines)


def _made_on(run: Mapping[str, Any]) -> tuple[str, str]:
    """Machine and versions. Records from before runs said so have none."""
    if run["cpu"] is None:
        return "not recorded", "not recorded"
    return (
        f"{run['cpu']}, {run['cores']} cores, {run['system']}",
        f"Python {run['python']}, PostgreSQL {run['postgresql']}",
    )


def _workload(name: str, results: Results) -> str:
    about, run, records = results.about(name), results.run_of(name), results.of(name)
    lines = [f"### {name}\n", f"{_sentence(about['title'])} {_measured(run, about)}\n"]
    if name == "growth":
        lines.append(_GROWTH.strip() + "\n")
        lines += [_growth_table(records)]
    else:
        lines += [_stack_table(records)]
    if about["stacks"]:
        told = [f"- `{stack}`: {what}" for stack, what in about["stacks"].items()]
        lines.append("\n".join(told) + "\n")
    targets = [
        (record["target"], dashed(record["value"]), _became(record["met"]))
        for record in records
        if "target" in record
    ]
    if targets:
        lines.append(_table(("target", "came", ""), "lrl", targets))
    return "\n".join(lines)


def _sentence(title: str) -> str:
    return title[0].upper() + title[1:] + "."


def _measured(run: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    if about["busy"] is None:
        quiet = "how busy the machine was is not recorded"
    elif about["busy"] > BUSY:
        quiet = f"**the machine was busy** with {about['busy']:.0%} of its processors' time when it began"
    else:
        quiet = "the machine had nothing else to do"
    rounds = "rounds not recorded" if about["rounds"] is None else f"{about['rounds']} rounds"
    return f"Measured {run['date']}, {rounds}; {quiet}."


def _became(met: bool | None) -> str:
    return {True: "met", False: "**missed**", None: "not measured"}[met]


Column = tuple[str, Callable[[Record], str]]


def _stack_table(records: Sequence[Record]) -> str:
    stacks = [record for record in records if "stack" in record]
    by_name = {record["stack"]: record for record in stacks}

    def times(record: Record) -> str:
        other = by_name[record["baseline"]]
        value = "median_ms" if "median_ms" in record else "requests_per_s"
        return ratio(record[value] / other[value])

    possible: list[tuple[str, Column]] = [
        ("median_ms", ("median ms", lambda record: milliseconds(record["median_ms"]))),
        ("spread", ("p10 .. p90", lambda record: " .. ".join(map(milliseconds, record["spread"])))),
        ("requests_per_s", ("requests/s", lambda record: f"{record['requests_per_s']:,.0f}")),
        ("baseline", ("x", times)),
        ("p50_ms", ("p50 ms", lambda record: milliseconds(record["p50_ms"]))),
        ("p95_ms", ("p95 ms", lambda record: milliseconds(record["p95_ms"]))),
        ("p99_ms", ("p99 ms", lambda record: milliseconds(record["p99_ms"]))),
        ("cpu_ms", ("CPU ms", lambda record: dashed(record["cpu_ms"]))),
        ("server_cpu_ms", ("server ms", lambda record: dashed(record["server_cpu_ms"]))),
        ("primary_cpu_ms", ("primary's CPU ms", lambda record: dashed(record["primary_cpu_ms"]))),
        ("instructions", ("Mi", lambda record: dashed(record["instructions"], 1))),
        ("instructions_mi", ("Mi", lambda record: dashed(record["instructions_mi"], 1))),
        ("peak_mb", ("peak MB", lambda record: dashed(record["peak_mb"], 0))),
        ("seconds", ("seconds", lambda record: dashed(record["seconds"], 1))),
        ("rows", ("rows", lambda record: f"{record['rows']:,}")),
        ("writes", ("writes", lambda record: f"{record['writes']:,}")),
        ("stale", ("stale reads", lambda record: f"{record['stale']:,}")),
    ]
    columns = [column for key, column in possible if any(record.get(key) is not None for record in stacks)]
    rows = [(f"`{record['stack']}`", *(said(record) for _, said in columns)) for record in stacks]
    return _table(("", *(heading for heading, _ in columns)), "l" + "r" * len(columns), rows)


def _growth_table(records: Sequence[Record]) -> str:
    sizes = sorted({record["parents"] for record in records if "parents" in record})
    rows = []
    for record in records:
        if "exponent" not in record:
            continue
        of = {
            each["parents"]: each
            for each in records
            if each.get("stack") == record["stack"] and "parents" in each
        }
        rows.append(
            (
                f"`{record['stack']}`",
                *(milliseconds(of[size]["median_ms"]) if size in of else "" for size in sizes),
                " ".join(f"{each['statements']:,}" for each in of.values()),
                dashed(record["exponent"]),
                dashed(record["exponent_settled"]),
                " ".join(f"{value:.2f}" for value in record["local_exponents"]),
            )
        )
    headings = (
        "",
        *(f"ms, N = {size:,}" for size in sizes),
        "statements",
        "exponent",
        "N >= 100",
        "from size to size",
    )
    return _table(headings, "l" + "r" * (len(headings) - 1), rows)


def _table(headings: Sequence[str], aligned: str, rows: Sequence[Sequence[str]]) -> str:
    lines = [
        f"| {' | '.join(headings)} |",
        f"|{'|'.join('---:' if side == 'r' else '---' for side in aligned)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]
    return "\n".join(lines).replace("|  |", "| |") + "\n"
