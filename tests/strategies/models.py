"""Shops with sales: what computed attributes must get right. Ties, NULLs, an unindexed key, links that repeat."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import BigInteger, Column, ForeignKey, ForeignKeyConstraint, Integer, Numeric, Table
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Repository, average, count, earliest, exists, latest, maximum, minimum, top, total


class Base(AsyncAttrs, DeclarativeBase):
    """The declarative base of these tests."""


favourite = Table(
    "favourite",
    Base.metadata,
    Column("shop_id", Integer, ForeignKey("shop.id")),
    Column("customer_id", Integer, ForeignKey("customer.id")),
)
"""No key: a pair may be linked twice."""


class Shop(Base):
    __tablename__ = "shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    sales: Mapped[list[Sale]] = relationship(back_populates="shop", viewonly=True)
    slow_sales: Mapped[list[Sale]] = relationship(
        primaryjoin="Shop.id == foreign(Sale.unindexed_shop_id)", viewonly=True
    )
    customers: Mapped[list[Customer]] = relationship(secondary=favourite, viewonly=True)


class Sale(Base):
    __tablename__ = "sale"

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("shop.id"), index=True)
    unindexed_shop_id: Mapped[int | None]
    pieces: Mapped[int | None]
    grams: Mapped[int] = mapped_column(BigInteger)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    weight: Mapped[float]
    shop: Mapped[Shop | None] = relationship(viewonly=True)


class Customer(Base):
    __tablename__ = "customer"

    id: Mapped[int] = mapped_column(primary_key=True)
    age: Mapped[int]


class Room(Base):
    """A parent with a composite key."""

    __tablename__ = "room"

    house: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    chairs: Mapped[list[Chair]] = relationship(viewonly=True)


class Chair(Base):
    __tablename__ = "chair"
    __table_args__ = (ForeignKeyConstraint(["house", "number"], ["room.house", "room.number"]),)

    id: Mapped[int] = mapped_column(primary_key=True)
    house: Mapped[int | None]
    number: Mapped[int | None]
    legs: Mapped[int]


class ShopRepository(Repository[Shop]):
    sale_count = count(Shop.sales)
    big_sales = count(Shop.sales, where=Sale.grams > 50)
    has_sales = exists(Shop.sales)
    has_big_sales = exists(Shop.sales, where=Sale.grams > 50)
    pieces = total(Shop.sales, Sale.pieces)
    grams = total(Shop.sales, Sale.grams)
    income = total(Shop.sales, Sale.price)
    big_income = total(Shop.sales, Sale.price, where=(Sale.grams > 50, Sale.pieces.is_not(None)))
    fewest = minimum(Shop.sales, Sale.pieces)
    dearest = maximum(Shop.sales, Sale.price)
    mean_pieces = average(Shop.sales, Sale.pieces)
    mean_weight = average(Shop.sales, Sale.weight)
    customer_count = count(Shop.customers)
    customer_age = total(Shop.customers, Customer.age)
    old_customers = count(Shop.customers, where=Customer.age > 40)
    two_dearest = top(Shop.sales, 2, order_by=Sale.price.desc())
    two_dearest_slow = top(Shop.slow_sales, 2, order_by=Sale.price.desc())
    two_of_many = top(Shop.sales, 2, where=Sale.grams > 50)
    most_pieces = latest(Shop.sales, by=Sale.pieces)
    fewest_pieces = earliest(Shop.sales, by=Sale.pieces)
    youngest_two = top(Shop.customers, 2, order_by=Customer.age)


class RoomRepository(Repository[Room]):
    chair_count = count(Room.chairs)
    legs = total(Room.chairs, Chair.legs)
    first_chair = top(Room.chairs, 1)


class SaleRepository(Repository[Sale]):
    """For conditions on sales."""


REPOSITORIES = [ShopRepository, RoomRepository, SaleRepository]
