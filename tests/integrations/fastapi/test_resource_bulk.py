"""A resource that writes many rows, and says of each what became of it."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database
from batchrepo.testing.counting import statement_counter
from tests.integrations.fastapi.shelf import REPOSITORIES, Counter, Paper, Record, Seat, application, fill


@pytest.fixture
async def db(database_url):
    async with Database(database_url, repositories=REPOSITORIES) as opened:
        await fill(opened)
        yield opened
        assert opened.engine.sync_engine.pool.checkedout() == 0


@pytest.fixture
async def http(db, client):
    async with client(application(db)) as opened:
        yield opened


async def rows_of(db: Database, *what: Any) -> list[Any]:
    async with AsyncSession(db.engine) as session:
        return [tuple(row) for row in await session.execute(select(*what).order_by(what[0]))]


def record(ref: str, **more: Any) -> dict[str, Any]:
    return {"ref": ref, "title": ref, "label_id": 1, **more}


def places(answer: Any) -> list[tuple[int, str]]:
    return [(row["index"], row["kind"]) for row in answer["errors"]]


# --- new rows ---------------------------------------------------------------------------------------


async def test_many_new_rows(db, http):
    answer = await http.post("/records/bulk", json=[record(f"n{n}") for n in range(50)])
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"count": 50, "keys": list(range(4, 54)), "errors": []}
    assert answer.headers["X-Statements"] == "3"  # the rows, in a savepoint that tells which one is refused
    refs = await rows_of(db, Record.id, Record.ref, Record.price, Record.stock)
    assert refs[3:] == [(4 + n, f"n{n}", 12, 7) for n in range(50)]


async def test_one_refused_row_refuses_all_and_is_named(db, http):
    answer = await http.post("/records/bulk", json=[record("n0"), record("r1"), record("n2")])
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    (row,) = answer.json()["errors"]
    assert (row["index"], row["kind"], row["columns"]) == (1, "unique", ["ref"])
    assert len(await rows_of(db, Record.id)) == 3


async def test_refused_rows_are_returned_and_the_others_written(db, http):
    rows = [
        record("n0"),
        record("r1"),  # there already
        record("n2", price=-1),
        {"title": "no ref", "label_id": 1},  # not even a record
        record("n4", label_id=99),
        record("n5", titel="x"),
        record("n6"),
    ]
    answer = await http.post("/records/bulk?on_error=collect", json=rows)
    assert answer.status_code == 207, answer.text
    told = answer.json()
    assert places(told) == [(1, "unique"), (2, "check"), (3, "value"), (4, "foreign_key"), (5, "value")]
    assert told["errors"][2]["message"].startswith("ref: Field required")
    assert told["errors"][2]["columns"] == ["ref"]
    assert told["count"] == 2
    assert [key is None for key in told["keys"]] == [False, True, True, True, True, True, False]
    stored = {ref: key for key, ref in await rows_of(db, Record.id, Record.ref)}
    assert (told["keys"][0], told["keys"][6]) == (stored["n0"], stored["n6"])
    assert set(stored) == {"r1", "r2", "r3", "n0", "n6"}


async def test_rows_that_the_model_refuses(db, http):
    with statement_counter(db.engine) as seen:
        answer = await http.post("/records/bulk", json=[record("n0"), record("n1", label_id="x"), 7])
    assert (answer.status_code, seen.count) == (422, 0)
    assert [error["name"] for error in answer.json()["errors"]] == ["1.label_id", "2"]
    for body in ([], {}, None):
        assert (await http.post("/records/bulk", json=body)).status_code == 422
    assert (await http.post("/records/bulk?on_error=ignore", json=[record("n0")])).status_code == 422


async def test_a_request_has_no_more_rows_than_it_may(db, client):
    from batchrepo.integrations.fastapi import resource
    from tests.integrations.fastapi.shelf import RECORDS, RecordRepository

    router = resource(RecordRepository, **RECORDS, bulk_size=2)
    async with client(application(db, router)) as http:
        assert (await http.post("/records/bulk", json=[record(f"n{n}") for n in range(3)])).status_code == 422
        assert (await http.delete("/records/bulk?id=1&id=2&id=3")).status_code == 422


# --- rows that may be there already -------------------------------------------------------------------


async def test_rows_are_created_or_changed(db, http):
    rows = [
        {"ref": "r2", "title": "Changed", "label_id": 1},
        record("n1", price=3),
        {"ref": "r1", "title": "Too", "label_id": 1, "note": "x"},
    ]
    answer = await http.post("/records/bulk?upsert=true", json=rows)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["count"], told["keys"][0], told["keys"][2]) == (3, 2, 1)
    stored = await rows_of(db, Record.ref, Record.title, Record.price, Record.note)
    assert stored == [
        ("n1", "n1", 3, None),
        ("r1", "Too", 10, "x"),
        ("r2", "Changed", 10, None),  # what was not sent stays as it was
        ("r3", "Record 3", 10, None),
    ]


async def test_upsert_is_there_only_where_it_is_declared(http):
    answer = await http.post("/countries/bulk?upsert=true", json=[{"code": "CH", "name": "x"}])
    assert answer.status_code == 400


# --- new values ---------------------------------------------------------------------------------------


async def test_many_rows_are_changed_in_what_was_sent(db, http):
    rows = [{"id": 3, "price": 1}, {"id": 1, "title": "Other", "note": "x"}]
    answer = await http.patch("/records/bulk", json=rows)
    assert answer.json() == {"count": 2, "keys": [3, 1], "errors": []}
    stored = await rows_of(db, Record.id, Record.title, Record.price, Record.note)
    assert stored == [(1, "Other", 10, "x"), (2, "Record 2", 10, None), (3, "Record 3", 1, None)]


async def test_rows_that_cannot_be_changed(db, http):
    rows = [{"id": 1, "price": 5}, {"id": 99, "price": 5}, {"id": 2, "price": -5}, {"id": 3}]
    failed = await http.patch("/records/bulk", json=rows[:2])
    assert (failed.status_code, failed.json()["code"]) == (404, "NOT_FOUND")
    assert places(failed.json()) == [(1, "not_found")]
    nothing = await http.patch("/records/bulk", json=rows[3:])
    assert (nothing.status_code, places(nothing.json())) == (422, [(0, "value")])
    answer = await http.patch("/records/bulk?on_error=collect", json=rows)
    assert (answer.status_code, answer.json()["keys"]) == (207, [1, None, None, None])
    assert places(answer.json()) == [(1, "not_found"), (2, "check"), (3, "value")]
    assert await rows_of(db, Record.id, Record.price) == [(1, 5), (2, 10), (3, 10)]


async def test_versions_are_compared_row_by_row(db, http):
    rows = [{"id": 1, "value": 8, "version": 1}, {"id": 2, "value": 9, "version": 7}]
    failed = await http.patch("/counters/bulk", json=rows)
    assert (failed.status_code, places(failed.json())) == (412, [(1, "stale")])
    answer = await http.patch("/counters/bulk?on_error=collect", json=rows)
    assert (answer.status_code, places(answer.json()), answer.json()["keys"]) == (
        207,
        [(1, "stale")],
        [1, None],
    )
    assert await rows_of(db, Counter.id, Counter.value, Counter.version) == [(1, 8, 2), (2, 2, 1)]
    without = await http.patch("/counters/bulk", json=[{"id": 1, "value": 8}])
    assert without.status_code == 422  # this resource requires them


async def test_composite_keys(db, http):
    rows = [{"row": 1, "number": 2, "taken": True}, {"row": 1, "number": 1, "taken": True}]
    answer = await http.patch("/seats/bulk", json=rows)
    assert answer.json() == {"count": 2, "keys": [[1, 2], [1, 1]], "errors": []}
    gone = await http.delete("/seats/bulk?row=1&number=2&row=9&number=9&on_error=collect")
    assert (gone.status_code, gone.json()["keys"]) == (207, [[1, 2], None])
    assert await rows_of(db, Seat.number, Seat.taken) == [(1, True)]
    assert (await http.delete("/seats/bulk?row=1&number=2&number=3")).status_code == 400


# --- rows that go -------------------------------------------------------------------------------------


async def test_many_rows_are_deleted(db, http):
    with statement_counter(db.engine) as seen:
        answer = await http.delete("/records/bulk?id=3&id=1&id=3")
    assert answer.json() == {"count": 2, "keys": [3, 1, 3], "errors": []}
    assert seen.count == 1
    assert await rows_of(db, Record.id) == [(2,)]


async def test_rows_that_cannot_be_deleted(db, http):
    failed = await http.delete("/records/bulk?id=1&id=99")
    assert (failed.status_code, places(failed.json())) == (404, [(1, "not_found")])
    answer = await http.delete("/records/bulk?id=1&id=99&on_error=collect")
    assert (answer.status_code, answer.json()["keys"], answer.json()["count"]) == (207, [1, None], 1)


# --- tenants, tries -----------------------------------------------------------------------------------


async def test_a_tenant_writes_its_own_rows_only(db, http):
    made = await http.post(
        "/papers/bulk?on_error=collect",
        json=[{"text": "one"}, {"text": "two", "tenant": "b"}, {"text": "secret"}],
    )
    assert (made.status_code, places(made.json())) == (207, [(1, "forbidden"), (2, "forbidden")])
    changed = await http.patch("/papers/bulk", json=[{"id": 1, "text": "x"}, {"id": 3, "text": "x"}])
    assert (changed.status_code, places(changed.json())) == (404, [(1, "not_found")])
    moved = await http.patch("/papers/bulk", json=[{"id": 1, "tenant": "b"}])
    assert (moved.status_code, places(moved.json())) == (403, [(0, "forbidden")])
    gone = await http.delete("/papers/bulk?id=1&id=3&on_error=collect")
    assert (gone.json()["count"], places(gone.json())) == (1, [(1, "not_found")])
    assert await rows_of(db, Paper.text, Paper.tenant) == [
        ("a 2", "a"),
        ("b 1", "b"),
        ("b 2", "b"),
        ("one", "a"),
    ]


async def test_a_try(db, http):
    answer = await http.post("/records/bulk?dry_run=true&on_error=collect", json=[record("n0"), record("r1")])
    assert (answer.status_code, answer.json()["count"], places(answer.json())) == (207, 1, [(1, "unique")])
    assert (await http.delete("/records/bulk?dry_run=true&id=1")).json()["count"] == 1
    assert len(await rows_of(db, Record.id)) == 3
