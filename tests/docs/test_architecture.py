"""docs/architecture.md tells of the house as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import batchrepo
from tests.docs.pages import ARCHITECTURE, code_spans, text_of

HOUSE = Path(batchrepo.__file__).parent
"""The package: below `src`, or where the wheel was installed."""


def rooms() -> dict[str, str]:
    """The rows of the table of rooms: the names in the first column to the second column."""
    section = text_of(ARCHITECTURE).partition("\n## The rooms\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+) \|$", section, re.MULTILINE)
    return {name: told for names, told in rows for name in code_spans(names)}


def built() -> set[str]:
    folders = {f"{path.parent.name}/" for path in HOUSE.glob("*/__init__.py")}
    modules = {path.name for path in HOUSE.glob("*.py")} - {"__init__.py"}
    return folders | modules


def test_every_room_is_named_and_no_other():
    assert set(rooms()) == built()


@pytest.mark.parametrize("room", sorted(name for name in built() if name.endswith("/")))
def test_modules_named_in_a_room_are_there(room: str):
    named = {span for span in code_spans(rooms()[room]) if re.fullmatch(r"\w+\.py", span)}
    assert named <= {path.name for path in (HOUSE / room).rglob("*.py")}


def test_modules_named_by_their_path_are_there():
    named = {span for span in code_spans(text_of(ARCHITECTURE)) if re.fullmatch(r"(\w+/)+\w+\.py", span)}
    inside = {path for path in named if not path.startswith("src/")}
    assert inside, "the page names no module by its path"
    assert [path for path in sorted(inside) if not (HOUSE / path).is_file()] == []
    beside = {path for path in named if path.startswith("src/")}
    assert [path for path in sorted(beside) if not (HOUSE.parent / path.removeprefix("src/")).is_file()] == []
