"""The Chinook store behind small applications of the tests' own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import httpx
import pytest
import pytest_asyncio
from starlette.types import ASGIApp

from batchrepo import Database
from examples.chinook.store import open_store


@pytest_asyncio.fixture
async def sqlite_store(chinook_sqlite: str) -> AsyncIterator[Database]:
    """The store in SQLite: for what has nothing to do with the database."""
    async with open_store(chinook_sqlite) as database:
        yield database


Client = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def client() -> Client:
    """Makes a client of an application, over HTTP in process. What the application raises is raised here."""

    def make(app: ASGIApp, *, raises: bool = True) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, raise_app_exceptions=raises)
        return httpx.AsyncClient(transport=transport, base_url="http://test")

    return make
