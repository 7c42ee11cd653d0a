"""A read that a server fails is run once more elsewhere; whatever may write is not, and nobody is told a half truth."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from batchrepo import (
    AnyReplica,
    Database,
    DatabaseUnavailable,
    EndpointDown,
    Primary,
    PrimaryUnavailable,
    ScopeClosed,
    StatementBudgetExceeded,
)
from batchrepo.events import EndpointEvent
from batchrepo.routing.failures import Failure, failure_of
from tests.routing.servers import (
    Author,
    AuthorRepository,
    NoteRepository,
    endpoint_of,
    endpoints_of,
    faulty,
    files,
    router_of,
    routes_of,
    server_of,
)

LOST = sqlite3.OperationalError("the server closed the connection")
REFUSED = sqlite3.OperationalError("unable to open database file")


@pytest_asyncio.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """Two servers, which have been looked at."""
    async with files(tmp_path, replicas=["replica-1"]) as made:
        async with made.scope():
            await router_of(made).looked()
        yield made


def engine_of(db: Database, name: str) -> AsyncEngine:
    return endpoint_of(db, name).engine


# --- what errors mean -------------------------------------------------------------------------------


class Said(Exception):
    """An error of a driver."""

    def __init__(self, state: str, text: str = "") -> None:
        super().__init__(text)
        self.sqlstate = state


def refused(cause: BaseException) -> DatabaseUnavailable:
    error = DatabaseUnavailable("No connection")
    error.__cause__ = cause
    return error


def of_driver(state: str, words: str = "", *, lost: bool = False) -> DBAPIError:
    return OperationalError("SELECT 1", {}, Said(state, words), connection_invalidated=lost)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (EndpointDown("replica-1 went down"), "lost"),
        (refused(OSError("refused")), "unreachable"),
        (refused(TimeoutError()), "unreachable"),
        (refused(of_driver("57P03", "the database system is starting up")), "unreachable"),
        (refused(of_driver("28P01", "password authentication failed")), "unreachable"),
        (refused(of_driver("53300", "sorry, too many clients already")), "full"),
        (refused(of_driver("", "FATAL: remaining connection slots are reserved")), "full"),
        (refused(PoolTimeout()), None),
        (refused(OperationalError("BEGIN IMMEDIATE", {}, Exception("database is locked"))), None),
        (DatabaseUnavailable("another transaction has been open for 30 s"), None),
        (PrimaryUnavailable("away"), None),
        (of_driver("57P01", lost=True), "lost"),
        (of_driver("57P02"), "lost"),
        (of_driver("08006", lost=True), "lost"),
        (of_driver("40001", "canceling statement due to conflict with recovery"), "conflict"),
        (of_driver("40001", "terminating connection due to conflict with recovery", lost=True), "conflict"),
        (of_driver("40P01"), "conflict"),
        (of_driver("25006", "cannot execute nextval() in a read-only transaction"), "read only"),
        (
            OperationalError("x", {}, sqlite3.OperationalError("attempt to write a readonly database")),
            "read only",
        ),
        (of_driver("42P01", "relation does not exist"), None),
        (of_driver("57014", "canceling statement due to statement timeout"), None),
        (ScopeClosed("closed"), None),
        (StatementBudgetExceeded("too many"), None),
        (ValueError("of ours"), None),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, Exception) else None,
)
def test_what_an_error_means(error: Exception, failure: Failure | None):
    assert failure_of(error) == failure


# --- replicas ---------------------------------------------------------------------------------------


async def test_a_replica_that_refuses_connections(db: Database):
    told: list[Any] = []
    db.on_event(told.append)
    with faulty(engine_of(db, "replica-1")) as fault:
        fault.connecting = REFUSED
        await engine_of(db, "replica-1").dispose()
        async with db.scope() as scope:
            assert await server_of(scope) == "primary"
            assert endpoints_of(scope) == ["primary"]  # it never ran on the other
            assert routes_of(scope)[-1] == (
                "primary",
                "replica-1: no connection could be had; no replica is up",
            )
    down = [one for one in told if type(one) is EndpointEvent]
    assert [(one.endpoint, one.state) for one in down] == [("replica-1", "down")]
    assert (
        down[0].reason == f"No connection to {engine_of(db, 'replica-1').url}: unable to open database file"
    )


async def test_a_replica_that_goes_under_a_statement(db: Database):
    with faulty(engine_of(db, "replica-1")) as fault:
        fault.running = LOST
        async with db.scope() as scope:
            assert await server_of(scope) == "primary"
            assert endpoints_of(scope) == ["replica-1", "primary"]
            assert await server_of(scope, 20) == "primary"
        assert fault.seen == 1
        async with db.scope() as scope:
            assert await server_of(scope) == "primary"
        assert fault.seen == 1  # nobody else has to find out
    assert endpoint_of(db, "replica-1").state == "down"


async def test_entities_and_eager_loads_are_run_once_more_too(db: Database):
    from sqlalchemy.orm import selectinload

    with faulty(engine_of(db, "replica-1")) as fault:
        fault.running = LOST
        async with db.scope() as scope:
            statement = select(Author).options(selectinload(Author.notes)).order_by(Author.id)
            rows = await scope.door.entities(scope.session, statement, cause="eager")
            assert {note.server for (author,) in rows for note in author.notes} == {"primary"}


async def test_tasks_that_run_side_by_side_are_each_run_once_more(db: Database):
    with faulty(engine_of(db, "replica-1")) as fault:
        fault.running = LOST
        async with db.scope() as scope:
            notes = NoteRepository(scope)
            counts = await asyncio.gather(*(notes.count() for _ in range(6)), AuthorRepository(scope).count())
            assert counts == [6] * 6 + [3]


async def test_an_error_of_the_statement_is_the_callers(db: Database):
    async with db.scope() as scope:
        with pytest.raises(OperationalError, match="no such table"):
            await scope.door.rows(select(text("x")).select_from(text("nowhere")), cause="x")
        assert endpoints_of(scope) == ["replica-1"]
    assert endpoint_of(db, "replica-1").up


async def test_a_conflict_is_run_elsewhere_and_the_replica_stays(db: Database):
    with faulty(engine_of(db, "replica-1")) as fault:
        fault.running, fault.lost = Said("40001", "conflict with recovery"), False
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine_of(db, "replica-1").sync_engine.dialect.loaded_dbapi, "Error", Exception)
            async with db.scope() as scope:
                assert await server_of(scope) == "primary"
                assert "cancelled the statement" in routes_of(scope)[-1][1]
    assert endpoint_of(db, "replica-1").up
    async with db.scope() as scope:
        assert await server_of(scope) == "replica-1"


async def test_after_a_read_a_scope_goes_to_the_primary_not_to_another_replica(tmp_path: Path):
    async with files(tmp_path) as db, db.scope() as scope:
        first = await server_of(scope)
        with faulty(engine_of(db, first)) as fault:
            fault.running = LOST
            assert await server_of(scope, 20) == "primary"
        assert endpoints_of(scope) == [first, first, "primary"]


async def test_a_statement_is_sent_twice_at_most(tmp_path: Path):
    async with files(tmp_path, replicas=["replica-1", "replica-2", "replica-3"]) as db:
        async with db.scope():
            await router_of(db).looked()
        with (
            faulty(engine_of(db, "replica-1")) as one,
            faulty(engine_of(db, "replica-2")) as two,
            faulty(engine_of(db, "replica-3")) as three,
        ):
            for fault in (one, two, three):
                fault.running = LOST
            async with db.scope() as scope:
                with pytest.raises(OperationalError, match="closed the connection"):
                    await server_of(scope)
            assert one.seen + two.seen + three.seen == 2


async def test_every_replica_may_refuse_connections(tmp_path: Path):
    async with files(tmp_path) as db:
        async with db.scope():
            await router_of(db).looked()
        with faulty(engine_of(db, "replica-1")) as one, faulty(engine_of(db, "replica-2")) as two:
            one.connecting = two.connecting = REFUSED
            for name in ("replica-1", "replica-2"):
                await engine_of(db, name).dispose()
            async with db.scope() as scope:
                assert await server_of(scope) == "primary"
            assert router_of(db).replicas_lost


async def test_what_a_server_failed_does_not_count_against_the_budget(db: Database):
    with faulty(engine_of(db, "replica-1")) as fault:
        fault.running = LOST
        async with db.scope(max_statements=2) as scope:
            assert await server_of(scope) == "primary"
            assert await server_of(scope, 20) == "primary"
            with pytest.raises(StatementBudgetExceeded):
                await server_of(scope, 30)


async def test_a_snapshot_that_has_not_begun_goes_elsewhere(db: Database):
    with faulty(engine_of(db, "replica-1")) as fault:
        fault.connecting = REFUSED
        await engine_of(db, "replica-1").dispose()
        async with db.scope(snapshot=True) as scope:
            assert {await server_of(scope), await server_of(scope, 20)} == {"primary"}


async def test_a_snapshot_that_has_begun_is_gone_with_its_server(db: Database):
    async with db.scope(snapshot=True) as scope:
        assert await server_of(scope) == "replica-1"
        with faulty(engine_of(db, "replica-1")) as fault:
            fault.running = LOST
            with pytest.raises(OperationalError, match="closed the connection"):
                await server_of(scope, 20)


async def test_a_read_only_transaction_begins_elsewhere(db: Database):
    with faulty(engine_of(db, "replica-1")) as fault:
        fault.connecting = REFUSED
        await engine_of(db, "replica-1").dispose()
        async with db.scope() as scope, scope.transaction(read_only=True):
            assert await server_of(scope) == "primary"


async def test_a_statement_on_a_server_that_is_taken_out_is_run_elsewhere(tmp_path: Path):
    """It waits in the server, and another task finds out that the server is gone."""
    from sqlalchemy import func

    from tests.executing.gate import SQLiteGate

    async with files(tmp_path, replicas=["replica-1"]) as db:
        gate = SQLiteGate(engine_of(db, "replica-1"))
        async with db.scope() as scope:
            waiting = asyncio.create_task(scope.door.rows(select(func.gate()), cause="gate"))
            await gate.reached()
            router_of(db).change(endpoint_of(db, "replica-1"), "down", "for a test")
            await gate.open()
            with pytest.raises(OperationalError, match="no such function"):
                await waiting  # the primary has no gate
            assert endpoints_of(scope) == ["primary"]
            assert waiting.cancelling() == 0


async def test_a_users_own_cancellation_in_the_same_moment_stays_one(tmp_path: Path):
    from sqlalchemy import func

    from tests.executing.gate import SQLiteGate

    async with files(tmp_path, replicas=["replica-1"]) as db:
        gate = SQLiteGate(engine_of(db, "replica-1"))
        async with db.scope() as scope:
            waiting = asyncio.create_task(scope.door.rows(select(func.gate()), cause="gate"))
            await gate.reached()
            router_of(db).change(endpoint_of(db, "replica-1"), "down", "for a test")
            waiting.cancel()
            await gate.open()
            await asyncio.wait({waiting})
            assert waiting.cancelled()


# --- the primary ------------------------------------------------------------------------------------


async def write(db: Database) -> None:
    async with db.scope() as scope, scope.transaction():
        await NoteRepository(scope).insert_many([{"id": 99, "server": "written", "author_id": 1}])


async def test_without_the_primary_writes_fail_at_once_and_reads_go_on(db: Database):
    with faulty(db.engine) as fault:
        fault.connecting = REFUSED
        await db.engine.dispose()
        with pytest.raises(PrimaryUnavailable) as caught:
            await write(db)
        assert caught.value.retry_after == 3_600
        assert str(caught.value) == (
            f"The primary is away: No connection to {db.engine.url}: unable to open database file. Nothing was done; try "
            f"again later."
        )
        async with db.scope() as scope:
            assert await server_of(scope) == "replica-1"
        async with db.scope(routing=Primary()) as scope:
            with pytest.raises(PrimaryUnavailable):
                await server_of(scope)
    await write(db)


async def test_where_the_primary_is_known_to_be_down_nobody_tries(db: Database):
    router_of(db).change(endpoint_of(db, "primary"), "down", "for a test")
    with pytest.raises(
        PrimaryUnavailable, match=r"^The primary is away \(for a test\), and it was needed: a transaction"
    ):
        await write(db)
    async with db.scope() as scope:
        with pytest.raises(PrimaryUnavailable, match="a statement that may do more than read"):
            await scope.door.rows(text("DELETE FROM note"), cause="by hand")
        assert await server_of(scope) == "replica-1"
        assert endpoints_of(scope) == ["replica-1"]
    async with db.scope(routing=AnyReplica()) as scope, scope.transaction(read_only=True):
        assert await server_of(scope) == "replica-1"


async def test_one_connection_that_breaks_does_not_take_the_primary_from_the_others(db: Database):
    async with db.scope() as others, others.transaction():
        await NoteRepository(others).insert_many([{"id": 99, "server": "written", "author_id": 1}])
        with faulty(db.engine) as fault:
            fault.running = LOST
            async with db.scope(routing=Primary()) as scope:
                with pytest.raises(PrimaryUnavailable, match="Whether it did something is not known"):
                    await server_of(scope)
            assert fault.seen == 1  # it is not sent again: a function in it may write
        assert endpoint_of(db, "primary").up
    async with db.scope(routing=Primary()) as scope:
        assert await server_of(scope, 99) == "written"


async def test_a_primary_that_refuses_connections_leaves_reads_to_a_replica(db: Database):
    """It was chosen, and nobody knew yet that it is away."""
    router_of(db).change(endpoint_of(db, "replica-1"), "down", "for a test")
    async with db.scope() as scope:
        assert await server_of(scope) == "primary"
        router_of(db).change(endpoint_of(db, "replica-1"), "up")
        with faulty(db.engine) as fault:
            fault.connecting = REFUSED
            await db.engine.dispose()
            assert await server_of(scope, 20) == "replica-1"
    assert routes_of(scope)[-1] == ("replica-1", "primary: no connection could be had; nothing was written")


async def test_the_primary_goes_in_the_middle_of_a_transaction(db: Database):
    async with db.scope() as scope:
        assert await server_of(scope) == "replica-1"
        with faulty(db.engine) as fault:

            async def work() -> None:
                async with scope.transaction():
                    await NoteRepository(scope).insert_many([{"id": 99, "server": "written", "author_id": 1}])
                    fault.running = LOST
                    await server_of(scope)

            with pytest.raises(PrimaryUnavailable, match=r"^The primary is away: the server closed"):
                await work()
        assert not scope.has_writes
    async with db.scope(routing=Primary()) as scope:
        assert await NoteRepository(scope).get_or_none(99) is None


async def test_the_primary_goes_under_the_commit_and_only_it_knows_what_became_of_that(db: Database):
    from sqlalchemy import event

    armed = True

    @event.listens_for(db.engine.sync_engine, "handle_error")
    def handle(context: Any) -> None:
        if "closed under the commit" in str(context.original_exception):
            context.is_disconnect = True

    dialect = db.engine.sync_engine.dialect
    original = dialect.do_commit

    def commit(connection: Any) -> None:
        nonlocal armed
        original(connection)
        if armed:
            armed = False
            raise sqlite3.OperationalError("closed under the commit")

    dialect.do_commit = commit  # type: ignore[method-assign]
    try:
        async with db.scope() as scope:
            assert await server_of(scope) == "replica-1"
            block = scope.transaction()
            await block.__aenter__()
            await NoteRepository(scope).insert_many([{"id": 99, "server": "written", "author_id": 1}])
            with pytest.raises(PrimaryUnavailable, match="Whether it did something is not known"):
                await block.__aexit__(None, None, None)
            assert scope.has_writes
            assert await server_of(scope) == "primary"
    finally:
        dialect.do_commit = original  # type: ignore[method-assign]


async def test_a_writer_that_must_wait_is_no_sign_of_a_primary_that_is_away(
    db: Database, monkeypatch: pytest.MonkeyPatch
):
    from batchrepo.executing import turns

    monkeypatch.setattr(turns, "TURN_SECONDS", 0.01)
    async with db.scope() as scope, scope.transaction():
        with pytest.raises(DatabaseUnavailable, match="SQLite has one writer at a time") as caught:
            await asyncio.create_task(write_beside(db))
    assert not isinstance(caught.value, PrimaryUnavailable)
    assert endpoint_of(db, "primary").up


async def write_beside(db: Database) -> None:
    import contextvars

    await asyncio.create_task(write(db), context=contextvars.Context())


async def test_another_process_that_writes_is_no_sign_either(tmp_path: Path):
    async with files(tmp_path, replicas=["replica-1"], busy_timeout=0.01) as db:
        other = create_async_engine(db.engine.url, isolation_level="AUTOCOMMIT")
        async with other.connect() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            with pytest.raises(DatabaseUnavailable, match="database is locked") as caught:
                await write(db)
            await connection.exec_driver_sql("ROLLBACK")
        await other.dispose()
        assert not isinstance(caught.value, PrimaryUnavailable)
        await write(db)


async def test_everything_refuses_connections(db: Database):
    with faulty(db.engine) as one, faulty(engine_of(db, "replica-1")) as two:
        one.connecting = two.connecting = REFUSED
        for engine in db.engines:
            await engine.dispose()
        async with db.scope() as scope:
            with pytest.raises(PrimaryUnavailable, match="no replica is up"):
                await server_of(scope)
    async with db.scope(routing=Primary()) as scope:
        assert await server_of(scope) == "primary"
