"""A PostgreSQL that does not say where it is (a role without the right, Aurora) is used, and never read from too early."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio
from sqlalchemy import URL, event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import Database, Repository
from batchrepo.events import RouteEvent
from batchrepo.routing.probing import POSTGRESQL, RECOVERING


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class NoteRepository(Repository[Note]):
    pass


@pytest.fixture(params=["asyncpg", "psycopg"])
def unprivileged(request: pytest.FixtureRequest, postgres_server) -> Iterator[URL]:
    """A role that may read and write a table, and may not ask for the cluster's identifier."""
    with postgres_server.empty_database(driver=request.param) as url:
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        role = f"app_of_{url.database}"
        with psycopg.connect(plain, autocommit=True) as admin:
            admin.execute("CREATE TABLE note (id int PRIMARY KEY, text text)")
            admin.execute("INSERT INTO note VALUES (1, 'old')")
            admin.execute(f"CREATE ROLE {role} LOGIN")
            admin.execute(f"GRANT USAGE ON SCHEMA public TO {role}")
            admin.execute(f"GRANT ALL ON note TO {role}")
            admin.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
            try:
                yield url.set(username=role)
            finally:
                admin.execute("GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
                admin.execute(f"DROP OWNED BY {role}")
                admin.execute(f"DROP ROLE {role}")


@pytest_asyncio.fixture
async def db(unprivileged: URL) -> AsyncIterator[Database]:
    async with Database(unprivileged, replicas=[unprivileged], repositories=[NoteRepository]) as opened:
        yield opened


async def test_its_servers_are_up_and_a_write_is_seen_on_the_primary(db: Database) -> None:
    async with db.scope() as scope:
        for prober in db._router.probers:
            assert (await prober.ask()).recovering is False
        assert (await NoteRepository(scope).get(1)).text == "old"
        async with scope.transaction():
            (await NoteRepository(scope).get(1)).text = "new"
        assert (await NoteRepository(scope).find())[0].text == "new"
        token = await scope.consistency_token()
    assert token is not None
    assert token.position is None
    routes = [event.endpoint for event in scope.events.events if isinstance(event, RouteEvent)]
    assert routes == ["replica-1", "primary", "primary"]
    async with db.scope(token=db.tokens.write(token)) as scope:
        await NoteRepository(scope).find()
    assert [event.endpoint for event in scope.events.events if isinstance(event, RouteEvent)] == ["primary"]
    assert [(each.state, each.lag, each.position) for each in db.status().endpoints] == [
        ("up", 0.0, None),
        ("up", None, None),
    ]


async def test_what_it_refuses_is_asked_once_for_each_connection(db: Database) -> None:
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        asked.append(statement)

    prober = db._router.probers[0]
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for _ in range(3):
            assert (await prober.ask()).position is None
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert [sql for sql in asked if "pg_is_in_recovery" in sql] == [POSTGRESQL] + [RECOVERING] * 3
