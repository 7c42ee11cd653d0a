"""Whatever a client sends to the store, within its OpenAPI description or beside it, is answered as described."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.fastapi_app.app import create_app
from tests.support.conformance import cases_of, check
from tests.support.databases import sqlite_file_url
from tests.support.postgres import PostgresServer
from tests.support.serving import served

RIGHT, WRONG = cases_of(create_app("sqlite+aiosqlite://"))


@pytest.fixture(scope="module")
def on_sqlite(chinook_sqlite_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    copied = shutil.copyfile(chinook_sqlite_original, tmp_path_factory.mktemp("served") / "chinook.db")
    with served(create_app(sqlite_file_url(copied))) as address:
        yield address


@pytest.fixture(scope="module")
def on_postgresql(postgres_server: PostgresServer, chinook_postgres_original: str) -> Iterator[str]:
    """On a copy, since it is written to."""
    with (
        postgres_server.database(template=chinook_postgres_original) as url,
        served(create_app(url)) as address,
    ):
        yield address


@pytest.mark.parametrize(("operation", "mode"), [*RIGHT, *WRONG])
def test_on_sqlite(on_sqlite: str, operation: Any, mode: Any):
    check(operation, mode, on_sqlite, examples=4)


@pytest.mark.parametrize(("operation", "mode"), RIGHT)
def test_on_postgresql(on_postgresql: str, operation: Any, mode: Any):
    """Only requests as described: nearly all others are refused before a database is asked."""
    check(operation, mode, on_postgresql, examples=4)
