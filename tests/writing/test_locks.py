"""`for_update=`, and `Database.run`: what happens where two transactions meet."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from batchrepo import Database, InvalidArgument, NotFound, RowsLocked, TransactionError
from batchrepo.events import RetryEvent
from batchrepo.testing.counting import statement_counter
from tests.support.databases import EVERY_DRIVER
from tests.writing.shop import Album, AlbumRepository, AlbumView, ArtistRepository, CounterRepository

every = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
postgresql = pytest.mark.parametrize("database_url", ["postgresql", "psycopg"], indirect=True)


@every
async def test_a_lock_reads_the_row_anew_in_one_statement(db: Database):
    async with db.scope() as scope, scope.transaction():
        albums = AlbumRepository(scope)
        album = await albums.get(1)
        with statement_counter(db) as seen:
            assert await albums.get(1, for_update=True) is album
            assert await albums.get_many([2, 1, 2], for_update="nowait") == [
                await albums.get(2),
                album,
                await albums.get(2),
            ]
        assert seen.count == 2
        assert all(("FOR UPDATE" in text) == (db.engine.dialect.name != "sqlite") for text in seen.statements)
        with pytest.raises(NotFound):
            await albums.get(99, for_update=True)
        assert len(await albums.find(Album.artist_id == 1, for_update=True)) == 2


@every
async def test_locks_need_a_transaction_and_entities(db: Database):
    async with db.scope() as scope:
        albums = AlbumRepository(scope)
        with pytest.raises(TransactionError, match="async with scope.transaction"):
            await albums.get(1, for_update=True)
        async with scope.transaction():
            with pytest.raises(InvalidArgument, match="skip_locked"):
                await albums.get(1, for_update="later")  # type: ignore[call-overload]
            with pytest.raises(InvalidArgument, match="entities"):
                await albums.find(AlbumView, for_update=True)  # type: ignore[call-overload]


@postgresql
async def test_rows_that_others_have_locked(db: Database):
    async with db.scope() as first, first.transaction():
        await AlbumRepository(first).get(1, for_update=True)
        async with db.scope() as second, second.transaction():
            albums = AlbumRepository(second)
            taken = await albums.find(order_by=Album.id, limit=1, for_update="skip_locked")
            assert [album.id for album in taken] == [2], "workers take different rows of a queue"
            with pytest.raises(RowsLocked, match="Try again later"):
                async with second.transaction():
                    await albums.get(1, for_update="nowait")
            with pytest.raises(NotFound):
                await albums.get(1, for_update="skip_locked")
            assert await albums.count() == 3, "the transaction goes on"


@postgresql
async def test_a_value_that_was_changed_meanwhile_is_seen_with_the_lock(db: Database):
    """What was read before the lock is refreshed by it."""
    async with db.scope() as first, first.transaction():
        album = await AlbumRepository(first).get(1)
        async with db.scope() as second, second.transaction():
            (await AlbumRepository(second).get(1)).price = 99
        assert album.price == 10
        await AlbumRepository(first).get(1, for_update=True)
        assert album.price == 99


@postgresql
async def test_a_serialisation_failure_is_tried_again_in_a_fresh_scope(db: Database):
    events = []
    db.on_event(events.append)
    both = asyncio.Barrier(2)
    attempts = []

    async def add_what_is_there(scope):
        attempts.append(scope)
        counters = CounterRepository(scope)
        counter = await counters.get(1)
        if len(attempts) <= 2:
            await both.wait()
        counter.value += 1
        return counter.value

    found = await asyncio.gather(
        *(db.run(add_what_is_there, isolation="REPEATABLE READ", backoff=0.001) for _ in range(2))
    )
    assert sorted(found) == [1, 2]
    assert len(attempts) == 3
    assert len({id(scope) for scope in attempts}) == 3
    assert [event.attempt for event in events if isinstance(event, RetryEvent)] == [1]


@postgresql
async def test_a_deadlock_is_tried_again(db: Database):
    both = asyncio.Barrier(2)
    tried = []

    async def lock(scope, order):
        tried.append(order)
        artists = ArtistRepository(scope)
        await artists.get(order[0], for_update=True)
        if len(tried) <= 2:
            await both.wait()
        await artists.get(order[1], for_update=True)
        return order

    await asyncio.gather(
        db.run(lambda scope: lock(scope, (1, 2)), backoff=0.001),
        db.run(lambda scope: lock(scope, (2, 1)), backoff=0.001),
    )
    assert len(tried) == 3


@every
async def test_other_errors_are_not_tried_again(db: Database):
    tried = []

    async def fail(scope):
        tried.append(scope)
        scope.add(Album(title="Accept 1", artist_id=1))

    with pytest.raises(DBAPIError):
        await db.run(fail)
    assert len(tried) == 1
    with pytest.raises(InvalidArgument, match="retries"):
        await db.run(fail, retries=-1)


@every
async def test_run_commits_and_gives_what_the_function_gives(db: Database):
    async def rename(scope):
        album = await AlbumRepository(scope).get(1)
        album.title = "new"
        return album.title

    assert await db.run(rename) == "new"
    async with db.scope() as scope:
        assert (await AlbumRepository(scope).get(1)).title == "new"
