"""What a run leaves for programs."""

from __future__ import annotations

import json

from benchmarks.report import write


def test_records_of_workloads_that_did_not_run_stay(tmp_path):
    path = tmp_path / "results.json"
    write([{"workload": "a", "value": 1}, {"workload": "b", "value": 2}], path)
    write([{"workload": "b", "value": 3}, {"workload": "c", "value": 4}], path)
    assert json.loads(path.read_text()) == [
        {"workload": "a", "value": 1},
        {"workload": "b", "value": 3},
        {"workload": "c", "value": 4},
    ]
