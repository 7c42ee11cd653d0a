"""How transactions and savepoints end: errors, cancellations, closed scopes, lost connections."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SAWarning
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database, TransactionError
from batchrepo.testing import rolled_back
from tests.support.databases import EVERY_DRIVER, transactional_engine
from tests.writing.shop import Album, AlbumRepository, Artist, ArtistRepository

every = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
postgresql = pytest.mark.parametrize("database_url", ["postgresql", "psycopg"], indirect=True)


async def titles(db: Database) -> list[str]:
    async with db.scope() as scope:
        return await scope.fetch(select(Album.title).order_by(Album.id))


async def usable(db: Database) -> None:
    """Neither a turn nor a connection is kept."""
    async with asyncio.timeout(5), db.scope() as scope, scope.transaction(dry_run=True):
        scope.add(Artist(name="nobody"))
    assert db.engine.sync_engine.pool.checkedout() == 0


@every
async def test_a_savepoint_is_taken_back_without_a_flush_of_what_is_pending(db: Database):
    async with db.scope() as scope, scope.transaction():
        scope.add(Album(title="kept", artist_id=1))

        async def attempt_1() -> None:
            async with scope.transaction():
                scope.add(Album(title="Accept 1", artist_id=1))  # is there already
                raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            await attempt_1()
        assert await AlbumRepository(scope).count() == 4
    assert (await titles(db))[3:] == ["kept"]


@every
async def test_a_change_after_a_failed_flush_does_not_keep_the_savepoint_from_its_rollback(db: Database):
    async with db.scope() as scope, scope.transaction():
        album = await AlbumRepository(scope).get(1)

        async def attempt_2() -> None:
            async with scope.transaction():
                scope.add(Album(title="Accept 1", artist_id=1))
                try:
                    await scope.flush()
                finally:
                    album.price = 3

        with pytest.warns(SAWarning, match="discarded"), pytest.raises(IntegrityError):
            await attempt_2()
        assert await AlbumRepository(scope).count() == 3
        scope.add(Album(title="kept", artist_id=1))
    assert (await titles(db))[3:] == ["kept"]


async def step_until(condition) -> None:
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("never")


@every
async def test_a_savepoint_that_is_cancelled_while_it_is_released_stays(db: Database):
    seen = []
    async with db.scope() as scope, scope.transaction() as transaction:
        transaction.after_commit(seen.append)

        task = asyncio.current_task()
        assert task is not None
        ending = transaction.door.end_nested

        async def cancelled_meanwhile(*args, **kwargs):
            task.cancel()
            return await ending(*args, **kwargs)

        transaction.door.end_nested = cancelled_meanwhile

        async def attempt_3() -> None:
            async with scope.transaction():
                scope.add(Album(title="inner", artist_id=1))
                await scope.flush()

        with pytest.raises(asyncio.CancelledError):
            await attempt_3()
        task.uncancel()
        del transaction.door.end_nested
        scope.add(Album(title="outer", artist_id=1))
    assert (await titles(db))[3:] == ["inner", "outer"]
    assert len(seen[0].changes[0].keys) == 2
    await usable(db)


@every
async def test_a_callback_may_open_a_transaction_of_the_same_scope(db: Database):
    async with asyncio.timeout(5), db.scope() as scope:

        async def log(changes) -> None:
            async with scope.transaction():
                scope.add(Artist(name="from the callback"))

        async with scope.transaction() as transaction:
            transaction.after_commit(log)
            scope.add(Album(title="new", artist_id=1))
        assert await ArtistRepository(scope).count() == 3


@every
async def test_a_scope_that_closes_under_a_transaction_of_another_task_rolls_it_back(db: Database):
    seen = []
    db.on_commit(seen.append)
    inside, closed = asyncio.Event(), asyncio.Event()

    async def write(scope) -> None:
        async with scope.transaction() as transaction:
            transaction.after_commit(seen.append)
            scope.add(Album(title="half", artist_id=1))
            await scope.flush()
            inside.set()
            await closed.wait()

    async with db.scope() as scope:
        task = asyncio.create_task(write(scope))
        await inside.wait()
    closed.set()
    with pytest.raises(TransactionError, match="closed"):
        await task
    assert seen == []
    assert len(await titles(db)) == 3
    await usable(db)


@postgresql
async def test_the_servers_end_of_a_connection_does_not_hide_the_error_of_the_block(db: Database):
    async with db.scope() as scope:

        async def attempt_4() -> None:
            async with scope.transaction():
                pid = (await scope.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                await kill(db, pid)
                raise ValueError("mine")

        with pytest.raises(ValueError, match="mine"):
            await attempt_4()
        assert await AlbumRepository(scope).count() == 3
    await usable(db)


@postgresql
async def test_a_connection_that_is_killed_before_the_commit_is_an_error_and_nothing_is_kept(db: Database):
    seen = []
    db.on_commit(seen.append)
    async with db.scope() as scope:

        async def attempt_5() -> None:
            async with scope.transaction():
                scope.add(Album(title="half", artist_id=1))
                await scope.flush()
                pid = (await scope.session.execute(text("SELECT pg_backend_pid()"))).scalar_one()
                await kill(db, pid)

        with pytest.raises(DBAPIError):
            await attempt_5()
        assert await AlbumRepository(scope).count() == 3
        async with scope.transaction():
            scope.add(Album(title="whole", artist_id=1))
    assert (await titles(db))[3:] == ["whole"]
    assert len(seen) == 1
    await usable(db)


async def kill(db: Database, pid: int) -> None:
    async with db.engine.connect() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


@postgresql
async def test_a_constraint_that_fails_at_the_commit_rolls_back(db: Database):
    async with db.engine.begin() as connection:
        await connection.execute(
            text("ALTER TABLE label ADD CONSTRAINT later UNIQUE (name) DEFERRABLE INITIALLY DEFERRED")
        )
        await connection.execute(text("ALTER TABLE label DROP CONSTRAINT label_name_key"))
    from tests.writing.shop import Label, LabelRepository

    seen = []
    db.on_commit(seen.append)
    async with db.scope() as scope:

        async def attempt_6() -> None:
            async with scope.transaction():
                scope.add(Label(name="rock"))
                await scope.flush()
                assert await LabelRepository(scope).count() == 3

        with pytest.raises(IntegrityError):
            await attempt_6()
        assert await LabelRepository(scope).count() == 2
        assert len(await LabelRepository(scope).find()) == 2
        async with scope.transaction():
            scope.add(Label(name="jazz"))
    assert len(seen) == 1
    await usable(db)


async def waits_for_lock(db: Database, task: asyncio.Task) -> None:
    async with asyncio.timeout(10), db.engine.connect() as connection:
        while not task.done():
            waiting = await connection.execute(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            )
            if waiting.scalar_one():
                return
            await connection.rollback()
        await task


@pytest_asyncio.fixture
async def slow_commit(db: Database):
    """A commit that wrote labels waits as long as the connection that is given holds a lock."""
    async with db.engine.connect() as holder:
        await holder.execute(
            text(
                "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END$$"
            )
        )
        await holder.execute(
            text(
                "CREATE CONSTRAINT TRIGGER wait AFTER INSERT ON label DEFERRABLE INITIALLY DEFERRED "
                "FOR EACH ROW EXECUTE FUNCTION wait()"
            )
        )
        await holder.commit()
        await holder.execute(text("SELECT pg_advisory_lock(42)"))
        await holder.commit()
        yield holder


@postgresql
@pytest.mark.parametrize("cancellations", [1, 2])
async def test_cancelled_in_the_commit_the_commit_stands_and_everything_comes_back(
    db: Database, slow_commit, cancellations: int
):
    from tests.writing.shop import Label, LabelRepository

    seen = []
    db.on_commit(seen.append)
    async with db.scope() as scope:

        async def write() -> None:
            async with scope.transaction():
                scope.add(Label(name="slow"))

        task = asyncio.create_task(write())
        await waits_for_lock(db, task)
        for _ in range(cancellations):
            task.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if cancellations == 2:
            with pytest.raises(asyncio.CancelledError):
                await task
        await slow_commit.execute(text("SELECT pg_advisory_unlock(42)"))
        with suppress(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5), scope.transaction():
            assert await LabelRepository(scope).count() == 3
            scope.add(Label(name="next"))
        assert await LabelRepository(scope).count() == 4
    assert len(seen) == 2
    await slow_commit.close()
    await usable(db)


@every
async def test_cancelled_while_reads_from_before_it_are_waited_for(db: Database):
    """The end of a commit waits for reads that began before the transaction."""
    async with db.scope() as scope:
        release = asyncio.Event()
        reading = asyncio.Event()
        door = scope._door
        original = door.quiet

        async def quiet() -> None:
            reading.set()
            await release.wait()
            await original()

        door.quiet = quiet

        async def write() -> None:
            async with scope.transaction():
                scope.add(Album(title="new", artist_id=1))

        task = asyncio.create_task(write())
        await reading.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        del door.quiet
        async with asyncio.timeout(5), scope.transaction():
            assert await AlbumRepository(scope).count() == 4
    await usable(db)


@every
async def test_a_timeout_of_a_read_leaves_the_transaction_usable(db: Database):
    async with db.scope() as scope, scope.transaction():
        albums = AlbumRepository(scope)
        for hops in range(12):
            task = asyncio.create_task(albums.find(Album.id > hops))
            for _ in range(hops):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await scope.session.execute(select(Album.id))
        scope.add(Album(title="kept", artist_id=1))
    assert (await titles(db))[3:] == ["kept"]
    await usable(db)


@every
async def test_own_statements_take_turns_with_the_scopes_reads(db: Database):
    async with db.scope() as scope, scope.transaction():
        albums = AlbumRepository(scope)
        scope.add(Album(title="kept", artist_id=1))
        counts = await asyncio.gather(
            *(albums.count(Album.id > n) for n in range(3)),
            scope.session.execute(select(Album.id)),
            *(albums.find(Album.id > n) for n in range(3)),
            scope.session.scalars(select(Artist.id)),
            scope.session.get_one(Artist, 2),
            scope.flush(),
        )
        assert counts[0] == 4
    await usable(db)


@every
async def test_cancelled_at_every_step(db: Database):
    """Wherever a task is cancelled, its connection and its turns come back, and nothing is half written."""
    for hops in range(120):
        async with db.scope() as scope:

            async def write(n: int = hops, scope=scope) -> None:
                async with scope.transaction():
                    artist = await ArtistRepository(scope).get(1)
                    scope.add(Album(title=f"a{n}", artist=artist))
                    async with scope.transaction():
                        scope.add(Album(title=f"b{n}", artist=artist))

            task = asyncio.create_task(write())
            for _ in range(hops):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert not scope._family.turn.locked()
            assert db.engine.sync_engine.pool.checkedout() == 0
        if task.cancelled():
            pass
    found = await titles(db)
    assert {title[1:] for title in found if title[0] == "a"} == {
        title[1:] for title in found if title[0] == "b"
    }
    await usable(db)


@every
async def test_inside_rolled_back_transactions_are_savepoints(db: Database):
    seen = []
    db.on_commit(seen.append)
    async with rolled_back(db) as session:
        async with db.scope() as scope:
            async with scope.transaction():
                scope.add(Album(title="outer", artist_id=1))

                async def attempt_7() -> None:
                    async with scope.transaction():
                        scope.add(Album(title="outer", artist_id=1))

                with pytest.raises(IntegrityError):
                    await attempt_7()
                scope.add(Album(title="second", artist_id=1))

            async def attempt_8() -> None:
                async with scope.transaction():
                    scope.add(Album(title="never", artist_id=1))
                    await scope.flush()
                    raise RuntimeError

            with pytest.raises(RuntimeError):
                await attempt_8()
            assert await AlbumRepository(scope).count() == 5
        assert len((await session.scalars(select(Album.id))).all()) == 5
    assert len(await titles(db)) == 3
    assert len(seen) == 1
    await usable(db)


@every
async def test_a_joined_session_that_was_rolled_back_tells_of_later_commits_only(
    db: Database, database_url: str
):
    seen = []
    db.on_commit(seen.append)
    engine = transactional_engine(database_url)
    async with AsyncSession(engine) as session, db.scope(session=session) as scope:
        scope.add(Album(title="never", artist_id=1))
        await scope.flush()
        await session.rollback()
        scope.add(Artist(name="kept"))
        await session.commit()
        assert [changes.entities for changes in seen] == [(Artist,)]
        scope.add(Artist(name="first"))
        await scope.flush()

        async def attempt_9() -> None:
            async with session.begin_nested():
                scope.add(Album(title="never", artist_id=1))
                await scope.flush()
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await attempt_9()
        await session.commit()
        assert [changes.entities for changes in seen] == [(Artist,), (Artist,)]
        scope.add(Artist(name="second"))
        await session.commit()
        assert [len(changes.changes[0].keys) for changes in seen] == [1, 1, 1]
    await engine.dispose()


@every
async def test_a_joined_scope_that_closes_before_the_commit(db: Database, database_url: str):
    seen = []
    db.on_commit(seen.append)
    engine = transactional_engine(database_url)
    async with AsyncSession(engine) as session:
        async with db.scope(session=session) as scope:
            scope.add(Artist(name="flushed"))
            await scope.flush()
        await session.commit()
        assert [changes.entities for changes in seen] == [(Artist,)]
        async with db.scope(session=session) as scope:
            scope.add(Artist(name="not flushed"))
        await session.commit()
        assert [changes.entities for changes in seen] == [(Artist,), (Artist,)]
        async with db.scope(session=session) as scope:
            scope.add(Artist(name="never"))
            await scope.flush()
    async with AsyncSession(engine) as session:
        session.add(Artist(name="without a scope"))
        await session.commit()
    assert len(seen) == 2
    await engine.dispose()
