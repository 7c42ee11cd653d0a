"""Mutations: each in its transaction, what they give read after the write, and what is asked next knows of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, get_args

import pytest
from sqlalchemy import event, func, select
from strawberry import relay

from batchrepo import Database
from batchrepo.errors import RowErrorKind
from batchrepo.integrations.strawberry import Limits
from batchrepo.integrations.strawberry.writes.payloads import RefusalKind
from tests.support.graphql_store import answer, counting, refusal
from tests.support.graphql_writing import make_schema
from tests.writing.conftest import db  # noqa: F401  a fixture
from tests.writing.shop import Album, Artist, Counter, Label, Track

BOTH_WAYS = pytest.mark.parametrize("look_ahead", [True, False], ids=["planned", "loaded"])


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


@pytest.fixture
def schema(db: Database) -> Any:  # noqa: F811
    return make_schema(db)


def album(key: int) -> str:
    return relay.to_base64("Album", str(key))


def artist(key: int) -> str:
    return relay.to_base64("Artist", str(key))


async def number(db: Database, *where: Any, entity: Any = Album) -> int:  # noqa: F811
    async with db.scope() as scope:
        return (await scope.fetch(select(func.count()).select_from(entity).where(*where)))[0]


def seen_writes(db: Database) -> int:  # noqa: F811
    """How many statements of a bulk write SQLAlchemy hears of: on SQLite the driver itself runs it for all rows."""
    return 0 if db.engine.dialect.name == "sqlite" else 1


# --- create ---------------------------------------------------------------------------------------


async def test_create_gives_the_row_with_all_that_is_selected(db, schema):  # noqa: F811
    query = """mutation($artist: ID!) {
        createAlbum(input: {title: "Breaker", artist: $artist}) {
            title price stock duration artist { name albumCount } tracks { name }
        }
    }"""
    with counting(db, 6):  # the row; the album, its duration, tracks, artist, and the artist's count
        data = await answer(schema, query, artist=artist(1))
    assert data["createAlbum"] == {
        "title": "Breaker",
        "price": 10,
        "stock": 7,
        "duration": 0,
        "artist": {"name": "Accept", "albumCount": 3},
        "tracks": [],
    }
    assert await number(db) == 4


@BOTH_WAYS
async def test_what_was_not_sent_has_its_default_and_null_is_null_only_where_that_is_a_value(db, look_ahead):  # noqa: F811
    schema = make_schema(db, look_ahead=look_ahead)
    query = """mutation($artist: ID!, $null: Int) {
        a: createAlbum(input: {title: "A", artist: $artist, cents: 3}) { price }
        b: createAlbum(input: {title: "B", artist: $artist, cents: $null}) { price }
        c: createTrack(input: {name: "C", albumId: "1"}) { name seconds album { title duration } }
    }"""
    data = await answer(schema, query, artist=artist(2))
    assert data == {
        "a": {"price": 3},
        "b": {"price": 10},
        "c": {"name": "C", "seconds": 180, "album": {"title": "Accept 1", "duration": 480}},
    }


async def test_a_global_id_of_another_type_is_refused(db, schema):  # noqa: F811
    for wrong in (album(1), relay.to_base64("Track", "1"), relay.to_base64("Artist", "01")):
        query = 'mutation($artist: ID!) { createAlbum(input: {title: "A", artist: $artist}) { title } }'
        with counting(db, 0):
            error = await refusal(schema, query, artist=wrong)
        assert error.extensions["code"] == "INVALID_ARGUMENT", error
    assert await number(db) == 3


async def test_a_row_that_the_database_refuses_is_told_with_its_columns(db, schema):  # noqa: F811
    taken = await refusal(
        schema,
        'mutation($artist: ID!) { createAlbum(input: {title: "Accept 1", artist: $artist}) { title } }',
        artist=artist(1),
    )
    assert taken.extensions == {
        "code": "CONFLICT",
        "rows": [
            {
                "index": 0,
                "kind": "unique",
                "message": "Another row has the same title, artist_id already.",
                "columns": ["title", "artist"],
            }
        ],
    }
    assert taken.message == "Another row has the same title, artist_id already."
    absent = await refusal(
        schema,
        'mutation($artist: ID!) { createAlbum(input: {title: "New", artist: $artist}) { title } }',
        artist=artist(99),
    )
    assert absent.extensions["code"] == "CONFLICT"
    assert absent.extensions["rows"][0]["kind"] == "foreign_key"
    assert await number(db) == 3


# --- many -----------------------------------------------------------------------------------------


async def test_of_many_rows_good_ones_are_written_and_the_others_named(db, schema):  # noqa: F811
    query = """mutation($rows: [AlbumCreate!]!) {
        createAlbums(rows: $rows) {
            count rows { title price artist { name } } errors { index kind message columns }
        }
    }"""
    rows = [
        {"title": "New", "artist": artist(1)},
        {"title": "Accept 1", "artist": artist(1)},
        {"title": "Newer", "artist": artist(2), "cents": 7},
        {"title": "Nobody's", "artist": artist(77)},
    ]
    data = (await answer(schema, query, rows=rows))["createAlbums"]
    assert data["count"] == 2
    assert data["rows"] == [
        {"title": "New", "price": 10, "artist": {"name": "Accept"}},
        {"title": "Newer", "price": 7, "artist": {"name": "Aerosmith"}},
    ]
    assert [(error["index"], error["kind"]) for error in data["errors"]] == [
        (1, "UNIQUE"),
        (3, "FOREIGN_KEY"),
    ]
    assert data["errors"][0]["columns"] == ["title", "artist"]
    assert await number(db) == 5


async def test_with_a_list_one_wrong_row_is_an_error_and_nothing_is_written(db, schema):  # noqa: F811
    query = "mutation($rows: [AlbumCreate!]!) { addAlbums(rows: $rows) { title } }"
    rows = [{"title": "New", "artist": artist(1)}, {"title": "Accept 1", "artist": artist(1)}]
    error = await refusal(schema, query, rows=rows)
    assert error.extensions["code"] == "CONFLICT"
    assert [row["index"] for row in error.extensions["rows"]] == [1]
    assert await number(db) == 3
    with counting(db, 2):
        data = await answer(schema, query, rows=rows[:1])
    assert data == {"addAlbums": [{"title": "New"}]}


@pytest.mark.parametrize("rows", [2, 90])  # COPY, from 100 on, is no statement that SQLAlchemy hears of
async def test_the_number_of_statements_is_that_of_what_is_selected(db, schema, rows):  # noqa: F811
    query = """mutation($rows: [AlbumCreate!]!) {
        createAlbums(rows: $rows) { count rows { title duration artist { name albumCount } } more: rows { tracks { name } } }
    }"""
    given = [{"title": f"New {n}", "artist": artist(n % 2 + 1)} for n in range(rows)]
    seen = seen_writes(db)
    with counting(db, 5 + seen):
        data = await answer(schema, query, rows=given)
    assert data["createAlbums"]["count"] == rows
    assert [row["title"] for row in data["createAlbums"]["rows"]] == [row["title"] for row in given]
    with counting(db, seen):  # nothing is read that nobody asks for
        again = await answer(
            schema,
            "mutation($rows: [AlbumCreate!]!) { createAlbums(rows: $rows) { count errors { index } } }",
            rows=[{"title": f"Newer {n}", "artist": artist(1)} for n in range(rows)],
        )
    assert again == {"createAlbums": {"count": rows, "errors": []}}


async def test_upsert_inserts_or_updates_by_what_is_declared(db, schema):  # noqa: F811
    query = """mutation($rows: [LabelCreate!]!) {
        upsertLabels(rows: $rows) { count rows { id name } errors { index kind } }
    }"""
    data = await answer(schema, query, rows=[{"name": "rock"}, {"name": "jazz"}, {"name": "metal"}])
    assert data["upsertLabels"]["count"] == 1  # the others have nothing to be updated
    assert [row["name"] for row in data["upsertLabels"]["rows"]] == ["rock", "jazz", "metal"]
    assert [row["id"] for row in data["upsertLabels"]["rows"]][::2] == [1, 2]
    assert await number(db, entity=Label) == 3
    twice = await answer(schema, query, rows=[{"name": "funk"}, {"name": "funk"}])
    assert [error["kind"] for error in twice["upsertLabels"]["errors"]] == ["DUPLICATE"]


async def test_more_rows_than_the_limit_are_refused_before_anything_is_written(db):  # noqa: F811
    schema = make_schema(db, limits=Limits(writes=3))
    query = """mutation($rows: [LabelCreate!]!) {
        a: upsertLabels(rows: $rows) { count }
        b: upsertLabels(rows: [{name: "one"}, {name: "two"}]) { count }
    }"""
    with counting(db, 0):
        error = await refusal(schema, query, rows=[{"name": "a"}, {"name": "b"}])
    assert error.extensions == {"code": "LIMIT_EXCEEDED", "limit": "writes", "allowed": 3, "value": 4}
    await answer(schema, query, rows=[{"name": "a"}])
    fields = (
        "mutation { "
        + " ".join(f'm{n}: updateLabel(id: 1, input: {{name: "x"}}) {{ id }}' for n in range(4))
        + " }"
    )
    assert (await refusal(schema, fields)).extensions["limit"] == "writes"
    lists = await refusal(schema, 'mutation { release(artist: "A", titles: ["1", "2", "3", "4"]) { title } }')
    assert lists.extensions["value"] == 4


async def test_the_rows_of_an_answer_are_as_many_as_are_written(db):  # noqa: F811
    schema = make_schema(db, limits=Limits(rows=50))
    query = (
        "mutation($rows: [AlbumCreate!]!) { createAlbums(rows: $rows) { rows { title tracks { name } } } }"
    )
    rows = [{"title": f"N {n}", "artist": artist(1)} for n in range(5)]
    error = await refusal(schema, query, rows=rows)
    assert (error.extensions["limit"], error.extensions["value"]) == ("rows", 55)
    await answer(schema, query, rows=rows[:4])


# --- coherence ------------------------------------------------------------------------------------


@BOTH_WAYS
async def test_each_field_sees_what_those_before_it_wrote(db, look_ahead):  # noqa: F811
    """One document: what was read for the first field is not what the second one gives."""
    schema = make_schema(db, look_ahead=look_ahead)
    query = """mutation($album: ID!, $artist: ID!) {
        a: updateAlbum(id: $album, input: {title: "One"}) { ...seen }
        b: createTrack(input: {name: "Fast", albumId: 1, seconds: 7}) { album { ...seen } }
        c: updateAlbum(id: $album, input: {title: "Two", artistId: $artist}) { ...seen }
        d: createAlbum(input: {title: "Third", artist: $artist}) { artist { name albumCount } }
        e: deleteAlbum(id: $album) { ...seen }
        f: createAlbum(input: {title: "Fourth", artist: $artist}) { artist { name albumCount } }
    }
    fragment seen on Album { title duration artist { name albumCount } tracks { name } longest { name } }"""
    data = await answer(schema, query, album=album(1), artist=artist(2))
    tracks = [{"name": "Accept 1.1"}, {"name": "Accept 1.2"}]
    longest = {"name": "Accept 1.2"}
    before = {"title": "One", "duration": 300, "artist": {"name": "Accept", "albumCount": 2}}
    assert data["a"] == {**before, "tracks": tracks, "longest": longest}
    tracks = [*tracks, {"name": "Fast"}]
    assert data["b"]["album"] == {**before, "duration": 307, "tracks": tracks, "longest": longest}
    moved = {"title": "Two", "duration": 307, "artist": {"name": "Aerosmith", "albumCount": 2}}
    assert data["c"] == {**moved, "tracks": tracks, "longest": longest}
    assert data["d"] == {"artist": {"name": "Aerosmith", "albumCount": 3}}
    moved["artist"]["albumCount"] = 3
    assert data["e"] == {**moved, "tracks": tracks, "longest": longest}
    assert data["f"] == {"artist": {"name": "Aerosmith", "albumCount": 3}}
    assert await number(db, Track.album_id == 1, entity=Track) == 0


@BOTH_WAYS
async def test_an_object_that_is_given_twice_is_read_twice(db, look_ahead):  # noqa: F811
    """A resolver by hand gives an object of its key alone: what is kept of it for one field is not the next one's."""
    schema = make_schema(db, look_ahead=look_ahead)
    query = """mutation($id: ID!) {
        a: rename(data: {id: $id, title: "One"}) { title artist { name } }
        b: rename(data: {id: $id, title: "Two"}) { title artist { name } }
        c: rename(data: {id: $id, title: "Rest"}) { title }
    }"""
    for key in (1, 3):
        data = await answer(schema, query, id=album(key))
        assert [data["a"]["title"], data["b"]["title"]] == ["One", "Two"]
        assert data["b"]["artist"] == {"name": "Accept" if key == 1 else "Aerosmith"}


