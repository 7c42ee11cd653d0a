"""Where the examples' store is."""

import shutil

import httpx
from sqlalchemy import make_url

from examples.chinook.store import DATABASE_FILE, REPLICAS_VARIABLE, URL_VARIABLE, open_store
from examples.serve import create_app
from tests.support.databases import sqlite_file_url


def test_it_is_the_file_of_the_examples_where_nothing_is_said(monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)
    monkeypatch.delenv(REPLICAS_VARIABLE, raising=False)
    store = open_store()
    assert store.engine.url.database == str(DATABASE_FILE)
    assert not store.routed


async def test_the_environment_may_name_a_primary_and_replicas(chinook_sqlite, tmp_path, monkeypatch):
    """Whoever saved an album sees it, and nobody else: the replica is a copy that never catches up."""
    copies = [sqlite_file_url(tmp_path / f"{n}.db") for n in (1, 2)]
    for copy in copies:
        shutil.copy(str(make_url(chinook_sqlite).database), str(make_url(copy).database))
    monkeypatch.setenv(URL_VARIABLE, chinook_sqlite)
    monkeypatch.setenv(REPLICAS_VARIABLE, ",".join(copies))
    async with open_store() as store:
        assert [one.role for one in store.status().endpoints] == ["primary", "replica", "replica"]
        transport = httpx.ASGITransport(create_app(store))
        async with httpx.AsyncClient(transport=transport, base_url="http://store") as http:
            made = await http.post("/albums", json={"title": "Live", "artist_id": 1})
            assert made.status_code == 201, made.text
            where = made.headers["Location"]
            assert (await http.get(where)).status_code == 200
            http.cookies.clear()
            assert (await http.get(where)).status_code == 404


def test_what_is_given_counts_and_not_the_environment(chinook_sqlite, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, "sqlite+aiosqlite:///elsewhere.db")
    monkeypatch.setenv(REPLICAS_VARIABLE, "sqlite+aiosqlite:///other.db")
    assert str(open_store(chinook_sqlite).engine.url) == chinook_sqlite
    assert not open_store(chinook_sqlite).routed
