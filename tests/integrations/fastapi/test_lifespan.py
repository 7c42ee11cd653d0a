"""`lifespan`: the Database ends with the application."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, Request

from batchrepo import Database
from batchrepo.integrations.fastapi import install, lifespan
from examples.chinook.repositories import AlbumRepository


class Watched(Database):
    disposed = False

    async def dispose(self) -> None:
        self.disposed = True
        await super().dispose()


@pytest.fixture
def database(chinook_sqlite):
    return Watched(chinook_sqlite, repositories=[AlbumRepository])


async def test_it_closes_the_database_when_the_application_ends(database, client):
    app = FastAPI(lifespan=lifespan(database))
    install(app, database)

    async with app.router.lifespan_context(app) as state:
        assert state is None
        assert not database.disposed
    assert database.disposed


async def test_a_lifespan_of_ones_own_may_read_from_its_first_line_to_its_last(database, client):
    read = []

    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        async with database.scope() as scope:
            read.append(await AlbumRepository(scope).count())
        yield {"albums": read[0]}
        async with database.scope() as scope:
            read.append(await AlbumRepository(scope).count())
        assert not database.disposed

    app = FastAPI(lifespan=lifespan(database, own))
    install(app, database)
    assert app.state.batchrepo is database

    @app.get("/")
    async def endpoint(request: Request) -> int:
        return request.state.albums

    sent = await run(app)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert read == [347, 347]
    assert database.disposed


async def test_its_state_reaches_the_requests(database, client):
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[Mapping[str, Any]]:
        yield {"answer": 42}

    app = FastAPI(lifespan=lifespan(database, own))
    state: dict[str, Any] = {}
    await run(app, state=state)
    assert state == {"answer": 42}


@pytest.mark.parametrize("moment", ["start", "end"])
async def test_the_database_is_closed_when_a_lifespan_of_ones_own_fails(database, moment):
    @asynccontextmanager
    async def own(app: FastAPI) -> AsyncIterator[None]:
        if moment == "start":
            raise OSError(moment)
        yield
        raise OSError(moment)

    app = FastAPI(lifespan=lifespan(database, own))
    with pytest.raises(OSError, match=moment):
        await run(app)
    assert database.disposed


async def test_lifespans_of_routers_are_kept(database):
    from fastapi import APIRouter

    seen = []

    @asynccontextmanager
    async def routers(app: FastAPI) -> AsyncIterator[None]:
        seen.append("start")
        yield
        assert not database.disposed
        seen.append("end")

    app = FastAPI(lifespan=lifespan(database))
    app.include_router(APIRouter(lifespan=routers))
    await run(app)
    assert seen == ["start", "end"]
    assert database.disposed


async def run(app: FastAPI, state: dict[str, Any] | None = None) -> list[str]:
    """An application's life, as a server tells it; gives what the application said."""
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "state": {} if state is None else state}, receive, send)
    return sent
