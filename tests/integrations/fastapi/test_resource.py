"""`resource`: the endpoints of a repository, as clients see them."""

import asyncio
import json
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Path, Query, Response
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.middleware.gzip import GZipMiddleware

from batchrepo import Database, Repository, capped, match
from batchrepo.integrations.fastapi import Provide, install, related, resource
from batchrepo.plan.pages import etag_of
from batchrepo.strategies.single import MOST_ROWS
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album, Employee, Playlist, Track
from examples.chinook.repositories import (
    REPOSITORIES,
    AlbumRepository,
    EmployeeRepository,
    PlaylistRepository,
    TrackRepository,
)
from examples.chinook.views import AlbumItem, AlbumPage, ArtistView, EmployeeItem, EmployeeView, TrackItem
from tests.support.stores import kept

ALBUMS: dict[str, Any] = {
    "view": AlbumPage,
    "list_view": AlbumItem,
    "prefix": "/albums",
    "related": {
        "tracks": related(Album.tracks, TrackItem, repository=TrackRepository),
        "artist": related(Album.artist, ArtistView),
    },
}


def application(store: Database, *routers: APIRouter) -> FastAPI:
    app = FastAPI()
    install(app, store)
    for router in routers or (resource(AlbumRepository, **ALBUMS),):
        app.include_router(router)
    return app


@pytest.fixture
async def http(store, client):
    async with client(kept(application, store)) as opened:
        yield opened


@pytest.fixture
async def session(store):
    async with AsyncSession(store.engine) as opened:
        yield opened


async def counted(store: Database, http: Any, url: str, statements: int, status: int = 200) -> Any:
    """The answer to a request that takes so many statements, by the driver and by the header."""
    with statement_counter(store.engine) as seen:
        answer = await http.get(url)
    assert answer.status_code == status, answer.text
    assert seen.count == statements, seen
    assert answer.headers["X-Statements"] == str(statements)
    return answer


def page_of(store: Database, size: int) -> int:
    """The statements of a page: PostgreSQL writes the JSON of few rows in one."""
    return 1 if store.engine.dialect.name == "postgresql" and size <= MOST_ROWS else 3


def by_key(store: Database, batched: int) -> int:
    """The statements of rows by their keys: PostgreSQL writes their JSON in one."""
    return 1 if store.engine.dialect.name == "postgresql" else batched


# --- the list -------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [1, 20, 1000])
async def test_a_list(store, http, session, first):
    rows = (await session.scalars(select(Album.id).order_by(Album.title, Album.id).limit(first))).all()
    answer = await counted(store, http, f"/albums?first={first}", page_of(store, first))
    assert [album["id"] for album in answer.json()["items"]] == rows
    assert answer.headers["content-type"] == "application/json"


async def test_a_page_is_as_large_as_the_repository_says(http):
    assert len((await http.get("/albums")).json()["items"]) == AlbumRepository.page_size


async def test_a_list_equals_what_the_repository_gives_in_python(store, http):
    async with store.scope() as scope:
        page = await AlbumRepository(scope).page(AlbumItem, first=3, total="exact")
    assert (await http.get("/albums?first=3&total=exact")).json() == json.loads(page.model_dump_json())


async def test_links_lead_through_the_list_and_back(http, session):
    rows = (await session.scalars(select(Album.id).order_by(Album.title, Album.id))).all()

    async def walk(url: str, rel: str) -> tuple[list[list[int]], str]:
        pages = []
        while True:
            answer = await http.get(url)
            pages.append([album["id"] for album in answer.json()["items"]])
            assert (rel in answer.links) == answer.json()[{"next": "has_next", "prev": "has_previous"}[rel]]
            if rel not in answer.links:
                return pages, url
            url = answer.links[rel]["url"]

    forward, end = await walk("/albums?first=100&total=exact", "next")
    backward, start = await walk(end, "prev")
    assert [key for page in forward for key in page] == rows
    assert [key for page in reversed(backward) for key in page] == rows
    assert "total=exact" in end
    assert (await http.get(start)).links["first"]["url"] == "/albums?total=exact&first=100"


