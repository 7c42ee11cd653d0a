"""Whatever valid query a client sends to the store is answered; what cannot be answered is an error with a code."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig
from schemathesis.graphql import nodes

from examples.chinook.store import open_store
from examples.graphql_app.app import create_app
from examples.graphql_app.schema import create_schema
from tests.support.databases import sqlite_file_url
from tests.support.postgres import PostgresServer
from tests.support.serving import served

schemathesis.graphql.scalar("Decimal", st.decimals(-1000, 1000, places=2).map(str).map(nodes.String))
schemathesis.graphql.scalar("DateTime", st.datetimes().map(lambda time: nodes.String(time.isoformat())))

CODES = {"INVALID_ARGUMENT", "LIMIT_EXCEEDED", "NOT_FOUND", "CONFLICT", "INVALID"}
"""What a client may have done wrong in a query that is valid."""

SCHEMA = schemathesis.graphql.from_file(
    create_schema(open_store("sqlite+aiosqlite://")).as_str(),
    # A null in a filter is refused, and most filters would have one.
    config=SchemathesisConfig.from_dict({"generation": {"graphql-allow-null": False}}),
)
FIELDS = [result.ok() for result in SCHEMA.get_all_operations()]


@pytest.fixture(scope="module")
def on_sqlite(chinook_sqlite_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    copied = shutil.copyfile(chinook_sqlite_original, tmp_path_factory.mktemp("served") / "chinook.db")
    with served(create_app(sqlite_file_url(copied))) as address:
        yield address


@pytest.fixture(scope="module")
def on_postgresql(postgres_server: PostgresServer, chinook_postgres_original: str) -> Iterator[str]:
    with (
        postgres_server.database(template=chinook_postgres_original) as url,
        served(create_app(url)) as address,
    ):
        yield address


def with_plausible_pages(query: str) -> str:
    """The query with pages and keys that there are: nobody makes up a cursor."""
    query = re.sub(r"^ *(after|last|before): .*\n", "", query, flags=re.MULTILINE)
    query = re.sub(r"^( *)first: .*$", r"\1first: 3", query, flags=re.MULTILINE)
    return re.sub(r"^( *\w+\(id: )-?\d+\)", r"\g<1>1)", query, flags=re.MULTILINE)


def check(field: Any, address: str, *, examples: int) -> None:
    """Send queries of one root field, the same in every run."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=field.as_strategy(), plausible=st.booleans())
    def holds(case: Any, plausible: bool) -> None:
        if plausible:
            case.body = with_plausible_pages(case.body)
        answer = case.call(base_url=f"{address}/graphql")
        assert answer.status_code == 200, (case.body, answer.text)
        body = answer.json()
        for error in body.get("errors", ()):
            assert error.get("extensions", {}).get("code") in CODES, (case.body, error)
        assert body["data"] is not None or body["errors"]

    holds()


@pytest.mark.parametrize("field", FIELDS, ids=[field.label for field in FIELDS])
def test_on_sqlite(on_sqlite: str, field: Any):
    check(field, on_sqlite, examples=15)


@pytest.mark.parametrize("field", FIELDS, ids=[field.label for field in FIELDS])
def test_on_postgresql(on_postgresql: str, field: Any):
    check(field, on_postgresql, examples=8)
