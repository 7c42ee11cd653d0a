"""What docs/graphql.md shows runs on the Chinook store, in the number of statements that it says."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import fields
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import ColumnElement, make_url

from batchrepo import Database
from batchrepo.integrations import strawberry as plug
from batchrepo.testing.counting import statement_counter
from examples.chinook import models, repositories
from examples.chinook.store import open_store
from tests.docs.pages import ROOT, run_block, text_of
from tests.support.databases import sqlite_file_url

PAGE = ROOT / "docs" / "graphql.md"
BLOCKS = re.findall(r"^```(python|graphql)\n(.*?)^```$", text_of(PAGE), re.MULTILINE | re.DOTALL)


@pytest.fixture(params=["chinook_sqlite", "chinook_postgres_copy"])
def own_url(request: pytest.FixtureRequest) -> str:
    """A store of the test's own: the page writes."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
async def db(own_url: str) -> AsyncIterator[Database]:
    async with open_store(own_url) as database:
        yield database


@pytest.fixture
def page(db: Database) -> Iterator[ModuleType]:
    """The module that the page is: types find each other by their names there."""
    module = ModuleType("graphql_guide")
    module.__dict__.update(vars(repositories) | vars(models) | {"__name__": module.__name__})
    module.__dict__.update(db=db, ColumnElement=ColumnElement)
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


async def run_until(page: ModuleType, last: str = "") -> list[tuple[str, Any, int]]:
    """Run the page up to the block with a text; gives each query with its answer and its number of statements."""
    answers = []
    for kind, block in BLOCKS:
        if kind == "python":
            await run_block(block, PAGE, page.__dict__)
        else:
            with statement_counter(page.db.engine) as seen:
                answers.append((block, await page.schema.execute(block), seen.count))
        if last and last in block:
            break
    return answers


async def test_every_query_takes_what_is_written_above_it(page):
    answers = await run_until(page)
    assert len(answers) == 10
    for query, answer, statements in answers:
        assert answer.errors is None, (query, answer.errors)
        written = re.match(r"# (\d+) statements?\b", query)
        assert written, query
        # Of many rows, SQLite's driver runs the statement itself, which SQLAlchemy does not hear of.
        sqlite = page.db.engine.dialect.name == "sqlite"
        # PostgreSQL writes the rows of the first answer by one statement, beside their number.
        expected = 2 if "totalCount" in query and not sqlite else int(written[1])
        assert statements + ("createAlbums(" in query and sqlite) == expected, query


async def test_the_first_query_finds_what_it_says(page):
    ((_, answer, _),) = await run_until(page, "{title: {icontains")
    assert answer.data["albums"]["totalCount"] == 7
    durations = [edge["node"]["duration"] for edge in answer.data["albums"]["edges"]]
    assert durations == sorted(durations, reverse=True)
    assert len(durations) == 5


async def test_the_table_of_filters(page):
    rows = re.findall(r"^\|.*\| `(\{.*\})` \|$", text_of(PAGE), re.MULTILINE)
    assert len(rows) == 5
    await run_until(page, "def albums_under")
    for where in rows:
        answer = await page.schema.execute(f"{{ albums(where: {where}) {{ totalCount }} }}")
        assert answer.errors is None, where
        assert 0 < answer.data["albums"]["totalCount"] < 347, where


async def test_the_error_that_is_shown(page):
    await run_until(page, "def albums_under")
    answer = await page.schema.execute("{ album(id: 9999) { title } }")
    (shown,) = re.findall(r'^\{"message".*\}$', text_of(PAGE), re.MULTILINE)
    assert [error.formatted for error in answer.errors] == [json.loads(shown)]


async def test_a_type_for_administrators(page):
    await run_until(page, "class IsAdmin")
    query = "{ adminAlbums { artistId } }"
    refused = await page.schema.execute(query, context_value="somebody")
    assert [error.message for error in refused.errors] == ["For administrators."]
    allowed = await page.schema.execute(query, context_value="admin")
    assert (allowed.errors, len(allowed.data["adminAlbums"])) == (None, 348)  # one of them was created


async def test_limits(page):
    await run_until(page, "limits = Limits")
    answer = await page.schema.execute("{ __schema { types { name } } }")
    assert [error.extensions["code"] for error in answer.errors] == ["INTROSPECTION_CLOSED"]
    table = text_of(PAGE).partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \| (\S.*?) \|", table, re.MULTILINE)
    told = {
        name: value
        for names, values in rows
        for name, value in zip(re.findall(r"\w+", names), values.split(", "), strict=True)
    }
    known = {field.name: field.default for field in fields(plug.Limits)}
    shown = {name: f"{value:,}" for name, value in known.items() if name != "introspection"}
    assert told == shown | {"introspection": "open"}
    assert known["introspection"] is True


async def test_each_event_reads_what_is_selected(page):
    async def keys() -> AsyncIterator[int]:
        yield 1
        yield 2

    await run_until(page)
    page.keys_of_new_albums = keys
    stream = await page.watched.subscribe("subscription { newAlbums { artist { name } } }")
    seen = [event.data["newAlbums"]["artist"]["name"] async for event in stream]
    assert seen == ["AC/DC", "Accept"]


@pytest.mark.parametrize("own_url", ["chinook_sqlite"], indirect=True)
async def test_replicas(page, own_url, tmp_path):
    """A second file is the replica."""
    replica = shutil.copy(make_url(own_url).database, tmp_path / "replica.db")
    await run_until(page)
    async with open_store(own_url, [sqlite_file_url(replica)]) as page.db:
        async with page.db.scope() as scope, scope.transaction():
            (await repositories.AlbumRepository(scope).get(1)).title = "Renamed"
        token = page.db.tokens.write(await scope.consistency_token())

        async def titles(**options: Any) -> set[str]:
            answer = await page.live.execute("{ albums { title } }", **options)
            return {album["title"] for album in answer.data["albums"]}

        for context in ({}, {"connection_params": None}):
            assert "Renamed" not in await titles(context_value=context)
        assert "Renamed" in await titles(context_value={"connection_params": {"consistencyToken": token}})
        assert "Renamed" in await titles(context_value={}, operation_extensions={"consistencyToken": token})


def test_every_name_of_the_plug_is_there():
    for name in plug.__all__:
        assert re.search(rf"\b{name}\b", text_of(PAGE)) or name == "Edge", name