async def test_a_total_takes_one_more_statement(store, http):
    answer = await counted(store, http, "/albums?first=1&total=exact", page_of(store, 1) + 1)
    assert (answer.json()["total"], answer.json()["total_is"]) == (347, "exact")
    assert (await http.get("/albums?first=1")).json()["total"] is None


async def test_totals_are_those_that_the_resource_offers(store, client):
    totals = {"about": capped(100), "exact": "exact"}
    async with client(application(store, resource(AlbumRepository, **ALBUMS, totals=totals))) as http:
        about = (await http.get("/albums?first=1&total=about")).json()
        other = await http.get("/albums?total=estimated")
    assert (about["total"], about["total_is"]) == (100, "at_least")
    assert (other.status_code, other.json()["detail"]) == (422, "total: Input should be 'about' or 'exact'")


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("first=1001", 422, "first: Input should be less than or equal to 1000"),
        ("first=-1", 422, "first: Input should be greater than or equal to 0"),
        ("last=x", 422, "last: Input should be a valid integer"),
        ("first=", 422, "first: Input should be a valid integer"),
        ("first=1&last=1", 400, "first= and last= ask for two different pages"),
        ("after=x", 400, "cursor"),
        ("after=", 400, "cursor"),
        ("frist=1", 400, "/albums takes no parameter 'frist'. Did you mean 'first'"),
        ("id=1", 400, "takes no parameter 'id'"),
    ],
)
async def test_what_is_wrong_is_told_and_takes_no_statement(store, http, query, status, told):
    answer = await counted(store, http, f"/albums?{query}", 0, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told in answer.json()["detail"]


async def test_a_cursor_of_another_list_is_refused(http):
    tracks = (await http.get("/albums/1/tracks?first=1")).json()["end_cursor"]
    answer = await http.get("/albums", params={"after": tracks})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_ARGUMENT")


async def test_numbered_pages(store, client, session):
    rows = (await session.scalars(select(Album.id).order_by(Album.title, Album.id))).all()
    async with client(application(store, resource(AlbumRepository, **ALBUMS, numbered=True))) as http:
        answer = await counted(store, http, "/albums?page=2&size=100", page_of(store, 100) + 1)
        default = (await http.get("/albums")).json()
        last = await http.get(answer.links["last"]["url"])
        deep = await http.get("/albums?page=999999")
        cursor = await http.get("/albums?after=x")
        some = await counted(store, http, "/albums?size=2&fields=id", 2)
    page = answer.json()
    assert [album["id"] for album in page["items"]] == rows[100:200]
    assert (page["number"], page["size"], page["total"], page["pages"]) == (2, 100, 347, 4)
    assert {rel: link["url"] for rel, link in answer.links.items()} == {
        "first": "/albums?page=1&size=100",
        "prev": "/albums?page=1&size=100",
        "next": "/albums?page=3&size=100",
        "last": "/albums?page=4&size=100",
    }
    assert [album["id"] for album in last.json()["items"]] == rows[300:]
    assert [album["id"] for album in default["items"]] == rows[:20]
    assert (deep.status_code, cursor.status_code) == (400, 400)
    assert some.json()["items"] == [{"id": key} for key in rows[:2]]
    assert some.links["next"]["url"] == "/albums?fields=id&page=2&size=2"


# --- by key ---------------------------------------------------------------------------------------


async def test_one(store, http):
    async with store.scope() as scope:
        page = await AlbumRepository(scope).get(94, AlbumPage)
    answer = await counted(store, http, "/albums/94", by_key(store, 8))
    assert answer.json() == json.loads(page.model_dump_json())


async def test_one_that_is_not_there(store, http):
    answer = await counted(store, http, "/albums/9999", 1, 404)
    assert answer.json()["detail"] == "Album has no row for key 9999."


@pytest.mark.parametrize("key", ["x", "1.5", "99999999999999999999", "-99999999999999999999"])
async def test_a_key_of_another_type_takes_no_statement(store, http, key):
    answer = await counted(store, http, f"/albums/{key}", 0, 422)
    assert answer.json()["errors"][0]["name"] == "id"


async def test_many_in_their_order_and_as_often_as_asked(store, http):
    answer = await counted(store, http, "/albums/by-ids?id=3&id=1&id=3&id=94", by_key(store, 8))
    assert [album["id"] for album in answer.json()] == [3, 1, 3, 94]
    assert answer.json()[0] == (await http.get("/albums/3")).json()


async def test_of_many_the_missing_are_named(store, http):
    """And nothing is read of the others that nobody would see."""
    answer = await counted(store, http, "/albums/by-ids?id=9999&id=1&id=8888&id=9999", 1, 404)
    assert answer.json()["detail"] == "Album has no row for keys 9999, 8888."


async def test_many_are_bounded(store, http):
    most = AlbumRepository.max_page_size
    many = "&".join(["id=1"] * most)
    assert len((await http.get(f"/albums/by-ids?{many}")).json()) == most
    for url in (f"/albums/by-ids?{many}&id=1", "/albums/by-ids", "/albums/by-ids?id=x"):
        await counted(store, http, url, 0, 422)


async def test_a_count(store, http):
    answer = await counted(store, http, "/albums/count", 1)
    assert answer.content == b'{"count":347}'


# --- only some fields -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "statements", "expected"),
    [
        ("/albums/1?fields=id", 1, {"id": 1}),
        ("/albums/1?fields=id,track_count", 2, {"id": 1, "track_count": 10}),
        ("/albums/1?fields=artist(name)", 2, {"artist": {"name": "AC/DC"}}),
        ("/albums/1?fields=artist.name", 2, {"artist": {"name": "AC/DC"}}),
        ("/albums/1?fields=artist(name,album_count)", 3, {"artist": {"name": "AC/DC", "album_count": 2}}),
        ("/albums/by-ids?id=4&id=1&fields=id", 1, [{"id": 4}, {"id": 1}]),
        ("/albums/1/artist?fields=name", 2, {"name": "AC/DC"}),
    ],
)
async def test_only_some_fields_are_read_and_shown(store, http, url, statements, expected):
    answer = await counted(store, http, url, by_key(store, statements))
    assert answer.json() == expected