# --- transactions ---------------------------------------------------------------------------------


async def test_a_field_that_fails_is_rolled_back_and_the_next_ones_run(db, schema):  # noqa: F811
    query = """mutation {
        a: release(artist: "Saxon", titles: ["Wheels"]) { title artist { name albumCount } }
        b: release(artist: "Budgie", titles: ["Bandolier", "Squawk"], fail: true) { title }
        c: release(artist: "Saxon", titles: ["Again"]) { title }
        d: release(artist: "Riot", titles: ["Narita"]) { title artist { name albumCount } }
    }"""
    result = await schema.execute(query)
    assert result.data == {
        "a": {"title": "Wheels", "artist": {"name": "Saxon", "albumCount": 1}},
        "b": None,
        "c": None,
        "d": {"title": "Narita", "artist": {"name": "Riot", "albumCount": 1}},
    }
    assert [(error.path, (error.extensions or {}).get("code")) for error in result.errors] == [
        (["b"], None),  # an error of the application's own
        (["c"], "CONFLICT"),
    ]
    assert "UNIQUE" not in result.errors[1].message
    assert await number(db) == 5
    assert await number(db, Artist.name.in_(["Budgie"]), entity=Artist) == 0


async def test_with_one_transaction_all_is_written_or_nothing(db):  # noqa: F811
    schema = make_schema(db, transaction="operation")
    query = """mutation($second: String!) {
        a: release(artist: "Saxon", titles: ["Wheels"]) { title }
        b: release(artist: $second, titles: ["Bandolier"]) { title artist { albumCount } }
        c: release(artist: "Riot", titles: ["Narita"]) { title }
    }"""
    result = await schema.execute(query, variable_values={"second": "Saxon"})
    assert result.data is None
    assert [(error.path, error.extensions["code"]) for error in result.errors] == [
        (["b"], "CONFLICT"),
        (["c"], "NOT_RUN"),
    ]
    assert await number(db) == 3
    assert db.engine.sync_engine.pool.checkedout() == 0
    data = await answer(schema, query, second="Budgie")
    assert data["b"] == {"title": "Bandolier", "artist": {"albumCount": 1}}
    assert await number(db) == 6


