"""Routing through PgBouncer in transaction mode: what a session keeps there would be everybody's."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import Database, ReadYourWrites, Repository
from batchrepo.events import StatementEvent
from tests.support.pgbouncer import PgBouncer


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class NoteRepository(Repository[Note]):
    pass


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_no_server_connection_is_left_read_only(postgres_server, pgbouncer: PgBouncer, driver: str):
    """As after a promotion: the bouncer's connections to what was a replica serve the primary's clients."""
    with postgres_server.empty_database(driver=driver) as url:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text("CREATE TABLE note (id int PRIMARY KEY, text text)"))
            await connection.execute(text("INSERT INTO note VALUES (1, '0')"))
        await engine.dispose()
        through = pgbouncer.through(url)
        async with Database(
            through, replicas=[through, through], repositories=[NoteRepository], pooler="pgbouncer"
        ) as db:
            for number in range(1, 8):
                async with db.scope(routing=ReadYourWrites(wait=5)) as scope:
                    await NoteRepository(scope).get(1)
                    async with scope.transaction():
                        (await NoteRepository(scope).get(1)).text = str(number)
                    async with scope.transaction(read_only=True):
                        assert (await NoteRepository(scope).get(1)).text == str(number)
                    token = await scope.consistency_token()
                async with db.scope(token=token) as scope:
                    assert (await NoteRepository(scope).find())[0].text == str(number)
                served = [
                    event.endpoint for event in scope.events.events if isinstance(event, StatementEvent)
                ]
                assert served[0].startswith("replica-")
            assert {status.state for status in db.status().endpoints} == {"up"}
