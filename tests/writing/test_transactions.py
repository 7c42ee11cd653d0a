"""`scope.transaction()`: one commit, rollback, savepoints, tasks, what is read inside and afterwards."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database, InvalidArgument, LazyLoad, StaleRows, TransactionError, UnsavedChanges
from batchrepo.testing.counting import statement_counter
from tests.support.databases import EVERY_DRIVER, transactional_engine
from tests.writing.shop import (
    Album,
    AlbumRepository,
    AlbumView,
    Artist,
    ArtistRepository,
    CounterRepository,
    Label,
    Track,
    TrackRepository,
)

every = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)


async def titles(db: Database) -> list[str]:
    async with db.scope() as scope:
        return await scope.fetch(select(Album.title).order_by(Album.id))


@every
async def test_changes_of_entities_are_committed_once(db: Database):
    with statement_counter(db) as seen:
        async with db.scope() as scope, scope.transaction():
            album = await AlbumRepository(scope).get(1)
            album.title = "Restless and Wild"
    assert seen.count == 3, "the read, the update, and what the update expired"
    assert (await titles(db))[0] == "Restless and Wild"


@every
async def test_what_is_pending_has_keys_after_a_flush_and_nothing_is_committed(db: Database):
    async def write() -> None:
        async with db.scope() as scope, scope.transaction():
            artist = Artist(
                name="AC/DC", albums=[Album(title="Let There Be Rock", tracks=[Track(name="Go Down")])]
            )
            scope.add(artist)
            await scope.flush()
            assert artist.id
            assert artist.albums[0].tracks[0].id
            assert artist.albums[0].stock == 7, "the server's default is known"
            raise RuntimeError("not today")

    with pytest.raises(RuntimeError, match="not today"):
        await write()
    assert len(await titles(db)) == 3


@every
async def test_new_entities_are_inserted_by_class_not_one_by_one(db: Database):
    with statement_counter(db) as seen:
        async with db.scope() as scope, scope.transaction():
            scope.add(Artist(name="AC/DC", albums=[Album(title=f"Album {n}") for n in range(10)]))
    # SQLite does not return keys in the order of many rows, so SQLAlchemy inserts one by one there.
    assert seen.count == (11 if db.engine.dialect.name == "sqlite" else 2), seen


@every
async def test_a_relation_that_was_loaded_is_read_again_after_it_changed(db: Database):
    async with db.scope() as scope, scope.transaction():
        albums = AlbumRepository(scope)
        album = await albums.get(1)
        assert len(await scope.related(album, Album.tracks)) == 2
        assert await scope.related(album, AlbumRepository.duration) == 300
        scope.add(Track(name="new", seconds=1000, album_id=1))
        assert len(await scope.related(album, Album.tracks)) == 3
        assert await scope.related(album, AlbumRepository.duration) == 1300
        assert (await scope.related(album, AlbumRepository.longest)).name == "new"
        view = await albums.get(1, AlbumView)
        assert len(view.tracks) == 3


@every
async def test_links_of_a_many_to_many_relation_too(db: Database):
    async with db.scope() as scope, scope.transaction():
        album = await AlbumRepository(scope).get(1)
        assert await scope.related(album, Album.labels) == []
        album.labels.append(await scope.session.get_one(Label, 1))
        assert [label.name for label in await scope.related(album, Album.labels)] == ["rock"]
        views = await ArtistRepository(scope).find()
        assert len(views) == 2


@every
async def test_a_change_of_one_entity_leaves_what_was_loaded_of_others(db: Database):
    async with db.scope() as scope, scope.transaction():
        albums = await AlbumRepository(scope).find()
        for album in albums:
            assert await scope.related(album, AlbumRepository.duration)
        with statement_counter(db) as seen:
            for album in albums:
                assert await scope.related(album, Album.artist)
                scope.add(Label(name=f"label {album.id}"))
                await scope.flush()
                assert await scope.related(album, AlbumRepository.duration) == 300
        assert sum("SELECT" in text for text in seen.statements) == 1, "the artists, for all albums at once"


@every
async def test_a_rollback_takes_back_what_loaders_know(db: Database):
    async with db.scope() as scope:

        async def attempt_1() -> None:
            async with scope.transaction():
                artists = ArtistRepository(scope)
                artist = await artists.get(1)
                scope.add(Album(title="new", artist_id=1))
                assert await scope.related(artist, ArtistRepository.album_count) == 3
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await attempt_1()
        artist = await ArtistRepository(scope).get(1)
        assert await scope.related(artist, ArtistRepository.album_count) == 2


@every
async def test_a_savepoint_can_fail_alone(db: Database):
    async with db.scope() as scope, scope.transaction() as transaction:
        artist = await ArtistRepository(scope).get(1)
        scope.add(Album(title="kept", artist_id=1))
        called = []

        async def attempt_2() -> None:
            async with scope.transaction() as inner:
                inner.after_commit(called.append)
                scope.add(Album(title="Accept 1", artist_id=1))
                await scope.flush()

        with pytest.raises(IntegrityError):
            await attempt_2()
        assert await scope.related(artist, ArtistRepository.album_count) == 3
        async with scope.transaction():
            scope.add(Album(title="inner", artist_id=1))
        transaction.after_commit(called.append)
    assert (await titles(db))[3:] == ["kept", "inner"]
    assert [change.operation for change in called[0].changes] == ["insert"]
    assert len(called) == 1, "not the one that was taken back"
    assert len(called[0].changes[0].keys) == 2


@every
async def test_after_a_commit_functions_run_before_the_block_is_left_and_undo_nothing(db: Database):
    happened = []

    async def later(changes) -> None:
        async with db.scope() as scope:
            happened.append(await AlbumRepository(scope).count(Album.title == "new"))

    def failing(changes) -> None:
        raise ValueError("the cache is away")

    end = db.on_commit(lambda changes: happened.append(changes.entities))
    async with db.scope() as scope:
        async with scope.transaction() as transaction:
            transaction.after_commit(failing)
            transaction.after_commit(later)
            scope.add(Album(title="new", artist_id=1))
        assert happened == [1, (Album,)]
        assert [event.callback for event in scope.events.events if type(event).__name__ == "CallbackFailed"]
        end()

        async def attempt_3() -> None:
            async with scope.transaction() as transaction:
                transaction.after_commit(later)
                scope.add(Album(title="never", artist_id=1))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await attempt_3()
        async with scope.transaction(dry_run=True) as transaction:
            transaction.after_commit(later)
            scope.add(Album(title="dry", artist_id=1))
    assert happened == [1, (Album,)]
    assert (await titles(db))[3:] == ["new"]


@every
async def test_a_dry_run_finds_what_would_fail(db: Database):
    async with db.scope() as scope:
        with pytest.raises(IntegrityError):
            async with scope.transaction(dry_run=True):
                scope.add(Album(title="Accept 1", artist_id=1))


@every
async def test_entities_go_on_after_the_commit(db: Database):
    async with db.scope() as scope:
        before = await AlbumRepository(scope).get(1)
        async with scope.transaction():
            album = await AlbumRepository(scope).get(1)
            assert album is not before
            album.title = "new"
        assert album.title == "new"
        assert [track.name for track in await album.awaitable_attrs.tracks] == ["Accept 1.1", "Accept 1.2"]
        assert await AlbumRepository(scope).get(1) is album
        album.title = "nobody saves this"
        with pytest.raises(UnsavedChanges):
            scope.refuse_unsaved()
        async with scope.transaction():
            scope.add(album)
    assert (await titles(db))[0] == "nobody saves this"


@every
async def test_columns_that_a_flush_expired_are_read_in_one_statement(db: Database):
    async with db.scope() as scope, scope.transaction():
        albums = await AlbumRepository(scope).find()
        for album in albums:
            album.price += 1
        with statement_counter(db) as seen:
            await scope.flush()
        assert sum("SELECT" in text for text in seen.statements) == 1
        assert all(album.touched_at for album in albums)


@every
async def test_concurrent_reads_inside_share_the_connection(db: Database):
    async with db.scope() as scope, scope.transaction():
        scope.add(Album(title="new", artist_id=1))
        albums = AlbumRepository(scope)
        found = await asyncio.gather(*(albums.get(key) for key in (1, 2, 3)), albums.count(), albums.find())
    assert found[3] == 4
    assert len(found[4]) == 4


@every
async def test_another_task_waits_for_its_own_transaction(db: Database):
    order = []
    async with db.scope() as scope:

        async def write(name: str) -> None:
            async with scope.transaction():
                order.append(f"{name} begins")
                scope.add(Album(title=name, artist_id=1))
                await scope.flush()
                await asyncio.sleep(0)
            order.append(f"{name} has ended")

        await asyncio.gather(write("a"), write("b"))
    assert order == ["a begins", "a has ended", "b begins", "b has ended"]


@every
async def test_a_child_task_may_read_and_not_make_savepoints(db: Database):
    async with db.scope() as scope, scope.transaction():

        async def nested() -> None:
            async with scope.transaction():
                pass

        with pytest.raises(TransactionError, match="savepoints are for the owner"):
            await asyncio.gather(nested())


@every
async def test_cancelled_in_the_middle_it_rolls_back_and_gives_its_connection_back(db: Database):
    reached = asyncio.Event()

    async def work() -> None:
        async with db.scope() as scope, scope.transaction():
            scope.add(Album(title="half", artist_id=1))
            await scope.flush()
            reached.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert db.engine.sync_engine.pool.checkedout() == 0
    assert len(await titles(db)) == 3


@every
async def test_what_sqlalchemy_would_lose_is_kept(db: Database):
    """A value that another task sets while a flush is under way."""
    async with db.scope() as scope, scope.transaction():
        album = await AlbumRepository(scope).get(1)
        album.title = "first"
        flushing = asyncio.ensure_future(scope.flush())
        for _ in range(1000):
            if scope.session.sync_session._flushing:
                break
            await asyncio.sleep(0)
        album.title = "second"
        album.price = 99
        await flushing
    async with db.scope() as scope:
        album = await AlbumRepository(scope).get(1)
        assert (album.title, album.price) == ("second", 99)


@every
async def test_only_the_block_commits(db: Database):
    async with db.scope() as scope:
        async with scope.transaction():
            with pytest.raises(TransactionError, match="the end of the block commits"):
                await scope.session.commit()
        with pytest.raises(TransactionError, match="needs an open transaction"):
            scope.add(Album(title="x", artist_id=1))
        with pytest.raises(TransactionError, match="needs an open transaction"):
            await scope.flush()
    async with db.scope(snapshot=True) as scope:
        with pytest.raises(TransactionError, match="snapshot"):
            scope.transaction()


@every
async def test_transactions_of_two_scopes_do_not_get_in_each_others_way(db: Database):
    if db.engine.dialect.name == "sqlite":
        async with db.scope() as first, first.transaction(), db.scope() as second:
            assert await AlbumRepository(second).count() == 3
            async with first.transaction():
                first.add(Album(title="a", artist_id=1))
        return
    async with db.scope() as first, first.transaction(), db.scope() as second, second.transaction():
        async with first.transaction():
            first.add(Album(title="a", artist_id=1))
        async with second.transaction():
            second.add(Album(title="b", artist_id=1))
    assert sorted((await titles(db))[3:]) == ["a", "b"]


@every
async def test_settings_belong_to_the_outer_one(db: Database):
    async with db.scope() as scope, scope.transaction():
        with pytest.raises(InvalidArgument, match="outer"):
            async with scope.transaction(read_only=True):
                pass


@every
async def test_a_read_only_transaction_writes_nothing(db: Database):
    async with db.scope() as scope:
        with pytest.raises(Exception, match=r"(?i)read-?only"):
            async with scope.transaction(read_only=True):
                scope.add(Album(title="x", artist_id=1))
        async with scope.transaction():
            scope.add(Album(title="y", artist_id=1))
    assert (await titles(db))[3:] == ["y"]


@every
async def test_deleting_cascades(db: Database):
    async with db.scope() as scope:
        tracks = await TrackRepository(scope).count()
        async with scope.transaction():
            album = await AlbumRepository(scope).get(1)
            first = await TrackRepository(scope).get(1)
            await scope.delete(album)
            await scope.flush()
            assert await TrackRepository(scope).count() == tracks - 2
            assert await TrackRepository(scope).get_or_none(2) is None
            assert first.album_id == 1
        assert await AlbumRepository(scope).get_or_none(1) is None


@every
async def test_a_statement_of_ones_own_is_noticed(db: Database):
    async with db.scope() as scope, scope.transaction() as transaction:
        albums = AlbumRepository(scope)
        assert (await albums.get(1, AlbumView)).title == "Accept 1"
        await scope.session.execute(update(Album).where(Album.id == 1).values(title="by hand"))
        assert (await albums.get(1, AlbumView)).title == "by hand"
        await scope.session.execute(delete(Track))
        assert (await albums.get(1, AlbumView)).tracks == []
        await scope.session.execute(text("UPDATE album SET title = 'by text' WHERE id = 1"))
        assert (await albums.get(1, AlbumView)).title == "by text"
        assert transaction.changes.anything


@every
async def test_what_is_expired_says_how_to_read_it(db: Database):
    async with db.scope() as scope, scope.transaction():
        album = await AlbumRepository(scope).get(1)
        scope.touch(Album)
        with pytest.raises(LazyLoad, match=r"has expired \(one of artist_id, .*awaitable_attrs"):
            _ = album.title
        assert await album.awaitable_attrs.title == "Accept 1"


@every
async def test_a_joined_scope_makes_savepoints_in_the_users_transaction(db: Database):
    seen = []
    db.on_commit(seen.append)
    transactional = transactional_engine(db.engine.url)
    async with AsyncSession(transactional, expire_on_commit=False) as session, session.begin():
        async with db.scope(session=session) as scope:
            with pytest.raises(IntegrityError):
                async with scope.transaction():
                    scope.add(Album(title="Accept 1", artist_id=1))
            async with scope.transaction():
                scope.add(Album(title="kept", artist_id=1))
            assert await AlbumRepository(scope).count() == 4
        assert seen == []
    await transactional.dispose()
    assert [change.operation for change in seen[0].changes] == ["insert"]
    assert (await titles(db))[3:] == ["kept"]


@every
async def test_a_lost_update_is_noticed_and_the_row_is_named(db: Database):
    async with db.scope() as slow:

        async def attempt_4() -> None:
            async with slow.transaction():
                mine = await CounterRepository(slow).get(1)
                if (
                    db.engine.dialect.name == "sqlite"
                ):  # whose writers wait for each other, so it is us who changed it
                    beside = await slow.session.connection()  # the session does not know of it
                    await beside.execute(text("UPDATE counter SET value = 5, version = 2"))
                else:
                    async with db.scope() as fast, fast.transaction():
                        (await CounterRepository(fast).get(1)).value = 5
                mine.value = 6

        with pytest.raises(StaleRows, match="Counter 1 was read with version 1 and has 2 now") as raised:
            await attempt_4()
        assert [(row.key, row.kind) for row in raised.value.rows] == [(1, "stale")]


@every
async def test_numbers_of_statements(db: Database):
    """Reading in a transaction costs what it costs outside."""
    async with db.scope() as scope:
        with statement_counter(db) as outside:
            await AlbumRepository(scope).find(AlbumView)
    async with db.scope() as scope, scope.transaction():
        with statement_counter(db) as within:
            await AlbumRepository(scope).find(AlbumView)
    assert within.count == outside.count
    async with db.scope() as scope:
        assert await scope.fetch(select(func.count()).select_from(Album)) == [3]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_two_writers_never_find_a_file_locked(db: Database, database_url: str):
    """Read, think, write in one transaction, from two Databases (two processes, as it were): no update is lost."""
    async with Database(database_url, repositories=[CounterRepository]) as other:

        async def add_one(to: Database) -> None:
            async with to.scope() as scope, scope.transaction():
                (await CounterRepository(scope).get(1)).value += 1

        await asyncio.gather(*(add_one(to) for to in (db, other) * 15))
    async with db.scope() as scope:
        assert (await CounterRepository(scope).get(1)).value == 30


@every
async def test_the_report_says_how_transactions_ended(db: Database):
    async with db.scope() as scope:
        async with scope.transaction():
            (await AlbumRepository(scope).get(1)).title = "new"
        async with scope.transaction(dry_run=True):
            (await AlbumRepository(scope).get(1)).title = "newer"
    assert "committed: 1 change" in str(scope.report())
    assert "dry run: 1 change" in str(scope.report())
    assert {"remark"} in [set(step) for step in scope.report().to_dict()["steps"]]
