"""What a repository declares as filterable and sortable, in the endpoints of a resource."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import ColumnElement

from batchrepo import (
    Database,
    DeclarationError,
    Repository,
    count,
    eq,
    named_filter,
)
from batchrepo.integrations.fastapi import install, related, resource
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album, Track
from tests.integrations.fastapi.catalogue import Albums, AlbumView, Invoices, InvoiceView, Tracks, TrackView


@pytest.fixture
async def database(chinook_url):
    async with Database(chinook_url, repositories=[Albums, Tracks, Invoices]) as opened:
        yield opened


@pytest.fixture
def app(database):
    app = FastAPI()
    install(app, database)
    tracks = {"tracks": related(Album.tracks, TrackView, repository=Tracks)}
    app.include_router(resource(Albums, view=AlbumView, prefix="/albums", related=tracks))
    app.include_router(resource(Invoices, view=InvoiceView, prefix="/invoices"))
    app.include_router(resource(Albums, view=AlbumView, prefix="/numbered", numbered=True))
    return app


@pytest.fixture
async def http(app, client):
    async with client(app) as opened:
        yield opened


@pytest.fixture
async def albums(database):
    async with database.scope() as scope:
        yield Albums(scope)


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


GROUP = {"or": [{"title__icontains": "live"}, {"not": {"track_count__le": 20}}]}

FILTERS: list[tuple[list[tuple[str, str]], Any]] = [
    ([], {}),
    ([("title__icontains", "rock")], {"title__icontains": "rock"}),
    ([("title", "Let There Be Rock")], {"title": "Let There Be Rock"}),
    ([("title__icontains", "%")], {"title__icontains": "%"}),
    ([("title__startswith", "")], {}),
    ([("artist_id", "90"), ("title__icontains", "live")], {"artist_id": 90, "title__icontains": "live"}),
    ([("artist_id__any_of", "1"), ("artist_id__any_of", "2")], {"artist_id__any_of": [1, 2]}),
    ([("artist.name__icontains", "maiden")], {"artist.name__icontains": "maiden"}),
    ([("track_count__ge", "20")], {"track_count__ge": 20}),
    ([("track_count__between", "3,5")], {"track_count__between": [3, 5]}),
    ([("long_title", "60")], {"long_title": 60}),
    ([("filter", json.dumps(GROUP))], GROUP),
    ([("filter", '{"lasting": {"low": 30, "high": 40}}')], {"lasting": {"low": 30, "high": 40}}),
    ([("filter", json.dumps(GROUP)), ("artist_id", "90")], {"and": [GROUP, {"artist_id": 90}]}),
]


@pytest.mark.parametrize(("query", "filters"), FILTERS, ids=str)
async def test_a_list_and_its_count_are_filtered_as_in_python(database, http, albums, query, filters):
    expected = [album.id for album in await albums.find(albums.filters(filters))]
    with statement_counter(database.engine) as seen:
        listed = await http.get("/albums", params=[*query, ("first", "1000"), ("total", "exact")])
        counted = await http.get("/albums/count", params=query)
    assert seen.count == 3
    assert ids(listed) == expected
    assert listed.json()["total"] == counted.json()["count"] == len(expected)
    numbered = await http.get("/numbered", params=[*query, ("size", "1000")])
    assert ids(numbered) == expected


async def test_the_pages_of_a_filtered_and_sorted_list(http, albums):
    where = albums.filters({"track_count__ge": 15})
    page = await albums.page(where, order_by=albums.sorting("-track_count,artist.name"), first=1000)
    expected = [album.id for album in page.items]
    assert 20 < len(expected) < 1000
    url, found = "/albums?track_count__ge=15&sort=-track_count,artist.name&first=20", []
    while url:
        answer = await http.get(url)
        found += ids(answer)
        url = answer.links.get("next", {}).get("url")
    assert found == expected


@pytest.mark.parametrize(
    "sort", ["id", "-id", "-title,id", "track_count,-artist.name", "+title", " title , id "]
)
async def test_a_sorted_list(http, albums, sort):
    page = await albums.page(order_by=albums.sorting(sort), first=30)
    expected = [album.id for album in page.items]
    assert ids(await http.get("/albums", params={"sort": sort, "first": 30})) == expected
    assert ids(await http.get("/numbered", params={"sort": sort, "size": 30})) == expected


async def test_a_cursor_is_bound_to_filters_and_order(http):
    first = (await http.get("/albums?first=1&sort=id")).json()["end_cursor"]
    for query in ("sort=-id", "sort=id&title=x", ""):
        answer = await http.get(f"/albums?after={first}&{query}")
        assert (answer.status_code, "cursor" in answer.json()["detail"]) == (400, True)
    assert (await http.get(f"/albums?after={first}&sort=id")).status_code == 200


async def test_dates_and_money(http):
    answer = await http.get("/invoices?invoice_date__between=2009-01-01,2009-01-31T23:59:59&total__ge=5.94")
    shown = answer.json()["items"]
    assert shown
    assert all(
        each["invoice_date"].startswith("2009-01") and Decimal(each["total"]) >= Decimal("5.94")
        for each in shown
    )


# --- related lists --------------------------------------------------------------------------------


async def test_a_related_list_has_the_filters_and_sorts_of_its_repository(database, http):
    with statement_counter(database.engine) as seen:
        answer = await http.get("/albums/94/tracks?name__icontains=the&sort=-milliseconds&total=exact")
    assert seen.count == 3
    async with database.scope() as scope:
        tracks = Tracks(scope)
        where = (Track.album_id == 94, tracks.filters({"name__icontains": "the"}))
        expected = [track.id for track in await tracks.find(*where, order_by=tracks.sorting("-milliseconds"))]
    assert len(expected) > 5
    assert ids(answer) == expected[:5]
    assert answer.json()["total"] == len(expected)
    assert ids(await http.get(answer.links["next"]["url"])) == expected[5:10]


async def test_the_pages_of_a_related_list_are_as_large_as_its_repository_says(http):
    assert len(ids(await http.get("/albums/94/tracks"))) == 5
    assert (await http.get("/albums/94/tracks?first=51")).status_code == 422


async def test_without_a_repository_a_related_list_is_neither_filtered_nor_sorted(database, client):
    app = FastAPI()
    install(app, database)
    app.include_router(
        resource(
            Albums, view=AlbumView, prefix="/albums", related={"tracks": related(Album.tracks, TrackView)}
        )
    )
    async with client(app) as http:
        for query in ("sort=milliseconds", "name__icontains=x", "filter={}"):
            assert (await http.get(f"/albums/1/tracks?{query}")).status_code == 400


# --- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("track_count__ge=many", 422, "track_count__ge: Input should be a valid integer"),
        (
            "artist_id__any_of=1&artist_id__any_of=x",
            422,
            "artist_id__any_of.1: Input should be a valid integer",
        ),
        ("long_title=0", 422, "long_title: Input should be greater than or equal to 1"),
        ("track_count__between=1", 400, "it takes two values, separated by a comma"),
        ("track_count__between=5,1", 400, "the range ends before it begins"),
        (
            "title__like=x",
            400,
            "takes no parameter 'title__like'. There are: title, title__icontains, title__startswith",
        ),
        ("artist.name=x", 400, "There are: artist.name__icontains."),
        ("titel=x", 400, "takes no parameter 'titel'. Did you mean 'title'"),
        ("password=x", 400, "takes no parameter 'password'."),
        ("lasting=x", 400, "takes no parameter 'lasting'."),
        ("title=x&title=y", 400, "takes 'title' once; it is there 2 times."),
        ("first=1&first=2", 400, "takes 'first' once"),
        ("sort=titel", 400, "Did you mean 'title'"),
        ("sort=artist_id", 400, "cannot be sorted by 'artist_id'"),
        ("sort=title,-title", 400, "twice"),
        ("filter=x", 400, "JSON"),
        ("filter=[]", 400, "JSON object"),
        ('filter={"titel":"x"}', 400, "no filter 'titel'. Did you mean 'title'"),
        ('filter={"or":[]}', 400, "'or' expects a list of filters"),
        ("filter=" + '{"not":' * 9 + "{}" + "}" * 9, 400, "deep"),
        ("title=" + "x" * 1001, 422, "title: String should have at most 1000 characters"),
    ],
)
async def test_what_is_wrong_is_told_and_takes_no_statement(database, http, query, status, told):
    with statement_counter(database.engine) as seen:
        answer = await http.get(f"/albums?{query}")
    assert (answer.status_code, seen.count) == (status, 0), answer.text
    assert told in answer.json()["detail"]


async def test_what_is_wrong_in_a_count_is_told_too(http):
    for path, status in {
        "/albums/count?track_count__ge=x": 422,
        "/albums/count?titel=x": 400,
        "/albums/count?filter=x": 400,
        "/albums/count?sort=id": 400,
        "/albums/1?title=x": 400,
        "/albums/by-ids?id=1&title=x": 400,
    }.items():
        assert (await http.get(path)).status_code == status, path


def test_a_filter_with_the_name_of_a_parameter_is_refused():
    class Firsts(Repository[Album]):
        first = count(Album.tracks)
        filterable = {first: (eq,)}  # noqa: RUF012

    class Sorted(Repository[Album]):
        @named_filter
        def sort(self, value: int) -> ColumnElement[bool]:
            return Album.id == value

        sortable = (Album.id,)

    with pytest.raises(DeclarationError, match=r"/albums would take two parameters of the name 'sort'"):
        resource(Sorted, view=AlbumView, prefix="/albums")


# --- OpenAPI --------------------------------------------------------------------------------------


def test_openapi_has_every_filter_with_its_type_and_an_example(app):
    found = {each["name"]: each["schema"] for each in app.openapi()["paths"]["/albums"]["get"]["parameters"]}
    assert list(found) == [
        "first",
        "after",
        "last",
        "before",
        "total",
        "sort",
        "fields",
        "title",
        "title__icontains",
        "title__startswith",
        "artist_id",
        "artist_id__any_of",
        "artist.name__icontains",
        "track_count__ge",
        "track_count__le",
        "track_count__between",
        "long_title",
        "filter",
    ]
    assert found["title__icontains"] == {
        "type": "string",
        "maxLength": 1000,
        "examples": ["rock"],
        "title": "title__icontains",
        "description": found["title__icontains"]["description"],
    }
    assert found["track_count__ge"]["type"] == "integer"
    assert found["artist_id__any_of"]["type"] == "array"
    assert found["artist_id__any_of"]["items"] == {"type": "integer"}
    assert found["track_count__between"]["type"] == "string"
    assert (
        found["long_title"]["description"]
        == "Titles of so many characters, or more. Example: `long_title=3`."
    )
    assert found["sort"]["examples"] == ["-title"]
    assert found["sort"]["pattern"] == (
        r"^-?(title|id|track_count|artist\.name)(,-?(title|id|track_count|artist\.name))*$"
    )
    assert json.loads(found["filter"]["examples"][0])["or"]
    assert all(schema["description"] for schema in found.values())


def test_a_count_has_the_filters_of_its_list(app):
    paths = app.openapi()["paths"]
    listed = [each["name"] for each in paths["/albums"]["get"]["parameters"]]
    counted = [each["name"] for each in paths["/albums/count"]["get"]["parameters"]]
    assert counted == listed[7:]


@pytest.mark.parametrize("path", ["/albums", "/albums/{id}/tracks", "/invoices", "/numbered"])
async def test_the_examples_of_openapi_work(app, http, path):
    for parameter in app.openapi()["paths"][path]["get"]["parameters"]:
        for example in parameter["schema"].get("examples", ()):
            if parameter["in"] == "query":
                answer = await http.get(path.replace("{id}", "1"), params={parameter["name"]: example})
                assert answer.status_code == 200, (parameter["name"], answer.text)
