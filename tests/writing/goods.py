"""Tables to write many rows to: every type, every kind of default, keys of every kind, versions, partial indexes."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from batchrepo import Database, Repository, expression, match, predicate
from batchrepo.testing.contract.models.base import UtcDateTime


class Base(DeclarativeBase):
    """Of the goods."""


class Color(enum.Enum):
    """Names differ from values."""

    RED = "r"
    BLUE = "b"


class Reversed(TypeDecorator[str]):
    """Text that is stored backwards, so that a way past its processors is noticed."""

    impl = sa.String(10)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else value[::-1]

    def process_result_value(self, value, dialect):
        return None if value is None else value[::-1]


class Shouted(TypeDecorator[str]):
    """Text with SQL around it."""

    impl = sa.String
    cache_ok = True

    def bind_expression(self, bindvalue):
        return sa.func.upper(bindvalue)


class Sample(Base):
    """A column of each type."""

    __tablename__ = "sample"

    id: Mapped[int] = mapped_column(primary_key=True)
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    big: Mapped[int | None] = mapped_column(sa.BigInteger)
    text: Mapped[str | None] = mapped_column("a text", sa.Text)
    short: Mapped[str | None] = mapped_column(sa.String(40))
    fixed: Mapped[str | None] = mapped_column(sa.CHAR(5))
    flag: Mapped[bool | None]
    number: Mapped[float | None]
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    day: Mapped[dt.date | None]
    at: Mapped[dt.datetime | None]
    zoned: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    time: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    code: Mapped[uuid.UUID | None]
    code_text: Mapped[str | None] = mapped_column(sa.Uuid(as_uuid=False))
    data: Mapped[bytes | None]
    color: Mapped[Color | None]
    plain_color: Mapped[Color | None] = mapped_column(sa.Enum(Color, native_enum=False))
    word: Mapped[str | None] = mapped_column(sa.Enum("yes", "no", name="word"))
    doc: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    binary_doc: Mapped[Any] = mapped_column(
        sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"),
        nullable=True,
    )
    moment: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    backwards: Mapped[str | None] = mapped_column(Reversed)


SAMPLE: list[dict[str, Any]] = [
    {
        "small": 32_767,
        "big": 2**63 - 1,
        "text": "é 漢字 🎵\ttab\nline \\N \"quoted\", 'single' {brace}",
        "short": "",
        "fixed": "ab",
        "flag": True,
        "number": 0.1,
        "price": Decimal("12345678.90"),
        "day": dt.date(2024, 2, 29),
        "at": dt.datetime(2024, 2, 29, 23, 59, 59, 999999),
        "zoned": dt.datetime(2024, 2, 29, 23, 59, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30))),
        "time": dt.time(23, 59, 59, 1),
        "span": dt.timedelta(days=3, microseconds=7),
        "code": uuid.UUID(int=2**128 - 1),
        "code_text": str(uuid.UUID(int=77)),
        "data": bytes(range(256)),
        "color": Color.RED,
        "plain_color": Color.BLUE,
        "word": "no",
        "doc": {"a": [1, 2.5, None, "é"], "b": {"c": True}},
        "binary_doc": ["x", {"y": None}],
        "moment": dt.datetime(2024, 2, 29, 23, 59, tzinfo=dt.timezone(dt.timedelta(hours=-8))),
        "backwards": "desserts",
    },
    {
        "small": -32_768,
        "big": -(2**63),
        "text": "",
        "short": "NULL",
        "fixed": "abcde",
        "flag": False,
        "number": -1e300,
        "price": Decimal("-0.01"),
        "day": dt.date(1, 1, 1),
        "at": dt.datetime(1999, 12, 31),
        "zoned": dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        "time": dt.time(0),
        "span": dt.timedelta(0),
        "code": uuid.UUID(int=0),
        "code_text": str(uuid.UUID(int=0)),
        "data": b"",
        "color": Color.BLUE,
        "plain_color": Color.RED,
        "word": "yes",
        "doc": "text",
        "binary_doc": 7,
        "moment": dt.datetime(1970, 1, 1, tzinfo=dt.UTC),
        "backwards": "",
    },
]
SAMPLE.append(dict.fromkeys(SAMPLE[0]))


class Shout(Base):
    """A type that only SQLAlchemy's own execution can write."""

    __tablename__ = "shout"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(Shouted)


_numbers = iter(range(10**9))