@pytest.mark.parametrize(("path", "statements"), [("/albums", 1), ("/albums/94/tracks", 2)])
async def test_only_some_fields_of_a_list(store, http, path, statements):
    whole = (await http.get(f"{path}?first=3")).json()
    name = list(whole["items"][0])[1]
    answer = await counted(store, http, f"{path}?first=3&fields={name}", statements)
    assert answer.json()["items"] == [{name: item[name]} for item in whole["items"]]
    assert answer.json()["end_cursor"] == whole["end_cursor"]
    assert f"fields={name}" in answer.links["next"]["url"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("/albums/1?fields=titel", "AlbumPage has no field 'titel'. Did you mean 'title'?"),
        ("/albums?fields=artist", "AlbumItem has no field 'artist'. Did you mean 'artist_name'?"),
        ("/albums/1?fields=artist(nme)", "ArtistView has no field 'nme' (in artist)."),
        ("/albums/by-ids?id=1&fields=password", "AlbumPage has no field 'password'."),
        ("/albums/1/tracks?fields=genre", "TrackItem has no field 'genre'. Did you mean 'genre_name'?"),
        ("/albums/1/artist?fields=albums", "ArtistView has no field 'albums'"),
        ("/albums/1?fields=", "expected a name"),
        ("/albums/1/artist?fields=a(", "at character 3"),
        ("/albums/count?fields=id", "/albums/count takes no parameter 'fields'."),
    ],
)
async def test_fields_that_are_not_there_take_no_statement(store, http, url, told):
    answer = await counted(store, http, url, 0, 400)
    assert told in answer.json()["detail"]


# --- what is related ------------------------------------------------------------------------------


async def test_a_related_list(store, http, session):
    rows = (await session.scalars(select(Track.id).where(Track.album_id == 94).order_by(Track.id))).all()
    answer = await counted(store, http, "/albums/94/tracks?first=5", 3)
    assert [track["id"] for track in answer.json()["items"]] == rows[:5]
    rest = await http.get(answer.links["next"]["url"])
    assert [track["id"] for track in rest.json()["items"]] == rows[5:10]
    back = await http.get(rest.links["prev"]["url"])
    assert back.json()["items"] == answer.json()["items"]
    total = await counted(store, http, "/albums/94/tracks?first=1&total=exact", 4)
    assert total.json()["total"] == len(rows)


