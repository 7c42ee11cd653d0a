"""What README.md shows runs on the Chinook store, and gives what it says."""

import ast
import asyncio
import builtins
import inspect
import json
import re
from collections.abc import AsyncIterator, Callable
from types import CodeType
from typing import Any

import fastapi
import httpx
import pytest
import pytest_asyncio
import strawberry
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

import batchrepo
from batchrepo import Database, Repository, Scope
from batchrepo import testing as batchrepo_testing
from batchrepo.integrations import fastapi as fastapi_plug
from batchrepo.integrations import strawberry as strawberry_plug
from batchrepo.testing import assert_statements
from batchrepo.testing.counting import statement_counter
from examples.chinook import listing, models
from examples.chinook.repositories import REPOSITORIES, AlbumRepository, ArtistRepository, TrackRepository
from examples.chinook.views import AlbumView, ArtistView, TrackView
from tests.docs.pages import README, code_spans, python_blocks, text_of

DECLARATIONS, THREE_WAYS, PAGES, WRITING, REST, GRAPHQL = range(6)
BLOCKS = python_blocks(README)

OFFERED = {name: getattr(batchrepo, name) for name in batchrepo.__all__}
MODELS = {name: value for name, value in vars(models).items() if inspect.isclass(value)}


def compiled(source: str | ast.Module) -> CodeType:
    """Code of the page: as in a coroutine, it may await."""
    return compile(source, str(README), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


async def run(source: str | list[ast.stmt], namespace: dict[str, Any]) -> None:
    """Runs statements of the page; what they define is in the namespace afterwards."""
    if isinstance(source, list):
        source = ast.unparse(ast.Module(source, []))
    result = eval(compiled(source), namespace)
    if inspect.isawaitable(result):
        await result


@pytest_asyncio.fixture
async def store(chinook_url: str) -> AsyncIterator[Database]:
    async with Database(chinook_url, repositories=REPOSITORIES) as opened:
        yield opened


@pytest_asyncio.fixture
async def declared(chinook_url: str) -> AsyncIterator[dict[str, Any]]:
    """The names of the first block, whose last statement has run, in a scope that is still open."""
    names = OFFERED | MODELS | {"BaseModel": BaseModel, "TrackView": TrackView, "ArtistView": ArtistView}
    names |= {"AlbumRepository": AlbumRepository, "gather": asyncio.gather, "__name__": __name__}
    *classes, reading = ast.parse(BLOCKS[DECLARATIONS]).body
    assert isinstance(reading, ast.AsyncWith)
    await run(list(classes), names)
    others = [each for each in REPOSITORIES if each is not ArtistRepository]
    async with Database(
        chinook_url, repositories=[names["ArtistRepository"], *others], views=[names["AlbumView"]]
    ) as db:
        names["db"] = db
        with assert_statements(5, db):  # the page: "347 albums, 3,503 tracks: 5 statements"
            await run([reading], names)
        yield names


def test_the_page_has_these_blocks():
    assert len(BLOCKS) == 6


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_compiles(number: int):
    assert compiled(BLOCKS[number])


async def test_a_view_of_all_albums_takes_five_statements(declared: dict[str, Any]):
    albums = declared["albums"]
    assert len(albums) == 347
    assert sum(len(album.tracks) for album in albums) == 3503
    assert type(albums[0]) is declared["AlbumView"]
    assert all(album.artist.album_count for album in albums)


def test_the_views_that_the_page_leaves_out_are_as_its_comments_say():
    assert set(ArtistView.model_fields) == {"id", "name", "album_count"}
    assert {"id", "name", "genre"} <= set(TrackView.model_fields)


async def test_three_ways(declared: dict[str, Any]):
    db = declared["db"]
    statements = ast.parse(BLOCKS[THREE_WAYS]).body
    claims = re.findall(r"#.*?(\d+) statement", BLOCKS[THREE_WAYS])
    async with db.scope() as scope:
        declared |= {"scope": scope, "albums": AlbumRepository(scope)}
        counts = []
        for statement in statements:
            if isinstance(statement, ast.Expr):  # the tasks ask for entities of this scope
                declared["found"] = await declared["albums"].find()
            with statement_counter(db.engine) as seen:
                await run([statement], declared)
            counts.append(seen.count)
    # The loop: the albums, and what the comments say for each of its two lines. The tasks: one round.
    of_json = 1 if db.engine.dialect.name == "postgresql" else 5
    assert counts == [1 + sum(map(int, claims)), 1, of_json]
    assert isinstance(declared["artist"], models.Artist)
    assert isinstance(declared["length"], int)
    assert declared["length"] > 0
    found = json.loads(declared["page"])
    assert 0 < len(found) <= 50
    assert all("rock" in album["title"].lower() for album in found)


async def test_pages(declared: dict[str, Any]):
    db = declared["db"]
    async with db.scope() as scope:
        declared |= {"scope": scope, "albums": AlbumRepository(scope)}
        await run(BLOCKS[PAGES], declared)
    longest = declared["page"].items + declared["more"].items
    assert len({album.id for album in longest}) == 40
    lengths = [sum(track.milliseconds for track in album.tracks) for album in longest]
    assert lengths == sorted(lengths, reverse=True)


@pytest.fixture(params=["chinook_sqlite", "chinook_postgres_copy"])
def writable_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


async def test_writing(writable_url: str):
    async with Database(writable_url, repositories=REPOSITORIES) as db:
        row = {
            "id": 1,
            "name": "Again",
            "album_id": 1,
            "media_type_id": 1,
            "milliseconds": 5,
            "unit_price": 1,
            "genre_id": 1,
            "bytes": 1,
        }
        names = {
            "db": db,
            "AlbumRepository": AlbumRepository,
            "TrackRepository": TrackRepository,
            "rows": [row],
        }
        await run(BLOCKS[WRITING], names | {"Track": models.Track})
        async with db.scope() as scope:
            assert (await AlbumRepository(scope).get(1)).title == "Restless and Wild (live)"
            assert (await TrackRepository(scope).get(1)).name == "Again"


async def test_a_rest_endpoint(store: Database):
    names = {"FastAPI": fastapi.FastAPI, "db": store, "AlbumView": AlbumView, "__name__": __name__}
    names |= {"AlbumRepository": AlbumRepository}
    names |= {name: getattr(fastapi_plug, name) for name in fastapi_plug.__all__}
    await run(BLOCKS[REST], names)
    transport = httpx.ASGITransport(names["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://store") as client:
        found, missing = await client.get("/albums/1/sleeve"), await client.get("/albums/9999/sleeve")
        listed, one = await client.get("/albums?first=3"), await client.get("/albums/1")
    assert (found.status_code, missing.status_code) == (200, 404)
    assert found.json()["title"] == "For Those About To Rock We Salute You"
    assert missing.headers["content-type"] == "application/problem+json"  # RFC 9457
    assert int(found.headers["X-Statements"]) <= 5
    assert (len(listed.json()["items"]), one.json()) == (3, found.json())
    assert listed.headers["ETag"]
    assert 'rel="next"' in listed.headers["Link"]


@strawberry_plug.repository_type(ArtistRepository)
class ArtistType:
    name: strawberry.auto


@strawberry_plug.repository_type(TrackRepository)
class TrackType:
    name: strawberry.auto


async def test_a_graphql_schema(store: Database):
    names = {name: getattr(strawberry_plug, name) for name in strawberry_plug.__all__}
    names |= {"strawberry": strawberry, "auto": strawberry.auto, "AlbumRepository": AlbumRepository}
    names |= {"ArtistType": ArtistType, "TrackType": TrackType, "db": store, "__name__": __name__}
    await run(BLOCKS[GRAPHQL], names)
    query = """{ albums(first: 400) { edges { node {
        title duration artist { name }
        tracks(first: 2, orderBy: [MILLISECONDS_DESC], where: {milliseconds: {ge: 300000}}) { edges { node { name } } }
    } } } }"""
    with assert_statements(4, store):  # "a statement for each relation that it selects", and the sum
        result = await names["schema"].execute(query)
    assert result.errors is None
    albums = [edge["node"] for edge in result.data["albums"]["edges"]]
    assert len(albums) == 347
    assert all(album["artist"]["name"] and len(album["tracks"]["edges"]) <= 2 for album in albums)


async def test_the_statements_of_the_table(chinook_url: str, store: Database):
    table = re.findall(r"^\| ([^|]+?) \| (\d+) \| [^|]+ \|$", text_of(README), re.MULTILINE)
    ways: list[Callable[[Any], Any]] = [
        listing.naive,
        listing.hand_tuned,
        listing.loop,
        listing.gathered,
        listing.view,
        listing.view_json,
    ]
    counts = []
    for way in ways:
        plain = way in (listing.naive, listing.hand_tuned)
        opened: Any = AsyncSession(store.engine) if plain else store.scope()
        with statement_counter(store.engine) as seen:
            async with opened as reading:
                assert len(listing.plain(await way(reading))) == 347
        counts.append(seen.count)
    assert [int(statements) for _, statements in table] == counts


# --- names in the text ------------------------------------------------------------------------------

HELPERS = {name: getattr(batchrepo_testing, name) for name in batchrepo_testing.__all__}
PLUGS = {name: getattr(plug, name) for plug in (fastapi_plug, strawberry_plug) for name in plug.__all__}
OBJECTS = {"db": Database, "scope": Scope, "albums": Repository, "AlbumRepository": AlbumRepository} | {
    "TrackRepository": TrackRepository
}
OF_THE_READER = {"FastAPI", "gather"}
"""Names that belong to the reader's own code, or to what the reader imports from elsewhere."""


def parsed() -> list[ast.AST]:
    """The code of the page: its blocks, and the spans in its text that are Python."""
    trees: list[ast.AST] = [ast.parse(block) for block in BLOCKS]
    for span in code_spans(text_of(README)):
        try:
            trees.append(ast.parse(span))
        except SyntaxError:
            continue
    return trees


def calls() -> list[ast.Call]:
    return [node for tree in parsed() for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_every_function_that_is_called_exists():
    offered = OFFERED.keys() | HELPERS.keys() | PLUGS.keys() | MODELS.keys() | vars(builtins).keys()
    called = {call.func.id for call in calls() if isinstance(call.func, ast.Name)}
    made = {node.name for tree in parsed() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    unknown = called - offered - made - OBJECTS.keys() - OF_THE_READER
    assert unknown == set()


def test_every_method_that_is_called_exists():
    called = {
        (call.func.value.id, call.func.attr)
        for call in calls()
        if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name)
    }
    ours = {(owner, name) for owner, name in called if owner in OBJECTS}
    assert {("db", "scope"), ("scope", "related"), ("albums", "find")} <= ours
    assert [f"{owner}.{name}" for owner, name in sorted(ours) if not hasattr(OBJECTS[owner], name)] == []


def test_every_option_that_is_named_exists():
    known = OFFERED | HELPERS | PLUGS
    named = []
    for call in calls():
        if isinstance(call.func, ast.Name):
            target = known.get(call.func.id)
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            target = getattr(OBJECTS.get(call.func.value.id), call.func.attr, None)
        else:
            continue
        if target is not None and call.keywords:
            accepted = inspect.signature(target).parameters
            named += [(call.func, keyword.arg, keyword.arg in accepted) for keyword in call.keywords]
    assert named, "the page names no option"
    assert [ast.unparse(function) for function, _, accepted in named if not accepted] == []
    assert "max_statements" in inspect.signature(Database).parameters  # `max_statements=20`


def test_every_computed_attribute_that_is_listed_exists():
    bullet = text_of(README).partition("- **Computed attributes**")[2].partition("\n- ")[0]
    listed = {re.sub(r"\W.*", "", span.removeprefix("@")) for span in code_spans(bullet)}
    assert len(listed) > 8
    assert listed <= OFFERED.keys()


def test_the_error_that_is_shown_is_the_error():
    class Wrong(BaseModel):
        id: int
        titel: str

    shown = re.search(r"`AlbumView\.(titel: .+?)`", " ".join(text_of(README).split()))
    assert shown
    with pytest.raises(batchrepo.DeclarationError) as caught:
        Database("sqlite+aiosqlite://", repositories=REPOSITORIES, views=[Wrong])
    assert f"Wrong.{shown[1]}" in str(caught.value)
