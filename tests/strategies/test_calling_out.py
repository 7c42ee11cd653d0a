"""A plan with values of a foreign service holds no database connection while it calls out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import BaseModel

from batchrepo import Database, Repository, batched, fetched
from examples.chinook.models import Album, Artist


class ArtistRow(BaseModel):
    id: int
    name: str


@pytest.mark.parametrize("strategy", ["batched", "eager"])
async def test_no_connection_is_held_while_a_plan_calls_out(chinook_url: str, strategy: str) -> None:
    """Statements before and after the call share nothing with it: the pool is full again meanwhile."""
    in_use: list[int] = []
    asked: list[list[int]] = []

    @batched
    async def reviews(keys: list[int], scope: Any) -> dict[int, int]:
        asked.append(keys)
        pool = scope.reading.engine.sync_engine.pool
        async with asyncio.timeout(10):
            while pool.checkedout():  # noqa: ASYNC110  a statement of the same level may still run
                await asyncio.sleep(0)
        in_use.append(pool.checkedout())
        return {key: key * 2 for key in keys}

    class AlbumRepository(Repository[Album]):
        review_count = fetched(reviews, key=Album.id)

    class AlbumView(BaseModel):
        id: int
        review_count: int
        artist: ArtistRow

    class ArtistRepository(Repository[Artist]):
        pass

    async with Database(
        chinook_url, repositories=[AlbumRepository, ArtistRepository], read_connections=1
    ) as db:
        async with db.scope() as scope:
            found = await AlbumRepository(scope).find(
                AlbumView, Album.id <= 5, order_by=Album.id, strategy=strategy
            )
        assert [album.review_count for album in found] == [2, 4, 6, 8, 10]
        assert scope.report().statements == (2 if strategy == "batched" else 1)
    assert [sorted(keys) for keys in asked] == [[1, 2, 3, 4, 5]]
    assert in_use == [0]
