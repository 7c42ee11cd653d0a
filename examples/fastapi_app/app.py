"""The store over REST, with FastAPI: `uvicorn --factory examples.fastapi_app.app:create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy import URL

from batchrepo import Database
from batchrepo.integrations.fastapi import install
from examples.chinook.loader import load_chinook
from examples.chinook.store import open_store
from examples.fastapi_app import albums, artists, landing, people, playlists


def create_app(
    database: Database | URL | str | None = None, *, links: Sequence[tuple[str, str]] = ()
) -> FastAPI:
    """The REST application.

    Args:
        database: the store, or its URL. Default: an SQLite file of the examples. An empty database is
            filled when the application starts.
        links: for the page at `/`: paths of what is added to the application, and what they show.
    """
    store = open_store(database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with store:
            await load_chinook(store.engine)
            yield

    app = FastAPI(
        title="Chinook",
        summary="A music store over REST. The header `X-Statements` says how many statements each answer took.",
        version="1",
        lifespan=lifespan,
    )
    install(app, store)
    app.include_router(landing.create_router(links))
    for part in (albums, artists, playlists, people):
        app.include_router(part.router)
    return app
