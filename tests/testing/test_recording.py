"""capture_batches: which batches went out, of which scopes."""

from __future__ import annotations

import asyncio

import pytest

from batchrepo import BatchLoader, batched
from batchrepo.testing import capture_batches
from tests.testing.library import Author, AuthorRepository, Book, BookRepository, library


@batched
async def doubles(numbers: list[int]) -> dict[int, int]:
    return {number: 2 * number for number in numbers}


@batched
async def broken(numbers: list[int]) -> dict[int, int]:
    raise ValueError("no")


async def test_one_batch_for_many_callers(db):
    async with db.scope() as scope:
        books = await BookRepository(scope).find()
        with capture_batches() as seen:
            await asyncio.gather(*(scope.related(book, Book.author) for book in books))
    assert seen.sizes == [5]
    assert seen.names == ["Author"]
    assert seen.rounds == [(("Author", 5),)]
    assert [(event.loader, event.size, event.failed) for event in seen.ended] == [("Author", 5, None)]
    assert seen.ended[0].seconds > 0


async def test_a_loop_over_keys_shows_as_single_batches(db):
    async with db.scope() as scope:
        with capture_batches() as seen:
            for key in (1, 2, 3):
                await AuthorRepository(scope).get(key)
    assert seen.sizes == [1, 1, 1]
    assert repr(seen) == "<Batches in 3 rounds: [Author: 1] [Author: 1] [Author: 1]>"


async def test_batches_stand_in_the_order_in_which_they_were_asked_for(db):
    async with db.scope() as scope:
        author, *_ = await AuthorRepository(scope).find()
        with capture_batches() as seen:
            await asyncio.gather(
                scope.related(author, Author.books),
                scope.load_many(doubles, range(7)),
                AuthorRepository(scope).get_or_none(4711),
            )
    # A key that is gathered is asked for at once, the others when their tasks begin.
    assert seen.rounds == [(("Author", 1), ("Author.books", 5), (doubles.name, 7))]
    assert seen.names == ["Author", "Author.books", doubles.name]
    assert seen.of("Author.books") == [5]
    assert seen.of("Book") == []


async def test_nothing_is_recorded_outside_of_the_block(db):
    async with db.scope() as scope:
        await AuthorRepository(scope).get(1)
        with capture_batches() as seen:
            pass
        await AuthorRepository(scope).get(2)
    assert seen.rounds == []
    assert seen.ended == []
    assert repr(seen) == "<Batches in 0 rounds>"


async def test_it_ends_when_the_block_raises(db):
    async with db.scope() as scope:
        with pytest.raises(ZeroDivisionError), capture_batches() as seen:
            1 / 0  # noqa: B018
        await AuthorRepository(scope).get(1)
    assert seen.sizes == []


async def test_a_failed_batch_is_recorded_with_its_error(db):
    async with db.scope() as scope:
        with capture_batches() as seen, pytest.raises(ValueError, match="no"):
            await scope.load(broken, 1)
    assert seen.sizes == [1]
    assert [event.failed for event in seen.ended] == ["ValueError"]


async def test_all_scopes_are_recorded_also_in_other_tasks(db):
    async def request(key):
        async with db.scope() as scope:
            await AuthorRepository(scope).get(key)

    with capture_batches() as seen:
        await asyncio.gather(*(asyncio.create_task(request(key)) for key in (1, 2, 3)))
    assert seen.sizes == [1, 1, 1]


async def test_a_loader_without_a_scope_is_recorded():
    async def load(keys):
        return keys

    loader = BatchLoader(load, name="plain")
    with capture_batches() as seen:
        await loader.load_many([1, 2, 2, 3])
    assert seen.rounds == [(("plain", 3),)]
    assert [event.size for event in seen.ended] == [3]


async def test_blocks_may_overlap(db):
    async with db.scope() as scope:
        with capture_batches() as outer:
            await AuthorRepository(scope).get(1)
            with capture_batches() as inner:
                await AuthorRepository(scope).get(2)
            await AuthorRepository(scope).get(3)
    assert (len(outer.sizes), len(inner.sizes)) == (3, 1)


async def test_a_database_records_the_scopes_opened_in_the_block(db, tmp_path):
    async with (
        library(f"sqlite+aiosqlite:///{tmp_path / 'other.db'}") as other_db,
        db.scope() as before,
    ):
        with capture_batches(db) as seen:
            async with db.scope() as scope, other_db.scope() as other:
                await AuthorRepository(before).get(1)
                await AuthorRepository(other).get_many([1, 2])
                await AuthorRepository(scope).get_many([1, 2, 3])
        assert seen.sizes == [3]


async def test_a_scope_that_outlives_the_block_is_recorded_no_more(db):
    with capture_batches(db) as seen:
        scope = db.scope()
        await scope.__aenter__()
        await AuthorRepository(scope).get(1)
    await AuthorRepository(scope).get_many([2, 3])
    await scope.__aexit__(None, None, None)
    assert seen.sizes == [1]


async def test_one_scope_alone(db):
    async with db.scope() as scope, db.scope() as other:
        with capture_batches(scope) as seen:
            await AuthorRepository(other).get(1)
            await AuthorRepository(scope).get_many([1, 2])
        await AuthorRepository(scope).get(3)
    assert seen.sizes == [2]


async def test_sub_rounds_are_rounds(db):
    @batched
    async def names(ids: list[int], scope) -> dict[int, str]:
        return {author.id: author.name for author in await AuthorRepository(scope).get_many(ids)}

    async with db.scope() as scope:
        with capture_batches() as seen:
            await scope.load_many(names, [1, 2])
    assert seen.rounds == [((names.name, 2),), (("Author", 2),)]
    assert [event.loader for event in seen.ended] == ["Author", names.name]