async def test_a_related_list_that_is_empty_is_no_error(store, client, session):
    playlists = resource(
        PlaylistRepository,
        view=EmployeeItem,
        prefix="/playlists",
        operations=(),
        related={"tracks": related(Playlist.tracks, TrackItem)},
    )
    async with client(application(store, playlists)) as http:
        empty = await counted(store, http, "/playlists/2/tracks", 2)
        missing = await counted(store, http, "/playlists/9999/tracks", 1, 404)
        full = await counted(store, http, "/playlists/1/tracks?last=1", 3)
    assert (empty.json()["items"], empty.json()["has_next"]) == ([], False)
    assert missing.json()["detail"] == "Playlist has no row for key 9999."
    assert full.json()["has_previous"]


async def test_a_related_row(store, http):
    answer = await counted(store, http, "/albums/94/artist", by_key(store, 3))
    assert answer.json() == {"id": 90, "name": "Iron Maiden", "album_count": 21}
    await counted(store, http, "/albums/9999/artist", 1, 404)


async def test_a_related_row_that_is_not_there_is_null(store, client):
    employees = resource(
        EmployeeRepository,
        view=EmployeeView,
        prefix="/employees",
        related={
            "boss": related(Employee.reports_to, EmployeeItem),
            "reports": related(Employee.reports, EmployeeItem),
        },
    )
    async with client(application(store, employees)) as http:
        boss = await counted(store, http, "/employees/2/boss", by_key(store, 2))
        assert boss.json()["last_name"] == "Adams"
        assert (await counted(store, http, "/employees/1/boss", 1)).content == b"null"
        await counted(store, http, "/employees/99/boss", 1, 404)
        reports = await counted(store, http, "/employees/1/reports", 2)
    assert [employee["id"] for employee in reports.json()["items"]] == [2, 6]


# --- headers --------------------------------------------------------------------------------------