async def test_an_error_further_down_takes_the_whole_operation_back(db):  # noqa: F811
    schema = make_schema(db, transaction="operation")
    query = """mutation($id: ID!) {
        rename(data: {id: $id, title: "Renamed"}) { title }
        release(artist: "Saxon", titles: ["Wheels"]) { artist { albums(after: "no cursor") { totalCount } } }
    }"""
    result = await schema.execute(query, variable_values={"id": album(1)})
    assert result.data is None
    assert [error.extensions["code"] for error in result.errors] == ["INVALID_ARGUMENT"]
    assert await number(db) == 3
    assert await number(db, Album.title == "Renamed") == 0


@pytest.mark.parametrize("transaction", ["field", "operation"])
async def test_a_cancelled_mutation_leaves_nothing(db, transaction):  # noqa: F811
    """Cancelled at each of its statements in turn: nothing is written, and no connection is lost."""
    schema = make_schema(db, transaction=transaction)
    query = 'mutation { release(artist: "Saxon", titles: ["Wheels"]) { title artist { name } } }'
    for statements in (1, 2, 3):
        underway, seen = asyncio.Event(), 0

        def count(*_: Any, at: int = statements, underway: asyncio.Event = underway) -> None:
            nonlocal seen
            seen += 1
            if seen == at:
                underway.set()

        event.listen(db.engine.sync_engine, "before_cursor_execute", count)
        try:
            task = asyncio.create_task(schema.execute(query))
            await underway.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        finally:
            event.remove(db.engine.sync_engine, "before_cursor_execute", count)
        assert await number(db) == 3
        assert db.engine.sync_engine.pool.checkedout() == 0


