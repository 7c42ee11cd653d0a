"""The driver path: what it gives and raises is what SQLAlchemy gives and raises, and who listens misses nothing."""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import gc
import uuid
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import bindparam, event, func, select
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.ext.asyncio import AsyncConnection as Connected
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.types import TypeDecorator

from batchrepo import Database, Repository
from batchrepo.errors import ScopeClosed, StatementBudgetExceeded
from batchrepo.events import EventLog, StatementEvent
from batchrepo.executing import (
    DriverPath,
    JoinedDoor,
    PinnedDoor,
    PooledDoor,
    ReadSession,
    describe,
    make_engine,
    read_engine,
)
from batchrepo.executing.direct import refusal, statement_refusal
from tests.executing.conftest import EVERYWHERE, in_use, on
from tests.executing.models import AUTHORS, Author, fill

asyncpg_only = on("asyncpg")


def one() -> sa.Select[int, str]:
    return select(Author.id, Author.name).where(Author.id == bindparam("id"))


def door_of(engine: AsyncEngine, log: EventLog, **options: Any) -> PooledDoor:
    return PooledDoor(engine, log, driver_path=DriverPath.of(engine.sync_engine), **options)


def paths(log: EventLog) -> list[bool]:
    """For each statement, whether it took the driver path."""
    return [seen.direct for seen in log.events if isinstance(seen, StatementEvent)]


async def learnt(door: PooledDoor, statement: Any, params: Any = None) -> None:
    for _ in range(2):
        await door.rows(statement, params, cause="learning")
    assert door._driver_path is not None
    assert door._driver_path.find(statement) is not None


@asyncpg_only
async def test_the_third_execution_is_direct(engine: AsyncEngine, log: EventLog) -> None:
    door, statement = door_of(engine, log), one()
    for n in range(1, 6):
        assert await door.rows(statement, {"id": n}, cause="Author", keys=1) == [(n, f"author {n}")]
    assert await door.rows(statement, {"id": 99}, cause="Author", keys=1) == []
    assert paths(log) == [False, False, True, True, True, True]
    events = [seen for seen in log.events if isinstance(seen, StatementEvent)]
    assert {(seen.cause, seen.keys, seen.sql) for seen in events} == {("Author", 1, events[0].sql)}
    assert [seen.rows for seen in events] == [1, 1, 1, 1, 1, 0]
    assert all(seen.seconds > 0 for seen in events)
    await door.aclose()


@asyncpg_only
async def test_statements_of_one_shape_have_their_own_values(engine: AsyncEngine, log: EventLog) -> None:
    door = door_of(engine, log)
    statements = [select(Author.name).where(Author.id == n, Author.name != "x").limit(5) for n in (1, 2, 3)]
    for _ in range(4):
        found = [await door.rows(statement, cause="Author") for statement in statements]
        assert found == [[("author 1",)], [("author 2",)], [("author 3",)]]
    assert paths(log) == [False] * 6 + [True] * 6
    await door.aclose()


@asyncpg_only
async def test_many_tasks_share_what_is_kept(engine: AsyncEngine, log: EventLog) -> None:
    door, statement = door_of(engine, log, read_connections=3), one()
    await learnt(door, statement, {"id": 1})
    async with door.hold():
        found = await asyncio.gather(
            *(door.rows(statement, {"id": 1 + n % AUTHORS}, cause="Author") for n in range(60))
        )
    assert found == [[(1 + n % AUTHORS, f"author {1 + n % AUTHORS}")] for n in range(60)]
    assert all(paths(log)[2:])
    await door.aclose()


