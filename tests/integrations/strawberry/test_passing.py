"""The pass-through: what no executor visits is answered as if it had been visited, and the report says where it is."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any, NewType

import pytest
import strawberry
from strawberry import auto
from strawberry.directive import DirectiveLocation, DirectiveValue
from strawberry.extensions import FieldExtension, SchemaExtension
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from batchrepo.integrations.strawberry import (
    Connection,
    ScopeExtension,
    attribute,
    connection,
    many,
    one,
    related,
    repository_type,
    to_type,
)
from batchrepo.integrations.strawberry.passing import executor
from batchrepo.integrations.strawberry.passing.completing import SOURCES, _compiled
from examples.chinook.models import Album, Track
from examples.chinook.repositories import AlbumRepository, TrackRepository
from tests.support import graphql_store
from tests.support.graphql_store import AlbumType, ArtistType, answer, counting, make_schema

NESTED = """{ albums(first: 3) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node {
    id title __typename artist { name } longest { name } firstTracks { name genre { name } }
    tracks(first: 2) { totalCount edges { cursor node { name } } } } } } }"""


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


async def told(schema: strawberry.Schema, query: str, **given: Any) -> tuple[Any, dict[str, Any]]:
    """The result, and what its report says of the pass-through."""
    result = await schema.execute(query, operation_extensions={"batchrepo": True}, **given)
    assert result.extensions, result.errors
    return result, result.extensions["batchrepo"]["pass_through"]


def reasons(through: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {place["path"]: place["why_not"] for place in through["places"]}


# --- what passes ------------------------------------------------------------------------------------

PASSING = {
    "a connection": (NESTED, ["albums"]),
    "a total": ("{ albums { totalCount __typename } }", ["albums"]),
    "an object": ("{ album(id: 1) { title artist { name albumCount } } }", ["album"]),
    "null": ("{ album(id: 9999) { title } }", []),
    "a list": ("{ playlists { name tracks { name } } }", ["playlists"]),
    "a node": ('{ node(id: "QWxidW06MQ==") { id ... on Album { title artist { id } } } }', ["node"]),
    "nodes": (
        '{ nodes(ids: ["QWxidW06MQ==", "QXJ0aXN0OjE="]) { id ... on Album { title } ... on Artist { name } } }',
        ["nodes"],
    ),
    "a resolver's entities": ("{ rock { id title } }", ["rock"]),
}


@pytest.mark.parametrize("what", PASSING)
async def test_below_a_root_field_nothing_is_visited(store, visited, what):
    query, paths = PASSING[what]
    expected = await answer(make_schema(store, pass_through=False), query)
    before = len(visited)
    result, through = await told(make_schema(store, report=True, strategy="batched"), query)
    assert (result.data, result.errors) == (expected, None)
    assert len(visited) == before + 1, visited[before:]
    assert through["why_not"] is None
    assert reasons(through) == {path: {} for path in paths}
    assert not any(place["misfits"] for place in through["places"])


async def test_what_is_not_covered_is_visited_and_the_rest_passes(store, visited):
    query = "{ albums(first: 2) { edges { node { label artist { name } tracks(first: 1) { edges { node { name } } } } } } }"
    expected = await answer(make_schema(store, pass_through=False), query)
    visited.clear()
    result, through = await told(make_schema(store, report=True), query)
    assert result.data == expected
    assert "Album.label" in visited
    assert not {"Artist.name", "TrackConnection.edges", "Track.name"} & set(visited)
    own = "AlbumType.label has a resolver of its own."
    assert reasons(through) == {
        "albums": {"edges.node.label": own},
        "albums.edges.node": {"label": own},
        "albums.edges.node.artist": {},
        "albums.edges.node.tracks": {},
    }


async def test_it_takes_no_other_statements(store):
    for options in ({}, {"pass_through": False}):
        with counting(store, 8):
            await answer(make_schema(store, **options), NESTED)


async def test_without_look_ahead_what_is_loaded_passes_by_itself(store, visited):
    schema = make_schema(store, look_ahead=False, report=True)
    result, through = await told(schema, "{ album(id: 1) { title artist { name } } }")
    assert result.data == {
        "album": {"title": "For Those About To Rock We Salute You", "artist": {"name": "AC/DC"}}
    }
    assert "Artist.name" not in visited
    assert reasons(through) == {
        "album": {"artist": "is loaded when it is asked for, and not by the plan."},
        "album.artist": {},
    }


async def test_events_of_a_subscription_pass(store, visited):
    @strawberry.type
    class Subscription:
        @strawberry.subscription
        async def artists(self, info: strawberry.Info) -> AsyncIterator[list[ArtistType]]:
            for key in (1, 2):
                yield [to_type(ArtistType, key)]

    schema = strawberry.Schema(
        graphql_store.Query,
        subscription=Subscription,
        extensions=[lambda: ScopeExtension(store, report=True)],
    )
    await answer(schema, "{ albums(first: 1) { totalCount } }")
    visited.clear()
    events = [
        event
        async for event in await schema.subscribe(
            "subscription { artists { albums { edges { node { title } } } } }"
        )
    ]
    assert [event.errors for event in events] == [None, None]
    assert "Album.title" not in visited
    assert visited.count("Artist.albums") == 2  # a key is no row: it is read when the field is visited


async def test_a_selection_is_worked_out_once_for_a_document(sqlite_store, monkeypatch):
    made: list[Any] = []
    cover = executor.cover
    monkeypatch.setattr(executor, "cover", lambda *given: made.append(given) or cover(*given))
    schema = make_schema(sqlite_store)
    query = "query($n: Int!, $no: Boolean!) { albums(first: $n) { edges { node { title artist @skip(if: $no) { name } } } } }"
    for n, no in ((1, True), (2, True), (2, False), (3, False)):
        data = await answer(schema, query, n=n, no=no)
        assert [("artist" in edge["node"]) for edge in data["albums"]["edges"]] == [not no] * n
    assert len(made) == 2
    assert _compiled.cache_info().maxsize == SOURCES


# --- errors -----------------------------------------------------------------------------------------

Loud = NewType("Loud", str)


def _loud(value: str) -> str | None:
    if value.startswith("Balls"):
        raise ValueError(f"{value} is too loud")
    return None if value.startswith("Restless") else value.upper()


Loud._scalar_definition = strawberry.scalar(name="Loud", serialize=_loud)  # type: ignore[attr-defined]


@repository_type(TrackRepository, name="LoudTrack")
class LoudTrackType:
    name: Loud
    nothing: Loud | None = attribute(Track.name)


@repository_type(AlbumRepository, name="LoudAlbum")
class LoudAlbumType:
    id: auto
    title: Loud
    maybe: Loud | None = attribute(Album.title)
    tracks: Connection[LoudTrackType]
    all_tracks: list[LoudTrackType] | None = related(Album.tracks)


@strawberry.type(name="Query")
class LoudQuery:
    albums: list[LoudAlbumType] | None = many(order_by=Album.id)
    pages: Connection[LoudAlbumType] | None = connection(order_by=Album.id)


FAILING = {
    "where null is allowed": "{ albums(limit: 5) { maybe id } }",
    "up to where null is allowed": "{ albums(limit: 5) { id title } }",
    "in a page": "{ pages(first: 5) { totalCount edges { node { id title } } } }",
    "under aliases": "{ a: albums(limit: 2) { x: maybe } b: albums(limit: 1) { x: title } }",
    "in a list below": "{ albums(limit: 3) { id allTracks { name nothing } } }",
    "in a page below": "{ albums(limit: 3) { id maybe tracks(first: 2) { edges { node { nothing } } } } }",
}


@pytest.mark.parametrize("where", FAILING)
async def test_errors_are_those_of_visited_fields(store, where):
    found = [
        await strawberry.Schema(
            LoudQuery, extensions=[lambda options=options: ScopeExtension(store, **options)]
        ).execute(FAILING[where])
        for options in ({}, {"pass_through": False})
    ]
    passed, visited = (
        (one.data, [(e.message, e.path, e.locations) for e in one.errors or ()]) for one in found
    )
    assert passed == visited
    assert visited[1]


async def test_misfits_are_told_in_the_report(sqlite_store):
    schema = strawberry.Schema(LoudQuery, extensions=[lambda: ScopeExtension(sqlite_store, report=True)])
    _, through = await told(schema, "{ albums(limit: 5) { maybe } }")
    # The list, then each of its objects: the second is too loud, the third is None.
    assert through["places"] == [{"path": "albums", "why_not": {}, "misfits": 3}]


# --- why not ----------------------------------------------------------------------------------------


class Allowed(BasePermission):
    message = "no"

    def has_permission(self, source: Any, info: Any, **kwargs: Any) -> bool:
        return True


class Exclaiming(FieldExtension):
    async def resolve_async(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
        return f"{await next_(source, info, **kwargs)}!"


@repository_type(TrackRepository, name="Track")
class GuardedTrackType:
    id: auto
    name: auto

    @classmethod
    def is_type_of(cls, obj: Any, info: Any) -> bool:
        return True


@repository_type(AlbumRepository, name="Album")
class GuardedAlbumType:
    id: auto
    plain: str = attribute(Album.title)
    title: str = attribute(Album.title, permission_classes=[Allowed])
    loud: str = attribute(Album.title, extensions=[Exclaiming()])
    tracks: Connection[GuardedTrackType]

    @strawberry.field
    def one_more(self) -> int:
        return 1


@strawberry.type(name="Query")
class GuardedQuery:
    album: GuardedAlbumType | None = one()


LATER = "is loaded when it is asked for, and not by the plan."

WHY_NOT = {
    "a resolver": ("oneMore", {"oneMore": "GuardedAlbumType.one_more has a resolver of its own."}),
    "permissions": ("title", {"title": "GuardedAlbumType.title has permissions."}),
    "extensions": ("loud", {"loud": "GuardedAlbumType.loud has extensions of its own."}),
    "a type's own test": (
        "tracks(first: 1) { edges { node { name } } }",
        {"tracks.edges.node": "GuardedTrackType has an is_type_of of its own."},
    ),
    "a page from a cursor": ('tracks(after: "x") { totalCount }', {"tracks": LATER}),
    "a directive": ("plain @shout", {"plain": "@shout is more than the plan follows."}),
    "a directive on a fragment": ("id ...F", {"": "@mark is more than the plan follows."}),
    "each of them": (
        "x: title y: loud",
        {
            "x": "GuardedAlbumType.title has permissions.",
            "y": "GuardedAlbumType.loud has extensions of its own.",
        },
    ),
    "nothing": ("id tracks(first: 1) { totalCount }", {}),
}


@strawberry.directive(locations=[DirectiveLocation.FIELD])
def shout(value: DirectiveValue[str]) -> str:
    return f"{value}?"


@strawberry.directive(locations=[DirectiveLocation.FRAGMENT_SPREAD])
def mark(value: DirectiveValue[str]) -> str:
    return value


@pytest.mark.parametrize("what", WHY_NOT)
async def test_each_reason_is_told_and_the_answer_stays(sqlite_store, what):
    selected, expected = WHY_NOT[what]
    query = f"{{ album(id: 1) {{ {selected} }} }}"
    if "...F" in query:
        query = query.replace("...F", "...F @mark") + " fragment F on Album { id }"
    passed, visited = (
        strawberry.Schema(
            GuardedQuery,
            directives=[shout, mark],
            extensions=[lambda options=options: ScopeExtension(sqlite_store, report=True, **options)],
        )
        for options in ({}, {"pass_through": False})
    )
    result, through = await told(passed, query)
    usual = await visited.execute(query)
    assert (result.data, str(result.errors)) == (usual.data, str(usual.errors))
    assert through["why_not"] is None
    assert reasons(through)["album"] == expected


class Watching(SchemaExtension):
    def resolve(self, _next: Any, root: Any, info: Any, *args: Any, **kwargs: Any) -> Any:
        return _next(root, info, *args, **kwargs)


class Upper(StrawberryGraphQLCoreExecutionContext):
    @staticmethod
    def complete_leaf_value(return_type: Any, result: Any) -> Any:
        found = StrawberryGraphQLCoreExecutionContext.complete_leaf_value(return_type, result)
        return found.upper() if isinstance(found, str) else found


class Mine(StrawberryGraphQLCoreExecutionContext):
    """One that changes nothing of what passes."""

    def build_response(self, data: Any) -> Any:
        return super().build_response(data)


@strawberry.type
class Failure:
    message: str


class Handling(strawberry.ExceptionHandler[ValueError, Failure]):
    def handle(self, exception: ValueError, *, field: Any, info: Any) -> Failure:
        return Failure(message=str(exception))


def _attribute(source: Any, name: str) -> Any:
    return getattr(source, name)


OF_SCHEMAS = {
    "an extension": ({"more": [Watching]}, "The schema's extension Watching sees every field."),
    "an executor": (
        {"execution_context_class": Upper},
        "The schema's execution_context_class, Upper, has a complete_leaf_value of its own.",
    ),
    "an executor that does not matter": ({"execution_context_class": Mine}, None),
    "exception handlers": ({"exception_handlers": [Handling()]}, "The schema has exception_handlers."),
    "a default resolver": (
        {"config": StrawberryConfig(default_resolver=_attribute)},
        "The schema's config has a default_resolver of its own.",
    ),
    "directives": ({"directives": [shout]}, None),
    "turned off": ({"scope": {"pass_through": False}}, "ScopeExtension(pass_through=False)."),
}


@pytest.mark.parametrize("what", OF_SCHEMAS)
async def test_each_reason_of_a_schema_is_told_and_the_answer_stays(sqlite_store, visited, what):
    options, expected = OF_SCHEMAS[what]
    options = dict(options)
    scope, more = options.pop("scope", {}), options.pop("more", ())
    schema = strawberry.Schema(
        graphql_store.Query,
        extensions=[*more, lambda: ScopeExtension(sqlite_store, report=True, **scope)],
        **options,
    )
    result, through = await told(schema, "{ album(id: 4) { title artist { name } } }")
    title, name = "Let There Be Rock", "AC/DC"
    if what == "an executor":
        title = title.upper()
    assert (result.data, result.errors) == ({"album": {"title": title, "artist": {"name": name}}}, None)
    assert through["why_not"] == expected
    assert ("Album.title" in visited) == (expected is not None)


DEFERRED = {
    "below": "{ album(id: 1) { artist { id } ... @defer { artist { name } title } } }",
    "above": "{ ... @defer { album(id: 1) { title artist { name } } } album(id: 1) { id } }",
    "a list": "{ album(id: 1) { tracks(first: 2) { edges { node { name } } } ... @defer { firstTracks { name id } } } }",
    "items of a list": "{ album(id: 1) { title firstTracks @stream(initialCount: 1) { name } } }",
}


@pytest.mark.parametrize("where", DEFERRED)
async def test_what_is_deferred_comes_as_without_the_pass_through(sqlite_store, where):
    answers = []
    for options in ({}, {"pass_through": False}):
        schema = strawberry.Schema(
            graphql_store.Query,
            extensions=[lambda options=options: ScopeExtension(sqlite_store, **options)],
            config=StrawberryConfig(enable_experimental_incremental_execution=True),
        )
        results = [result async for result in await schema.stream(DEFERRED[where])]
        parts = [part for result in results[1:] for part in result.incremental or ()]
        later = [getattr(part, "data", None) or part.items for part in parts]
        answers.append((results[0].data, later))
    assert answers[0] == answers[1]
    assert answers[0][1], "nothing came later"


# --- what others do to objects on their way ---------------------------------------------------------


class Halving(FieldExtension):
    """Leaves out what is behind the middle, of a list and of a page."""

    async def resolve_async(self, next_: Any, source: Any, info: Any, **kwargs: Any) -> Any:
        found = await next_(source, info, **kwargs)
        rows = found if isinstance(found, list) else found.edges
        del rows[len(rows) // 2 :]
        return found


@strawberry.type(name="Query")
class HalvedQuery:
    albums: list[AlbumType] = many(order_by=Album.id, extensions=[Halving()])
    pages: Connection[AlbumType] = connection(
        order_by=Album.id, permission_classes=[Allowed], extensions=[Halving()]
    )


async def test_what_an_extension_of_a_root_field_left_out_stays_out(sqlite_store, visited):
    schema = strawberry.Schema(HalvedQuery, extensions=[lambda: ScopeExtension(sqlite_store)])
    data = await answer(
        schema, "{ albums(limit: 4) { title } pages(first: 4) { edges { cursor node { title } } } }"
    )
    titles = ["For Those About To Rock We Salute You", "Balls to the Wall"]
    assert [album["title"] for album in data["albums"]] == titles
    assert [edge["node"]["title"] for edge in data["pages"]["edges"]] == titles
    assert len({edge["cursor"] for edge in data["pages"]["edges"]}) == 2
    assert visited == ["Query.albums", "Query.pages"]
