"""Whatever a client sends to be written, within OpenAPI's description or beside it, is answered as described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from batchrepo import Database
from tests.integrations.fastapi.shelf import REPOSITORIES, application
from tests.support.conformance import cases_of, check
from tests.support.serving import served

WRITING = ("POST", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def address(module_database_url: str) -> Iterator[str]:
    """The application on each database in turn."""
    with served(application(Database(module_database_url, repositories=REPOSITORIES))) as found:
        yield found


def cases() -> list[Any]:
    every = cases_of(application(Database("sqlite+aiosqlite://", repositories=REPOSITORIES)))
    return [
        case
        for some in every
        for case in some
        # Of a key that is a text there is nothing that is none.
        if case.values[0].method.upper() in WRITING and case.id != "negative DELETE /countries/{code}"
    ]


@pytest.mark.parametrize(("operation", "mode"), cases())
def test_an_operation(address: str, operation: Any, mode: Any):
    check(operation, mode, address, examples=8)