async def test_operations_side_by_side_do_not_meet(db, schema):  # noqa: F811
    """Ten at once, each with two mutations: all of them are there afterwards."""
    query = """mutation($name: String!, $artist: ID!) {
        release(artist: $name, titles: ["a", "b"]) { title artist { name albumCount } }
        createAlbum(input: {title: $name, artist: $artist}) { title }
    }"""
    found = await asyncio.gather(
        *(answer(schema, query, name=f"n{n}", artist=artist(n % 2 + 1)) for n in range(10))
    )
    assert [data["release"]["artist"] for data in found] == [
        {"name": f"n{n}", "albumCount": 2} for n in range(10)
    ]
    assert await number(db) == 33


async def test_a_commit_hears_of_each_transaction(db):  # noqa: F811
    heard: list[Any] = []
    db.on_commit(heard.append)
    query = """mutation {
        a: release(artist: "Saxon", titles: ["Wheels"]) { title }
        b: release(artist: "Saxon", titles: ["Again"]) { title }
    }"""
    await make_schema(db).execute(query)
    assert [set(changes.entities) for changes in heard] == [{Artist, Album}]


@BOTH_WAYS
async def test_a_dry_run_answers_as_if_and_leaves_everything(db, look_ahead):  # noqa: F811
    schema = make_schema(db, look_ahead=look_ahead)
    query = """mutation($album: ID!, $artist: ID!) {
        created: createAlbum(input: {title: "New", artist: $artist}, dryRun: true) { title artist { name albumCount } }
        deleted: deleteAlbum(id: $album, dryRun: true) { title tracks { name } artist { albumCount } }
        released: release(artist: "Saxon", titles: ["Wheels"], dryRun: true) { title artist { name albumCount } }
        after: createAlbum(input: {title: "Other", artist: $artist}) { title artist { name albumCount } }
    }"""
    data = await answer(schema, query, album=album(1), artist=artist(1))
    assert data == {
        "created": {"title": "New", "artist": {"name": "Accept", "albumCount": 3}},
        "deleted": {
            "title": "Accept 1",
            "tracks": [{"name": "Accept 1.1"}, {"name": "Accept 1.2"}],
            "artist": {"albumCount": 2},
        },
        "released": {"title": "Wheels", "artist": {"name": "Saxon", "albumCount": 1}},
        "after": {"title": "Other", "artist": {"name": "Accept", "albumCount": 3}},
    }
    assert await number(db) == 4


