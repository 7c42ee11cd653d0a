"""Random batches give the same table, and the same rows back, as SQLAlchemy's unit of work, row by row."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from batchrepo import BulkError
from tests.support.databases import EVERY_DRIVER
from tests.writing.goods import Defaulted, DefaultedRepository, emptied, everything, opened

pytestmark = [
    pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True),
]

REFS = st.sampled_from(["a", "b", "c", "é", ""])
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "value": st.one_of(st.none(), st.integers(-5, 5)),
    "made": st.one_of(st.none(), st.sampled_from(["x", "NULL", "\\N", "漢"])),
    "sql": st.one_of(st.none(), st.integers(-5, 5)),
    "server": st.one_of(st.none(), st.just("s")),
    "changed": st.one_of(st.none(), st.just("c")),
    "doc": st.one_of(st.none(), st.lists(st.integers(), max_size=2)),
    "plain": st.one_of(st.none(), st.integers(-5, 5)),
}
ROW = st.fixed_dictionaries({"ref": REFS}, optional=COLUMNS)
ROWS = st.lists(ROW, max_size=6)
METHODS = st.sampled_from([None, "driver", "insertmanyvalues"])


def way(db, method, upsert=False):
    if method != "driver":
        return method
    if db.engine.dialect.name == "sqlite":
        return "executemany"
    return "temporary_table" if upsert else "copy"


def distinct(rows):
    return list({row["ref"]: row for row in rows}.values())


async def by_the_orm(db, rows, *, update="all", existing=()):
    """What merging entities one after the other gives: the refs of the rows, and the table."""
    async with AsyncSession(db.engine) as session:
        for row in [*existing, *rows]:
            statement = sa.select(Defaulted).where(Defaulted.ref == row["ref"])
            found = (await session.scalars(statement)).one_or_none()
            if found is None:
                session.add(Defaulted(**row))
            elif update == "all":
                for name, value in row.items():
                    setattr(found, name, value)
                    flag_modified(found, name)  # an upsert does not look whether a value is different
            await session.flush()
            session.expire_all()
        await session.commit()
    return await table(db)


async def table(db):
    rows = await everything(db, Defaulted, without=("id",))
    return sorted(rows, key=lambda row: row["ref"])


@given(st.data())
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_insert(database_url, data):
    asyncio.run(_insert(database_url, data.draw(ROWS), data.draw(METHODS)))


async def _insert(url, rows, method):
    rows = distinct(rows)
    async with opened(url) as db:
        await emptied(db, Defaulted)
        expected = await by_the_orm(db, rows)
        await emptied(db, Defaulted)
        async with db.scope() as scope:
            result = await DefaultedRepository(scope).insert_many(
                rows, missing="default", method=None if method == "driver" else method, returning="keys"
            )
            found = await DefaultedRepository(scope).get_many(result.rows)
        assert [row.ref for row in found] == [row["ref"] for row in rows]
        assert await table(db) == expected


@given(st.data())
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_upsert(database_url, data):
    existing, rows = distinct(data.draw(ROWS)), data.draw(ROWS)
    update = data.draw(st.sampled_from(["all", "nothing"]))
    asyncio.run(_upsert(database_url, existing, rows, update, data.draw(METHODS)))


async def _upsert(url, existing, rows, update, method):
    # None in a new row asks an entity for the default; an upsert, which may also update, writes what it is given.
    rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    for row in rows:
        if len(row) == 1:
            row["plain"] = 1
    merged = {}
    for row in rows:
        merged[row["ref"]] = {**merged.get(row["ref"], {}), **row}
    async with opened(url) as db:
        await emptied(db, Defaulted)
        expected = await by_the_orm(db, list(merged.values()), update=update, existing=existing)
        await emptied(db, Defaulted)
        async with db.scope() as scope:
            items = DefaultedRepository(scope)
            await items.insert_many(existing, missing="default")
            options = {"on": Defaulted.ref, "update": update, "missing": "default", "returning": "keys"}
            if len(merged) < len(rows):
                before = await table(db)
                with pytest.raises(BulkError):
                    await items.upsert_many(rows, **options)
                assert await table(db) == before
            result = await items.upsert_many(
                rows, **options, duplicates="last", method=way(db, method, upsert=True)
            )
            found = await items.get_many(result.rows)
        assert [row.ref for row in found] == [row["ref"] for row in rows]
        assert await table(db) == expected
