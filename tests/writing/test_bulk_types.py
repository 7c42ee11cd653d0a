"""Whatever the way, a row is stored as SQLAlchemy's unit of work stores it: every type, NULLs, odd texts."""

from __future__ import annotations

import datetime as dt
import types
import uuid
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import Database, Repository
from batchrepo.testing.contract.models import keytypes
from batchrepo.testing.contract.models.base import Base as ContractBase
from tests.support.databases import EVERY_DRIVER
from tests.writing.goods import SAMPLE, Color, Sample, SampleRepository, emptied, everything, opened

INSERTS = {
    "sqlite": ["executemany", "insertmanyvalues", None],
    "postgresql": ["copy", "unnest", "insertmanyvalues", None],
}
UPSERTS = {
    "sqlite": ["executemany", "insertmanyvalues", None],
    "postgresql": ["temporary_table", "unnest", "insertmanyvalues", None],
}

every_driver = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)


async def by_the_orm(db: Database, entity, rows):
    async with AsyncSession(db.engine) as session:
        session.add_all([entity(**row) for row in rows])
        await session.commit()


def given(rows):
    return [{**row, "id": number} for number, row in enumerate(rows, 1)]


@every_driver
async def test_every_type_and_every_way_to_insert(database_url):
    async with opened(database_url) as db:
        await by_the_orm(db, Sample, given(SAMPLE))
        expected = await everything(db, Sample)
        assert len(expected) == 3
        for method in INSERTS[db.engine.dialect.name]:
            await emptied(db, Sample)
            async with db.scope() as scope:
                result = await SampleRepository(scope).insert_many(given(SAMPLE), method=method)
            assert result.count == 3
            assert await everything(db, Sample) == expected, method


@every_driver
async def test_keys_and_every_type(database_url):
    async with opened(database_url) as db:
        for method in ["multivalues"] if db.engine.dialect.name == "sqlite" else ["copy", "unnest"]:
            async with db.scope() as scope:
                result = await SampleRepository(scope).insert_many(SAMPLE, method=method, returning="keys")
                found = await SampleRepository(scope).get_many(result.rows)
            assert result.rows == sorted(result.rows)
            assert [row.text for row in found] == [row["text"] for row in SAMPLE]
            assert [row.doc for row in found] == [row["doc"] for row in SAMPLE]


@every_driver
async def test_every_type_and_every_way_to_upsert(database_url):
    async with opened(database_url) as db:
        other = [*SAMPLE[1:], SAMPLE[0]]
        await by_the_orm(db, Sample, given(other))
        expected = await everything(db, Sample)
        for method in UPSERTS[db.engine.dialect.name]:
            await emptied(db, Sample)
            await by_the_orm(db, Sample, given(SAMPLE)[:2])
            async with db.scope() as scope:
                result = await SampleRepository(scope).upsert_many(given(other), method=method)
            assert result.count == 3
            assert await everything(db, Sample) == expected, method


KEYS = {
    keytypes.Device: [uuid.UUID(int=n) for n in (0, 5, 2**128 - 1)],
    keytypes.Currency: ["", "EUR", "円"],
    keytypes.Level: list(keytypes.Severity),
    keytypes.Document: [b"", b"\x00\xff", b"abc"],
    keytypes.Rate: [Decimal(text) for text in ("0.10", "-7.25", "99999999.99")],
    keytypes.Day: [dt.date(1, 1, 1), dt.date(2024, 2, 29)],
}

CONTRACT = tuple(types.new_class(f"{entity.__name__}Repository", (Repository[entity],)) for entity in KEYS)


@every_driver
async def test_keys_of_every_type(database_url):
    async with Database(database_url, repositories=CONTRACT) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(ContractBase.metadata.create_all)
        for repository in CONTRACT:
            entity = repository.entity_class
            values = KEYS[entity]
            (key,) = sa.inspect(entity).primary_key
            rows = [{key.name: value, "label": f"label {at}"} for at, value in enumerate(values)]
            async with db.scope() as scope:
                items = repository(scope)
                inserted = await items.insert_many(rows, returning="keys")
                assert inserted.rows == values
                again = [{**row, "label": "again"} for row in reversed(rows)]
                upserted = await items.upsert_many(again, returning="keys")
                assert upserted.rows == values[::-1]
                found = await items.get_many(values)
            assert [getattr(row, key.name) for row in found] == values
            assert {row.label for row in found} == {"again"}


class PostgresBase(DeclarativeBase):
    pass


class Special(PostgresBase):
    """Types of PostgreSQL's own."""

    __tablename__ = "special"

    id: Mapped[int] = mapped_column(primary_key=True)
    numbers: Mapped[list[int] | None] = mapped_column(postgresql.ARRAY(sa.Integer))
    table: Mapped[list[list[str]] | None] = mapped_column(postgresql.ARRAY(sa.Text, dimensions=2))
    colors: Mapped[list[Color] | None] = mapped_column(postgresql.ARRAY(sa.Enum(Color, name="color")))
    doc: Mapped[dict[str, int] | None] = mapped_column(postgresql.JSONB)
    address: Mapped[str | None] = mapped_column(postgresql.INET)
    period: Mapped[postgresql.Range[int] | None] = mapped_column(postgresql.INT4RANGE)
    hits: Mapped[str | None] = mapped_column(postgresql.BIT(3))
    amount: Mapped[Decimal | None] = mapped_column(sa.Numeric)


class SpecialRepository(Repository[Special]):
    pass


SPECIAL = [
    {
        "id": 1,
        "numbers": [1, 2, 3],
        "table": [["a", "é"], ["", "NULL"]],
        "colors": [Color.RED, Color.BLUE],
        "doc": {"a": 1},
        "address": "10.0.0.1",
        "period": postgresql.Range(1, 5),
        "amount": Decimal("1.10"),
    },
    {
        "id": 2,
        "numbers": [],
        "table": None,
        "colors": [],
        "doc": {},
        "address": "::1",
        "period": postgresql.Range(empty=True),
        "amount": Decimal("123456789012345678901234567890.12345"),
    },
    {"id": 3, **dict.fromkeys(("numbers", "table", "colors", "doc", "address", "period", "amount"))},
]


@pytest.mark.parametrize("database_url", ["postgresql", "psycopg"], indirect=True)
async def test_types_of_postgresql(database_url):
    async with Database(database_url, repositories=[SpecialRepository]) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(PostgresBase.metadata.create_all)
        await by_the_orm(db, Special, SPECIAL)
        expected = await everything(db, Special)
        for call, method in [
            ("insert_many", "copy"),
            ("insert_many", None),
            ("upsert_many", "temporary_table"),
            ("upsert_many", None),
        ]:
            await emptied(db, Special)
            async with db.scope() as scope:
                await getattr(SpecialRepository(scope), call)(SPECIAL, method=method)
            assert await everything(db, Special) == expected, (call, method)
        async with db.scope() as scope:
            text = SpecialRepository(scope).explain_write("insert", 10, columns=["numbers"])
        assert "not unnest: numbers: unnest takes arrays of arrays apart" in text
