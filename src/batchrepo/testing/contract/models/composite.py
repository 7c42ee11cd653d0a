"""Composite keys: foreign keys that may be half NULL, many-to-many, and keys that contain foreign keys."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKeyConstraint, Integer, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from batchrepo.testing.contract.models.base import Base

region_festival = Table(
    "region_festival",
    Base.metadata,
    Column("region_country", String, primary_key=True),
    Column("region_code", String, primary_key=True),
    Column("festival_year", Integer, primary_key=True),
    Column("festival_name", String, primary_key=True),
    ForeignKeyConstraint(["region_country", "region_code"], ["region.country", "region.code"]),
    ForeignKeyConstraint(["festival_year", "festival_name"], ["festival.year", "festival.name"]),
)
"""A composite key on either side, of different types."""


class Region(Base):
    """Two text columns as the key, so that joining their values into one text would confuse rows."""

    __tablename__ = "region"

    country: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]

    cities: Mapped[list[City]] = relationship(
        back_populates="region", order_by=lambda: (City.name.desc(), City.id)
    )
    festivals: Mapped[list[Festival]] = relationship(secondary=region_festival, back_populates="regions")


class City(Base):
    """Its foreign key names the columns in another order than the primary key; either half may be NULL."""

    __tablename__ = "city"
    __table_args__ = (ForeignKeyConstraint(["region_code", "country"], ["region.code", "region.country"]),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    region_code: Mapped[str | None]
    country: Mapped[str | None]

    region: Mapped[Region | None] = relationship(back_populates="cities")


class Festival(Base):
    """A key of a number and a text."""

    __tablename__ = "festival"

    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    visitors: Mapped[int | None]

    regions: Mapped[list[Region]] = relationship(
        secondary=region_festival, back_populates="festivals", order_by=lambda: (Region.label, Region.country)
    )


class SalesOrder(Base):
    """A key that begins with a tenant."""

    __tablename__ = "sales_order"

    tenant: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str]

    lines: Mapped[list[OrderLine]] = relationship(
        back_populates="order", order_by=lambda: (OrderLine.position.desc(),)
    )


class OrderLine(Base):
    """Its primary key contains the foreign key."""

    __tablename__ = "order_line"
    __table_args__ = (
        ForeignKeyConstraint(["tenant", "number"], ["sales_order.tenant", "sales_order.number"]),
    )

    tenant: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    article: Mapped[str]

    order: Mapped[SalesOrder] = relationship(back_populates="lines")
