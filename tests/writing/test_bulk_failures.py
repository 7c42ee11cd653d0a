"""Bulk writes beside others, and with connections that end: nothing half applied, no row lost, the pool recovers."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from batchrepo import DatabaseUnavailable
from batchrepo.writing.choosing import COPY_FROM, TABLE_FROM
from tests.writing.goods import Defaulted, DefaultedRepository, Note, NoteRepository, everything, opened

ON_POSTGRES = pytest.mark.parametrize("database_url", ["postgresql", "psycopg"], indirect=True)


def rows(count, step=1):
    return [{"ref": f"{n:06}", "plain": n} for n in range(count)][::step]


@ON_POSTGRES
async def test_upserts_of_the_same_rows_in_opposite_orders(database_url):
    async with opened(database_url) as db:

        async def write(step, plain):
            async with db.scope() as scope:
                given = [{**row, "plain": plain} for row in rows(TABLE_FROM, step)]
                return await DefaultedRepository(scope).upsert_many(given, on=Defaulted.ref, returning="keys")

        for method_rows in range(3):
            results = await asyncio.gather(*(write((-1) ** n, n + 10 * method_rows) for n in range(4)))
            assert {result.count for result in results} == {TABLE_FROM}
            assert results[0].rows == results[1].rows[::-1] == results[2].rows
            stored = await everything(db, Defaulted)
            assert len(stored) == TABLE_FROM
            assert len({row["plain"] for row in stored}) == 1, "one of them was the last"


@ON_POSTGRES
async def test_small_upserts_of_the_same_rows(database_url):
    async with opened(database_url) as db:

        async def write(step):
            async with db.scope() as scope:
                return await DefaultedRepository(scope).upsert_many(
                    rows(50, step),
                    on=Defaulted.ref,
                    update="nothing" if step > 0 else "all",
                    returning="keys",
                )

        results = await asyncio.gather(*(write((-1) ** n) for n in range(8)))
        assert len(await everything(db, Defaulted)) == 50
        for result in results:
            assert sorted(result.rows) == sorted(results[0].rows)


class Killing:
    """Rows whose source ends the connection that writes them, when the first chunk is written."""

    def __init__(self, db, count, after):
        self.db, self.count, self.after = db, count, after

    async def __aiter__(self):
        for n in range(self.count):
            if n == self.after:
                async with self.db.engine.connect() as connection:
                    ended = await connection.scalars(
                        sa.text(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                            "AND pid <> pg_backend_pid() AND state = 'idle in transaction'"
                        )
                    )
                    assert list(ended) == [True]
            yield {"ref": f"{n}"}


@ON_POSTGRES
@pytest.mark.parametrize("write", ["insert_many", "upsert_many"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_connection_that_ends_in_the_middle(database_url, write):
    async with opened(database_url) as db:
        async with db.scope() as scope:
            items = DefaultedRepository(scope)
            with pytest.raises((DBAPIError, DatabaseUnavailable)) as caught:
                await getattr(items, write)(Killing(db, 25_000, 15_000))
            if isinstance(caught.value, DBAPIError):
                assert caught.value.connection_invalidated
        assert await everything(db, Defaulted) == []
        async with db.scope() as scope:
            result = await DefaultedRepository(scope).insert_many(rows(COPY_FROM))
        assert result.count == COPY_FROM
        assert len(await everything(db, Defaulted)) == COPY_FROM


@ON_POSTGRES
async def test_what_was_committed_on_the_way_stays(database_url):
    async with opened(database_url) as db:
        async with db.scope() as scope:
            with pytest.raises((DBAPIError, DatabaseUnavailable)) as caught:
                await DefaultedRepository(scope).insert_many(Killing(db, 45_000, 32_000), commit_every=20_000)
        assert "the first 20000 rows of the input are committed" in caught.value.__notes__[0]
        assert len(await everything(db, Defaulted)) == 20_000


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql", "psycopg"], indirect=True)
async def test_a_cancelled_write_is_taken_back(database_url):
    async with opened(database_url) as db:
        reached = asyncio.Event()

        async def slow():
            for n in range(15_000):
                yield {"ref": f"{n}"}
            reached.set()
            await asyncio.Event().wait()

        async def write():
            async with db.scope() as scope:
                await DefaultedRepository(scope).insert_many(slow())

        task = asyncio.ensure_future(write())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await everything(db, Defaulted) == []


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
async def test_memory_does_not_grow_with_the_input(database_url):
    async with opened(database_url) as db:

        async def many(count):
            for n in range(count):
                yield {"ref": f"{n}", "plain": n}

        peaks = []

        def note(progress):
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()

        async with db.scope() as scope:
            tracemalloc.start()
            try:
                result = await DefaultedRepository(scope).insert_many(many(120_000), progress=note)
            finally:
                tracemalloc.stop()
        assert result.count == 120_000
        assert max(peaks[6:]) < 1.3 * max(peaks[:3])
        assert max(peaks) < 60 * 2**20


@ON_POSTGRES
async def test_a_table_with_row_level_security_is_written_another_way(database_url):
    async with opened(database_url) as db:
        async with db.engine.begin() as connection:
            await connection.execute(sa.text("CREATE ROLE batchrepo_writer"))
            await connection.execute(sa.text("GRANT USAGE ON SCHEMA public TO batchrepo_writer"))
            await connection.execute(sa.text("GRANT ALL ON note, note_id_seq TO batchrepo_writer"))
            await connection.execute(sa.text("ALTER TABLE note ENABLE ROW LEVEL SECURITY"))
            await connection.execute(sa.text("CREATE POLICY everything ON note USING (true)"))
        try:
            async with db.scope(1) as scope, scope.transaction():
                await scope.session.execute(sa.text("SET LOCAL ROLE batchrepo_writer"))
                given = [{"ref": f"{n}"} for n in range(COPY_FROM)]
                result = await NoteRepository(scope).insert_many(given)
                assert (result.method, result.count) == ("unnest", COPY_FROM)
            assert len(await everything(db, Note)) == COPY_FROM
        finally:
            async with db.engine.begin() as connection:
                await connection.execute(sa.text("DROP OWNED BY batchrepo_writer"))
                await connection.execute(sa.text("DROP ROLE batchrepo_writer"))
