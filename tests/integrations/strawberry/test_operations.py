"""The life of an operation: its scope, its documents, its report, and what else of Strawberry takes part in it."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
import strawberry
from fastapi import FastAPI
from graphql import GraphQLError, OperationDefinitionNode
from sqlalchemy import event, update
from strawberry import auto, relay
from strawberry.extensions import FieldExtension, MaskErrors, ParserCache, SchemaExtension, ValidationCache
from strawberry.fastapi import GraphQLRouter
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from batchrepo import Database, DeclarationError, NotFound, Repository, Scope, match
from batchrepo.integrations.fastapi import Provide, install
from batchrepo.integrations.strawberry import (
    Connection,
    Limits,
    ScopeExtension,
    connection,
    many,
    one,
    repository_type,
    scope_of,
    to_type,
)
from batchrepo.integrations.strawberry.operation.documents import Documents, documents_of
from batchrepo.integrations.strawberry.query import lookahead
from batchrepo.integrations.strawberry.query.lookahead import PLACES, VALUES, lookahead_of
from examples.chinook.models import Album
from examples.chinook.repositories import AlbumRepository, ArtistRepository
from tests.support.graphql_store import AlbumType, answer, counting, make_schema, refusal

ALBUMS = "{ albums(first: 2) { edges { node { title artist { name } tracks(first: 1) { edges { node { name } } } } } } }"


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


# --- one cold scope -------------------------------------------------------------------------------


async def test_root_fields_at_once_on_one_cold_scope_do_not_collide(store):
    """Eight root fields and what they lead to: each has its own statements, and those at once share no connection."""
    query = (
        "{"
        + "".join(
            f"a{n}: albums(first: {n}) {{ edges {{ node {{ title tracks(first: 1) {{ totalCount edges {{ cursor }} }} }} }} }} "
            f"b{n}: artist(id: {n}) {{ name }} "
            for n in range(1, 5)
        )
        + "}"
    )
    with counting(store, 4 * 3 + 1):
        data = await answer(make_schema(store), query)
    assert [len(data[f"a{n}"]["edges"]) for n in range(1, 5)] == [1, 2, 3, 4]
    assert [data[f"b{n}"]["name"] for n in range(1, 5)] == [
        "AC/DC",
        "Accept",
        "Aerosmith",
        "Alanis Morissette",
    ]
    assert store.engine.pool.checkedout() == 0


async def test_a_cancelled_operation_gives_its_connections_back(store):
    schema = make_schema(store)
    for statements in (1, 2, 3):
        underway = asyncio.Event()
        seen = 0

        def count(*_: Any, underway=underway, last=statements) -> None:
            nonlocal seen
            seen += 1
            if seen == last:
                underway.set()

        event.listen(store.engine.sync_engine, "before_cursor_execute", count)
        operation = asyncio.create_task(schema.execute(ALBUMS))
        await underway.wait()
        operation.cancel()
        with pytest.raises(asyncio.CancelledError):
            await operation
        event.remove(store.engine.sync_engine, "before_cursor_execute", count)
        assert store.engine.pool.checkedout() == 0
    assert len((await answer(schema, ALBUMS))["albums"]["edges"]) == 2


async def test_a_query_that_is_refused_opens_no_scope(sqlite_store):
    asked = []
    schema = make_schema(sqlite_store, context=asked.append, limits=Limits(depth=2))
    assert (await refusal(schema, ALBUMS)).extensions["code"] == "LIMIT_EXCEEDED"
    await refusal(schema, "{ nothing }")
    assert asked == []
    await answer(schema, "{ __typename }")
    assert asked == [None]


# --- errors ---------------------------------------------------------------------------------------


async def test_errors_in_nested_fields_have_codes_and_paths(store):
    schema = make_schema(store)
    error = await refusal(
        schema, '{ albums(first: 1) { edges { node { tracks(after: "x") { totalCount } } } } }'
    )
    assert error.extensions == {"code": "INVALID_ARGUMENT", "reason": "malformed"}
    assert error.path == ["albums", "edges", 0, "node", "tracks"]


async def test_an_error_of_the_database_in_a_nested_field_shows_no_sql(sqlite_store):
    schema = make_schema(sqlite_store)
    async with sqlite_store.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE genre RENAME TO kind")
    error = await refusal(schema, "{ tracks(first: 1) { edges { node { name genre { name } } } } }")
    assert (error.message, error.extensions) == (
        "The server could not answer this request.",
        {"code": "INTERNAL"},
    )
    assert error.path == ["tracks"]


# --- documents ------------------------------------------------------------------------------------


async def test_a_valid_document_is_parsed_and_validated_once(sqlite_store, monkeypatch):
    from strawberry.schema import schema as strawberrys

    parsed, validated = [], []
    parse, validate = strawberrys.parse, strawberrys.validate
    monkeypatch.setattr(strawberrys, "parse", lambda text, **o: parsed.append(text) or parse(text, **o))
    monkeypatch.setattr(strawberrys, "validate", lambda *a: validated.append(1) or validate(*a))
    schema = make_schema(sqlite_store)
    for _ in range(3):
        await answer(schema, ALBUMS)
        await refusal(schema, "{ nothing }")
    assert parsed == [ALBUMS, "{ nothing }", "{ nothing }", "{ nothing }"]
    assert len(validated) == 4
    # Another schema has its own: what is valid in one is not in another.
    other = strawberry.Schema(Changing, extensions=[lambda: ScopeExtension(sqlite_store)])
    await refusal(other, "{ nothing }")
    assert "Cannot query field 'albums'" in (await refusal(other, ALBUMS)).message


def test_documents_are_kept_by_their_size():
    documents = Documents(characters=1_000)
    for number in range(1_000):
        documents.keep(f"{number:100}", object(), ())
        documents.find(f"{0:100}")
    assert len(documents) == 10
    assert documents.find(f"{0:100}") is not None
    assert documents.find(f"{1:100}") is None
    documents.keep("x" * 126, object(), ())
    assert documents.find("x" * 126) is None
    for _ in range(3):
        documents.keep("again", object(), ())
    assert repr(documents) == "<Documents 10, 905 of 1000 characters>"


async def test_clients_cannot_fill_the_memory_with_queries(sqlite_store):
    """What is remembered of a query goes with its document."""
    schema = make_schema(sqlite_store)
    documents_of(schema).characters = 2_000
    for number in range(30):
        await answer(schema, f"query Q{number} " + ALBUMS)
        await answer(
            schema,
            "query($n: Int) { albums(first: 1) { edges { node { tracks(first: $n) { totalCount } } } } }",
            n=number,
        )
    gc.collect()
    alive = [node for node in gc.get_objects() if type(node) is OperationDefinitionNode]
    mine = [node for node in alive if node.name is not None and node.name.value.startswith("Q")]
    assert len(mine) <= 2_000 // len(ALBUMS)
    remembered = lookahead_of(sqlite_store.reading)._operations
    assert len(remembered) <= 2_000 // len(ALBUMS) + 1
    assert max(len(place.made) for places in remembered.values() for place in places.values()) <= VALUES


async def test_clients_cannot_fill_the_memory_with_parts_that_they_leave_out(sqlite_store):
    """Each set of fields that are asked for together is a place of its own."""
    schema = make_schema(sqlite_store)
    fields = [f"a{n}: album(id: {n + 1}) @include(if: $v{n}) {{ title }}" for n in range(9)]
    query = f"query({', '.join(f'$v{n}: Boolean!' for n in range(9))}) {{ {' '.join(fields)} }}"
    for number in range(1, PLACES + 20):
        await answer(schema, query, **{f"v{n}": bool(number >> n & 1) for n in range(9)})
    (places,) = lookahead_of(sqlite_store.reading)._operations.values()
    assert len(places) == PLACES


async def test_clients_cannot_fill_the_memory_with_values(sqlite_store, monkeypatch):
    """All plans together are so many, and none is remembered for what is long."""
    monkeypatch.setattr(lookahead, "PLANS", 10)
    schema = make_schema(sqlite_store)
    query = """query($n: Int, $name: String) { album(id: 1) { id
        tracks(first: $n, where: {name: {eq: $name}}) { totalCount edges { cursor } } } }"""
    looking = lookahead_of(sqlite_store.reading)

    def remembered():
        return [
            plan
            for places in looking._operations.values()
            for place in places.values()
            for plan in place.made.values()
        ]

    for number in range(30):
        await answer(schema, query + " " * (number % 3), n=number)
    assert len(remembered()) == len(looking._oldest) == 10
    await answer(schema, query, n=29)
    before = {id(plan) for plan in remembered()}
    await schema.execute(
        query, variable_values={"n": 5, "name": "x" * 3_000}
    )  # is refused, and was remembered
    assert {id(plan) for plan in remembered()} == before


async def test_strawberrys_own_caches_work_beside(sqlite_store):
    schema = make_schema(sqlite_store, ParserCache, ValidationCache)
    for _ in range(2):
        assert len((await answer(schema, ALBUMS))["albums"]["edges"]) == 2
        assert "Cannot query field" in (await refusal(schema, "{ nothing }")).message


async def test_a_syntax_error_ends_a_stream_with_a_result(sqlite_store):
    results = [result async for result in await make_schema(sqlite_store).stream("{ albums")]
    assert ["Syntax Error" in error.message for result in results for error in result.errors] == [True]


# --- subscriptions --------------------------------------------------------------------------------


@repository_type(AlbumRepository, name="ChangingAlbum")
class ChangingAlbumType:
    id: auto
    title: auto
    artist: ChangingArtistType


@repository_type(ArtistRepository, name="ChangingArtist")
class ChangingArtistType:
    name: auto


@strawberry.type(name="Query")
class Changing:
    album: ChangingAlbumType | None = one()


CONTEXTS: list[Any] = []


class Known(BasePermission):
    message = "no such album"

    async def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return await AlbumRepository(scope_of(info)).get_or_none(kwargs["id"]) is not None


@strawberry.type
class Spoiling:
    number: int

    @strawberry.field
    async def spoil(self, info: strawberry.Info) -> int:
        (await AlbumRepository(scope_of(info)).get(1)).title = "Never saved"
        return self.number


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def spoiling(self) -> AsyncIterator[Spoiling]:
        yield Spoiling(number=1)
        yield Spoiling(number=2)

    @strawberry.subscription
    async def broken(self) -> AsyncIterator[int]:
        return 3

    @strawberry.subscription(permission_classes=[Known])
    async def guarded(self, info: strawberry.Info, id: int) -> AsyncIterator[int]:  # noqa: A002
        yield (await AlbumRepository(scope_of(info)).get(id)).id

    @strawberry.subscription
    async def album(self, info: strawberry.Info, times: int, id: int = 1) -> AsyncIterator[ChangingAlbumType]:  # noqa: A002
        scopes = []
        for number in range(times):
            scope = scope_of(info)
            assert all(scope is not other and other.closed for other in scopes)
            scopes.append(scope)
            CONTEXTS.append(scope.context)
            # What the generator reads is fresh for each event too.
            title = (await AlbumRepository(scope).get(id)).title
            assert title == f"Title {number}"
            yield to_type(ChangingAlbumType, id)

    @strawberry.subscription
    async def changed(self, info: strawberry.Info) -> AsyncIterator[int]:
        album = await AlbumRepository(scope_of(info)).get(1)
        yield 1
        album = await AlbumRepository(scope_of(info)).get(1)
        album.title = "Never saved"
        yield 2

    @strawberry.subscription
    async def waiting(self, info: strawberry.Info) -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            CONTEXTS.append("closed")


def subscribing(database: Database, **options: Any) -> strawberry.Schema:
    return strawberry.Schema(
        Changing, subscription=Subscription, extensions=[lambda: ScopeExtension(database, **options)]
    )


async def rename(database: Database, number: int) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(update(Album).where(Album.id == 1).values(title=f"Title {number}"))


EVENTS = "subscription($n: Int!) { album(times: $n) { title artist { name } } }"


@pytest.mark.parametrize("task_of_its_own", [False, True], ids=["one_task", "a_task_each"])
async def test_each_event_reads_what_is_there_now(chinook_sqlite, task_of_its_own):
    """Also where the steps of the stream run in tasks, each with a context of its own."""
    async with Database(chinook_sqlite, repositories=[AlbumRepository, ArtistRepository]) as database:
        CONTEXTS.clear()
        users = iter(range(100))
        schema = subscribing(database, context=lambda _: next(users))
        events = await schema.subscribe(EVENTS, variable_values={"n": 3})
        for number in range(3):
            await rename(database, number)
            # The generator's row, then the event's with its artist.
            with counting(database, 3):
                step = events.__anext__()
                result = await (asyncio.create_task(step) if task_of_its_own else step)
            assert result.errors is None, result.errors
            assert result.data == {"album": {"title": f"Title {number}", "artist": {"name": "AC/DC"}}}
            assert database.engine.pool.checkedout() == 0
        with pytest.raises(StopAsyncIteration):
            await events.__anext__()
        # The context is asked for anew each time: rights may have changed.
        assert len(CONTEXTS) == len(set(CONTEXTS)) == 3


async def test_changes_that_nobody_saves_are_an_error_of_a_subscription_too(sqlite_store):
    results = [r async for r in await subscribing(sqlite_store).subscribe("subscription { changed }")]
    assert results[0].data == {"changed": 1}
    assert [error.extensions for error in results[1].errors] == [{"code": "INTERNAL"}]
    assert len(results) == 2


async def test_they_are_an_error_of_the_event_in_whose_fields_they_were_made(sqlite_store):
    query = "subscription { spoiling { number spoil } }"
    first, second = [r async for r in await subscribing(sqlite_store).subscribe(query)]
    for result in (first, second):
        assert result.data is None
        assert [error.extensions for error in result.errors] == [{"code": "INTERNAL"}]
    plain = [
        r.data
        async for r in await subscribing(sqlite_store).subscribe("subscription { spoiling { number } }")
    ]
    assert plain == [{"spoiling": {"number": 1}}, {"spoiling": {"number": 2}}]


async def test_a_subscription_that_is_no_stream_is_an_error_of_graphql(sqlite_store):
    (result,) = [r async for r in await subscribing(sqlite_store).subscribe("subscription { broken }")]
    assert "AsyncIterable" in result.errors[0].message


async def test_a_stream_that_is_given_up_ends_its_generator_and_scopes(store):
    CONTEXTS.clear()
    events = await subscribing(store).subscribe("subscription { waiting }")
    assert (await events.__anext__()).data == {"waiting": 1}
    await events.aclose()
    assert CONTEXTS == ["closed"]
    waiting = await subscribing(store).subscribe("subscription { waiting }")
    await waiting.__anext__()
    step = asyncio.create_task(waiting.__anext__())
    await asyncio.sleep(0)
    step.cancel()
    with pytest.raises(asyncio.CancelledError):
        await step
    assert CONTEXTS == ["closed", "closed"]
    assert store.engine.pool.checkedout() == 0


async def test_a_permission_of_a_subscription_may_read(store):
    schema = subscribing(store)
    for key, data, messages in ((1, {"guarded": 1}, []), (9999, None, ["no such album"])):
        events = await schema.subscribe("subscription($id: Int!) { guarded(id: $id) }", {"id": key})
        (result,) = [result async for result in events]
        assert (result.data, [error.message for error in result.errors or ()]) == (data, messages)
    assert store.engine.pool.checkedout() == 0


async def test_what_a_subscription_asks_for_is_limited(sqlite_store):
    schema = subscribing(sqlite_store, limits=Limits(depth=2))
    events = await schema.subscribe(EVENTS, variable_values={"n": 1})
    (result,) = [result async for result in events]
    assert result.errors[0].extensions["limit"] == "depth"


async def test_operations_of_a_long_lived_context_read_what_is_there_now(chinook_sqlite):
    """As over a WebSocket, where all operations of a connection have one context."""
    async with Database(chinook_sqlite, repositories=[AlbumRepository, ArtistRepository]) as database:
        schema, context = subscribing(database), {"user": "ada"}
        for number in range(2):
            await rename(database, number)
            result = await schema.execute("{ album(id: 1) { title } }", context_value=context)
            assert result.data == {"album": {"title": f"Title {number}"}}


async def test_a_subscription_over_http_leaves_the_scope_of_its_request_alone(chinook_sqlite, client):
    async with Database(chinook_sqlite, repositories=[AlbumRepository, ArtistRepository]) as database:
        app = FastAPI()
        install(app, database, context=lambda: 7)
        shared: list[Scope] = []

        async def context(scope: Provide[Scope]) -> dict[str, Any]:
            shared.append(scope)
            return {}

        app.include_router(
            GraphQLRouter(
                subscribing(database), context_getter=context, subscription_protocols=["graphql-sse"]
            ),
            prefix="/graphql",
        )
        await rename(database, 0)
        CONTEXTS.clear()
        async with client(app) as http:
            response = await http.post(
                "/graphql",
                json={"query": EVENTS, "variables": {"n": 1}},
                headers={"accept": "text/event-stream"},
            )
    assert "Title 0" in response.text
    # Nothing was read in it, but what it is for holds in the scopes of the events.
    assert (shared[0].report().statements, CONTEXTS) == (0, [7])


async def test_what_is_deferred_is_read_while_the_scope_is_open(store):
    schema = strawberry.Schema(
        Changing,
        extensions=[lambda: ScopeExtension(store, look_ahead=False)],
        config=StrawberryConfig(enable_experimental_incremental_execution=True),
    )
    query = "{ album(id: 1) { title ... @defer { artist { name } } } }"
    results = [result async for result in await schema.stream(query)]
    assert results[0].data == {"album": {"title": "For Those About To Rock We Salute You"}}
    (later,) = [part.data for result in results[1:] for part in result.incremental or ()]
    assert later == {"artist": {"name": "AC/DC"}}
    assert store.engine.pool.checkedout() == 0


async def test_errors_of_what_is_deferred_have_codes_and_show_no_sql(store):
    """In parts that come later, in those that cannot come, and in what comes first."""

    @strawberry.type(name="Query")
    class Broken:
        album: AlbumType | None = one()

        @strawberry.field
        async def broken(self, info: strawberry.Info) -> str | None:
            await scope_of(info).session.execute(sa.text("SELECT secret FROM nowhere"))
            return None

    schema = strawberry.Schema(
        Broken,
        extensions=[lambda: ScopeExtension(store)],
        config=StrawberryConfig(enable_experimental_incremental_execution=True),
    )
    query = """{ first: broken album(id: 1) { title ... @defer { tracks(after: "x") { totalCount } } }
        ... @defer { later: broken } }"""
    results = [result async for result in await schema.stream(query)]
    parts = [
        part
        for result in results
        for part in (
            result,
            *(getattr(result, "incremental", None) or ()),
            *(getattr(result, "completed", None) or ()),
        )
    ]
    errors = [error for part in parts for error in getattr(part, "errors", None) or ()]
    assert {(error.path[-1], error.extensions["code"]) for error in errors} == {
        ("first", "INTERNAL"),
        ("later", "INTERNAL"),
        ("tracks", "INVALID_ARGUMENT"),
    }
    assert not any("secret" in error.message for error in errors)


# --- permissions, extensions, handlers ------------------------------------------------------------


class Allowed(BasePermission):
    message = "not allowed"

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return info.context["user"] == "ada"


class Noting(FieldExtension):
    seen: list[Any] = []  # noqa: RUF012

    async def resolve_async(self, next_, source, info, **kwargs):
        found = await next_(source, info, **kwargs)
        self.seen.append(type(found).__name__)
        return found


class Timing(SchemaExtension):
    seen: list[str] = []  # noqa: RUF012

    def resolve(self, _next, root, info, *args, **kwargs):
        self.seen.append(info.field_name)
        return _next(root, info, *args, **kwargs)


@repository_type(ArtistRepository, name="Guarded")
class GuardedType(relay.Node):
    name: auto
    albums: Connection[ChangingAlbumType]


@strawberry.type(name="Query")
class Guarded:
    artist: GuardedType | None = one(permission_classes=[Allowed])
    artists: Connection[GuardedType] | None = connection(permission_classes=[Allowed])
    every: list[GuardedType] | None = many(permission_classes=[Allowed])


GUARDED = "{ artist(id: 1) { name albums(first: 1) { edges { node { title artist { name } } } } } artists(first: 1, after: null) { edges { node { name } } } every { name } }"


async def test_permissions_of_strawberry_are_asked_and_see_the_same_answers(store):
    schema = strawberry.Schema(Guarded, extensions=[lambda: ScopeExtension(store)])
    with counting(store, 0):
        refused = await schema.execute(GUARDED, context_value={"user": "bob"})
    assert refused.data == {"artist": None, "artists": None, "every": None}
    assert [error.message for error in refused.errors] == ["not allowed"] * 3
    with counting(store, 5):
        allowed = await schema.execute(GUARDED, context_value={"user": "ada"})
    assert allowed.errors is None, allowed.errors
    assert allowed.data["artist"] == {
        "name": "AC/DC",
        "albums": {
            "edges": [
                {"node": {"title": "For Those About To Rock We Salute You", "artist": {"name": "AC/DC"}}}
            ]
        },
    }
    assert len(allowed.data["every"]) == 275


@strawberry.type(name="Query")
class Noted:
    artist: GuardedType | None = one(extensions=[Noting()])


async def test_extensions_of_a_field_see_its_result(store):
    Noting.seen.clear()
    schema = strawberry.Schema(Noted, extensions=[lambda: ScopeExtension(store)])
    with counting(store, 2):
        data = await answer(
            schema, "{ artist(id: 1) { name albums(first: 1) { edges { node { title } } } } }"
        )
    assert data["artist"]["name"] == "AC/DC"
    assert Noting.seen == ["GuardedType"]


@strawberry.type
class Missing:
    told: str


class TellMissing(strawberry.ExceptionHandler[NotFound, Missing]):
    def handle(self, exception: NotFound, *, field: Any, info: Any) -> Missing:
        return Missing(told=str(exception))


@strawberry.type(name="Query")
class Handled:
    artists: Connection[GuardedType] = connection()

    @strawberry.field
    async def artist(self, info: strawberry.Info, id: int) -> GuardedType | Missing:  # noqa: A002
        return to_type(GuardedType, await ArtistRepository(scope_of(info)).get(id))


async def test_exception_handlers_of_the_schema_are_asked(store):
    schema = strawberry.Schema(
        Handled, extensions=[lambda: ScopeExtension(store)], exception_handlers=[TellMissing()]
    )
    query = """query($id: Int!) {
      artist(id: $id) { __typename ... on Guarded { name albums(first: 1) { edges { node { title } } } } ... on Missing { told } }
      artists(first: 2) { edges { node { id name albums(first: 1) { totalCount edges { node { title artist { name } } } } } } }
    }"""
    with counting(store, 6):
        data = await answer(schema, query, id=1)
    assert data["artist"] == {
        "__typename": "Guarded",
        "name": "AC/DC",
        "albums": {"edges": [{"node": {"title": "For Those About To Rock We Salute You"}}]},
    }
    second = data["artists"]["edges"][1]["node"]
    assert (second["id"], second["albums"]["totalCount"]) == (relay.to_base64("Guarded", 1), 2)
    missing = (await answer(schema, query, id=9999))["artist"]
    assert missing == {"__typename": "Missing", "told": "Artist has no row for key 9999."}


async def test_extensions_of_the_schema_see_every_field(sqlite_store):
    Timing.seen.clear()
    schema = make_schema(sqlite_store, Timing)
    with counting(sqlite_store, 3):
        await answer(schema, ALBUMS)
    assert {"albums", "edges", "node", "title", "artist", "name", "tracks"} <= set(Timing.seen)


async def test_errors_of_others_are_masked_as_they_are(sqlite_store):
    @strawberry.type
    class Query:
        @strawberry.field
        def broken(self) -> int | None:
            raise RuntimeError("secret")

        @strawberry.field
        def told(self) -> int | None:
            raise GraphQLError("told", extensions={"code": "MINE"})

    def unknown(error: GraphQLError) -> bool:
        return "code" not in (error.extensions or {})

    schema = strawberry.Schema(
        Query,
        extensions=[lambda: MaskErrors(should_mask_error=unknown), lambda: ScopeExtension(sqlite_store)],
    )
    result = await schema.execute("{ broken told }")
    assert [(error.message, error.extensions) for error in result.errors] == [
        ("Unexpected error.", {}),
        ("told", {"code": "MINE"}),
    ]
    # What is refused has a code, and is told.
    error = await refusal(schema, "{ " + "broken " * 101 + "}")
    assert error.extensions["limit"] == "breadth"


# --- the report -----------------------------------------------------------------------------------


async def test_the_report_is_for_those_who_may_see_it_and_ask(store):
    asked = {"batchrepo": True}
    silent = make_schema(store)
    result = await silent.execute(ALBUMS, operation_extensions=asked)
    assert result.extensions == {}

    schema = make_schema(store, report=lambda context: context == "admin")
    for context, extensions, told in (
        ("admin", asked, True),
        ("admin", None, False),
        ("admin", {"batchrepo": "yes"}, False),
        ("stranger", asked, False),
        (None, asked, False),
    ):
        result = await schema.execute(ALBUMS, context_value=context, operation_extensions=extensions)
        assert result.errors is None
        assert ("batchrepo" in result.extensions) is told
        if told:
            assert result.extensions["batchrepo"]["statements"] == 3
            assert "SELECT" in str(result.extensions["batchrepo"]["steps"])


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_a_function_that_is_async_by_mistake_shows_the_report_to_nobody(sqlite_store):
    async def allowed(context: Any) -> bool:
        return True

    schema = make_schema(sqlite_store, report=allowed)
    result = await schema.execute(ALBUMS, operation_extensions={"batchrepo": True})
    assert result.extensions == {}


async def test_the_report_is_asked_for_over_http_by_a_header_or_in_the_request(sqlite_store, client):
    app = FastAPI()
    install(app, sqlite_store)
    schema = make_schema(sqlite_store, report=lambda context: context["request"].headers.get("user") == "ada")
    app.include_router(GraphQLRouter(schema), prefix="/graphql")
    body = {"query": ALBUMS}
    by_header, ada = {"X-Batchrepo-Report": "1"}, {"user": "ada"}
    async with client(app) as http:
        for headers, more, told in (
            (ada, {}, False),
            (by_header, {}, False),
            (by_header | ada, {}, True),
            (ada, {"extensions": {"batchrepo": True}}, True),
            ({}, {"extensions": {"batchrepo": True}}, False),
        ):
            response = await http.post("/graphql", json=body | more, headers=headers)
            assert response.json()["data"]["albums"]["edges"]
            found = response.json().get("extensions", {})
            assert ("batchrepo" in found) is told
            if told:
                assert found["batchrepo"]["statements"] == int(response.headers["X-Statements"]) == 3


async def test_each_event_has_its_report(chinook_sqlite):
    async with Database(chinook_sqlite, repositories=[AlbumRepository, ArtistRepository]) as database:
        schema = subscribing(database, report=True)
        await rename(database, 0)
        events = await schema.subscribe(
            EVENTS, variable_values={"n": 1}, operation_extensions={"batchrepo": True}
        )
        (result,) = [result async for result in events]
    assert result.extensions["batchrepo"]["statements"] == 2


# --- the scope's context --------------------------------------------------------------------------


async def test_row_criteria_hold_in_every_way_to_a_row(chinook_sqlite):
    class OwnAlbums(Repository[Album]):
        criteria = (match(Album.artist_id, lambda artist_id: artist_id),)

    @repository_type(OwnAlbums, name="OwnAlbum")
    class OwnAlbumType:
        id: auto
        title: auto

    query = type(
        "Query",
        (),
        {
            "__annotations__": {
                "album": OwnAlbumType | None,
                "albums": Connection[OwnAlbumType],
                "every": list[OwnAlbumType],
            },
            "album": one(),
            "albums": connection(),
            "every": many(),
        },
    )
    async with Database(chinook_sqlite, repositories=[OwnAlbums]) as database:
        schema = strawberry.Schema(
            strawberry.type(query), extensions=[lambda: ScopeExtension(database, context=lambda c: c)]
        )
        text = "{ mine: album(id: 2) { title } other: album(id: 1) { title } albums { totalCount edges { node { id } } } every { id } }"
        result = await schema.execute(text, context_value=2)
    assert result.errors is None, result.errors
    assert result.data == {
        "mine": {"title": "Balls to the Wall"},
        "other": None,
        "albums": {"totalCount": 2, "edges": [{"node": {"id": 2}}, {"node": {"id": 3}}]},
        "every": [{"id": 2}, {"id": 3}],
    }


async def test_a_connection_of_a_repository_that_is_not_registered_is_a_mistake_of_the_schema(chinook_sqlite):
    """It is told before the sizes of its pages are looked up."""
    async with Database(chinook_sqlite, repositories=[ArtistRepository]) as database:
        with counting(database, 0):
            error = await refusal(make_schema(database), "{ albums { totalCount } }")
    assert error.extensions == {"code": "INTERNAL"}
    assert isinstance(error.original_error, DeclarationError)
