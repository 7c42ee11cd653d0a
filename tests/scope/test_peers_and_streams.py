"""A plain loop over entities costs one statement for each relation; fetch modes change that; streams forget."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref
from collections.abc import Sequence
from typing import Any

import pytest

from batchrepo import ONE, PEERS, RAISE, WARN, BatchRepoWarning, Database, FetchMode, LazyLoad
from batchrepo.testing import assert_statements
from examples.chinook.models import Album, Artist, Track
from examples.chinook.repositories import AlbumRepository, ArtistRepository, TrackRepository

REPOSITORIES = [AlbumRepository, ArtistRepository, TrackRepository]


async def test_a_loop_loads_each_relation_once(chinook_url: str) -> None:
    """Children of children too; and whatever was loaded with include= has peers as well."""
    async with Database(chinook_url, repositories=REPOSITORIES) as db, db.scope() as scope:
        with assert_statements(4, db):
            for album in await AlbumRepository(scope).find(Album.id <= 40):
                await scope.related(album, Album.artist)
                for track in await scope.related(album, Album.tracks):
                    await scope.related(track, Track.genre)
    async with Database(chinook_url, repositories=REPOSITORIES) as db, db.scope() as scope:
        with assert_statements(2, db):
            for album in await AlbumRepository(scope).find(Album.id <= 40, include=[Album.artist]):
                await scope.related(album.artist, Artist.albums)


@pytest.mark.parametrize(("mode", "statements"), [(PEERS, 2), (ONE, 11)])
async def test_fetch_modes_choose_the_companions(chinook_url: str, mode: FetchMode, statements: int) -> None:
    async with Database(chinook_url, repositories=REPOSITORIES, mode=mode) as db, db.scope() as scope:
        with assert_statements(statements, db):
            for album in await AlbumRepository(scope).find(Album.id <= 10):
                await scope.related(album, Album.tracks)


async def test_raise_and_warn_name_what_was_not_read(chinook_url: str) -> None:
    async with Database(chinook_url, repositories=REPOSITORIES) as db, db.scope(mode=RAISE) as scope:
        album = await AlbumRepository(scope).get(1)
        with pytest.raises(LazyLoad, match=r"Album\.tracks was not read with its entity"):
            await scope.related(album, Album.tracks)
        with pytest.warns(BatchRepoWarning, match=r"Album\.tracks .* with 0 peers"):
            assert await scope.related(album, Album.tracks, mode=WARN)


async def test_a_mode_of_the_users_own(chinook_url: str) -> None:
    asked: list[str] = []

    class Noted(FetchMode):
        name = "noted"

        def companions(self, peers: Any, state: Any, what: Any, description: str) -> Sequence[Any]:
            asked.append(description)
            return PEERS.companions(peers, state, what, description)

    async with Database(chinook_url, repositories=REPOSITORIES, mode=Noted()) as db, db.scope() as scope:
        for album in await AlbumRepository(scope).find(Album.id <= 5):
            await scope.related(album, Album.tracks)
    assert asked == ["Album.tracks"]


async def test_a_first_caller_that_is_cancelled_leaves_no_n_plus_1(chinook_url: str) -> None:
    async with Database(chinook_url, repositories=REPOSITORIES) as db, db.scope() as scope:
        albums = await AlbumRepository(scope).find(Album.id <= 30)
        first = asyncio.ensure_future(scope.related(albums[0], Album.tracks))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        with assert_statements(1, db):
            for album in albums:
                await scope.related(album, Album.tracks)


async def test_a_stream_forgets_its_chunks(chinook_url: str) -> None:
    """Entities of earlier chunks are gone, whatever was loaded for them."""
    living: list[weakref.ref[Album]] = []
    most = 0
    async with Database(chinook_url, repositories=REPOSITORIES) as db, db.scope() as scope:
        with assert_statements(7 + 7 * 3, db):  # chunks of 50 of 347 albums, three loads for each
            async for album in AlbumRepository(scope).stream(chunk_size=50):
                living.append(weakref.ref(album))
                await scope.related(album, Album.tracks)
                await scope.related(album, AlbumRepository.duration)
                await scope.related(album, Album.artist)
                del album
                if len(living) % 50 == 1:
                    gc.collect()
                    most = max(most, sum(ref() is not None for ref in living))
        assert len(living) == 347
    assert most <= 100


async def test_200_tasks_with_random_cancellations_share_a_scope(chinook_postgres: str) -> None:
    """Nobody hangs, nobody gets a wrong row, and every connection comes back."""
    rng = random.Random(20261122)
    async with Database(chinook_postgres, repositories=REPOSITORIES) as db:
        async with db.scope() as scope, asyncio.timeout(60):
            albums = await AlbumRepository(scope).find()

            async def work(album: Album) -> tuple[int, int, list[int]]:
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
                artist = await scope.related(album, Album.artist)
                tracks = await scope.related(album, Album.tracks)
                again = await TrackRepository(scope).get_many([track.id for track in tracks])
                return album.id, artist.id, [track.album_id for track in again]

            tasks = [asyncio.ensure_future(work(rng.choice(albums))) for _ in range(200)]
            for task in rng.sample(tasks, 80):
                for _ in range(rng.randrange(3)):
                    await asyncio.sleep(0)
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            known = {album.id: album.artist_id for album in albums}
        finished = [result for result in results if not isinstance(result, BaseException)]
        assert len(finished) >= 120
        assert all(isinstance(r, asyncio.CancelledError) for r in results if isinstance(r, BaseException))
        for album_id, artist_id, owners in finished:
            assert artist_id == known[album_id]
            assert set(owners) == {album_id}
        assert db.engine.sync_engine.pool.checkedout() == 0
