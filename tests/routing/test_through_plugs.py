"""What clients see through FastAPI and GraphQL, with a primary and two real replicas: what they have saved."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from fastapi import FastAPI
from pydantic import BaseModel
from strawberry import relay
from strawberry.fastapi import GraphQLRouter

from batchrepo import Database
from batchrepo.events import Event, StatementEvent
from batchrepo.integrations.fastapi import install, resource
from tests.routing.store import EVERY
from tests.support.cluster import PATIENCE, Cluster
from tests.support.graphql_writing import make_schema
from tests.writing.shop import AlbumRepository

HEADER = "Consistency-Token"
REPLICAS = {"replica-1", "replica-2"}


class Price(BaseModel):
    id: int
    price: int


class NewPrice(BaseModel):
    price: int = 0


def application(db: Database) -> FastAPI:
    app = FastAPI()
    install(app, db)
    operations: Any = ("list", "one", "update")
    app.include_router(
        resource(AlbumRepository, view=Price, update=NewPrice, prefix="/albums", operations=operations)
    )
    endpoint: GraphQLRouter[Any, None] = GraphQLRouter(make_schema(db))
    app.include_router(endpoint, prefix="/graphql")
    return app


def browser(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop")


@contextmanager
def served(db: Database) -> Iterator[Counter[str]]:
    """Which servers answer the statements of the block; that a position was asked for does not count."""
    found: Counter[str] = Counter()

    def note(event: Event) -> None:
        if isinstance(event, StatementEvent) and event.cause != "consistency token":
            found[event.endpoint] += 1

    end = db.on_event(note)
    yield found
    end()


async def price(http: httpx.AsyncClient, **headers: str) -> int:
    answer = await http.get("/albums/1", headers=headers)
    assert answer.status_code == 200, answer.text
    assert "Set-Cookie" not in answer.headers
    return answer.json()["price"]


async def priced(http: httpx.AsyncClient, new: int) -> httpx.Response:
    answer = await http.patch("/albums/1", json={"price": new})
    assert answer.status_code == 200, answer.text
    return answer


@EVERY
async def test_rest_while_replay_is_paused(store: Cluster, db: Database):
    app = application(db)
    async with browser(app) as writer, browser(app) as other, browser(app) as program:
        for replica in store.replicas:
            replica.pause_replay()
        with served(db) as who:
            answer = await priced(writer, 7)
        assert set(who) == {"primary"}
        token = answer.headers[HEADER]
        assert db.tokens.read(token).position is not None
        assert answer.headers["X-Statements"] == str(who.total() + 1)  # and the primary's position
        with served(db) as who:
            assert await price(writer) == 7
            assert await price(program, **{HEADER: token}) == 7
        assert set(who) == {"primary"}
        with served(db) as who:
            assert await price(other) == 0
        assert set(who) < REPLICAS

        store.replicas[1].resume_replay()
        store.caught_up(store.replicas[1])
        with served(db) as who:
            for _ in range(10):
                assert await price(writer) == 7
        assert set(who) == {"replica-2"}, "the one that has it, though the other one may be asked first"


@EVERY
async def test_graphql_while_replay_is_paused(store: Cluster, db: Database):
    read = {"query": "{ album(id: 1) { price } }"}
    write = {
        "query": "mutation($id: ID!) { updateAlbum(id: $id, input: {price: 7}) { price } }",
        "variables": {"id": relay.to_base64("Album", "1")},
    }
    async with browser(application(db)) as http:

        async def ask(body: dict[str, Any], **more: Any) -> Any:
            http.cookies.clear()
            answer = (await http.post("/graphql", json={**body, **more})).json()
            assert "errors" not in answer, answer
            return answer

        for replica in store.replicas:
            replica.pause_replay()
        written = await ask(write)
        assert written["data"] == {"updateAlbum": {"price": 7}}
        token = written["extensions"]["consistencyToken"]
        assert db.tokens.read(token).position is not None
        with served(db) as who:
            assert (await ask(read, extensions={"consistencyToken": token}))["data"] == {
                "album": {"price": 7}
            }
        assert set(who) == {"primary"}
        with served(db) as who:
            assert (await ask(read))["data"] == {"album": {"price": 0}}
        assert set(who) < REPLICAS

        for replica in store.replicas:
            replica.resume_replay()
        store.caught_up()
        with served(db) as who:
            for _ in range(5):
                answer = await ask(read, extensions={"consistencyToken": token})
                assert answer == {"data": {"album": {"price": 7}}}
        assert who.keys() <= REPLICAS


@EVERY
async def test_many_browsers_that_save_and_look_again(store: Cluster, db: Database):
    """Replicas are held back and let go all the time; no browser misses what it has saved."""
    app = application(db)

    async def user(album: int) -> int:
        async with browser(app) as http:
            for price in range(1, 16):
                replica = store.replicas[(album + price) % 2]
                (replica.pause_replay if price % 3 else replica.resume_replay)()
                answer = await http.patch(f"/albums/{album}", json={"price": price})
                assert answer.status_code == 200, answer.text
                seen = (await http.get(f"/albums/{album}")).json()["price"]
                listed = {one["id"]: one["price"] for one in (await http.get("/albums")).json()["items"]}
                assert (seen, listed[album]) == (price, price)
        return album

    with served(db) as who:
        assert await asyncio.gather(*map(user, range(1, 7))) == list(range(1, 7))
    assert set(who) == {"primary", *REPLICAS}, "each of them had its turn"


async def test_writes_without_a_primary_say_when_to_try_again(store: Cluster, db: Database, caplog):
    for logger in ("batchrepo", "strawberry.execution"):
        caplog.set_level(logging.CRITICAL, logger=logger)
    mutation = 'mutation { deleteAlbums(ids: ["QWxidW06MQ=="]) { count } }'
    async with browser(application(db)) as http:
        store.primary.stop()
        answer = await http.patch("/albums/1", json={"price": 7})
        assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
        assert answer.headers["Retry-After"] == "1"
        assert "Set-Cookie" not in answer.headers
        (error,) = (await http.post("/graphql", json={"query": mutation})).json()["errors"]
        assert error["extensions"] == {"code": "UNAVAILABLE", "retryAfter": 1}
        assert await price(http) == 0

        store.primary.start()
        async with asyncio.timeout(PATIENCE):
            while (  # noqa: ASYNC110  servers tell nobody
                answer := await http.patch("/albums/1", json={"price": 7})
            ).status_code == 503:
                await asyncio.sleep(0.05)
        assert answer.status_code == 200
        assert await price(http) == 7
