"""What `results.json` holds: records, and for each workload the run that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
"""Where `make bench` leaves what it measured."""

Record = dict[str, Any]
"""What was measured of one stack, or became of one target."""


@dataclass(frozen=True)
class Results:
    """What was measured, by one run or by several.

    Attributes:
        runs: each with what it ran on and, by name, the workloads whose records are its own.
        records: in the order in which workloads run.
    """

    runs: Sequence[Mapping[str, Any]] = ()
    records: Sequence[Record] = field(default_factory=list)

    def of(self, workload: str) -> list[Record]:
        """The records of a workload."""
        return [record for record in self.records if record["workload"] == workload]

    def run_of(self, workload: str) -> Mapping[str, Any]:
        """The run that measured a workload.

        Raises:
            KeyError: none did.
        """
        for run in self.runs:
            if workload in run["workloads"]:
                return run
        raise KeyError(f"No run measured {workload}. Measured: {', '.join(self.workloads) or 'nothing'}.")

    def about(self, workload: str) -> Mapping[str, Any]:
        """What a run says of one of its workloads: title, stacks, rounds, seconds, and how busy the machine was."""
        found: Mapping[str, Any] = self.run_of(workload)["workloads"][workload]
        return found

    @property
    def workloads(self) -> list[str]:
        """The names of all that were measured, in the order of their records."""
        return list(dict.fromkeys(record["workload"] for record in self.records))

    def followed_by(self, run: Mapping[str, Any], records: Sequence[Record], order: Sequence[str]) -> Results:
        """These with those of a later run in place of the ones that it measured anew.

        Args:
            run: the later run.
            records: its own.
            order: the names of all workloads, as they run; what is not among them any more is left out.
        """
        again = run["workloads"].keys()
        earlier = [
            {**each, "workloads": kept}
            for each in self.runs
            if (
                kept := {
                    name: about
                    for name, about in each["workloads"].items()
                    if name not in again and name in order
                }
            )
        ]
        stay = [record for record in self.records if record["workload"] not in again]
        place = {name: number for number, name in enumerate(order)}
        merged = [record for record in (*stay, *records) if record["workload"] in place]
        return Results([*earlier, run], sorted(merged, key=lambda record: place[record["workload"]]))


def read(path: Path = RESULTS) -> Results:
    """What was measured so far; nothing where there is no file."""
    if not path.exists():
        return Results()
    found = json.loads(path.read_text(encoding="utf-8"))
    return Results(found["runs"], found["records"])


def write(results: Results, path: Path = RESULTS) -> None:
    """Write a JSON object, a run or a record a line, so that a difference can be read."""
    runs, records = (
        ",\n".join(json.dumps(each, ensure_ascii=False) for each in part)
        for part in (results.runs, results.records)
    )
    path.write_text(f'{{\n"runs": [\n{runs}\n],\n"records": [\n{records}\n]\n}}\n', encoding="utf-8")
