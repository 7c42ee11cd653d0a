"""The store over REST, with FastAPI: `uvicorn --factory examples.fastapi_app.app:create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from sqlalchemy import URL

from batchrepo import Database
from batchrepo.integrations.fastapi import install, lifespan
from examples.chinook.loader import load_chinook
from examples.chinook.store import open_store
from examples.fastapi_app import (
    catalogue,
    describing,
    exports,
    landing,
    music,
    ordering,
    people,
    pricing,
    reports,
    searching,
)
from examples.fastapi_app.landing import Link


def create_app(database: Database | URL | str | None = None, *, links: Sequence[Link] = ()) -> FastAPI:
    """The REST application.

    Args:
        database: the store, or its URL. Default: what CHINOOK_URL and CHINOOK_REPLICA_URLS say, or an SQLite
            file of the examples. An empty database is filled when the application starts.
        links: for the page at `/`: to what is added to the application.
    """
    store = open_store(database)

    @asynccontextmanager
    async def filled(_app: FastAPI) -> AsyncIterator[None]:
        await load_chinook(store.engine)
        yield

    app = FastAPI(
        title="Chinook",
        summary=describing.SUMMARY,
        description=describing.DESCRIPTION,
        version="1",
        openapi_tags=describing.TAGS,
        lifespan=lifespan(store, filled),
    )
    install(app, store)
    app.add_middleware(GZipMiddleware)
    app.include_router(landing.create_router(links))
    written_by_hand = (
        searching.router,
        exports.router,
        ordering.router,
        pricing.router,
        catalogue.router,
    )
    for router in (*music.ROUTERS, *people.ROUTERS, *written_by_hand):
        app.include_router(router)
    app.include_router(reports.create_router())
    return app
