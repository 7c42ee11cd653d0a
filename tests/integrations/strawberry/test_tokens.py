"""Consistency tokens of GraphQL operations: in extensions, by the request's cookie, from the context, in subscriptions."""

import asyncio
import logging
from collections.abc import AsyncIterator
from time import time
from typing import Any

import pytest
import strawberry
from fastapi import FastAPI
from strawberry import auto
from strawberry.fastapi import GraphQLRouter
from strawberry.schema.config import StrawberryConfig

from batchrepo import ConsistencyToken, Database, PrimaryUnavailable, Scope
from batchrepo.integrations.fastapi import Provide, install
from batchrepo.integrations.strawberry import (
    ScopeExtension,
    create,
    create_input,
    mutation,
    one,
    repository_type,
    scope_of,
    to_type,
    update,
    update_input,
)
from tests.integrations.notes import Note, NoteRepository, NoteView, two_servers

READ = "{ note(id: 1) { text } }"
WRITE = 'mutation { changeNote(id: 1, input: {text: "written"}) { text } }'


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


@pytest.fixture
async def db(tmp_path):
    async with two_servers(tmp_path) as opened:
        yield opened


@repository_type(NoteRepository)
class NoteType:
    id: auto
    text: auto


@create_input(NoteRepository)
class NoteInput:
    text: auto


@update_input(NoteRepository)
class NoteChange:
    text: auto


async def write(scope: Scope, text: str) -> None:
    async with scope.transaction():
        (await NoteRepository(scope).get(1)).text = text


@strawberry.type
class Query:
    note: NoteType | None = one()

    @strawberry.field
    async def visits(self, info: strawberry.Info) -> int:
        """A query that writes, which it should not."""
        await write(scope_of(info), "visited")
        return 1

    @strawberry.field
    async def away(self) -> int:
        raise PrimaryUnavailable("The primary is away (SELECT secret).", retry_after=1.2)


@strawberry.type
class Mutation:
    create_note: NoteType = create(NoteInput, dry_run=True)
    change_note: NoteType = update(NoteChange)

    @mutation
    async def fail(self, info: strawberry.Info) -> int:
        await NoteRepository(scope_of(info)).get(99)
        return 1

    @strawberry.mutation
    async def nothing(self) -> int:
        return 1


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def notes(
        self, info: strawberry.Info, times: int, written: list[int] | None = None
    ) -> AsyncIterator[NoteType]:
        """Its event comes after something was written, in the generator's own scope, if it is among the `written`."""
        for number in range(times):
            if number in (written or ()):
                await write(scope_of(info), f"event {number}")
            yield to_type(NoteType, 1)

    @strawberry.subscription
    async def told(self, info: strawberry.Info) -> AsyncIterator[str]:
        yield (await NoteRepository(scope_of(info)).get(1, NoteView)).text


def make_schema(database: Database, *, config: Any = None, **options: Any) -> strawberry.Schema:
    return strawberry.Schema(
        Query, Mutation, Subscription, config=config, extensions=[lambda: ScopeExtension(database, **options)]
    )


def a_token(age: float = 0.0) -> ConsistencyToken:
    return ConsistencyToken(None, time() - age)


def sent(database: Database, token: ConsistencyToken | None = None) -> dict[str, Any]:
    return {"consistencyToken": database.tokens.write(token or a_token())}


async def answer_of(schema: strawberry.Schema, query: str = READ, **options: Any) -> Any:
    result = await schema.execute(query, **options)
    assert result.errors is None, result.errors
    return result


async def seen(schema: strawberry.Schema, **options: Any) -> str:
    result = await answer_of(schema, **options)
    assert "consistencyToken" not in result.extensions
    return result.data["note"]["text"]


# --- there and back -------------------------------------------------------------------------------


async def test_the_answer_to_a_mutation_has_a_token_and_the_next_query_brings_it(db):
    schema = make_schema(db)
    written = await answer_of(schema, WRITE)
    token = written.extensions["consistencyToken"]
    assert db.tokens.read(token).issued == pytest.approx(time(), abs=5)
    assert await seen(schema) == "replica"
    assert await seen(schema, operation_extensions={"consistencyToken": token}) == "written"


async def test_a_mutation_and_what_it_gives_are_one_scope(db):
    written = await answer_of(make_schema(db), WRITE)
    assert written.data == {"changeNote": {"text": "written"}}


