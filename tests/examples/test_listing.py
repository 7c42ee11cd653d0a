"""All albums with artist, tracks, genres and album counts: every way gives the same, ours in five statements."""

from __future__ import annotations

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo.testing.counting import statement_counter
from examples.chinook import listing

# Albums; 204 artists; 347 counts; tracks of 347 albums; 25 genres.
NAIVE = 1 + 204 + 347 + 347 + 25


@pytest.mark.parametrize("way", [listing.loop, listing.gathered, listing.view, listing.view_json])
async def test_a_scope_takes_five_statements(store, expected, way):
    assert len(expected) == 347
    assert sum(len(album["tracks"]) for album in expected) == 3503
    with statement_counter(store.engine) as seen:
        async with store.scope() as scope:
            result = await way(scope)
    assert listing.plain(result) == expected
    assert seen.count == 5, seen
    assert scope.report().statements == 5


async def test_the_naive_loop_takes_924_and_the_hand_tuned_one_five(store, expected):
    with statement_counter(store.engine) as seen:
        async with AsyncSession(store.engine) as fresh:
            assert await listing.naive(fresh) == expected
    assert seen.count == NAIVE == 924
    with statement_counter(store.engine) as seen:
        async with AsyncSession(store.engine) as fresh:
            assert await listing.hand_tuned(fresh) == expected
    assert seen.count == 5
