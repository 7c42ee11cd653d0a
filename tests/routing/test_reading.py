"""Where each kind of work goes. The rows of the files differ, so whoever answered is seen."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import selectinload

from batchrepo import (
    AnyReplica,
    Database,
    Endpoint,
    Primary,
    Read,
    Replica,
    RoutingPolicy,
    StatementBudgetExceeded,
)
from batchrepo.testing import assert_statements, rolled_back
from tests.routing.servers import (
    REPLICAS,
    Author,
    AuthorRepository,
    AuthorView,
    Note,
    NoteRepository,
    NoteView,
    endpoint_of,
    endpoints_of,
    files,
    router_of,
    routes_of,
    server_of,
)


@pytest_asyncio.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with files(tmp_path) as made:
        yield made


@pytest_asyncio.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Database]:
    """One replica, so that its name is known."""
    async with files(tmp_path, replicas=["replica-1"]) as made:
        yield made


async def add_note(scope: Any, key: int) -> None:
    async with scope.transaction():
        await NoteRepository(scope).insert_many([{"id": key, "server": "written", "author_id": 1}])


# --- reads ------------------------------------------------------------------------------------------


async def test_all_reads_of_a_scope_come_from_one_replica(db: Database):
    seen = set()
    for _ in range(12):
        async with db.scope() as scope:
            notes, authors = NoteRepository(scope), AuthorRepository(scope)
            found = {(await notes.get(10)).server, *(one.server for one in await authors.find(AuthorView))}
            found |= {(await notes.page(NoteView, first=1)).items[0].server}
            found |= {one.server for one in await asyncio.gather(*(notes.get(key) for key in (11, 20, 21)))}
            assert await authors.count() == 3
            assert set(endpoints_of(scope)) == found
            assert len(routes_of(scope)) == 1
        assert len(found) == 1
        seen |= found
    assert seen == set(REPLICAS)  # and of different scopes from both: 1 in 2,048 runs would say otherwise


async def test_what_leads_on_from_an_entity_comes_from_its_replica(alone: Database):
    async with alone.scope() as scope:
        author = await AuthorRepository(scope).get(1)
        assert [note.server for note in await scope.related(author, Author.notes)] == ["replica-1"] * 2
        assert await scope.related(author, AuthorRepository.note_count) == 2
        note = await NoteRepository(scope).get(20)
        assert (await note.awaitable_attrs.author).server == "replica-1"
        (eager,) = await scope.door.entities(
            scope.session,
            select(Author).options(selectinload(Author.notes)).where(Author.id == 3),
            cause="eager",
        )
        assert [one.server for one in eager[0].notes] == ["replica-1"] * 2
        assert set(endpoints_of(scope)) == {"replica-1"}


async def test_a_page_for_each_parent_a_stream_and_chunks(alone: Database):
    async with alone.scope() as scope:
        authors, notes = AuthorRepository(scope), NoteRepository(scope)
        found = await authors.find()
        pages = await asyncio.gather(
            *(scope.related_page(author, Author.notes, NoteView, first=1) for author in found)
        )
        assert {page.items[0].server for page in pages} == {"replica-1"}
        assert {note.server async for note in notes.stream()} == {"replica-1"}
        async for chunk in notes.chunks(size=2):
            assert {note.server for note in chunk.items} == {"replica-1"}
        assert set(endpoints_of(scope)) == {"replica-1"}


async def test_a_statement_that_is_kept_by_the_driver_path_stays_with_its_endpoint(db: Database):
    for _ in range(12):
        async with db.scope() as scope:
            assert {await server_of(scope), await server_of(scope, 20)} == set(endpoints_of(scope))


@pytest.mark.parametrize(
    "statement",
    [
        text("INSERT INTO note (id, server, author_id) VALUES (99, 'by hand', 1)"),
        insert(Note.__table__).values(id=99, server="by hand", author_id=1),
        text("SELECT count(*) FROM note"),
        select(Note.id).with_for_update(),
        select(func.nextval("ids")),
        select(func.last_insert_rowid()),
    ],
    ids=str,
)
async def test_what_may_do_more_than_read_goes_to_the_primary(alone: Database, statement: Any):
    async with alone.scope() as scope:
        try:
            await scope.door.rows(statement, cause="by hand")
        except OperationalError:  # a function that SQLite does not have
            pass
        assert endpoints_of(scope) == ["primary"]
        assert routes_of(scope) == [("primary", "a statement that may do more than read")]
        assert await server_of(scope) == "replica-1"


async def test_a_statement_that_a_replica_refuses_runs_on_the_primary_and_from_then_on_there(alone: Database):
    """A function of the application's, of which nobody can know that it writes."""
    statement = select(func.looks_harmless().label("x"))
    _make_function(alone)
    async with alone.scope() as scope:
        for _ in range(2):
            assert await scope.door.rows(statement, cause="x") == [(1,)]
        assert endpoints_of(scope) == ["replica-1", "primary", "primary"]
        assert ("primary", "replica-1: it refused the statement, which writes") in routes_of(scope)
        assert await server_of(scope) == "replica-1"
    assert endpoint_of(alone, "replica-1").up


