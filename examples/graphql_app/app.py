"""The store over GraphQL, with Strawberry: `uvicorn --factory examples.graphql_app.app:create_app`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse
from sqlalchemy import URL
from strawberry.fastapi import GraphQLRouter

from batchrepo import Database
from batchrepo.integrations.fastapi import install
from examples.chinook.loader import load_chinook
from examples.chinook.store import open_store
from examples.graphql_app import trying
from examples.graphql_app.schema import create_schema


def create_router(store: Database) -> APIRouter:
    """The endpoint `/graphql`, where a browser finds GraphiQL, and the page `/queries`; for any FastAPI application."""
    router = APIRouter()
    endpoint: GraphQLRouter[Any, None] = GraphQLRouter(create_schema(store))
    router.include_router(endpoint, prefix="/graphql")
    router.include_router(trying.create_router())
    return router


def create_app(database: Database | URL | str | None = None) -> FastAPI:
    """The GraphQL application.

    Args:
        database: the store, or its URL. Default: what CHINOOK_URL and CHINOOK_REPLICA_URLS say, or an SQLite
            file of the examples. An empty database is filled when the application starts.
    """
    store = open_store(database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with store:
            await load_chinook(store.engine)
            yield

    app = FastAPI(
        title="Chinook over GraphQL", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    # For the header with the number of statements; the schema itself needs no plug of FastAPI.
    install(app, store)
    app.include_router(create_router(store))

    @app.get("/")
    async def home() -> RedirectResponse:
        """To the queries."""
        return RedirectResponse(trying.PATH)

    return app