@pytest.mark.parametrize("transaction", ["field", "operation"])
async def test_a_dry_run_of_many_rows(db, transaction):  # noqa: F811
    schema = make_schema(db, transaction=transaction)
    query = """mutation($rows: [AlbumCreate!]!) {
        createAlbums(rows: $rows, dryRun: true) { count rows { title } errors { index } }
        createTrack(input: {name: "kept", albumId: "1"}) { id }
    }"""
    rows = [{"title": "New", "artist": artist(1)}, {"title": "New", "artist": artist(1)}]
    data = await answer(schema, query, rows=rows)
    assert data["createAlbums"] == {"count": 1, "rows": [{"title": "New"}], "errors": [{"index": 1}]}
    assert await number(db) == 3
    assert await number(db, Track.name == "kept", entity=Track) == 1


# --- update and delete ----------------------------------------------------------------------------


async def test_update_writes_what_was_sent(db, schema):  # noqa: F811
    query = "mutation($id: ID!) { updateAlbum(id: $id, input: {price: 3}) { title price artist { name } } }"
    with counting(db, 3):
        data = await answer(schema, query, id=album(1))
    assert data == {"updateAlbum": {"title": "Accept 1", "price": 3, "artist": {"name": "Accept"}}}
    null = await refusal(
        schema, "mutation($id: ID!) { updateAlbum(id: $id, input: {title: null}) { title } }", id=album(1)
    )
    assert null.extensions["code"] == "INVALID"
    assert null.extensions["rows"][0]["columns"] == ["title"]
    nothing = await refusal(
        schema, "mutation($id: ID!) { updateAlbum(id: $id, input: {}) { title } }", id=album(1)
    )
    assert nothing.extensions["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "field", ["updateAlbum(id: $id, input: {price: 3}) { title }", "deleteAlbum(id: $id) { title }"]
)
async def test_what_is_not_there_is_an_error(schema, field):
    error = await refusal(schema, f"mutation($id: ID!) {{ {field} }}", id=album(99))
    assert error.extensions["code"] == "NOT_FOUND"