def _make_function(db: Database) -> None:
    """A function that fails on read-only connections as a write does."""
    from sqlalchemy import event

    for engine in db.engines:

        @event.listens_for(engine.sync_engine, "do_execute")
        def execute(cursor: Any, statement: str, parameters: Any, context: Any) -> bool:
            if "looks_harmless" not in statement:
                return False
            cursor.execute("PRAGMA query_only")
            if cursor.fetchone()[0]:
                raise sqlite3.OperationalError("attempt to write a readonly database")
            cursor.execute("SELECT 1")
            return True


@pytest.mark.parametrize("name", REPLICAS)
async def test_a_replica_refuses_writes_whatever_is_sent(db: Database, name: str):
    endpoint = endpoint_of(db, name)
    async with endpoint.reading.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(text("DELETE FROM note"))


async def test_it_still_does_after_a_read_only_transaction(alone: Database):
    async with alone.scope() as scope, scope.transaction(read_only=True):
        assert await server_of(scope) == "replica-1"
    async with endpoint_of(alone, "replica-1").reading.connect() as connection:
        with pytest.raises(OperationalError, match="readonly"):
            await connection.execute(text("DELETE FROM note"))


# --- policies ---------------------------------------------------------------------------------------


async def test_a_policy_of_the_database_the_scope_or_some_calls(tmp_path: Path):
    async with files(tmp_path, routing=Primary(), replicas=["replica-1"]) as db:
        async with db.scope() as scope:
            assert await server_of(scope) == "primary"
            async with scope.routed(AnyReplica()) as other:
                assert await server_of(other) == "replica-1"
                async with other.routed(Primary()) as third:
                    assert await server_of(third) == "primary"
            assert await server_of(scope, 20) == "primary"
        async with db.scope(routing=AnyReplica()) as scope:
            assert await server_of(scope) == "replica-1"
            async with scope.routed(Primary()) as fresh:
                author = await AuthorRepository(fresh).get(1)
                assert {one.server for one in await fresh.related(author, Author.notes)} == {"primary"}


async def test_a_policy_of_ones_own_is_one_method(db: Database):
    class Named(RoutingPolicy):
        async def choose(self, read: Read) -> Endpoint:
            return next((one for one in read.replicas if one.name == "replica-2"), read.primary)

    async with db.scope(routing=Named()) as scope:
        assert await server_of(scope) == "replica-2"
        assert routes_of(scope) == [("replica-2", "policy Named")]


async def test_a_routed_scope_is_inside_transactions_and_sees_what_was_written(alone: Database):
    async with alone.scope() as scope:
        async with scope.routed(AnyReplica()) as other:
            assert await server_of(other) == "replica-1"
            async with scope.transaction():
                assert await server_of(other) == "primary"
        async with scope.routed(scope._route._policy) as strict:
            assert (
                await server_of(strict) == "primary"
            )  # a commit was, and no replica can show that it has it


async def test_a_scope_without_criteria_reads_where_its_scope_does(db: Database):
    for _ in range(8):
        async with db.scope() as scope:
            here = await server_of(scope)
            async with scope.without(reason="for a test") as inner:
                assert await server_of(inner) == here


# --- writes -----------------------------------------------------------------------------------------


async def test_transactions_go_to_the_primary_and_so_do_reads_after_them(alone: Database):
    """SQLite has no positions: what was written is known to be on the primary only."""
    async with alone.scope() as scope:
        assert await server_of(scope) == "replica-1"
        async with scope.transaction():
            assert await server_of(scope) == "primary"
        assert await server_of(scope) == "primary"
        assert [reason for _, reason in routes_of(scope)] == [
            "nothing was written",
            "a transaction that may write",
            "no replica has replayed what was written within 0.1 s",
        ]


