"""Optimistic locking in bulk: an update that would overwrite somebody else's is refused, and its rows are named."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import BulkError, InvalidArgument, StaleRows
from tests.support.databases import EVERY_DRIVER
from tests.writing.stock import Document, Documents, Sealed, SealedDocuments, opened, put, rows

pytestmark = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)


@pytest_asyncio.fixture
async def db(database_url):
    async with opened(database_url) as db:
        await put(db, *[Document(id=n, title="old") for n in range(1, 6)])
        await put(db, *[Sealed(id=n, title="old") for n in range(1, 4)])
        yield db


async def test_versions_are_compared_and_counted(db):
    for way in [None, "one_by_one"]:
        before = dict(await rows(db, Document.id, Document.version))
        async with db.scope() as scope:
            given = [{"id": n, "version": before[n], "title": "new"} for n in (4, 2)]
            result = await Documents(scope).update_many(given, method=way, returning="keys")
        assert (result.count, result.rows) == (2, [4, 2])
        after = dict(await rows(db, Document.id, Document.version))
        assert after == {n: version + (n in (4, 2)) for n, version in before.items()}


async def test_an_entity_sees_what_a_bulk_write_made_of_its_version(db):
    async with AsyncSession(db.engine, expire_on_commit=False) as session:
        entity = await session.get(Document, 1)
        async with db.scope() as scope:
            await Documents(scope).update_many([{"id": 1, "version": entity.version, "title": "bulk"}])
        entity.title = "orm"
        from sqlalchemy.orm.exc import StaleDataError

        with pytest.raises(StaleDataError):
            await session.flush()


async def test_stale_and_absent_rows_are_told_apart_and_nothing_is_written(db):
    async with db.scope() as scope:
        await Documents(scope).update_many([{"id": n, "version": 1, "title": "theirs"} for n in (2, 4)])
        given = [{"id": n, "version": 1, "title": "mine"} for n in (1, 2, 9, 4, 5)]
        with pytest.raises(StaleRows, match="3 rows of Document are not as they were read") as caught:
            await Documents(scope).update_many(given)
    assert [(row.index, row.kind, row.key) for row in caught.value.rows] == [
        (1, "stale", 2),
        (2, "not_found", 9),
        (3, "stale", 4),
    ]
    assert caught.value.rows[0].columns == ("version",)
    assert await rows(db, Document.id, Document.title, Document.version) == [
        (1, "old", 1),
        (2, "theirs", 2),
        (3, "old", 1),
        (4, "theirs", 2),
        (5, "old", 1),
    ]


async def test_only_absent_rows_are_not_stale(db):
    async with db.scope() as scope:
        with pytest.raises(BulkError, match="has no row for its key"):
            await Documents(scope).update_many([{"id": n, "version": 1, "title": "x"} for n in (1, 9)])
        result = await Documents(scope).update_many(
            [{"id": n, "version": 1, "title": "x"} for n in (1, 9)], absent="ignore", returning="keys"
        )
        assert (result.count, result.rows) == (1, [1])
        with pytest.raises(StaleRows) as caught:
            await Documents(scope).update_many(
                [{"id": n, "version": 1, "title": "y"} for n in (1, 9, 2)], absent="ignore"
            )
        assert [row.key for row in caught.value.rows] == [1]


async def test_one_stale_row(db):
    async with db.scope() as scope:
        with pytest.raises(StaleRows) as caught:
            await Documents(scope).update_many([{"id": 3, "version": 7, "title": "x"}])
    assert [(row.index, row.key) for row in caught.value.rows] == [(0, 3)]


async def test_stale_rows_are_collected(db):
    async with db.scope() as scope:
        given = [{"id": n, "version": 1 if n != 3 else 8, "title": "new"} for n in range(1, 6)]
        result = await Documents(scope).update_many(given, on_error="collect")
    assert (result.count, [(row.key, row.kind) for row in result.errors]) == (4, [(3, "stale")])


async def test_rows_without_a_version_are_refused_unless_that_is_asked_for(db):
    async with db.scope() as scope:
        for given in ([{"id": 1, "title": "x"}], [{"id": 1, "title": "x", "version": None}]):
            with pytest.raises(BulkError, match=r"does not say its version, .* or pass versions=.unchecked."):
                await Documents(scope).update_many(given)
        await Documents(scope).update_many(
            [{"id": 1, "title": "x"}, {"id": 2, "title": "x"}], versions="unchecked"
        )
        await Documents(scope).update_many([{"id": 2, "title": "y", "version": 77}], versions="unchecked")
    assert (await rows(db, Document.id, Document.title, Document.version))[:2] == [(1, "x", 2), (2, "y", 3)]


async def test_versions_that_python_makes(db):
    before = dict(await rows(db, Sealed.id, Sealed.seal))
    async with db.scope() as scope:
        given = [{"id": n, "seal": before[n], "title": "new"} for n in (1, 2)]
        await SealedDocuments(scope).update_many(given)
        with pytest.raises(StaleRows) as caught:
            await SealedDocuments(scope).update_many([*given, {"id": 3, "seal": before[3], "title": "new"}])
        assert [row.key for row in caught.value.rows] == [1, 2]
        await SealedDocuments(scope).update_many([{"id": 3, "title": "x"}], versions="unchecked")
    after = dict(await rows(db, Sealed.id, Sealed.seal))
    assert len({*before.values(), *after.values()}) == 6


async def test_a_set_for_many_rows_moves_versions_on(db):
    async with db.scope() as scope:
        await Documents(scope).update_many(Document.id < 3, set={Document.title: "set"})
        await SealedDocuments(scope).update_many(Sealed.id < 3, set={Sealed.title: "set"})
        with pytest.raises(InvalidArgument, match="versions= expects"):
            await Documents(scope).update_many([{"id": 1, "title": "x"}], versions="maybe")
    assert await rows(db, Document.id, Document.version) == [(1, 2), (2, 2), (3, 1), (4, 1), (5, 1)]


async def test_of_two_writers_the_second_is_told(db):
    """Both have read version 1; whoever comes second would overwrite the first without knowing."""

    async def write(title):
        async with db.scope() as scope:
            given = [{"id": n, "version": 1, "title": title} for n in (5, 1, 3)]
            try:
                await Documents(scope).update_many(given)
            except StaleRows as error:
                return [row.key for row in error.rows]
            return title

    outcomes = await asyncio.gather(write("first"), write("second"))
    (winner,) = [each for each in outcomes if isinstance(each, str)]
    assert [each for each in outcomes if not isinstance(each, str)] == [[5, 1, 3]]
    found = await rows(db, Document.id, Document.title, Document.version)
    assert [row for row in found if row[0] in (1, 3, 5)] == [(n, winner, 2) for n in (1, 3, 5)]