class Defaulted(Base):
    """A default of each kind."""

    __tablename__ = "defaulted"

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(unique=True)
    value: Mapped[int | None] = mapped_column(default=3)
    made: Mapped[str | None] = mapped_column(default=lambda: "made")
    sql: Mapped[int | None] = mapped_column(default=sa.literal_column("20 + 1"))
    server: Mapped[str | None] = mapped_column(server_default="by the server")
    changed: Mapped[str | None] = mapped_column(onupdate=lambda: "changed")
    changed_sql: Mapped[int | None] = mapped_column(onupdate=sa.literal_column("40 + 2"))
    doc: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    plain: Mapped[int | None]


class Contextual(Base):
    """A default that needs SQLAlchemy's execution context."""

    __tablename__ = "contextual"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    slug: Mapped[str] = mapped_column(
        default=lambda context: context.get_current_parameters()["name"].lower()
    )


class Keyed(Base):
    """A key that Python makes."""

    __tablename__ = "keyed"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str]


class Pair(Base):
    """A key of two columns, both given."""

    __tablename__ = "pair"

    left: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    right: Mapped[str] = mapped_column(primary_key=True)
    note: Mapped[str | None]


class Stock(Base):
    """A version; unique by two columns, by one where it is active, and by one that may be NULL."""

    __tablename__ = "stock"
    __table_args__ = (
        sa.UniqueConstraint("shop", "item"),
        sa.Index(
            "one_active",
            "code",
            unique=True,
            postgresql_where=sa.text("active"),
            sqlite_where=sa.text("active"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop: Mapped[int]
    item: Mapped[str | None]
    code: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    amount: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(nullable=False)

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Animal(Base):
    """A single table for three classes."""

    __tablename__ = "animal"

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]

    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012


class Dog(Animal):
    """Of the same table."""

    bark: Mapped[str | None] = mapped_column()

    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012


class Cat(Animal):
    """Of the same table."""

    __mapper_args__ = {"polymorphic_identity": "cat"}  # noqa: RUF012


class Note(Base):
    """Of tenants."""

    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    ref: Mapped[str] = mapped_column(unique=True)
    text: Mapped[str | None]


class Total(Base):
    """The database computes, and gives identities."""

    __tablename__ = "total"

    id: Mapped[int] = mapped_column(sa.Identity(start=100), primary_key=True)
    price: Mapped[int]
    double: Mapped[int] = mapped_column(sa.Computed("price * 2"))


class SampleRepository(Repository[Sample]):
    pass


class ShoutRepository(Repository[Shout]):
    pass


class DefaultedRepository(Repository[Defaulted]):
    pass


class ContextualRepository(Repository[Contextual]):
    pass


class KeyedRepository(Repository[Keyed]):
    pass


class PairRepository(Repository[Pair]):
    pass


class StockRepository(Repository[Stock]):
    pass


class AnimalRepository(Repository[Animal]):
    pass


class DogRepository(Repository[Dog]):
    pass


class NoteRepository(Repository[Note]):
    criteria = (
        match(Note.tenant, lambda context: context),
        predicate(sa.or_(Note.text.is_(None), Note.text != "secret"), name="public"),
    )


class TotalRepository(Repository[Total]):
    quadruple = expression(Total.double * 2)


REPOSITORIES = (
    SampleRepository,
    ShoutRepository,
    DefaultedRepository,
    ContextualRepository,
    KeyedRepository,
    PairRepository,
    StockRepository,
    AnimalRepository,
    DogRepository,
    NoteRepository,
    TotalRepository,
)


class DefaultedView(BaseModel):
    id: int
    ref: str
    value: int | None
    server: str | None


class StockView(BaseModel):
    id: int
    shop: int
    item: str | None
    amount: int
    version: int


@dataclasses.dataclass
class DefaultedData:
    ref: str
    plain: int


class DefaultedIn(BaseModel):
    ref: str
    plain: int | None = None
    value: int | None = None


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[Database]:
    """The goods in an empty database."""
    async with Database(url, repositories=REPOSITORIES, **options) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield db
        assert db.engine.sync_engine.pool.checkedout() == 0, "a connection was not returned"


async def everything(
    db: Database, entity: type[Any], *, without: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """The rows of a table as SQLAlchemy reads them, in the order of their keys."""
    table: Any = entity.__table__
    statement = sa.select(*(column for column in table.c if column.key not in without))
    async with db.engine.connect() as connection:
        rows = await connection.execute(statement.order_by(*table.primary_key.columns))
        return [dict(row) for row in rows.mappings()]


async def emptied(db: Database, entity: type[Any]) -> None:
    async with db.engine.begin() as connection:
        await connection.execute(sa.delete(entity))