async def test_a_write_of_a_child_task_is_seen_by_its_parent_and_its_siblings(alone: Database):
    async with alone.scope() as scope:
        assert await NoteRepository(scope).count() == 6
        await asyncio.create_task(add_note(scope, 99))
        assert (await NoteRepository(scope).get(99)).server == "written"
        sibling = await asyncio.create_task(NoteRepository(scope).get(99, NoteView))
        assert sibling.server == "written"


async def test_what_is_read_beside_a_commit_is_read_again_after_it(alone: Database):
    """A read that is being routed while a transaction commits must not fill a loader with what was before."""
    go, arrived = asyncio.Event(), asyncio.Event()

    class Slow(RoutingPolicy):
        async def choose(self, read: Read) -> Endpoint:
            if not read.has_writes:
                arrived.set()
                await go.wait()
            return read.primary if read.has_writes else read.replicas[0]

    async with alone.scope(routing=Slow()) as scope:
        early = asyncio.create_task(NoteRepository(scope).get_or_none(99, NoteView))
        await arrived.wait()
        await add_note(scope, 99)
        go.set()
        assert (await early) is not None
        assert await NoteRepository(scope).get_or_none(99, NoteView) is not None


async def test_a_read_only_transaction_may_go_to_a_replica(alone: Database):
    async with alone.scope() as scope:
        async with scope.transaction(read_only=True):
            assert await server_of(scope) == "replica-1"
        assert not scope.has_writes
        async with scope.transaction(read_only=True, isolation="SERIALIZABLE"):
            assert await server_of(scope) == "primary"
        await add_note(scope, 99)
        async with scope.transaction(read_only=True):
            assert await server_of(scope, 99) == "written"


async def test_a_snapshot_is_one_replica(db: Database):
    for _ in range(8):
        async with db.scope(snapshot=True) as scope:
            found = {await server_of(scope), await server_of(scope, 20), await server_of(scope, 21)}
            assert len(found) == 1
            assert set(endpoints_of(scope)) == found
            assert found <= set(REPLICAS)


async def test_a_snapshot_with_a_token_is_the_primary_where_no_replica_has_it(alone: Database):
    async with alone.scope() as scope:
        await add_note(scope, 99)
        token = await scope.consistency_token()
    async with alone.scope(token=token, snapshot=True) as scope:
        assert await server_of(scope, 99) == "written"


# --- what is not routed -----------------------------------------------------------------------------


async def test_a_joined_session_is_where_it_is(alone: Database, tmp_path: Path):
    async with AsyncSession(alone.engine) as session, alone.scope(session=session) as scope:
        assert await server_of(scope) == "primary"
        async with scope.routed(AnyReplica()) as other:
            assert await server_of(other) == "primary"
        async with scope.without(reason="for a test") as other:
            assert await server_of(other) == "primary"
        assert routes_of(scope) == []


async def test_a_rolled_back_test_is_on_its_connection_in_every_kind_of_scope(alone: Database):
    async with rolled_back(alone) as session:
        session.add(Note(id=99, server="in the test", author_id=1))
        await session.commit()
        for settings in ({}, {"snapshot": True}, {"routing": AnyReplica()}):
            async with alone.scope(**settings) as scope:
                assert await server_of(scope, 99) == "in the test"
                assert routes_of(scope) == []
        async with alone.scope() as scope:
            async with scope.transaction(read_only=True):
                assert await server_of(scope, 99) == "in the test"
            async with scope.transaction():
                assert await server_of(scope, 99) == "in the test"
            async with scope.routed(AnyReplica()) as other:
                assert await server_of(other, 99) == "in the test"
            assert routes_of(scope) == []
            assert set(endpoints_of(scope)) == {""}


async def test_the_session_of_a_scope_is_on_the_primary(alone: Database):
    """What a user runs in it by himself may write."""
    async with alone.scope() as scope:
        assert await scope.session.scalar(select(Note.server).limit(1)) == "primary"


