"""`ScopeExtension` and `scope_of`: one scope per operation, and errors with codes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import strawberry
from fastapi import FastAPI
from sqlalchemy import func
from strawberry.extensions import MaskErrors
from strawberry.fastapi import BaseContext, GraphQLRouter
from strawberry.schema.config import StrawberryConfig

from batchrepo import Database, NotFound, Repository, Scope, current_scope, match
from batchrepo.integrations.fastapi import Provide, install
from batchrepo.integrations.strawberry import ScopeExtension, scope_of
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album
from examples.chinook.repositories import AlbumRepository

SCOPES: list[Scope] = []
"""The scopes that resolvers saw, in order."""


@pytest.fixture(autouse=True)
def forget_scopes():
    SCOPES.clear()


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    """Strawberry logs every error of a resolver; here they are made on purpose."""
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


@strawberry.type
class Query:
    @strawberry.field
    async def title(self, info: strawberry.Info, id: int) -> str | None:  # noqa: A002  its name in GraphQL
        SCOPES.append(scope_of(info))
        return (await AlbumRepository(scope_of(info)).get(id)).title

    @strawberry.field
    def context(self, info: strawberry.Info) -> str:
        return repr(scope_of(info).context)

    @strawberry.field
    async def change(self, info: strawberry.Info) -> str:
        album = await AlbumRepository(scope_of(info)).get(1)
        album.title = "Changed"
        return album.title

    @strawberry.field
    async def broken(self, info: strawberry.Info) -> int:
        return len(await AlbumRepository(scope_of(info)).find(func.no_such_function(Album.id) == 1))

    @strawberry.field
    def mine(self) -> int:
        raise RuntimeError("mine")

    @strawberry.field
    def refused(self) -> int:
        raise NotFound("Album", [1])


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def titles(self, info: strawberry.Info, ids: list[int]) -> AsyncIterator[str]:
        for key in ids:
            SCOPES.append(scope_of(info))
            yield (await AlbumRepository(scope_of(info)).get(key)).title


TITLES = {1: "For Those About To Rock We Salute You", 2: "Balls to the Wall"}


def make_schema(database: Database, *more: Any, **options: Any) -> strawberry.Schema:
    return strawberry.Schema(
        Query,
        subscription=Subscription,
        extensions=[*more, lambda: ScopeExtension(database, **options)],
        config=StrawberryConfig(batching_config={"max_operations": 10}),
    )


# --- one scope per operation ----------------------------------------------------------------------


async def test_the_fields_of_an_operation_share_a_scope_and_a_batch(store):
    with statement_counter(store.engine) as seen:
        result = await make_schema(store).execute("{ a: title(id: 1) b: title(id: 2) }")
    assert result.data == {"a": TITLES[1], "b": TITLES[2]}
    assert seen.count == 1
    assert SCOPES[0] is SCOPES[1]
    assert SCOPES[0].closed
    assert current_scope() is None


async def test_operations_side_by_side_have_a_scope_each_although_they_share_a_context(sqlite_store):
    schema, context = make_schema(sqlite_store), {}
    results = await asyncio.gather(
        *(schema.execute(f"{{ title(id: {1 + n % 2}) }}", context_value=context) for n in range(20))
    )
    assert [result.data["title"] for result in results] == [TITLES[1 + n % 2] for n in range(20)]
    assert len({id(scope) for scope in SCOPES}) == 20
    assert all(scope.closed for scope in SCOPES)


async def test_each_event_of_a_subscription_has_a_scope_of_its_own(sqlite_store):
    events = await make_schema(sqlite_store).subscribe("subscription { titles(ids: [1, 2, 9999]) }")
    results = []
    async for result in events:
        results.append(result)
        # Nothing is open while the client has the event, however long that is.
        assert all(scope.closed for scope in SCOPES)
    assert [result.data for result in results[:2]] == [{"titles": TITLES[1]}, {"titles": TITLES[2]}]
    assert results[2].errors[0].extensions == {"code": "NOT_FOUND"}
    assert len({id(scope) for scope in SCOPES}) == 3


async def test_a_cancelled_operation_closes_its_scope(own_store):
    from sqlalchemy import event

    store = own_store
    underway = asyncio.Event()
    event.listen(store.engine.sync_engine, "before_cursor_execute", lambda *_: underway.set())
    operation = asyncio.create_task(make_schema(store).execute("{ title(id: 1) }"))
    await underway.wait()
    operation.cancel()
    with pytest.raises(asyncio.CancelledError):
        await operation
    assert SCOPES[0].closed
    assert store.engine.pool.checkedout() == 0


async def test_synchronous_execution_is_refused(sqlite_store):
    result = make_schema(sqlite_store).execute_sync("{ context }")
    assert result.data is None
    assert "ScopeExtension" in result.errors[0].message
    assert "await schema.execute(...) instead of execute_sync" in result.errors[0].message


# --- the context of the scope ---------------------------------------------------------------------


async def later(context: Any) -> str:
    return context["user"]


@pytest.mark.parametrize("make", [lambda context: context["user"], later])
async def test_the_scopes_context_is_made_from_the_graphql_context(sqlite_store, make):
    schema = make_schema(sqlite_store, context=make)
    result = await schema.execute("{ context }", context_value={"user": "ada"})
    assert result.data == {"context": "'ada'"}


async def test_row_criteria_hold(chinook_sqlite):
    class OwnAlbums(Repository[Album]):
        criteria = (match(Album.artist_id, lambda artist_id: artist_id),)

    @strawberry.type
    class Own:
        @strawberry.field
        async def albums(self, info: strawberry.Info) -> list[int]:
            return [album.id for album in await OwnAlbums(scope_of(info)).find(order_by=Album.id)]

    async with Database(chinook_sqlite, repositories=[OwnAlbums]) as database:
        schema = strawberry.Schema(Own, extensions=[lambda: ScopeExtension(database, context=lambda c: c)])
        mine = await schema.execute("{ albums }", context_value=2)
        nobodys = await schema.execute("{ albums }")
    assert mine.data == {"albums": [2, 3]}
    assert nobodys.errors[0].extensions == {"code": "MISSING_CONTEXT"}


# --- with FastAPI ---------------------------------------------------------------------------------


def serve(database: Database, *, plug: bool = True, **options: Any) -> FastAPI:
    app = FastAPI()
    if plug:
        install(app, database)
    endpoint: GraphQLRouter[Any, None] = GraphQLRouter(make_schema(database), **options)
    app.include_router(endpoint, prefix="/graphql")
    return app


async def scope_in_a_dict(scope: Provide[Scope]) -> dict[str, Any]:
    SCOPES.append(scope)
    return {"scope": scope}


class Context(BaseContext):
    """An object instead of a dict."""


async def scope_in_an_object(scope: Provide[Scope]) -> Context:
    SCOPES.append(scope)
    return Context()


@pytest.mark.parametrize("getter", [scope_in_a_dict, scope_in_an_object])
async def test_the_scope_of_the_request_is_used(store, client, getter):
    async with client(serve(store, context_getter=getter)) as http:
        answer = await http.post("/graphql", json={"query": "{ title(id: 1) }"})
    assert answer.json() == {"data": {"title": TITLES[1]}}
    assert answer.headers["X-Statements"] == "1"
    assert SCOPES[0] is SCOPES[1]
    assert SCOPES[0].closed


async def test_without_a_scope_of_the_request_the_statements_count_all_the_same(store, client):
    async with client(serve(store)) as http:
        answer = await http.post("/graphql", json={"query": "{ title(id: 1) }"})
    assert answer.json() == {"data": {"title": TITLES[1]}}
    assert answer.headers["X-Statements"] == "1"


async def test_without_the_fastapi_plug_there_is_a_scope_too(store, client):
    async with client(serve(store, plug=False)) as http:
        answer = await http.post("/graphql", json={"query": "{ title(id: 1) }"})
    assert answer.json() == {"data": {"title": TITLES[1]}}
    assert "X-Statements" not in answer.headers


@pytest.mark.parametrize(("getter", "scopes"), [(None, 4), (scope_in_a_dict, 1)])
async def test_a_batch_of_operations_does_not_mix_them_up(store, client, getter, scopes):
    queries = [{"query": f"{{ title(id: {1 + n % 2}) }}"} for n in range(4)]
    async with client(serve(store, context_getter=getter)) as http:
        answer = await http.post("/graphql", json=queries)
    assert [one["data"]["title"] for one in answer.json()] == [TITLES[1], TITLES[2]] * 2
    assert len({id(scope) for scope in SCOPES}) == scopes
    assert all(scope.closed for scope in SCOPES)
    assert store.engine.pool.checkedout() == 0


async def test_a_request_on_another_database_is_left_alone(sqlite_store, chinook_postgres, client):
    from examples.chinook.store import open_store

    async with open_store(chinook_postgres) as other:
        app = FastAPI()
        install(app, other)
        endpoint: GraphQLRouter[Any, None] = GraphQLRouter(
            make_schema(sqlite_store), context_getter=scope_in_a_dict
        )
        app.include_router(endpoint, prefix="/graphql")
        with statement_counter(sqlite_store.engine) as seen:
            async with client(app) as http:
                answer = await http.post("/graphql", json={"query": "{ title(id: 1) }"})
    assert answer.json() == {"data": {"title": TITLES[1]}}
    assert seen.count == 1
    assert answer.headers["X-Statements"] == "0"


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "data", "message", "code"),
    [
        ("{ title(id: 9999) }", {"title": None}, "Album has no row for key 9999.", "NOT_FOUND"),
        ("{ refused }", None, "Album has no row for key 1.", "NOT_FOUND"),
        ("{ broken }", None, "The server could not answer this request.", "INTERNAL"),
        ("{ change }", None, "The server could not answer this request.", "INTERNAL"),
    ],
)
async def test_errors_have_codes_and_never_show_sql(store, query, data, message, code):
    result = await make_schema(store).execute(query)
    assert result.data == data
    assert [(error.message, error.extensions) for error in result.errors] == [(message, {"code": code})]
    assert store.engine.pool.checkedout() == 0


async def test_a_failed_field_keeps_its_place_and_the_others_their_values(sqlite_store):
    result = await make_schema(sqlite_store).execute("{ a: title(id: 1) b: title(id: 9999) }")
    assert result.data == {"a": TITLES[1], "b": None}
    assert [error.formatted for error in result.errors] == [
        {
            "message": "Album has no row for key 9999.",
            "locations": [{"line": 1, "column": 19}],
            "path": ["b"],
            "extensions": {"code": "NOT_FOUND"},
        }
    ]


async def test_errors_of_others_stay_as_they_are(sqlite_store):
    result = await make_schema(sqlite_store).execute("{ mine }")
    assert [(error.message, error.extensions) for error in result.errors] == [("mine", {})]
    assert isinstance(result.errors[0].original_error, RuntimeError)


async def test_other_extensions_see_the_codes(sqlite_store):
    def unknown(error: Any) -> bool:
        return "code" not in error.extensions

    schema = make_schema(sqlite_store, lambda: MaskErrors(should_mask_error=unknown))
    known = await schema.execute("{ title(id: 9999) }")
    masked = await schema.execute("{ mine }")
    assert known.errors[0].message == "Album has no row for key 9999."
    assert masked.errors[0].message == "Unexpected error."


async def test_without_the_extension_the_error_says_what_to_write(sqlite_store):
    result = await strawberry.Schema(Query).execute("{ context }")
    assert result.errors[0].message == (
        "context asked for the scope, but its schema opens none. Write "
        "strawberry.Schema(..., extensions=[lambda: ScopeExtension(database)])."
    )