async def test_a_query_that_writes_has_one_too(db):
    assert "consistencyToken" in (await answer_of(make_schema(db), "{ visits }")).extensions


@pytest.mark.parametrize(
    "query", ["mutation { nothing }", 'mutation { createNote(input: {text: "x"}, dryRun: true) { text } }']
)
async def test_what_was_not_committed_needs_none(db, query):
    result = await answer_of(make_schema(db), query, operation_extensions=sent(db))
    assert "consistencyToken" not in result.extensions


async def test_a_field_that_fails_after_another_has_committed(db):
    schema = make_schema(db)
    both = 'mutation { changeNote(id: 1, input: {text: "written"}) { text } fail }'
    result = await schema.execute(both)
    assert result.errors[0].extensions["code"] == "NOT_FOUND"
    assert "consistencyToken" in result.extensions
    taken_back = await make_schema(db, transaction="operation").execute(both)
    assert "consistencyToken" not in taken_back.extensions


async def test_incremental_execution_has_it_too(db):
    config = StrawberryConfig(enable_experimental_incremental_execution=True)
    schema = make_schema(db, config=config)
    assert "consistencyToken" in (await answer_of(schema, WRITE)).extensions


async def test_over_a_stream(db):
    (result,) = [result async for result in await make_schema(db).stream(WRITE)]
    assert "consistencyToken" in result.extensions


@pytest.mark.parametrize("given", ["", "x", 3, None, ["x"], {"x": 1}, "Größe"])
async def test_what_cannot_be_used_is_ignored(db, given):
    assert await seen(make_schema(db), operation_extensions={"consistencyToken": given}) == "replica"


async def test_what_has_expired_is_ignored(db):
    assert await seen(make_schema(db), operation_extensions=sent(db, a_token(age=61))) == "replica"


async def test_without_replicas_there_is_none(tmp_path):
    def never(context: Any) -> None:
        raise AssertionError("nobody needs it")

    async with two_servers(tmp_path, routed=False) as db:
        written = await answer_of(make_schema(db, token=never), WRITE, operation_extensions=sent(db))
        assert "consistencyToken" not in written.extensions


async def test_the_report_is_there_as_well(db):
    schema = make_schema(db, report=True)
    result = await answer_of(schema, WRITE, operation_extensions={"batchrepo": True})
    assert set(result.extensions) == {"batchrepo", "consistencyToken"}


# --- from the context -----------------------------------------------------------------------------


async def of_context(context: Any) -> Any:
    await asyncio.sleep(0)
    return context


@pytest.mark.parametrize("find", [of_context, lambda context: context])
async def test_the_application_may_find_it_in_the_context(db, find):
    schema = make_schema(db, token=find)
    assert await seen(schema) == "replica"
    assert await seen(schema, context_value=a_token()) == "primary"
    assert await seen(schema, context_value=db.tokens.write(a_token())) == "primary"
    assert await seen(schema, context_value=a_token(age=61)) == "replica"
    assert await seen(schema, context_value="damaged") == "replica"
    assert await seen(schema, context_value="damaged", operation_extensions=sent(db)) == "primary"


async def test_a_function_that_gives_something_else_is_told(db, caplog):
    result = await make_schema(db, token=lambda context: 3).execute(READ)
    assert result.errors[0].extensions["code"] == "INTERNAL"
    assert "ScopeExtension(token=...) gave 3. Expected a ConsistencyToken" in str(
        result.errors[0].original_error
    )


# --- over HTTP ------------------------------------------------------------------------------------


TEXTS: list[str] = []


async def read_before(scope: Provide[Scope]) -> dict[str, Any]:
    """The scope of the request, which has read before the operation says what it must see."""
    TEXTS.append((await NoteRepository(scope).find(NoteView, Note.id == 1))[0].text)
    return {}


def serve(database: Database, *, plug: bool = True, getter: Any = None) -> FastAPI:
    app = FastAPI()
    if plug:
        install(app, database)
    schema = make_schema(database, config=StrawberryConfig(batching_config={"max_operations": 10}))
    endpoint: GraphQLRouter[Any, None] = GraphQLRouter(schema, context_getter=getter)
    app.include_router(endpoint, prefix="/graphql")
    return app


GETTERS = pytest.mark.parametrize("getter", [None, read_before], ids=["own scope", "the request's"])


