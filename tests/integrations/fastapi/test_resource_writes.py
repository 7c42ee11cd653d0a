"""A resource that writes one row: create, update, delete, as clients see them."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database
from batchrepo.testing.counting import statement_counter
from tests.integrations.fastapi.shelf import REPOSITORIES, Paper, Record, application, fill

NEW = {"ref": "r9", "title": "New", "label_id": 1}


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


async def rows_of(db: Database, what: Any) -> list[Any]:
    async with AsyncSession(db.engine) as session:
        return list(await session.scalars(what))


def of_view(db: Database) -> int:
    """The statements of a record with its label: PostgreSQL writes their JSON in one."""
    return 1 if db.engine.dialect.name == "postgresql" else 2


async def refused(answer: Any, status: int, code: str) -> list[Any]:
    """The rows that a problem names."""
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return problem.get("errors", [])


# --- create ---------------------------------------------------------------------------------------


async def test_a_new_row_is_answered_as_it_is_read(db, http):
    with statement_counter(db.engine) as seen:
        answer = await http.post("/records", json=NEW)
    assert answer.status_code == 201, answer.text
    row = {"id": 4, "ref": "r9", "title": "New", "price": 12, "stock": 7, "note": None}
    assert answer.json() == row | {"label": {"id": 1, "name": "rock"}}
    statements = 1 + of_view(db)
    assert (seen.count, answer.headers["X-Statements"]) == (statements, str(statements)), seen
    assert answer.headers["Location"] == "/records/4"
    read = await http.get(answer.headers["Location"])
    assert (read.json(), read.headers["ETag"]) == (answer.json(), answer.headers["ETag"])


async def test_location_holds_below_a_prefix_and_for_odd_keys(http):
    answer = await http.post("/countries", json={"code": "/?", "name": "Odd"})
    assert answer.headers["Location"] == "/countries/%2F%3F"


@pytest.mark.parametrize(
    ("change", "status", "code", "kind", "columns"),
    [
        ({"ref": "r1"}, 409, "CONFLICT", "unique", ["ref"]),
        ({"price": -1}, 422, "INVALID", "check", []),
        ({"price": 2**40}, 422, "INVALID", "value", None),
    ],
)
async def test_a_row_that_the_database_refuses(db, http, change, status, code, kind, columns):
    answer = await http.post("/records", json=NEW | change)
    if kind == "value" and db.engine.dialect.name == "sqlite":
        assert answer.status_code == 201  # its integers are as large
        return
    (row,) = await refused(answer, status, code)
    assert (row["index"], row["kind"]) == (0, kind)
    assert columns is None or row["columns"] == columns
    assert kind != "check" or row["constraint"] == "price_is_positive"
    assert "INSERT" not in answer.text
    assert len(await rows_of(db, select(Record.id))) == 3


async def test_a_reference_to_nothing_is_a_conflict(db, http):
    answer = await http.post("/records", json=NEW | {"label_id": 9})
    (row,) = await refused(answer, 409, "CONFLICT")
    assert row["kind"] == "foreign_key"


@pytest.mark.parametrize("body", [{}, NEW | {"titel": "x"}, NEW | {"label_id": "x"}, [NEW], None])
async def test_a_body_that_the_model_refuses_takes_no_statement(db, http, body):
    with statement_counter(db.engine) as seen:
        answer = await http.post("/records", json=body)
    assert await refused(answer, 422, "INVALID_REQUEST")
    assert seen.count == 0


async def test_only_if_there_is_none_yet(http):
    swiss = {"code": "CH", "name": "Confoederatio"}
    assert (await http.post("/countries", json=swiss)).status_code == 409
    answer = await http.post("/countries", json=swiss, headers={"If-None-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (412, "PRECONDITION_FAILED")
    other = await http.post(
        "/countries", json={"code": "AT", "name": "Austria"}, headers={"If-None-Match": "*"}
    )
    assert other.status_code == 201


async def test_a_parameter_with_a_typing_error_is_refused(http):
    answer = await http.post("/records?dryrun=true", json=NEW)
    assert (answer.status_code, "Did you mean 'dry_run'" in answer.json()["detail"]) == (400, True)


# --- update ---------------------------------------------------------------------------------------


async def test_exactly_what_is_sent_is_changed(db, http):
    await http.patch("/records/1", json={"note": "first"})
    with statement_counter(db.engine) as seen:
        answer = await http.patch("/records/1", json={"title": "Other"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["title"], answer.json()["note"], answer.json()["price"]) == ("Other", "first", 10)
    statements = 1 + of_view(db)
    assert (seen.count, answer.headers["X-Statements"]) == (statements, str(statements)), seen
    assert "title" in seen.statements[0]
    assert "note" not in seen.statements[0]
    nothing = await http.patch("/records/1", json={"note": None})
    assert nothing.json()["note"] is None
    assert (await http.get("/records/1")).headers["ETag"] == nothing.headers["ETag"]


async def test_nothing_sent_changes_nothing(db, http):
    before = await http.get("/records/1")
    answer = await http.patch("/records/1", json={})
    assert (answer.status_code, answer.json()) == (200, before.json())
    assert answer.headers["X-Statements"] == str(of_view(db))
    assert (await http.patch("/records/9", json={})).status_code == 404


async def test_null_where_there_must_be_a_value(http):
    (row,) = await refused(await http.patch("/records/1", json={"title": None}), 422, "INVALID")
    assert (row["kind"], row["columns"]) == ("not_null", ["title"])


async def test_a_row_that_is_not_there(http):
    answer = await http.patch("/records/9", json={"title": "x"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "Record has no row for key 9.")
    gone = await http.delete("/records/9")
    assert (gone.status_code, gone.json()["detail"]) == (404, "Record has no row for key 9.")


async def test_an_update_that_conflicts(db, http):
    (row,) = await refused(await http.patch("/records/1", json={"label_id": 9}), 409, "CONFLICT")
    assert row["kind"] == "foreign_key"


async def test_a_composite_key(http):
    answer = await http.patch("/seats/1/2", json={"taken": True})
    assert answer.json() == {"row": 1, "number": 2, "taken": True}
    assert (await http.patch("/seats/2/2", json={"taken": True})).status_code == 404


# --- delete ---------------------------------------------------------------------------------------


async def test_a_row_is_deleted(db, http):
    with statement_counter(db.engine) as seen:
        answer = await http.delete("/records/1")
    assert (answer.status_code, answer.content, seen.count) == (204, b"", 1)
    assert (await http.get("/records/1")).status_code == 404


async def test_a_row_that_others_refer_to(http, db, client):
    from batchrepo.integrations.fastapi import resource
    from tests.integrations.fastapi.shelf import LabelName, LabelRepository

    labels = resource(LabelRepository, view=LabelName, prefix="/labels", operations=["delete"])
    async with client(application(db, labels)) as other:
        (row,) = await refused(await other.delete("/labels/1"), 409, "CONFLICT")
        assert row["kind"] == "foreign_key"
        assert (await other.delete("/labels/2")).status_code == 204


# --- what clients expect ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_if_match(http, method):
    async def send(tag: str) -> Any:
        body = {"json": {"title": "Other"}} if method == "PATCH" else {}
        return await http.request(method, "/records/1", headers={"If-Match": tag}, **body)

    tag = (await http.get("/records/1")).headers["ETag"]
    for wrong in ('"x"', 'W/"x", "y"', "nonsense", ""):
        (row,) = await refused(await send(wrong), 412, "STALE")
        assert row["kind"] == "stale"
    assert (await http.get("/records/1")).json()["title"] == "Record 1"
    found = await send(f'"x", {tag}')
    assert found.status_code in (200, 204), found.text
    if method == "PATCH":
        assert (await send(tag)).status_code == 412
        assert (await send(found.headers["ETag"])).status_code == 200
        assert (await send("*")).status_code == 200


async def test_if_match_of_a_row_that_is_not_there(http):
    for tag in ('"x"', "*"):
        answer = await http.patch("/records/9", json={"title": "x"}, headers={"If-Match": tag})
        assert answer.status_code == 404


async def test_a_version_is_compared_by_the_update_itself(db, http):
    with statement_counter(db.engine) as seen:
        answer = await http.patch("/counters/1", json={"value": 5}, headers={"If-Match": '"1"'})
    assert answer.json() == {"id": 1, "value": 5, "version": 2}
    assert seen.count == 2  # the row, and the view
    (row,) = await refused(
        await http.patch("/counters/1", json={"value": 6}, headers={"If-Match": '"1"'}), 412, "STALE"
    )
    assert row["kind"] == "stale"
    tag = (await http.get("/counters/1")).headers["ETag"]
    by_tag = await http.patch("/counters/1", json={"value": 7}, headers={"If-Match": tag})
    assert by_tag.json() == {"id": 1, "value": 7, "version": 3}
    assert (await http.delete("/counters/1", headers={"If-Match": '"2"'})).status_code == 412
    assert (await http.delete("/counters/1", headers={"If-Match": '"3"'})).status_code == 204


async def test_whoever_says_nothing_is_refused_where_it_is_required(http):
    for answer in (await http.patch("/counters/1", json={"value": 5}), await http.delete("/counters/1")):
        assert (answer.status_code, answer.json()["code"]) == (428, "PRECONDITION_REQUIRED")


async def test_of_two_at_once_one_is_told(http):
    """Both have read the same; whoever comes second must not overwrite what the first has written."""
    tag = (await http.get("/records/1")).headers["ETag"]
    answers = await asyncio.gather(
        *(http.patch("/records/1", json={"note": note}, headers={"If-Match": tag}) for note in "ab")
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    (won,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await http.get("/records/1")).json() == won


async def test_two_at_once_by_version(http):
    answers = await asyncio.gather(
        *(http.patch("/counters/2", json={"value": n}, headers={"If-Match": '"1"'}) for n in (8, 9))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]


# --- tenants ----------------------------------------------------------------------------------------


async def test_a_tenant_writes_its_own_rows_only(db, http):
    made = await http.post("/papers", json={"text": "mine"}, headers={"X-Tenant": "b"})
    assert made.status_code == 201, made.text
    assert [paper.tenant for paper in await rows_of(db, select(Paper).where(Paper.text == "mine"))] == ["b"]
    # Papers 1 and 2 are of tenant a, 3 and 4 of tenant b: what is hidden is not there.
    for answer in (
        await http.patch("/papers/3", json={"text": "x"}),
        await http.patch("/papers/3", json={"text": "x"}, headers={"If-Match": '"x"'}),
        await http.delete("/papers/3"),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (404, "Paper has no row for key 3.")
    for answer in (
        await http.post("/papers", json={"text": "x", "tenant": "b"}),
        await http.patch("/papers/1", json={"tenant": "b"}),
        await http.post("/papers", json={"text": "secret"}),
        await http.patch("/papers/1", json={"text": "secret"}),
    ):
        (row,) = await refused(answer, 403, "FORBIDDEN")
        assert row["kind"] == "forbidden"
    every = await rows_of(db, select(Paper.text).order_by(Paper.id))
    assert every == ["a 1", "a 2", "b 1", "b 2", "mine"]


# --- tries --------------------------------------------------------------------------------------------


async def test_a_try_answers_and_writes_nothing(db, http):
    made = await http.post("/records?dry_run=true", json=NEW)
    assert (made.status_code, made.json()["title"], "Location" in made.headers) == (201, "New", False)
    changed = await http.patch("/records/1?dry_run=true", json={"title": "Other"})
    assert changed.json()["title"] == "Other"
    assert (await http.delete("/records/1?dry_run=true")).status_code == 204
    assert (await http.post("/records?dry_run=true", json=NEW | {"ref": "r1"})).status_code == 409
    assert await rows_of(db, select(Record.title).order_by(Record.id)) == ["Record 1", "Record 2", "Record 3"]
    assert (await http.post("/labels?dry_run=true", json={"name": "x"})).status_code == 400


async def test_methods_that_there_are(http):
    assert (await http.put("/records/1", json={})).headers["Allow"] == "GET, HEAD, PATCH, DELETE"
    assert (await http.delete("/labels/1")).status_code == 405
