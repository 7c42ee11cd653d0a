"""Every type as the single strategy writes it: as Pydantic does, or refused with the reason."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import create_model
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import Database, Repository
from batchrepo.errors import StrategyRefused
from batchrepo.testing import assert_statements
from tests.strategies.every_type import (
    Color,
    ParentRepository,
    Ratio,
    Size,
    Word,
)
from tests.support.databases import EVERY_DRIVER


def driver_of(db: Database) -> str:
    dialect = db.engine.dialect
    return "psycopg" if dialect.driver == "psycopg" else dialect.name


EVERYWHERE = {"sqlite", "postgresql", "psycopg"}
POSTGRESQL = {"postgresql", "psycopg"}
FIELDS: dict[str, tuple[Any, set[str]]] = {
    "id": (int, EVERYWHERE),
    "big": (int, EVERYWHERE),
    "title": (str, EVERYWHERE),
    "code": (str, EVERYWHERE),
    "note": (str | None, EVERYWHERE),
    "price": (Decimal, POSTGRESQL),
    "price_as_float": (float, set()),
    "share": (Decimal, set()),
    "weight": (float | None, POSTGRESQL),
    "flag": (bool, EVERYWHERE),
    "moment": (dt.datetime, EVERYWHERE),
    "zoned": (dt.datetime, {"sqlite", "postgresql"}),
    "utc": (dt.datetime, set()),
    "day": (dt.date, EVERYWHERE),
    "hour": (dt.time, EVERYWHERE),
    "span": (dt.timedelta, set()),
    "key": (uuid.UUID, EVERYWHERE),
    "key_text": (str, EVERYWHERE),
    "color": (Color, EVERYWHERE),
    "word": (Word, EVERYWHERE),
    "size": (Size, EVERYWHERE),
    "ratio": (Ratio, set()),
    "name": (str, EVERYWHERE),
    "blob": (bytes, set()),
    "data": (dict[str, Any], set()),
    "title_length": (int, set()),
    "heading": (str, set()),
    "child_count": (int, EVERYWHERE),
    "any_child": (bool, EVERYWHERE),
    "numbers": (int, EVERYWHERE),
    "costs": (Decimal, set()),
    "mean": (float | None, POSTGRESQL),
    "least": (int | None, EVERYWHERE),
    "dearest": (Decimal | None, POSTGRESQL),
    "beginning": (str, set()),
}
"""The type of each field, and where the single strategy writes it."""


def kinds(text: bytes) -> str:
    """A JSON text after parsing, so that 1 and 1.0 differ."""
    return repr(json.loads(text))


@pytest.mark.parametrize("module_database_url", EVERY_DRIVER, indirect=True)
@pytest.mark.parametrize("name", FIELDS)
async def test_a_type_is_written_as_pydantic_writes_it_or_refused(db: Database, name: str):
    kind, written = FIELDS[name]
    view = create_model("View", **{name: kind})
    async with db.scope() as scope:
        parents = ParentRepository(scope)
        if driver_of(db) in written:
            with assert_statements(1, db):
                found = await parents.find_json(view, strategy="single")
            assert kinds(found) == kinds(await parents.find_json(view, strategy="batched"))
        else:
            with pytest.raises(StrategyRefused, match=f"View.{name}"):
                await parents.find_json(view, strategy="single")


class Base(DeclarativeBase):
    pass


class Value(Base):
    """What PostgreSQL has, and what other programs may leave in a table."""

    __tablename__ = "value"

    id: Mapped[int] = mapped_column(primary_key=True)
    fine: Mapped[Decimal | None] = mapped_column(sa.Numeric(30, 12))
    double: Mapped[float | None] = mapped_column(sa.Double())
    moment: Mapped[dt.datetime | None] = mapped_column(sa.DateTime())
    zoned: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    day: Mapped[dt.date | None] = mapped_column(sa.Date())
    hour: Mapped[dt.time | None] = mapped_column(sa.Time())
    text: Mapped[str | None] = mapped_column(sa.Text())
    key: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid())


class ValueRepository(Repository[Value]):
    default_order = (Value.id,)


KINDS: dict[str, Any] = {
    "fine": Decimal, "double": float, "moment": dt.datetime, "zoned": dt.datetime, "day": dt.date, "hour": dt.time,
    "text": str, "key": uuid.UUID,
}  # fmt: skip

WRITTEN = [
    ("fine", "0.000000000001"), ("fine", "0.000000999999"), ("fine", "0.000001000000"), ("fine", "0.000000000000"),
    ("fine", "-0.000000012300"), ("fine", "100000000.000000000000"), ("fine", "120000"), ("fine", "-0.1"),
    ("double", "1"), ("double", "-0"), ("double", "999999999999999"), ("double", "1e15"), ("double", "1e16"),
    ("double", "1.7976931348623157e308"), ("double", "5e-324"), ("double", "0.1"), ("double", "123456789.25"),
    ("double", "NaN"), ("double", "Infinity"), ("double", "-Infinity"), ("double", "-3"), ("double", "1e-5"),
    ("moment", "0001-01-01"), ("moment", "9999-12-31 23:59:59.999999"), ("moment", "2020-02-29 01:02:03.1"),
    ("moment", "2020-02-29 01:02:03"), ("moment", "infinity"), ("moment", "-infinity"), ("zoned", "infinity"),
    ("zoned", "-infinity"), ("day", "infinity"), ("day", "-infinity"), ("zoned", "2020-02-29 23:02:03.12+05:30"), ("zoned", "1969-12-31 23:59:59.5Z"),
    ("day", "0001-01-01"), ("day", "9999-12-31"), ("hour", "00:00"), ("hour", "23:59:59.9"), ("hour", "01:02:03.000001"),
    ("text", "'"), ("text", "%s %(a)s %% :a ? $1 \\"), ("text", '"\b\f\n\r\t\x01\x1f\x7f\u2028\U0001f600'),
    ("key", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
]  # fmt: skip


@pytest.fixture
async def values(postgres_url: str) -> AsyncIterator[Database]:
    engine = create_async_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with Database(engine, repositories=[ValueRepository]) as made:
        yield made
    await engine.dispose()


async def put(engine: AsyncEngine, column: str, texts: list[str]) -> None:
    """Store texts as they are, past SQLAlchemy."""
    async with engine.begin() as connection:
        await connection.execute(sa.delete(Value))
        kind = Value.__table__.c[column].type
        for i, text in enumerate(texts, 1):
            value = sa.cast(sa.cast(sa.literal(text, sa.Text()), sa.Text()), kind)
            stored = value if engine.dialect.name == "postgresql" else sa.literal(text, sa.Text())
            await connection.execute(
                sa.insert(Value.__table__).from_select(["id", column], sa.select(i, stored))
            )


@pytest.mark.parametrize("column", KINDS)
async def test_values_at_the_edges_of_a_type(values: Database, column: str):
    await put(values.engine, column, [text for name, text in WRITTEN if name == column])
    view = create_model("View", **{column: KINDS[column] | None})
    async with values.scope() as scope:
        rows = ValueRepository(scope)
        with assert_statements(1, values):
            found = await rows.find_json(view, strategy="single")
        assert kinds(found) == kinds(await rows.find_json(view, strategy="batched"))


async def test_what_python_has_not_is_read_again_by_the_batched_strategy(postgres_url: str):
    """So that it is refused as it always was."""
    engine = create_async_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with Database(engine, repositories=[ValueRepository]) as db:
        for column, text in (("fine", "NaN"), ("day", "0044-03-15 BC"), ("moment", "20000-01-01")):
            await put(engine, column, [text])
            view = create_model("View", **{column: KINDS[column] | None})
            for strategy in ("single", "batched"):
                async with db.scope() as scope:
                    with pytest.raises((ValueError, OverflowError)):
                        await ValueRepository(scope).find_json(view, strategy=strategy)
    await engine.dispose()


async def test_what_the_driver_cannot_read_is_its_error(values: Database):
    await put(values.engine, "hour", ["24:00"])
    view = create_model("View", hour=dt.time | None)
    async with values.scope() as scope:
        with pytest.raises(ValueError, match="hour must be in"):
            await ValueRepository(scope).find_json(view, strategy="single")


async def test_what_others_have_stored_in_sqlite_is_read_again_by_the_batched_strategy(sqlite_url: str):
    """A form that is not SQLAlchemy's own, which it can read all the same."""
    engine = create_async_engine(sqlite_url)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with Database(engine, repositories=[ValueRepository]) as db:
        for column, text, statements in (
            ("moment", "2020-01-01 00:00:00", 2),
            ("moment", "2020-01-01 00:00:00.500000", 1),
            ("hour", "01:02:03", 2),
            ("key", "A0EEBC999C0B4EF8BB6D6BB9BD380A11", 1),
            ("text", 'a"\x00b\x01\n', 1),
        ):
            await put(engine, column, [text])
            view = create_model("View", **{column: KINDS[column] | None})
            async with db.scope() as scope:
                rows = ValueRepository(scope)
                with assert_statements(statements, db):
                    found = await rows.find_json(view, strategy="single")
                assert kinds(found) == kinds(await rows.find_json(view, strategy="batched")), text
    await engine.dispose()


async def test_texts_do_not_depend_on_the_settings_of_the_session(values: Database):
    await put(values.engine, "zoned", ["2020-02-29 23:02:03.12+05:30"])
    view = create_model("View", zoned=dt.datetime | None)
    async with values.engine.begin() as connection:
        name = (await connection.execute(sa.text("SELECT current_database()"))).scalar_one()
        for setting in (
            "DateStyle = 'SQL, DMY'",
            "TimeZone = 'Asia/Kathmandu'",
            "IntervalStyle = 'iso_8601'",
        ):
            await connection.execute(sa.text(f'ALTER DATABASE "{name}" SET {setting}'))
    await values.engine.dispose()
    async with values.scope() as scope:
        found = await ValueRepository(scope).find_json(view, strategy="single")
    assert found == b'[{"zoned":"2020-02-29T17:32:03.120000Z"}]'
