"""What OpenAPI says of a resource, and that answers are as it says."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel, Field

from batchrepo import Page, Repository, include
from batchrepo.integrations.fastapi import install, related, resource
from examples.chinook.models import Album, Employee
from examples.chinook.repositories import AlbumRepository, EmployeeRepository, TrackRepository
from examples.chinook.views import AlbumItem, AlbumPage, ArtistView, TrackItem


class Boss(BaseModel):
    """Who contains its own kind, and fields with the names of keys of a JSON schema."""

    required: Annotated[int, Field(validation_alias="id")]
    reports: list[Boss] = []


class PagedAlbum(BaseModel):
    id: int
    tracks: Annotated[Page[TrackItem], include(Album.tracks, first=2)]


@pytest.fixture
def app(sqlite_store):
    app = FastAPI()
    install(app, sqlite_store)
    tracks = related(Album.tracks, TrackItem, repository=TrackRepository)
    below = {"tracks": tracks, "artist": related(Album.artist, ArtistView)}
    app.include_router(
        resource(AlbumRepository, view=AlbumPage, list_view=AlbumItem, prefix="/albums", related=below)
    )
    app.include_router(resource(AlbumRepository, view=PagedAlbum, prefix="/paged", numbered=True))
    return app


def operation(app: FastAPI, path: str) -> dict[str, Any]:
    return app.openapi()["paths"][path]["get"]


def parameters(app: FastAPI, path: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in operation(app, path).get("parameters", ())}


def answer_of(app: FastAPI, path: str) -> dict[str, Any]:
    return operation(app, path)["responses"]["200"]["content"]["application/json"]["schema"]


def valid(app: FastAPI, path: str, body: Any) -> bool:
    """Whether an answer is as OpenAPI says. (OpenAPI 3.1 has JSON Schema, draft 2020-12.)"""
    root = {"$ref": "#/answer", "answer": answer_of(app, path), "components": app.openapi()["components"]}
    return Draft202012Validator(root).is_valid(body)


ANSWERS = {
    "/albums?first=2&total=exact": "/albums",
    "/albums?first=2&fields=title": "/albums",
    "/albums/1": "/albums/{id}",
    "/albums/1?fields=id,artist(name),first_tracks(name)": "/albums/{id}",
    "/albums/by-ids?id=1&fields=longest": "/albums/by-ids",
    "/albums/count": "/albums/count",
    "/albums/1/tracks?first=1": "/albums/{id}/tracks",
    "/albums/1/tracks?first=1&fields=name": "/albums/{id}/tracks",
    "/albums/1/artist?fields=album_count": "/albums/{id}/artist",
    "/paged?size=1": "/paged",
    "/paged?size=1&fields=tracks(name)": "/paged",
    "/paged/1": "/paged/{id}",
    "/paged/1?fields=tracks(name)": "/paged/{id}",
}


@pytest.mark.parametrize("url", ANSWERS)
async def test_answers_are_as_it_says(app, client, url):
    async with client(app) as http:
        answer = await http.get(url)
    assert answer.status_code == 200, answer.text
    assert valid(app, ANSWERS[url], answer.json())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/albums/{id}", {"id": "x"}),
        ("/albums/{id}", {"artist": {"id": "x"}}),
        ("/albums", {"items": [{"id": 1}]}),  # the envelope is whole, whatever the fields
        ("/albums", {"items": [{"id": "x"}], "has_next": False, "has_previous": False}),
        ("/albums/by-ids", [1]),
    ],
)
def test_not_everything_is_as_it_says(app, path, body):
    assert not valid(app, path, body)


def test_an_answer_is_whole_or_has_some_fields(app):
    whole, some = answer_of(app, "/albums")["anyOf"]
    assert whole["$ref"].endswith("/Page_AlbumItem_")
    assert some["$ref"].endswith("/Page_PartialAlbumItem_")
    schemas = app.openapi()["components"]["schemas"]
    assert schemas["AlbumItem"]["required"] == ["id", "title", "artist_name", "track_count"]
    assert "required" not in schemas["PartialAlbumItem"]
    assert schemas["PartialAlbumItem"]["properties"].keys() == schemas["AlbumItem"]["properties"].keys()
    assert schemas["PartialAlbumPage"]["properties"]["artist"]["$ref"].endswith("/PartialArtistView")
    assert schemas["Page_PartialAlbumItem_"]["required"] == ["items", "has_next", "has_previous"]
    assert "anyOf" not in answer_of(app, "/albums/count")
    assert "x-batchrepo-partial" not in str(app.openapi())


def test_a_view_that_contains_its_own_kind(sqlite_store):
    class Employees(Repository[Employee]):
        pass

    app = FastAPI()
    install(app, sqlite_store)
    app.include_router(resource(Employees, view=Boss, prefix="/bosses"))
    partial = app.openapi()["components"]["schemas"]["PartialBoss"]
    assert partial["properties"]["reports"]["items"] == {"$ref": "#/components/schemas/PartialBoss"}
    assert set(partial["properties"]) == {"required", "reports"}
    assert EmployeeRepository is not Employees


def test_parameters_have_types_bounds_and_examples(app):
    found = parameters(app, "/albums")
    assert list(found) == [
        *("first", "after", "last", "before", "total", "sort", "fields"),
        *("title", "title__icontains", "title__startswith", "artist_id", "artist_id__any_of"),
        *("artist.name", "artist.name__icontains"),
        *("track_count__ge", "track_count__le", "track_count__between", "lasting", "filter"),
    ]
    assert found["first"]["schema"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 1000,
        "examples": [20],
        "title": "First",
        "description": "At most so many, from the start. 20 if nothing is said. Example: `first=20`.",
    }
    assert found["total"]["schema"]["const"] == "exact"
    assert found["fields"]["schema"]["examples"] == ["id,title"]
    assert "id, title, artist_name, track_count" in found["fields"]["description"]
    assert all(each["description"] and not each["required"] for each in found.values())
    one = parameters(app, "/albums/{id}")
    assert (one["id"]["in"], one["id"]["required"]) == ("path", True)
    assert one["id"]["schema"]["examples"] == [1]
    assert parameters(app, "/albums/by-ids")["id"]["schema"]["examples"] == [[1]]
    several = found["artist_id__any_of"]
    assert several["schema"]["examples"] == [[3]]
    assert several["description"] == "artist_id is one of these. Example: `artist_id__any_of=3`."
    assert one["fields"]["schema"]["examples"] == ["id,title,artist(id)"]
    assert "first_tracks(...)" in one["fields"]["description"]


def test_every_answer_that_there_may_be_is_named(app):
    for path, statuses in {
        "/albums": ["200", "304", "400", "422"],
        "/albums/{id}": ["200", "304", "400", "404", "422"],
        "/albums/by-ids": ["200", "304", "400", "404", "422"],
        "/albums/count": ["200", "304", "400", "422"],
        "/albums/{id}/tracks": ["200", "304", "400", "404", "422"],
        "/albums/{id}/artist": ["200", "304", "400", "404", "422"],
    }.items():
        assert sorted(operation(app, path)["responses"]) == statuses, path
        assert ("Link" in operation(app, path)["responses"]["200"]["headers"]) is (
            path in ("/albums", "/albums/{id}/tracks")
        )


def test_head_is_not_listed_beside_every_get(app):
    assert {tuple(methods) for methods in app.openapi()["paths"].values()} == {("get",)}


def test_the_list_comes_first(app):
    albums = [path for path in app.openapi()["paths"] if path.startswith("/albums")]
    assert albums[:4] == ["/albums", "/albums/count", "/albums/by-ids", "/albums/{id}"]


def test_endpoints_have_summaries_and_tags(app):
    assert operation(app, "/albums/{id}")["description"] == inspect.cleandoc(AlbumPage.__doc__ or "")
    assert operation(app, "/albums")["summary"] == "List albums"
    assert operation(app, "/albums/{id}/tracks")["summary"] == "List the tracks of one album"
    assert operation(app, "/albums/{id}/artist")["summary"] == "Get the artist of one album"
    assert all(each["get"]["tags"] for each in app.openapi()["paths"].values())
