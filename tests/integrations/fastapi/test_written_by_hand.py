"""Endpoints of one's own that write: committed before the answer starts, and errors of the database as problems."""

from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database, Scope
from batchrepo.integrations.fastapi import Provide, install
from tests.integrations.fastapi.shelf import (
    REPOSITORIES,
    Counter,
    CounterRepository,
    Label,
    Record,
    RecordRepository,
    fill,
)


@pytest.fixture
async def db(database_url):
    async with Database(database_url, repositories=REPOSITORIES) as opened:
        await fill(opened)
        yield opened
        assert opened.engine.sync_engine.pool.checkedout() == 0


@pytest.fixture
def app(db):
    app = FastAPI()
    install(app, db)
    return app


async def test_it_is_committed_before_the_answer_starts(db, app, client):
    @app.post("/labels", status_code=201)
    async def create(name: str, scope: Provide[Scope]) -> int:
        async with scope.transaction():
            label = Label(name=name)
            scope.add(label)
        return label.id

    seen: list[Any] = []

    async def watching(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                async with AsyncSession(db.engine) as session:
                    seen.extend(await session.scalars(select(Label.name).where(Label.name == "new")))
            await send(message)

        await app(scope, receive, sent)

    async with client(watching) as http:
        answer = await http.post("/labels?name=new")
    assert (answer.status_code, answer.json(), seen) == (201, 3, ["new"])


async def test_an_error_takes_everything_back(db, app, client):
    @app.post("/")
    async def both(scope: Provide[Scope], records: Provide[RecordRepository]) -> None:
        async with scope.transaction():
            scope.add(Label(name="new"))
            await records.insert_many([{"ref": "r1", "title": "x", "label_id": 1}])

    async with client(app) as http:
        answer = await http.post("/")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert answer.json()["detail"] == "Another row has the same ref already."
    async with AsyncSession(db.engine) as session:
        assert list(await session.scalars(select(Label.name).order_by(Label.id))) == ["rock", "jazz"]


@pytest.mark.parametrize(
    ("entity", "status", "code", "kind"),
    [
        (lambda: Label(name="rock"), 409, "CONFLICT", "unique"),
        (lambda: Record(ref="x", title="x", label_id=9), 409, "CONFLICT", "foreign_key"),
        (lambda: Record(ref="x", title=None, label_id=1), 422, "INVALID", "not_null"),
        (lambda: Record(ref="x", title="x", label_id=1, price=-1), 422, "INVALID", "check"),
    ],
)
async def test_what_the_database_refuses_of_a_flush(db, app, client, entity, status, code, kind, caplog):
    @app.post("/")
    async def create(scope: Provide[Scope]) -> None:
        async with scope.transaction():
            scope.add(entity())

    async with client(app) as http:
        answer = await http.post("/")
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["errors"][0]["kind"]) == (status, code, kind)
    assert not any(word in answer.text for word in ("INSERT", "asyncpg", "sqlite"))
    # The client may be at fault, or the application: it is in the log.
    assert [record.levelname for record in caplog.records if record.name == "batchrepo"] == ["WARNING"]


async def test_a_handler_of_the_application_comes_first(app, client):
    @app.exception_handler(IntegrityError)
    async def own(request: Request, error: IntegrityError) -> PlainTextResponse:
        return PlainTextResponse("own", 400)

    @app.post("/")
    async def create(scope: Provide[Scope]) -> None:
        async with scope.transaction():
            scope.add(Label(name="rock"))

    async with client(app) as http:
        assert ((answer := await http.post("/")).status_code, answer.text) == (400, "own")


async def test_a_general_handler_of_the_application_comes_first(app, client):
    @app.exception_handler(Exception)
    async def own(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(type(error).__name__, 500)

    @app.post("/")
    async def create(scope: Provide[Scope]) -> None:
        async with scope.transaction():
            scope.add(Label(name="rock"))

    async with client(app, raises=False) as http:
        assert (await http.post("/")).text == "IntegrityError"


async def test_an_entity_that_somebody_else_has_changed(postgres_url, client):
    async with Database(postgres_url, repositories=REPOSITORIES) as db:
        await fill(db)
        app = FastAPI()
        install(app, db)

        @app.post("/")
        async def change(scope: Provide[Scope], counters: Provide[CounterRepository]) -> None:
            async with scope.transaction():
                counter = await counters.get(1)
                async with AsyncSession(db.engine) as other:
                    await other.execute(update(Counter).values(version=9))
                    await other.commit()
                counter.value = 6

        async with client(app) as http:
            answer = await http.post("/")
        assert (answer.status_code, answer.json()["code"]) == (412, "STALE")


async def test_a_collision_may_be_tried_again(postgres_url, client):
    async with Database(postgres_url, repositories=REPOSITORIES) as db:
        await fill(db)
        app = FastAPI()
        install(app, db)

        @app.post("/")
        async def change(scope: Provide[Scope]) -> None:
            async with scope.transaction(isolation="REPEATABLE READ"):
                await scope.session.execute(select(Counter.value))
                async with AsyncSession(db.engine) as other:
                    await other.execute(update(Counter).values(value=9))
                    await other.commit()
                await scope.session.execute(update(Counter).values(value=8))

        @app.post("/locked")
        async def locked(counters: Provide[CounterRepository]) -> None:
            async with db.scope() as other, other.transaction():
                await CounterRepository(other).get(1, for_update=True)
                async with counters.scope.transaction():
                    await counters.get(1, for_update="nowait")

        async with client(app) as http:
            for path in ("/", "/locked"):
                answer = await http.post(path)
                assert (answer.status_code, answer.json()["code"]) == (503, "TRANSACTION_CONFLICT")
                assert answer.headers["Retry-After"] == "1"


async def test_other_errors_of_the_database_are_the_servers(app, client):
    @app.post("/")
    async def wrong(scope: Provide[Scope]) -> None:
        async with scope.transaction():
            await scope.session.execute(text("SELECT nothing FROM nowhere"))

    async with client(app, raises=False) as http:
        answer = await http.post("/")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    async with client(app) as http:
        with pytest.raises(DBAPIError, match="nowhere"):  # for the log of the server
            await http.post("/")
