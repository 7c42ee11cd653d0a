"""Whatever a client sends to the store, within its OpenAPI description or beside it, is answered as described."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from examples.fastapi_app.app import create_app
from tests.support.conformance import cases_of, check
from tests.support.databases import EVERY_DATABASE, sqlite_file_url
from tests.support.serving import served


@pytest.fixture(scope="module", params=EVERY_DATABASE)
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The store on each database in turn."""
    if request.param == "sqlite":
        original = request.getfixturevalue("chinook_sqlite_original")
        url = sqlite_file_url(shutil.copyfile(original, tmp_path_factory.mktemp("served") / "chinook.db"))
    else:
        url = str(request.getfixturevalue("chinook_postgres"))
    with served(create_app(url)) as found:
        yield found


@pytest.mark.parametrize(("operation", "mode"), cases_of(create_app("sqlite+aiosqlite://")))
def test_an_operation(address: str, operation: Any, mode: Any):
    check(operation, mode, address, examples=4)
