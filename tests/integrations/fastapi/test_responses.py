"""`json_response`: bytes with an entity tag, and 304 for a client that has them."""

import asyncio
import socket
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.middleware.gzip import GZipMiddleware

from batchrepo import Page
from batchrepo.integrations.fastapi import Provide, install, json_response
from batchrepo.plan.pages import etag_of
from batchrepo.testing.counting import statement_counter
from examples.chinook.repositories import AlbumRepository
from examples.chinook.views import AlbumItem

BODY = b'[{"id":1}]'
TAG = etag_of(BODY)


def application(**options: Any) -> FastAPI:
    app = FastAPI()

    @app.api_route("/", methods=["GET", "HEAD", "POST"])
    async def endpoint(request: Request) -> Response:
        return json_response(request, BODY, **options)

    return app


async def test_the_bytes_go_out_as_they_are(client):
    async with client(application()) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.content) == (200, BODY)
    assert dict(answer.headers) == {
        "content-length": "10",
        "content-type": "application/json",
        "etag": TAG,
        "cache-control": "private, no-cache",
        "vary": "Authorization, Cookie",
    }


async def test_what_the_client_has_is_not_sent_again(client):
    links = {"first": "/?first=1"}
    async with client(application(links=links, headers={"X-Mine": "1"})) as http:
        full = await http.get("/")
        known = await http.get("/", headers={"If-None-Match": full.headers["ETag"]})
        changed = await http.get("/", headers={"If-None-Match": 'W/"other"'})
    assert (known.status_code, known.content) == (304, b"")
    assert "content-type" not in known.headers
    assert "content-length" not in known.headers
    for name in ("ETag", "Cache-Control", "Link", "X-Mine"):
        assert known.headers[name] == full.headers[name]
    assert known.headers["Vary"] == f"{full.headers['Vary']}, Accept-Encoding"
    assert (changed.status_code, changed.content) == (200, BODY)


async def test_several_headers_are_one_list(client):
    async with client(application()) as http:
        answer = await http.get("/", headers=[("If-None-Match", '"x"'), ("If-None-Match", f'"y", {TAG}')])
    assert answer.status_code == 304


@pytest.mark.parametrize("told", [None, TAG, "*"])
async def test_head_has_the_headers_of_get_and_no_body(client, told):
    headers = {"If-None-Match": told} if told else {}
    async with client(application(links={"next": "/?after=x"})) as http:
        get, head = await http.get("/", headers=headers), await http.head("/", headers=headers)
    assert head.status_code == get.status_code == (304 if told else 200)
    assert dict(head.headers) == dict(get.headers)
    assert head.content == b""


async def test_other_methods_are_not_conditional(client):
    async with client(application()) as http:
        answer = await http.post("/", headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.content) == (200, BODY)


async def test_what_caches_may_do_is_the_endpoints_choice(client):
    public = {"cache_control": "public, max-age=60", "vary": ()}
    async with client(application(**public)) as http:
        answer = await http.get("/")
    assert (answer.headers["Cache-Control"], "Vary" in answer.headers) == ("public, max-age=60", False)
    async with client(application(cache_control=None, vary=("X-Tenant",))) as http:
        answer = await http.get("/")
    assert ("Cache-Control" in answer.headers, answer.headers["Vary"]) == (False, "X-Tenant")


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_behind_a_middleware_that_compresses(client, encoding):
    app = application()
    app.add_middleware(GZipMiddleware, minimum_size=1)
    async with client(app) as http:
        http.headers["Accept-Encoding"] = encoding
        get, head = await http.get("/"), await http.head("/")
        known, head_known = [
            await http.request(method, "/", headers={"If-None-Match": get.headers["ETag"]})
            for method in ("GET", "HEAD")
        ]
    assert get.headers.get("Content-Encoding", "identity") == encoding
    assert (get.content, head.content) == (BODY, b"")
    assert dict(head.headers) == dict(get.headers)
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["ETag"] == get.headers["ETag"]
    assert known.headers["Vary"] == get.headers["Vary"] == "Authorization, Cookie, Accept-Encoding"
    assert dict(head_known.headers) == dict(known.headers)


