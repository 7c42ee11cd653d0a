"""The store, and what plain SQLAlchemy finds in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database
from examples.chinook import listing
from examples.serve import create_app
from tests.support.stores import kept


@pytest_asyncio.fixture
async def session(store: Database) -> AsyncIterator[AsyncSession]:
    """A plain session of SQLAlchemy."""
    async with AsyncSession(store.engine) as opened:
        yield opened


@pytest_asyncio.fixture
async def expected(store: Database) -> listing.Listing:
    """The listing of all albums, by plain SQLAlchemy. That it equals the naive loop's, test_listing proves."""
    async with AsyncSession(store.engine) as opened:
        return await listing.hand_tuned(opened)


@pytest_asyncio.fixture
async def http(store: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A client of both examples in one application, over HTTP in process."""
    transport = httpx.ASGITransport(kept(create_app, store))
    async with httpx.AsyncClient(transport=transport, base_url="http://chinook") as client:
        yield client