async def test_a_scope_that_a_test_flushes_by_hand(alone: Database):
    async with alone.scope(manual=True) as scope:
        author = (await AuthorRepository(scope).find())[0]
        task = asyncio.create_task(scope.related(author, Author.notes))
        while not scope.scheduler.pending:
            await asyncio.sleep(0)
        await scope.scheduler.flush()
        assert {note.server for note in await task} == {"replica-1"}


# --- what it costs ----------------------------------------------------------------------------------


async def test_routing_adds_no_statement(db: Database):
    async with db.scope() as scope:
        with assert_statements(2, db):
            await AuthorRepository(scope).find(AuthorView)
        with assert_statements(1, db):
            await server_of(scope)
        assert await scope.consistency_token() is None
    with assert_statements(1, db):
        async with db.scope() as scope:
            await server_of(scope)


async def test_without_replicas_nothing_is_routed(tmp_path: Path):
    before = asyncio.all_tasks()
    async with files(tmp_path, replicas=[]) as db:
        with assert_statements(2, db):
            async with db.scope() as scope:
                await AuthorRepository(scope).find(AuthorView)
                assert endpoints_of(scope) == ["", ""]
                assert routes_of(scope) == []
                assert type(scope._door).__name__ == "PooledDoor"
        assert not db.routed
        assert asyncio.all_tasks() == before


async def test_a_budget_is_the_scopes_and_not_an_endpoints(alone: Database):
    async with alone.scope(max_statements=3) as scope:
        await server_of(scope)
        async with scope.transaction():
            await server_of(scope, 20)
        await server_of(scope, 21)
        with pytest.raises(StatementBudgetExceeded):
            await server_of(scope, 30)
        assert len(endpoints_of(scope)) == 3


# --- closing and cancelling -------------------------------------------------------------------------


async def connected(db: Database) -> None:
    """Have connections in all pools: what is cancelled while it connects, the driver of SQLite loses."""
    for engine in db.engines:
        many = [await engine.connect() for _ in range(5)]
        for connection in many:
            await connection.close()


async def test_a_scope_that_closes_ends_what_runs_on_every_endpoint(db: Database):
    """`files` asserts that no connection is left in use."""
    await connected(db)
    async with db.scope() as scope:
        await server_of(scope)
        tasks = [asyncio.create_task(NoteRepository(scope).find(NoteView, Note.id == n)) for n in range(20)]
        await asyncio.sleep(0)
    done = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one).__name__ for one in done} <= {"ScopeClosed", "list"}


async def test_cancelled_readers_return_their_connections(db: Database):
    await connected(db)
    for hops in range(0, 24, 4):
        async with db.scope() as scope:
            tasks = [
                asyncio.create_task(NoteRepository(scope).find(NoteView, Note.id == n)) for n in range(4)
            ]
            for _ in range(hops):
                await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.wait(tasks)
            assert [task.result() is not None for task in tasks[1::2]] == [True, True]
        await connected(db)


async def test_a_database_may_be_disposed_of_twice_and_under_an_open_scope(db: Database):
    async with db.scope() as scope:
        assert await server_of(scope) in REPLICAS
        await db.dispose()
        await db.dispose()
        assert await server_of(scope) in REPLICAS  # as with an engine, there are new connections
    assert all(endpoint.up for endpoint in router_of(db).endpoints)


def test_one_loop_after_another(tmp_path: Path):
    manager = files(tmp_path)
    db = asyncio.run(manager.__aenter__())

    async def use() -> None:
        async with db.scope() as scope:
            assert await server_of(scope) in REPLICAS
        await db.dispose()

    for _ in range(3):
        asyncio.run(use())
    asyncio.run(manager.__aexit__(None, None, None))


async def test_replicas_of_engines_of_ones_own(tmp_path: Path):
    async with files(tmp_path, replicas=["replica-1"]) as made:
        own = create_async_engine(made.engines[1].url)
        async with Database(
            made.engines[0].url,
            replicas=[Replica(own, name="mine")],
            repositories=[NoteRepository],
            health=router_of(made).checks,
        ) as db:
            async with db.scope() as scope:
                assert await server_of(scope) == "replica-1"
                assert endpoints_of(scope) == ["mine"]
            with pytest.raises(OperationalError, match="readonly"):
                async with own.begin() as connection:
                    await connection.execute(text("DELETE FROM note"))
        assert own.sync_engine.pool.checkedin() == 1  # not disposed of: it is the user's
        await own.dispose()