PATHS = (
    "/albums?first=2",
    "/albums/1",
    "/albums/by-ids?id=1&id=2",
    "/albums/count",
    "/albums/1/tracks",
    "/albums/1/artist",
)


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_a_tag_and_is_not_sent_twice(http, path):
    full = await http.get(path)
    assert full.headers["ETag"] == etag_of(full.content)
    assert full.headers["Cache-Control"] == "private, no-cache"
    assert full.headers["Vary"] == "Authorization, Cookie"
    known = await http.get(path, headers={"If-None-Match": full.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")
    for name in ("ETag", "Cache-Control", "X-Statements"):
        assert known.headers[name] == full.headers[name]
    assert known.headers["Vary"] == "Authorization, Cookie, Accept-Encoding"
    assert known.headers.get("Link") == full.headers.get("Link")


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_takes_head(http, path):
    get, head = await http.get(path), await http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(get.headers)
    missing = await http.head("/albums/9999")
    assert missing.status_code == 404


@pytest.mark.parametrize("path", PATHS)
async def test_other_methods_are_told_what_there_is(http, path):
    answer = await http.delete(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


async def test_caching_is_the_resources_choice(store, client):
    router = resource(AlbumRepository, **ALBUMS, cache_control="public, max-age=60", vary=())
    app = application(store, router)
    app.add_middleware(GZipMiddleware, minimum_size=100)
    async with client(app) as http:
        full = await http.get("/albums")
        known = await http.get("/albums", headers={"If-None-Match": full.headers["ETag"]})
    assert (full.headers["Content-Encoding"], known.status_code) == ("gzip", 304)
    assert {answer.headers["Vary"] for answer in (full, known)} == {"Accept-Encoding"}
    assert {answer.headers["Cache-Control"] for answer in (full, known)} == {"public, max-age=60"}


# --- in an application ----------------------------------------------------------------------------


async def test_only_the_operations_that_were_asked_for(store, client):
    router = resource(AlbumRepository, view=AlbumItem, prefix="/albums", operations=["one"])
    async with client(application(store, router)) as http:
        answers = [
            await http.get(path) for path in ("/albums/1", "/albums", "/albums/count", "/albums/1/tracks")
        ]
    assert [answer.status_code for answer in answers] == [200, 404, 422, 404]


async def test_it_lies_where_its_router_is_included(store, client):
    outer = APIRouter(prefix="/v2")
    outer.include_router(resource(AlbumRepository, **ALBUMS))
    app = application(store, outer)
    async with client(app) as http:
        answer = await http.get("/v2/albums?first=1")
    assert answer.links["next"]["url"].startswith("/v2/albums?first=1&after=")


async def test_behind_a_proxy_that_takes_a_part_of_the_path(store, client):
    import httpx

    transport = httpx.ASGITransport(application(store), root_path="/api")
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        answer = await http.get("/api/albums?first=1")
    assert answer.links["first"]["url"] == "/api/albums?first=1"


def tenant(x_artist: Annotated[int, Header()], locale: Annotated[str, Query()] = "en") -> int:
    return x_artist


class OwnAlbums(Repository[Album]):
    criteria = (match(Album.artist_id, lambda artist_id: artist_id),)


class OwnAlbum(BaseModel):
    id: int
    title: str


async def test_row_criteria_hold_in_every_endpoint(chinook_url, client):
    others = [each for each in REPOSITORIES if each is not AlbumRepository]
    router = resource(
        OwnAlbums, view=OwnAlbum, prefix="/albums", related={"tracks": related(Album.tracks, TrackItem)}
    )
    async with Database(chinook_url, repositories=[OwnAlbums, *others]) as database:
        app = FastAPI()
        install(app, database, context=tenant)
        app.include_router(router)
        async with client(app) as http:
            mine, theirs = {"X-Artist": "1"}, {"X-Artist": "2"}
            listed = await http.get("/albums", headers=mine)
            assert [album["id"] for album in listed.json()["items"]] == [1, 4]
            for path in ("/albums/1", "/albums/by-ids?id=4&id=1", "/albums/1/tracks"):
                assert (await http.get(path, headers=mine)).status_code == 200
                assert (await http.get(path, headers=theirs)).status_code == 404
            assert (await http.get("/albums/count", headers=theirs)).json() == {"count": 2}
            # A parameter that finds the context is none that nobody looks at.
            assert (await http.get("/albums/count?locale=de", headers=mine)).status_code == 200
            assert (await http.get("/albums/count?local=de", headers=mine)).status_code == 400


async def test_dependencies_of_the_router_and_of_where_it_is_included(store, client):
    def guarded(key: Annotated[str, Query()] = "") -> None:
        if key != "secret":
            raise HTTPException(401, "Say the key.")

    def traced(response: Response, trace: Annotated[str, Query()] = "") -> None:
        response.headers["X-Trace"] = trace
        response.set_cookie("seen", "1")

    app = FastAPI(dependencies=[Depends(traced)])
    install(app, store)
    app.include_router(resource(AlbumRepository, **ALBUMS, dependencies=[Depends(guarded)]))
    async with client(app) as http:
        refused = await http.get("/albums/1")
        answer = await http.get("/albums/1?key=secret&trace=t1")
        unknown = await http.get("/albums/1?key=secret&tracer=t1")
    assert (refused.status_code, refused.json()["detail"]) == (401, "Say the key.")
    assert (answer.status_code, answer.headers["X-Trace"]) == (200, "t1")
    assert answer.cookies["seen"] == "1"
    assert unknown.status_code == 400


async def test_requests_at_once(store, http):
    answers = await asyncio.gather(*(http.get(f"/albums/{key}/tracks?first=3") for key in range(1, 41)))
    assert {answer.headers["X-Statements"] for answer in answers} == {"3"}
    assert store.engine.pool.checkedout() == 0


async def test_an_endpoint_of_ones_own_beside_them(store, client):
    router = resource(AlbumRepository, **ALBUMS)

    @router.get("/{id}/cover")
    async def cover(key: Annotated[int, Path(alias="id")], albums: Provide[AlbumRepository]) -> str:
        return f"{(await albums.get(key)).title}.png"

    async with client(application(store, router)) as http:
        assert (await http.get("/albums/1/cover")).json().endswith(".png")
