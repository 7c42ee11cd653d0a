"""What docs/performance.md shows runs, and the switches that it names exist."""

from __future__ import annotations

import inspect
import re

import pytest

from batchrepo import Database
from batchrepo.testing import statement_counter
from benchmarks.parts.report import INSIDE, PARTS, table
from benchmarks.parts.sections import WAYS
from examples.chinook.repositories import AlbumRepository
from examples.chinook.store import open_store
from examples.chinook.views import AlbumItem
from tests.docs.pages import ROOT, names_of, text_of

PAGE = ROOT / "docs" / "performance.md"


async def test_what_it_shows_is_one_statement_on_postgresql(chinook_url: str):
    async with open_store(chinook_url) as db:
        with statement_counter(db.engine) as seen:
            names = await names_of(PAGE, db=db, AlbumRepository=AlbumRepository, AlbumView=AlbumItem)
    assert names["body"].startswith(b'[{"')
    assert (seen.count == 1) == (db.engine.dialect.name == "postgresql")


def test_its_switches_are_arguments_of_a_database():
    named = set(re.findall(r"Database\([^`]*?\b(\w+)=", text_of(PAGE)))
    assert named == {"driver_path", "inline_lookups"}
    assert named <= set(inspect.signature(Database).parameters)


def test_its_table_has_the_parts_that_are_counted():
    numbers = {
        f"{way}: {name}": 1_000.0
        for way in WAYS
        for name in (
            *("request", "scope", "checkout", "statements", "driver", "lookup", "greenlets"),
            *("rows", "grouping", "validation", "serialisation"),
        )
    }
    made = table({**numbers, "one: transaction": 3.0, "one: autocommit": 1.0})
    rows = re.findall(r"^\| ([^|]+) \|", made, re.MULTILINE)
    assert len(rows) == len(PARTS) + len(INSIDE) + 3
    shown = text_of(PAGE)
    assert [row for row in rows if f"| {row} |" not in shown] == []


@pytest.mark.parametrize("way", WAYS)
def test_each_column_is_explained(way: str):
    assert f"*{way}*" in text_of(PAGE)
