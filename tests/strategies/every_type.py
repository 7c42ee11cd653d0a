"""A parent with a column of every type and its children, and rows with the values that are awkward to write."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship, synonym

from batchrepo import Repository, average, count, exists, expression, latest, maximum, minimum, top, total
from batchrepo.testing.contract.models.base import UtcDateTime


class Base(DeclarativeBase):
    pass


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Word(str, enum.Enum):  # noqa: UP042  as many models have it
    YES = "y"
    NO = "n"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Ratio(enum.Enum):
    HALF = 0.5
    WHOLE = 1.0


class Parent(Base):
    __tablename__ = "parent"

    id: Mapped[int] = mapped_column(primary_key=True)
    big: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer(), "sqlite"))
    title: Mapped[str] = mapped_column()
    code: Mapped[str] = mapped_column(sa.CHAR(3))
    note: Mapped[str | None] = mapped_column()
    price: Mapped[Decimal] = mapped_column(sa.Numeric(20, 4))
    price_as_float: Mapped[float] = mapped_column(sa.Numeric(10, 2, asdecimal=False))
    share: Mapped[Decimal] = mapped_column(sa.Float(asdecimal=True))
    weight: Mapped[float | None] = mapped_column()
    flag: Mapped[bool]
    moment: Mapped[dt.datetime]
    zoned: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    utc: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    day: Mapped[dt.date]
    hour: Mapped[dt.time]
    span: Mapped[dt.timedelta]
    key: Mapped[uuid.UUID]
    key_text: Mapped[str] = mapped_column(sa.Uuid(as_uuid=False))
    color: Mapped[Color]
    word: Mapped[Word]
    size: Mapped[Size]
    ratio: Mapped[Ratio]
    name: Mapped[str] = mapped_column(sa.Enum("x", "y", name="xy"))
    blob: Mapped[bytes]
    data: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    title_length: Mapped[int] = column_property(sa.func.length(title))
    note_length: Mapped[int] = column_property(sa.func.length(note))

    children: Mapped[list[Child]] = relationship(order_by=lambda: Child.id, back_populates="parent")
    heading = synonym("title")

    @hybrid_property
    def twice(self) -> int:
        return self.id * 2


class Child(Base):
    __tablename__ = "child"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int | None]
    cost: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    name: Mapped[str]
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parent.id"))

    parent: Mapped[Parent] = relationship(back_populates="children")


class ParentRepository(Repository[Parent]):
    default_order = (Parent.id,)

    child_count = count(Parent.children)
    any_child = exists(Parent.children, where=Child.number > 1)
    numbers = total(Parent.children, Child.number)
    costs = total(Parent.children, Child.cost)
    mean = average(Parent.children, Child.number)
    least = minimum(Parent.children, Child.number)
    dearest = maximum(Parent.children, Child.cost)
    first_two = top(Parent.children, 2, order_by=Child.number.desc())
    newest = latest(Parent.children, by=Child.number)
    beginning = expression(sa.func.substr(Parent.title, 1, 1))


class ChildRepository(Repository[Child]):
    pass


EAST = dt.timezone(dt.timedelta(hours=5, minutes=30))

TEXTS = ["a", "é\u2028\u2029", "\U0001f600", "</script>&<>", '\x1f"\\/\n\t\x7f', "", "NaN"]


def parent_rows(dialect: str) -> list[dict[str, Any]]:
    """Seven rows; SQLite stores NaN as NULL."""
    weights = [1.0, None if dialect == "sqlite" else float("nan"), float("inf"), -0.0, None, 1e300, 1e-7]
    return [
        {
            "id": i + 1,
            "big": (-1) ** i * 2**62 + i,
            "title": text,
            "code": f"c{i}",
            "note": [None, *TEXTS][i],
            "price": Decimal("1.10") * i - 2,
            "price_as_float": float(i * 5),
            "share": Decimal(i) / 4,
            "weight": weights[i],
            "flag": bool(i % 2),
            "moment": dt.datetime(2020 - 300 * i, 1, 1, 0, 0, 0, i * 100),
            "zoned": dt.datetime(2020, 1, 1, i, tzinfo=dt.UTC if i % 2 else EAST),
            "utc": dt.datetime(2020, 1, 1, i, tzinfo=EAST),
            "day": dt.date(1 + 300 * i, 2, 28),
            "hour": dt.time(i, 2, 3, i),
            "span": dt.timedelta(days=i, seconds=0.5),
            "key": uuid.UUID(int=i),
            "key_text": str(uuid.UUID(int=i)),
            "color": Color.BLUE if i % 2 else Color.RED,
            "word": Word.NO if i % 2 else Word.YES,
            "size": Size.SMALL if i % 2 else Size.LARGE,
            "ratio": Ratio.HALF if i % 2 else Ratio.WHOLE,
            "name": "x" if i % 2 else "y",
            "blob": b"\x01a",
            "data": {"a": i, "b": [None, "ä"]},
        }
        for i, text in enumerate(TEXTS)
    ]


CHILD_ROWS = [
    {
        "id": i,
        "number": None if i % 4 == 0 else i % 3,
        "cost": Decimal(i) / 4,
        "name": f"k{i % 2}",
        "parent_id": 1 + i % 5,
    }
    for i in range(1, 16)
]
"""Fifteen rows; two parents have none."""


async def fill(engine: AsyncEngine) -> None:
    """Make the tables and their rows."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Parent), parent_rows(engine.dialect.name))
        await connection.execute(sa.insert(Child), CHILD_ROWS)
