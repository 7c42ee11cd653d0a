"""What a Database with replicas refuses when it is made, and what it says of its servers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from batchrepo import Database, DeclarationError, Replica
from batchrepo.events import EndpointEvent, ReplicasLost
from batchrepo.executing import make_engine
from batchrepo.routing import Position
from tests.routing.servers import endpoint_of, files, router_of, server_of
from tests.support.databases import sqlite_file_url


@pytest.fixture
def urls(tmp_path: Path) -> list[str]:
    return [sqlite_file_url(tmp_path / f"{name}.db") for name in "abc"]


def refused(message: str, *arguments: Any, **settings: Any) -> None:
    with pytest.raises(DeclarationError, match=message):
        Database(*arguments, **settings)


def test_replicas_are_a_list(urls: list[str]):
    refused(r"^replicas= expects a list, such as \[url\]; got ", urls[0], replicas=urls[1])


@pytest.mark.parametrize("weight", [-1, "2", None, float("inf"), float("nan"), True], ids=repr)
def test_weights(weight: Any):
    with pytest.raises(DeclarationError, match=r"^Replica\(weight=\) expects a number of 0 or more; got"):
        Replica("sqlite+aiosqlite:///a.db", weight=weight)


@pytest.mark.parametrize("name", ["", 7], ids=repr)
def test_names(name: Any):
    with pytest.raises(DeclarationError, match=r"^Replica\(name=\) expects a text that is not empty; got"):
        Replica("sqlite+aiosqlite:///a.db", name=name)


@pytest.mark.parametrize("name", ["primary", "replica-2"])
def test_every_endpoint_has_a_name_of_its_own(urls: list[str], name: str):
    refused(
        rf"^Two endpoints are called '{name}'\. Name each: Replica\(url, name=\.\.\.\)\.$",
        urls[0],
        replicas=[Replica(urls[1], name=name), urls[2]],
    )


def test_an_engine_is_one_server(urls: list[str]):
    engine = make_engine(urls[0])
    refused(
        "^replica-1 and primary are the same engine. Give each server one of its own",
        engine,
        replicas=[engine],
    )
    other = make_engine(urls[1])
    refused("^replica-2 and replica-1 are the same engine", engine, replicas=[other, other])


def test_all_servers_are_of_one_kind(urls: list[str]):
    refused(
        r"^replica-1 is postgresql\+asyncpg, and the primary is sqlite\+aiosqlite: statements are made for one of them",
        urls[0],
        replicas=["postgresql+asyncpg://nobody@nowhere/x"],
    )
    refused(
        r"^replica-1 is postgresql\+psycopg, and the primary is postgresql\+asyncpg",
        "postgresql+asyncpg://nobody@nowhere/x",
        replicas=["postgresql+psycopg://nobody@nowhere/x"],
    )


def test_urls_and_settings_are_those_of_engines(urls: list[str]):
    refused("does not name an asynchronous driver", urls[0], replicas=["sqlite:///b.db"])
    refused("PoolOptions has no option 'pool_sise'", urls[0], replicas=[Replica(urls[1], pool_sise=3)])
    engine = make_engine(urls[1])
    refused(
        "^pool_size: settings of an engine go with a URL; an engine of yours has its own.",
        urls[0],
        replicas=[Replica(engine, pool_size=3)],
    )


def test_settings_of_the_database_hold_for_replicas_that_have_no_others(urls: list[str]):
    db = Database(urls[0], replicas=[urls[1], Replica(urls[2], pool_size=3)], pool_size=7)
    assert [engine.sync_engine.pool.size() for engine in db.engines] == [7, 7, 3]  # type: ignore[attr-defined]


def test_how_they_print(urls: list[str]):
    db = Database(urls[0], replicas=[urls[1], Replica(urls[2], name="eu", weight=2)])
    assert "2 replicas" in repr(db)
    assert repr(Replica(urls[1])) == "<Replica without a name, weight 1>"
    assert [repr(endpoint) for endpoint in router_of(db).endpoints] == [
        "<Endpoint primary, primary, up>",
        "<Endpoint replica-1, replica, up>",
        "<Endpoint eu, replica, up>",
    ]
    assert db.routed
    assert not Database(urls[0]).routed


async def test_the_status_is_values_and_a_table(tmp_path: Path):
    async with files(tmp_path) as db:
        async with db.scope(routing=__import__("batchrepo").Primary()) as scope:
            await router_of(db).looked()
            await server_of(scope)
        router_of(db).change(endpoint_of(db, "replica-1"), "down", "no answer within 1 s")
        endpoint_of(db, "replica-2").position = Position(1, 0x16B374D848, 7)
        router_of(db).positions.note(endpoint_of(db, "replica-2").since, Position(1, 0x16B374D848, 7))
        status = db.status()
        assert (status.primary.name, status.primary.reads, status.primary.lag) == ("primary", 1, 0.0)
        one, two = status.replicas
        assert (one.state, one.reason, one.failures) == ("down", "no answer within 1 s", 1)
        assert (two.state, two.reason, two.weight) == ("up", None, 1.0)
        assert two.pool is not None
        assert (two.pool.in_use, two.pool.most) == (0, 10)
        assert re.sub(r"\d+ idle", "n idle", re.sub(r"\d+\.\d s", "0.0 s", str(status))) == (
            "endpoint   state                       lag    position       reads  failures  pool\n"
            "primary    up                          -      ?              1      0         0/10, n idle\n"
            "replica-1  down: no answer within 1 s  ?      ?              0      1         0/10, n idle\n"
            "replica-2  up                          0.0 s  1:16/B374D848  0      0         0/10, n idle"
        )


async def test_the_health_of_a_database_is_that_of_its_primary(tmp_path: Path):
    async with files(tmp_path) as db:
        router_of(db).change(endpoint_of(db, "replica-1"), "down", "for a test")
        assert (await db.health()).ok


async def test_what_happens_to_servers_is_told_to_listeners_of_the_database(tmp_path: Path):
    async with files(tmp_path) as db:
        told: list[Any] = []
        end = db.on_event(told.append)
        for name in ("replica-1", "replica-2"):
            router_of(db).change(endpoint_of(db, name), "down", "for a test")
        assert told == [
            EndpointEvent("replica-1", "replica", "down", "for a test"),
            EndpointEvent("replica-2", "replica", "down", "for a test"),
            ReplicasLost(("replica-1", "replica-2")),
        ]
        end()
        router_of(db).change(endpoint_of(db, "replica-1"), "up")
        assert len(told) == 3