# --- values -----------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Shouted(TypeDecorator[str]):
    """Differs from what is stored in both directions."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.lower()

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.upper()


MOMENT = dt.datetime(2024, 2, 29, 23, 59, 59, 999999)
VALUES: dict[str, tuple[Any, Any]] = {
    "integer": (sa.Integer(), 7),
    "small": (sa.SmallInteger(), -3),
    "big": (sa.BigInteger(), 2**60),
    "boolean": (sa.Boolean(), True),
    "text": (sa.String(), "ünïcode 'quoted' %s $1"),
    "decimal": (sa.Numeric(20, 6), Decimal("12345678.123400")),
    "numeric_as_float": (sa.Numeric(10, 2, asdecimal=False), 2.5),
    "float": (sa.Float(), 0.1),
    "float_as_decimal": (sa.Float(asdecimal=True), Decimal("0.25")),
    "date": (sa.Date(), MOMENT.date()),
    "time": (sa.Time(), MOMENT.time()),
    "naive": (sa.DateTime(), MOMENT),
    "zoned": (sa.DateTime(timezone=True), MOMENT.replace(tzinfo=dt.timezone(dt.timedelta(hours=5)))),
    "interval": (sa.Interval(), dt.timedelta(days=3, seconds=5, microseconds=7)),
    "pg_interval": (pg.INTERVAL(), dt.timedelta(hours=-1)),
    "uuid": (sa.Uuid(), uuid.UUID(int=12)),
    "uuid_as_text": (sa.Uuid(as_uuid=False), str(uuid.UUID(int=13))),
    "bytes": (sa.LargeBinary(), b"\x00\xff"),
    "enum": (sa.Enum(Colour, name="colour"), Colour.BLUE),
    "enum_as_text": (sa.Enum(Colour, native_enum=False, values_callable=lambda _: ["r", "b"]), Colour.RED),
    "json": (sa.JSON(), {"a": [1, None, "x"]}),
    "jsonb": (pg.JSONB(), [{"b": 1.5}]),
    "integers": (pg.ARRAY(sa.Integer()), [1, 2, None]),
    "enums": (pg.ARRAY(sa.Enum(Colour, name="colour")), [Colour.RED, Colour.BLUE]),
    "decimals": (pg.ARRAY(sa.Numeric(10, 2)), [Decimal("1.50")]),
    "pickle": (sa.PickleType(), {"k": (1, 2)}),
    "range": (pg.INT4RANGE(), pg.Range(1, 5)),
    "bits": (pg.BIT(4), pg.BitString("0101")),
    "decorated": (Shouted(), "LOUD"),
}

VALUE_TABLE = sa.Table(
    "every_type",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    *(sa.Column(name, type_) for name, (type_, _) in VALUES.items()),
)


@asyncpg_only
async def test_every_type_is_read_as_by_sqlalchemy(engine: AsyncEngine, log: EventLog) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(VALUE_TABLE.metadata.create_all)
        given = {name: value for name, (_, value) in VALUES.items()}
        await connection.execute(
            VALUE_TABLE.insert(), [{"id": 1, **given}, {"id": 2} | dict.fromkeys(VALUES)]
        )
        statement = select(VALUE_TABLE).order_by(VALUE_TABLE.c.id)
        expected = [tuple(row) for row in await connection.execute(statement)]
    door = door_of(engine, log)
    await learnt(door, statement)
    found = await door.rows(statement, cause="types")
    assert paths(log)[-1]
    assert found == expected
    assert [list(map(type, row)) for row in found] == [list(map(type, row)) for row in expected]
    assert list(map(type, found)) == [tuple, tuple]
    await door.aclose()


@asyncpg_only
@pytest.mark.parametrize("name", VALUES)
async def test_every_type_is_sent_as_by_sqlalchemy(engine: AsyncEngine, log: EventLog, name: str) -> None:
    type_, value = VALUES[name]
    async with engine.begin() as connection:
        await connection.run_sync(VALUE_TABLE.metadata.create_all)
    statement = select(
        bindparam("value", type_=type_).label("value"), sa.literal(value, type_).label("literal")
    )
    door = door_of(engine, log)
    by_sqlalchemy = [await door.rows(statement, {"value": given}, cause="types") for given in (value, None)]
    directly = [await door.rows(statement, {"value": given}, cause="types") for given in (value, None)]
    assert directly == by_sqlalchemy
    assert paths(log) == [False, False, True, True]
    await door.aclose()


@asyncpg_only
async def test_numbers_that_the_server_makes(engine: AsyncEngine, log: EventLog) -> None:
    statement = select(
        func.sum(Author.id), func.avg(Author.id), func.count(), sa.cast(func.sum(Author.id), sa.Float)
    )
    door = door_of(engine, log)
    await learnt(door, statement)
    (row,) = await door.rows(statement, cause="numbers")
    assert (row, list(map(type, row))) == ((210, Decimal("10.5"), 20, 210.0), [int, Decimal, int, float])
    assert paths(log)[-1]
    await door.aclose()


# --- errors -----------------------------------------------------------------------------------


async def outcome(door: PooledDoor, statement: Any, params: Any = None) -> Any:
    """The rows, or what tells one error from another."""
    try:
        return await door.rows(statement, params, cause="outcome")
    except DBAPIError as error:
        driver = None if error.orig is None else error.orig.__cause__
        return (
            *(type(error), type(error.orig), type(driver), str(error), error.statement, error.params),
            *(error.connection_invalidated, error.orig is error.__cause__, error.code),
        )
    except StatementError as error:
        return type(error), type(error.orig), str(error), error.statement, error.params


DIVIDED = select(100 / bindparam("by", type_=sa.Integer))
CAST = select(sa.cast(bindparam("text", type_=sa.String), sa.Integer))


@asyncpg_only
@pytest.mark.parametrize(
    ("statement", "good", "bad"),
    [
        (DIVIDED, {"by": 1}, {"by": 0}),
        (CAST, {"text": "1"}, {"text": "one"}),
        (select(Author.id).where(Author.id == bindparam("id")), {"id": 1}, {"id": "a text"}),
        (select(Author.id).where(Author.id == bindparam("id")), {"id": 1}, {"id": 2**40}),
        (select(Author.id).where(Author.id == bindparam("id")), {"id": 1}, {}),
        (select(bindparam("c", type_=sa.Enum(Colour))), {"c": Colour.RED}, {"c": "nothing"}),
    ],
)
async def test_a_refused_statement(
    engine: AsyncEngine, log: EventLog, statement: Any, good: Any, bad: Any
) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(VALUE_TABLE.metadata.create_all)
        if "c" in good:
            await connection.run_sync(lambda sync: sa.Enum(Colour).create(sync, checkfirst=True))
    by_sqlalchemy, door = PooledDoor(engine, EventLog()), door_of(engine, log)
    await learnt(door, statement, good)
    assert await outcome(door, statement, bad) == await outcome(by_sqlalchemy, statement, bad)
    assert await outcome(door, statement, good) == await outcome(by_sqlalchemy, statement, good)
    assert paths(log)[-1]
    assert in_use(engine) == 0
    await door.aclose()


@asyncpg_only
async def test_a_refused_statement_is_an_event_and_its_connection_goes_on(
    engine: AsyncEngine, log: EventLog
) -> None:
    door = door_of(engine, log)
    await learnt(door, DIVIDED, {"by": 1})
    async with door.hold():
        with pytest.raises(DBAPIError) as caught:
            await door.rows(DIVIDED, {"by": 0}, cause="division", keys=3)
        assert await door.rows(DIVIDED, {"by": 4}, cause="division") == [(25,)]
        assert in_use(engine) == 1
    refused = log.events[-2]
    assert isinstance(refused, StatementEvent)
    assert (refused.cause, refused.keys, refused.rows, refused.direct) == ("division", 3, 0, True)
    assert refused.sql == caught.value.statement
    await door.aclose()


@asyncpg_only
async def test_listeners_to_errors_are_told(engine: AsyncEngine, log: EventLog) -> None:
    told: list[Any] = []

    @event.listens_for(engine.sync_engine, "handle_error")
    def _told(context: Any) -> None:
        told.append((context.statement, context.parameters, context.execution_context.compiled is not None))

    door = door_of(engine, log)
    await learnt(door, DIVIDED, {"by": 1})
    with pytest.raises(DBAPIError) as caught:
        await door.rows(DIVIDED, {"by": 0}, cause="division")
    assert paths(log)[-1]
    assert told == [(caught.value.statement, caught.value.params, True)]
    await door.aclose()


async def _after_ddl(door: PooledDoor, engine: AsyncEngine, ddl: str) -> list[Any]:
    statement = select(sa.table("thing", sa.column("id", sa.Integer), sa.column("name")))
    async with engine.connect() as connection:
        await connection.execute(sa.text("DROP TABLE IF EXISTS thing"))
        await connection.execute(sa.text("CREATE TABLE thing AS SELECT 1 AS id, 'one' AS name"))
    async with door.hold():
        for _ in range(3):
            await door.rows(statement, cause="thing")
        other = create_async_engine(engine.url, isolation_level="AUTOCOMMIT")
        async with other.connect() as connection:
            await connection.execute(sa.text(ddl))
        await other.dispose()
        return [await outcome(door, statement) for _ in range(3)]


@asyncpg_only
@pytest.mark.parametrize(
    "ddl",
    [
        "DROP TABLE thing",
        "ALTER TABLE thing DROP COLUMN name",
        "ALTER TABLE thing ALTER COLUMN name TYPE varchar(20)",
        "ALTER TABLE thing ALTER COLUMN id TYPE numeric",
        "ALTER TABLE thing ADD COLUMN more integer",
    ],
)
async def test_a_table_that_changes_between_executions(engine: AsyncEngine, log: EventLog, ddl: str) -> None:
    door = door_of(engine, log)
    directly = await _after_ddl(door, engine, ddl)
    assert paths(log)[2]
    await engine.dispose()  # new connections, which have prepared nothing
    assert directly == await _after_ddl(PooledDoor(engine, EventLog()), engine, ddl)
    await door.aclose()


async def _after_a_kill(door: PooledDoor, engine: AsyncEngine) -> list[Any]:
    pid = select(func.pg_backend_pid(), sa.literal(1))
    async with door.hold():
        for _ in range(3):
            ((backend, _one),) = await door.rows(pid, cause="pid")
        other = create_async_engine(engine.url, isolation_level="AUTOCOMMIT")
        async with other.connect() as connection:
            await connection.execute(select(func.pg_terminate_backend(backend, 5_000)))
        await other.dispose()
        found = [await outcome(door, pid)]
        ((again, _one),) = await door.rows(pid, cause="pid")
        assert again != backend
        return found


@asyncpg_only
async def test_a_connection_that_is_killed(engine: AsyncEngine, log: EventLog) -> None:
    door = door_of(engine, log)
    directly = await _after_a_kill(door, engine)
    assert paths(log)[2:] == [True, True, True]
    assert directly == await _after_a_kill(PooledDoor(engine, EventLog()), engine)
    ((_kind, _orig, driver, *_rest, invalidated, _cause, _code),) = directly
    assert invalidated, driver
    await door.aclose()


# --- cancellation -----------------------------------------------------------------------------


@asynccontextmanager
async def locked(engine: AsyncEngine) -> AsyncIterator[Connected]:
    """While inside, nobody can read the authors."""
    keeper = create_async_engine(engine.url)
    async with keeper.begin() as connection:
        await connection.execute(sa.text("LOCK TABLE author IN ACCESS EXCLUSIVE MODE"))
        yield connection
    await keeper.dispose()


async def somebody_waits(connection: Connected) -> None:
    waiting = sa.text(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON database = pg_database.oid "
        "WHERE datname = current_database() AND locktype = 'relation' AND NOT granted"
    )
    for _ in range(10_000):
        if await connection.scalar(waiting):
            return
    raise AssertionError("nobody waits for the lock")


@asyncpg_only
async def test_a_cancelled_statement_costs_its_connection_and_nothing_else(
    engine: AsyncEngine, log: EventLog
) -> None:
    door, statement = door_of(engine, log), one()
    await learnt(door, statement, {"id": 1})
    closed: list[Any] = []
    event.listen(engine.sync_engine, "invalidate", lambda *arguments: closed.append(arguments[-1]))
    async with locked(engine) as keeper, door.hold():
        task = asyncio.create_task(door.rows(statement, {"id": 2}, cause="Author"))
        await somebody_waits(keeper)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert in_use(engine) == 0
    assert list(map(type, closed)) == [asyncio.CancelledError]
    assert paths(log) == [False, False]  # it has no event: nobody knows what became of it
    assert await door.rows(statement, {"id": 3}, cause="Author") == [(3, "author 3")]
    assert paths(log) == [False, False, True]
    await door.aclose()


@asyncpg_only
async def test_closing_ends_a_statement(engine: AsyncEngine, log: EventLog) -> None:
    door, statement = door_of(engine, log), one()
    await learnt(door, statement, {"id": 1})
    async with locked(engine) as keeper:
        task = asyncio.create_task(door.rows(statement, {"id": 2}, cause="Author"))
        await somebody_waits(keeper)
        await door.aclose()
        with pytest.raises(ScopeClosed):
            await task
    assert in_use(engine) == 0


@asyncpg_only
async def test_cancelled_at_any_moment(engine: AsyncEngine, log: EventLog) -> None:
    door, statement = door_of(engine, log), one()
    await learnt(door, statement, {"id": 1})
    for hops in range(12):
        task = asyncio.create_task(door.rows(statement, {"id": 2}, cause="Author"))
        for _ in range(hops):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert in_use(engine) == 0
        assert await door.rows(statement, {"id": 3}, cause="Author") == [(3, "author 3")]
    await door.aclose()


@asyncpg_only
async def test_a_timeout_of_the_driver(engine: AsyncEngine, log: EventLog, url: str) -> None:
    hurried = make_engine(url, connect_args={"command_timeout": 0.2})
    door, statement = door_of(hurried, log), one()
    await learnt(door, statement, {"id": 1})
    async with locked(engine):
        with pytest.raises(TimeoutError):
            await door.rows(statement, {"id": 2}, cause="Author")
        assert in_use(hurried) == 0
    assert await door.rows(statement, {"id": 2}, cause="Author") == [(2, "author 2")]
    await door.aclose()
    await hurried.dispose()


# --- who executes -----------------------------------------------------------------------------


@asyncpg_only
@pytest.mark.parametrize(
    "name",
    [
        *("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute"),
        *("begin", "rollback", "do_execute"),
    ],
)
async def test_who_listens_to_statements_hears_all_of_them(
    engine: AsyncEngine, log: EventLog, name: str
) -> None:
    heard: list[int] = []

    def listener(*_arguments: Any) -> None:
        heard.append(1)

    door, statement = door_of(engine, log), one()
    await learnt(door, statement, {"id": 1})
    event.listen(engine.sync_engine, name, listener)
    assert await door.rows(statement, {"id": 2}, cause="Author") == [(2, "author 2")]
    assert heard
    assert f"somebody listens to {name}" in describe(engine, driver_path=True)
    event.remove(engine.sync_engine, name, listener)
    assert await door.rows(statement, {"id": 2}, cause="Author") == [(2, "author 2")]
    assert paths(log)[2:] == [False, True]
    await door.aclose()


@asyncpg_only
async def test_logged_statements_are_executed_by_sqlalchemy(
    engine: AsyncEngine, log: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    door, statement = door_of(engine, log), one()
    await learnt(door, statement, {"id": 1})
    with caplog.at_level("INFO", logger="sqlalchemy.engine"):
        assert refusal(engine.sync_engine) == "statements are logged"
        await door.rows(statement, {"id": 2}, cause="Author")
    assert "FROM author" in caplog.text
    await door.rows(statement, {"id": 2}, cause="Author")
    assert paths(log)[2:] == [False, True]
    await door.aclose()


@asyncpg_only
async def test_execution_options_of_an_engine(engine: AsyncEngine, log: EventLog) -> None:
    async with engine.begin() as connection:
        await connection.execute(sa.text("CREATE SCHEMA other"))
        await connection.execute(sa.text("CREATE TABLE other.author AS SELECT 1 AS id, 'other' AS name"))
    translated = engine.execution_options(schema_translate_map={None: "other"})
    path = DriverPath.of(engine.sync_engine)
    statement = one()
    plain, other = PooledDoor(engine, log, driver_path=path), PooledDoor(translated, log, driver_path=path)
    await learnt(plain, statement, {"id": 1})
    assert await other.rows(statement, {"id": 1}, cause="other") == [(1, "other")]
    assert await plain.rows(statement, {"id": 1}, cause="plain") == [(1, "author 1")]
    assert paths(log)[2:] == [False, True]
    assert "schema_translate_map" in (refusal(translated.sync_engine) or "")
    await plain.aclose()


@asyncpg_only
@pytest.mark.parametrize(
    "statement",
    [
        select(Author.id).where(Author.id.in_([1, 2])),
        select(Author.id).where(Author.id.in_(bindparam("ids", [1, 2], expanding=True))),
        select(Author.id).where(Author.id < bindparam("top", 3, literal_execute=True)),
        select(Author.id).where(Author.id < bindparam("top", callable_=lambda: 3)),
        select(Author.id).where(Author.id < 3).execution_options(of_ours=True),
        sa.text("SELECT id FROM author WHERE id < 3"),
    ],
)
async def test_statements_that_sqlalchemy_executes_each_time(
    engine: AsyncEngine, log: EventLog, statement: Any
) -> None:
    door = door_of(engine, log)
    for _ in range(4):
        assert sorted(await door.rows(statement, cause="Author")) == [(1,), (2,)]
    assert paths(log) == [False] * 4
    async with engine.connect() as connection:
        result = await connection.run_sync(lambda sync: sync.execute(statement))
        if isinstance(statement, sa.Select):
            assert statement_refusal(result) is not None
        result.close()
    await door.aclose()


@asyncpg_only
async def test_a_value_for_an_anonymous_parameter(engine: AsyncEngine, log: EventLog) -> None:
    statement = select(Author.name).where(Author.id == 1)
    door = door_of(engine, log)
    await learnt(door, statement)
    assert await door.rows(statement, {"id_1": 2}, cause="Author") == [("author 2",)]
    assert await door.rows(statement, {"unknown": 2}, cause="Author") == [("author 1",)]
    assert paths(log)[2:] == [False, True]
    await door.aclose()


@asyncpg_only
async def test_an_engine_of_the_users(url: str, engine: AsyncEngine, log: EventLog) -> None:
    users = create_async_engine(url)
    door, statement = door_of(read_engine(users), log), one()
    for n in range(1, 5):
        assert await door.rows(statement, {"id": n}, cause="Author") == [(n, f"author {n}")]
    assert paths(log) == [False, False, True, True]
    # The connection goes back as it came: the user's own statements run in a transaction.
    async with users.connect() as connection:
        assert await connection.get_isolation_level() == "READ COMMITTED"
        await connection.execute(sa.text("CREATE TABLE gone (id integer)"))
        await connection.rollback()
        assert await connection.scalar(sa.text("SELECT to_regclass('gone')")) is None
    await door.aclose()
    await users.dispose()


@asyncpg_only
async def test_an_engine_in_transactions(url: str, engine: AsyncEngine, log: EventLog) -> None:
    users = create_async_engine(url)
    door, statement = door_of(users, log), one()
    for _ in range(4):
        await door.rows(statement, {"id": 1}, cause="Author")
    assert paths(log) == [False] * 4
    await door.aclose()
    await users.dispose()


@asyncpg_only
async def test_entities_on_the_same_connection(engine: AsyncEngine, log: EventLog) -> None:
    door, statement = door_of(engine, log), one()
    await learnt(door, statement, {"id": 1})
    async with door.hold(), AsyncSession(engine, sync_session_class=ReadSession) as session:
        ((author,),) = await door.entities(session, select(Author).where(Author.id == 1), cause="entity")
        assert author.name == "author 1"
        assert await door.rows(statement, {"id": 1}, cause="Author") == [(1, "author 1")]
    assert paths(log)[2:] == [False, True]
    await door.aclose()


@asyncpg_only
async def test_a_budget(engine: AsyncEngine, log: EventLog) -> None:
    door, statement = door_of(engine, log, max_statements=3), one()
    for _ in range(3):
        await door.rows(statement, {"id": 1}, cause="Author")
    with pytest.raises(StatementBudgetExceeded):
        await door.rows(statement, {"id": 1}, cause="Author")
    assert (paths(log), in_use(engine)) == ([False, False, True], 0)
    await door.aclose()


@asyncpg_only
async def test_a_transaction_is_sqlalchemys(engine: AsyncEngine, log: EventLog) -> None:
    statement = one()
    async with AsyncSession(engine) as session:
        for door in (PinnedDoor(engine, log), JoinedDoor(session, log)):
            for _ in range(4):
                assert await door.rows(statement, {"id": 1}, cause="Author") == [(1, "author 1")]
            await door.aclose()
    assert paths(log) == [False] * 8


@on("memory", "file", "psycopg")
async def test_other_drivers_have_none(engine: AsyncEngine, log: EventLog) -> None:
    assert DriverPath.of(engine.sync_engine) is None
    assert refusal(engine.sync_engine) == f"the driver is {engine.dialect.name}+{engine.dialect.driver}"
    door, statement = door_of(engine, log), one()
    for _ in range(4):
        assert await door.rows(statement, {"id": 1}, cause="Author") == [(1, "author 1")]
    assert paths(log) == [False] * 4
    await door.aclose()


class AuthorRepository(Repository[Author]):
    pass


@on(*EVERYWHERE)
@pytest.mark.parametrize("driver_path", [True, False])
async def test_the_switch(url: str, driver_path: bool) -> None:
    async with Database(url, repositories=[AuthorRepository], driver_path=driver_path) as db:
        await fill(db.engine)
        seen: list[bool] = []
        db.on_event(lambda made: seen.append(made.direct) if isinstance(made, StatementEvent) else None)
        for _ in range(4):
            async with db.scope() as scope:
                assert await AuthorRepository(scope).count(Author.id < 5) == 4
        direct = driver_path and db.engine.dialect.driver == "asyncpg"
        assert seen == [False, False, direct, direct]
        assert ("driver path" in repr(db)) == direct


# --- what is kept -----------------------------------------------------------------------------


@asyncpg_only
async def test_what_runs_once_is_not_kept(engine: AsyncEngine, log: EventLog) -> None:
    door = door_of(engine, log)
    statement = one()
    await door.rows(statement, {"id": 1}, cause="Author")
    assert repr(door._driver_path) == "<DriverPath 0 statements>"
    alive = weakref.ref(statement)
    engine.sync_engine.clear_compiled_cache()
    del statement
    gc.collect()
    assert alive() is None
    await door.aclose()


@asyncpg_only
async def test_a_copy_of_a_kept_statement_is_another_one(engine: AsyncEngine, log: EventLog) -> None:
    door, statement = door_of(engine, log), one()
    await learnt(door, statement, {"id": 1})
    assert await door.rows(statement.where(Author.id > 5), {"id": 1}, cause="Author") == []
    assert await door.rows(statement, {"id": 1}, cause="Author") == [(1, "author 1")]
    await door.aclose()


@asyncpg_only
async def test_the_internals_that_are_relied_on(engine: AsyncEngine) -> None:
    """Fails by name when SQLAlchemy moves one of them."""
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        adapter: Any = raw.dbapi_connection
        for name in ("autocommit", "_execute_mutex", "_prepare", "_handle_exception", "_transaction"):
            assert hasattr(adapter, name), name
        prepared, attributes = await adapter._prepare("SELECT 1", 0)
        assert (len(await prepared.fetch()), len(attributes)) == (1, 1)
        assert hasattr(connection.dialect, "_invalidate_schema_cache_asof")
        assert hasattr(connection.dialect, "_has_events")

        def look(sync: Any) -> None:
            for name in ("_echo", "_has_events", "_execution_options", "_handle_dbapi_exception"):
                assert hasattr(sync, name), name
            result = sync.execute(one(), {"id": 1})
            context = result.context
            for name in (
                *("compiled", "statement", "extracted_parameters", "execution_options", "cache_hit"),
                *("is_crud", "_is_server_side", "_init_compiled"),
            ):
                assert hasattr(context, name), name
            for name in (
                *("bind_names", "positiontup", "_bind_processors", "construct_params", "positional"),
                *("literal_execute_params", "post_compile_params", "schema_translate_map"),
                *("insert_prefetch", "update_prefetch"),
            ):
                assert hasattr(context.compiled, name), name
            _one, _many, interim = result._row_getter
            assert interim([[1, "x"]]) == [(1, "x")]
            assert result._row_logging_fn is None
            result.close()

        await connection.run_sync(look)
    pool: Any = engine.sync_engine.pool
    record = pool._pool._queue._queue[-1 if pool._pool.use_lifo else 0]
    assert record.starttime > 0
    assert not record._is_hard_or_soft_invalidated()