async def test_a_version_that_is_not_the_rows_any_more(db, schema):  # noqa: F811
    query = """mutation($version: Int!) {
        updateCounter(input: {id: 1, version: $version, value: 5}) { value version }
    }"""
    assert await answer(schema, query, version=1) == {"updateCounter": {"value": 5, "version": 2}}
    error = await refusal(schema, query, version=1)
    assert error.extensions["code"] == "STALE"
    assert [row["kind"] for row in error.extensions["rows"]] == ["stale"]
    assert await number(db, Counter.version == 2, entity=Counter) == 1


async def test_rows_are_updated_by_their_ids(db, schema):  # noqa: F811
    query = """mutation($rows: [AlbumRow!]!) {
        updateAlbums(rows: $rows) { count rows { title price } errors { index kind } }
    }"""
    rows = [{"id": album(3), "price": 1}, {"id": album(1), "title": "First"}, {"id": album(9), "price": 1}]
    data = await answer(schema, query, rows=rows)
    assert data["updateAlbums"] == {
        "count": 2,
        "rows": [{"title": "Aerosmith 1", "price": 1}, {"title": "First", "price": 10}],
        "errors": [{"index": 2, "kind": "NOT_FOUND"}],
    }


async def test_many_rows_are_deleted(db, schema):  # noqa: F811
    data = await answer(
        schema,
        "mutation($ids: [ID!]!) { deleteAlbums(ids: $ids) { count errors { index kind } } }",
        ids=[album(1), album(99), album(2)],
    )
    assert data == {"deleteAlbums": {"count": 2, "errors": [{"index": 1, "kind": "NOT_FOUND"}]}}
    error = await refusal(schema, "mutation { deleteLabels(keys: [1, 99]) }")
    assert error.extensions["code"] == "NOT_FOUND"
    assert await number(db, entity=Label) == 2
    assert await answer(schema, "mutation { deleteLabels(keys: [1, 2]) }") == {"deleteLabels": 2}


def test_every_kind_of_refusal_is_in_the_schema():
    assert {kind.value for kind in RefusalKind} == set(get_args(RowErrorKind))
