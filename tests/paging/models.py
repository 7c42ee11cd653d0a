"""A store of items with a column of every type that rows can be sorted by, and relations of every shape.

Nearly all columns of `Item` may be NULL, and its key's column has another name than its attribute.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship
from sqlalchemy.types import TypeDecorator

from batchrepo import Repository, average, column, count, exists, expression, latest, maximum, total
from batchrepo.testing.contract.models.base import UtcDateTime


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Shade(enum.Enum):
    """Declared in another order than that of its names and values."""

    MIDDLE = "m"
    DARK = "d"
    LIGHT = "l"


class Cents(TypeDecorator[Decimal]):
    """Money that is stored as a number of cents."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Any) -> int | None:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | None, dialect: Any) -> Decimal | None:
        return None if value is None else Decimal(value) / 100


item_label = sa.Table(
    "item_label",
    Base.metadata,
    sa.Column("item_no", sa.ForeignKey("item.item_no"), primary_key=True),
    sa.Column("label_id", sa.ForeignKey("label.id"), primary_key=True, index=True),
)

item_seen = sa.Table(
    "item_seen",
    Base.metadata,
    sa.Column("item_no", sa.ForeignKey("item.item_no"), index=True),
    sa.Column("label_id", sa.ForeignKey("label.id"), index=True),
)
"""Without a key: a pair may be linked twice."""


class Maker(Base):
    __tablename__ = "maker"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None]
    rating: Mapped[int | None]

    items: Mapped[list[Item]] = relationship(back_populates="maker", order_by=lambda: Item.rank)


class Label(Base):
    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None]

    items: Mapped[list[Item]] = relationship(secondary=item_label, back_populates="labels")
    seen: Mapped[list[Item]] = relationship(secondary=item_seen, back_populates="seen_as")


class Item(Base):
    __tablename__ = "item"

    id: Mapped[int] = mapped_column("item_no", sa.BigInteger, primary_key=True, autoincrement=False)
    rank: Mapped[int] = mapped_column(sa.SmallInteger)
    title: Mapped[str] = mapped_column()
    number: Mapped[int | None] = mapped_column(sa.BigInteger)
    note: Mapped[str | None] = mapped_column(sa.Text)
    code: Mapped[str | None] = mapped_column(sa.CHAR(4))
    ratio: Mapped[float | None]
    single: Mapped[float | None] = mapped_column(sa.REAL)
    share: Mapped[Decimal | None] = mapped_column(sa.Float(asdecimal=True))
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(38, 10))
    plain_price: Mapped[float | None] = mapped_column(sa.Numeric(12, 2, asdecimal=False))
    cents: Mapped[Decimal | None] = mapped_column(Cents)
    flag: Mapped[bool | None]
    day: Mapped[dt.date | None]
    moment: Mapped[dt.datetime | None]
    zoned: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    utc: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    hour: Mapped[dt.time | None]
    zoned_hour: Mapped[dt.time | None] = mapped_column(sa.Time(timezone=True))
    span: Mapped[dt.timedelta | None]
    token: Mapped[uuid.UUID | None]
    token_text: Mapped[str | None] = mapped_column(sa.Uuid(as_uuid=False))
    raw: Mapped[bytes | None]
    shade: Mapped[Shade | None]
    word: Mapped[str | None] = mapped_column(sa.Enum("small", "large", "medium", name="word"))
    named_shade: Mapped[Shade | None] = mapped_column(sa.Enum(Shade, native_enum=False, name="named_shade"))
    maker_id: Mapped[int | None] = mapped_column(sa.ForeignKey("maker.id"), index=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("item.item_no"), index=True)
    data: Mapped[Any | None] = mapped_column(sa.JSON, deferred=True)

    title_length: Mapped[int] = column_property(sa.func.length(title))

    maker: Mapped[Maker | None] = relationship(back_populates="items")
    parent: Mapped[Item | None] = relationship(remote_side=lambda: Item.id, back_populates="children")
    children: Mapped[list[Item]] = relationship(back_populates="parent", order_by=lambda: Item.id)
    parts: Mapped[list[Part]] = relationship(back_populates="item", order_by="Part.weight.desc()")
    labels: Mapped[list[Label]] = relationship(
        secondary=item_label, back_populates="items", order_by=lambda: Label.name
    )
    seen_as: Mapped[list[Label]] = relationship(secondary=item_seen, back_populates="seen", order_by=Label.id)

    @hybrid_property
    def shout(self) -> str:
        return self.title + "!"


class Part(Base):
    """Has a composite key, and is the parent of `Screw` by it."""

    __tablename__ = "part"

    item_id: Mapped[int] = mapped_column(sa.ForeignKey("item.item_no"), primary_key=True, autoincrement=False)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    weight: Mapped[int | None]
    made: Mapped[dt.date | None]

    item: Mapped[Item] = relationship(back_populates="parts")
    screws: Mapped[list[Screw]] = relationship(
        back_populates="part", order_by="Screw.length.desc().nulls_last()"
    )


class Screw(Base):
    __tablename__ = "screw"
    __table_args__ = (
        sa.ForeignKeyConstraint(["item_id", "place"], ["part.item_id", "part.place"]),
        sa.Index("screw_part", "item_id", "place"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    item_id: Mapped[int | None] = mapped_column(sa.BigInteger)
    place: Mapped[int | None]
    length: Mapped[int | None]

    part: Mapped[Part | None] = relationship(back_populates="screws")


class MakerRepository(Repository[Maker]):
    item_count = count(Maker.items)


class LabelRepository(Repository[Label]):
    pass


class PartRepository(Repository[Part]):
    pass


class ScrewRepository(Repository[Screw]):
    pass


class ItemRepository(Repository[Item]):
    part_count = count(Item.parts)
    has_heavy = exists(Item.parts, where=Part.weight > 1)
    load = total(Item.parts, Part.weight)
    mean = average(Item.parts, Part.weight)
    heaviest = maximum(Item.parts, Part.weight)
    newest = latest(Item.parts, by=Part.made)
    half_title = expression(sa.func.substr(Item.title, 1, 1))
    maker_name = expression(column(Item.maker, Maker.name))

    default_order = (Item.number.desc().nulls_last(), Item.title)


REPOSITORIES = [MakerRepository, LabelRepository, PartRepository, ScrewRepository, ItemRepository]