async def test_in_an_endpoint_written_by_hand(store, client):
    app = FastAPI()
    install(app, store)

    @app.get("/", response_model=list[AlbumItem])
    async def endpoint(request: Request, albums: Provide[AlbumRepository]) -> Response:
        return json_response(request, await albums.find_json(AlbumItem, limit=3))

    async with client(app) as http:
        with statement_counter(store.engine) as seen:
            full = await http.get("/")
        known = await http.get("/", headers={"If-None-Match": full.headers["ETag"]})
    assert [set(album) for album in full.json()] == [set(AlbumItem.model_fields)] * 3
    statements = 1 if store.engine.dialect.name == "postgresql" else 3
    assert (seen.count, full.headers["X-Statements"]) == (statements, str(statements))
    assert (known.status_code, known.headers["X-Statements"]) == (304, str(statements))
    schema = app.openapi()["paths"]["/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["items"] == {"$ref": "#/components/schemas/AlbumItem"}


class Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__(uvicorn.Config(app, log_level="critical"))
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


async def test_over_a_server():
    """A server has an opinion of its own on answers without a body."""
    server = Server(application())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await server.ready.wait()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}") as http:
            head = await http.head("/")
            known = await http.get("/", headers={"If-None-Match": TAG})
            full = await http.get("/")  # the connection is in order
        server.should_exit = True
        await serving
    assert (head.status_code, head.content, head.headers["Content-Length"]) == (200, b"", "10")
    assert (known.status_code, known.content) == (304, b"")
    assert full.content == BODY


async def test_a_page_names_the_pages_beside_it(store, client):
    app = FastAPI()
    install(app, store)

    @app.api_route("/albums", methods=["GET", "HEAD"], response_model=Page[AlbumItem])
    async def endpoint(
        request: Request,
        albums: Provide[AlbumRepository],
        first: int | None = None,
        after: str | None = None,
        last: int | None = None,
        before: str | None = None,
    ) -> Response:
        page = await albums.page_json(AlbumItem, first=first, after=after, last=last, before=before)
        return json_response(request, page)

    async with client(app) as http:
        seen, url = [], "/albums?first=100&x=1"
        while url:
            answer = await http.get(url)
            seen += [album["id"] for album in answer.json()["items"]]
            assert answer.headers["ETag"] == etag_of(answer.content)
            url = answer.links.get("next", {}).get("url")
        back = await http.get(answer.links["prev"]["url"])
        head = await http.head(answer.links["prev"]["url"])
        known = await http.get(answer.links["prev"]["url"], headers={"If-None-Match": back.headers["ETag"]})
        first = await http.get(answer.links["first"]["url"])
    assert len(seen) == len(set(seen)) == 347
    assert [album["id"] for album in back.json()["items"]] == seen[200:300]
    assert [album["id"] for album in first.json()["items"]] == seen[:100]
    assert head.headers["Link"] == known.headers["Link"] == back.headers["Link"]
    assert back.links["first"]["url"] == "/albums?x=1&first=100"


async def test_links_keep_a_path_with_signs_that_mean_something_in_urls(store, client):
    app = FastAPI()
    install(app, store)

    @app.get("/shelves/{name}", response_model=Page[AlbumItem])
    async def endpoint(
        request: Request, name: str, albums: Provide[AlbumRepository], after: str | None = None
    ) -> Response:
        assert name == "why? #1 50%"
        return json_response(request, await albums.page_json(AlbumItem, first=1, after=after))

    async with client(app) as http:
        first = await http.get("/shelves/why%3F%20%231%2050%25")
        second = await http.get(first.links["next"]["url"])
    assert first.links["first"]["url"] == "/shelves/why%3F%20%231%2050%25"
    assert second.status_code == 200
    assert second.json()["items"][0]["id"] != first.json()["items"][0]["id"]
