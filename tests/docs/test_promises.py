"""Every test that tests/README.md names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, code_spans, text_of

PAGE = ROOT / "tests" / "README.md"
NAMED = [span for span in code_spans(text_of(PAGE)) if "::" in span]


def functions(body: list[ast.stmt]) -> set[str]:
    return {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def defined_in(path: Path) -> set[str]:
    """The tests of a file, such as `test_it` and `TestThem::test_one`, those of shipped suites included."""
    body = ast.parse(text_of(path)).body
    found = functions(body)
    for node in (node for node in body if isinstance(node, ast.ClassDef)):
        names = functions(node.body)
        if any(isinstance(base, ast.Name) and base.id == "RelationContract" for base in node.bases):
            from batchrepo.testing.contract.relations import RelationContract

            names |= set(vars(RelationContract))
        found |= {f"{node.name}::{name}" for name in names}
    return found


def is_missing(name: str) -> bool:
    path, _, test = name.partition("::")
    return not (ROOT / path).is_file() or test not in defined_in(ROOT / path)


def test_the_page_names_tests():
    rows = [line for line in text_of(PAGE).splitlines() if line.startswith("| ")]
    headers = sum(line == "| promise | test |" for line in rows)
    assert headers == 9
    assert len(NAMED) == len(rows) - headers, "a row names one test"
    assert len(set(NAMED)) == len(NAMED)
    assert all(re.search(r"::test_\w+$", name) for name in NAMED)


@pytest.mark.parametrize("name", NAMED)
def test_a_named_test_exists(name: str):
    assert not is_missing(name)


@pytest.mark.parametrize(
    "name",
    [
        "tests/nothing.py::test_the_page_names_tests",
        "tests/docs/test_promises.py::test_nothing",
        "tests/contract/test_relations.py::TestRelations::test_nothing",
    ],
)
def test_a_missing_test_is_noticed(name: str):
    assert is_missing(name)