@GETTERS
async def test_a_browser_needs_its_cookie_only(db, client, getter):
    async with client(serve(db, getter=getter)) as http:
        assert (await http.post("/graphql", json={"query": READ})).json()["data"]["note"]["text"] == "replica"
        written = await http.post("/graphql", json={"query": WRITE})
        token = written.json()["extensions"]["consistencyToken"]
        assert written.cookies["batchrepo"] == written.headers["Consistency-Token"] == token
        after = await http.post("/graphql", json={"query": READ})
    assert after.json() == {"data": {"note": {"text": "written"}}}
    assert "Set-Cookie" not in after.headers


@GETTERS
async def test_what_the_body_says_counts_beside_the_plug(db, client, getter):
    async with client(serve(db, getter=getter)) as http:
        answer = await http.post("/graphql", json={"query": READ, "extensions": sent(db)})
        assert answer.json()["data"]["note"]["text"] == "primary"
        assert "Set-Cookie" not in answer.headers
        if getter is not None:
            assert TEXTS[-1] == "replica"


async def test_it_counts_without_the_plug_too(db, client):
    async with client(serve(db, plug=False)) as http:
        written = await http.post("/graphql", json={"query": WRITE})
        told = written.json()["extensions"]
        answer = await http.post("/graphql", json={"query": READ, "extensions": told})
    assert answer.json()["data"]["note"]["text"] == "written"
    assert "Set-Cookie" not in written.headers


@GETTERS
async def test_a_damaged_token_in_the_body_is_no_error(db, client, getter):
    async with client(serve(db, getter=getter)) as http:
        for token in ("x", 3, None):
            body = {"query": READ, "extensions": {"consistencyToken": token}}
            answer = await http.post("/graphql", json=body)
            assert (answer.status_code, answer.json()) == (200, {"data": {"note": {"text": "replica"}}})


async def test_operations_of_a_batch_are_told_together(db, client):
    async with client(serve(db)) as http:
        answer = await http.post("/graphql", json=[{"query": WRITE}, {"query": "{ __typename }"}])
        assert answer.json()[0]["extensions"]["consistencyToken"]
        assert (await http.post("/graphql", json={"query": READ})).json()["data"]["note"]["text"] == "written"


# --- subscriptions --------------------------------------------------------------------------------


EVENTS = "subscription($n: Int!, $w: [Int!]) { notes(times: $n, written: $w) { text } }"


async def test_a_token_that_comes_with_a_subscription_holds_for_its_events(db):
    variables = {"n": 2}
    for extensions, text in ((None, "replica"), (sent(db), "primary")):
        events = await make_schema(db).subscribe(
            EVENTS, variable_values=variables, operation_extensions=extensions
        )
        results = [result async for result in events]
        assert [result.data["notes"]["text"] for result in results] == [text] * 2
        assert all("consistencyToken" not in result.extensions for result in results)


async def test_the_generator_sees_it_too(db):
    events = await make_schema(db).subscribe("subscription { told }", operation_extensions=sent(db))
    assert [result.data async for result in events] == [{"told": "primary"}]


async def test_the_application_says_what_each_event_must_see(db):
    needed: dict[str, ConsistencyToken] = {}
    schema = make_schema(db, token=lambda context: context.get("token"))
    events = await schema.subscribe(EVENTS, variable_values={"n": 2}, context_value=needed)
    first = await anext(events)
    needed["token"] = a_token()
    second = await anext(events)
    await events.aclose()
    assert [result.data["notes"]["text"] for result in (first, second)] == ["replica", "primary"]


async def test_an_event_sees_what_its_generator_wrote_and_tells_of_it(db):
    events = await make_schema(db).subscribe(EVENTS, variable_values={"n": 4, "w": [1, 3]})
    results = [result async for result in events]
    assert [result.data["notes"]["text"] for result in results] == [
        "replica",
        "event 1",
        "event 1",
        "event 3",
    ]
    assert ["consistencyToken" in result.extensions for result in results] == [False, True, False, True]


# --- errors ---------------------------------------------------------------------------------------


async def test_a_primary_that_is_away_says_when_to_try_again(db, client):
    async with client(serve(db)) as http:
        (error,) = (await http.post("/graphql", json={"query": "{ away }"})).json()["errors"]
    assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfter": 2}
    assert "secret" not in error["message"]
