"""What a computed attribute is for a parent without related rows, or with NULLs only: a value of its own type."""

from __future__ import annotations

from decimal import Decimal

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Repository, average, count, exists, maximum, total


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    sales: Mapped[list[Sale]] = relationship()


class Sale(Base):
    __tablename__ = "sale"

    id: Mapped[int] = mapped_column(primary_key=True)
    pieces: Mapped[int | None]
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    weight: Mapped[float | None]
    shop_id: Mapped[int] = mapped_column(sa.ForeignKey("shop.id"))


class ShopRepository(Repository[Shop]):
    sale_count = count(Shop.sales)
    any_sale = exists(Shop.sales)
    pieces = total(Shop.sales, Sale.pieces)
    doubled = total(Shop.sales, Sale.pieces * 2)
    takings = total(Shop.sales, Sale.price)
    weight = total(Shop.sales, Sale.weight)
    mean = average(Shop.sales, Sale.price)
    dearest = maximum(Shop.sales, Sale.price)


class ShopView(BaseModel):
    """Strict: a value of another type would be refused."""

    model_config = ConfigDict(strict=True)

    sale_count: int
    any_sale: bool
    pieces: int
    doubled: int
    takings: Decimal
    weight: float
    mean: float | None
    dearest: Decimal | None


@pytest.mark.parametrize("strategy", ["batched", "eager"])
async def test_values_of_no_rows_and_of_nulls_have_their_type(engine: AsyncEngine, strategy: str):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Shop), [{"id": 1}, {"id": 2}])
        await connection.execute(sa.insert(Sale), [{"id": 1, "shop_id": 2}])
    db = Database(engine, repositories=[ShopRepository], views=[ShopView])
    async with db.scope() as scope:
        shops = ShopRepository(scope)
        nothing = {
            "pieces": 0,
            "doubled": 0,
            "takings": Decimal(0),
            "weight": 0.0,
            "mean": None,
            "dearest": None,
        }
        assert [
            view.model_dump() for view in await shops.find(ShopView, order_by=Shop.id, strategy=strategy)
        ] == [
            {"sale_count": 0, "any_sale": False, **nothing},
            {"sale_count": 1, "any_sale": True, **nothing},
        ]


async def test_totals_of_entities_have_their_type(engine: AsyncEngine):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Shop), [{"id": 1}, {"id": 2}])
        await connection.execute(sa.insert(Sale), [{"id": 1, "shop_id": 2}])
    db = Database(engine, repositories=[ShopRepository])
    async with db.scope() as scope:
        for shop in await ShopRepository(scope).find():
            for computed, zero in (
                (ShopRepository.pieces, 0),
                (ShopRepository.doubled, 0),
                (ShopRepository.takings, Decimal(0)),
                (ShopRepository.weight, 0.0),
            ):
                found = await scope.related(shop, computed)
                assert (found, type(found)) == (zero, type(zero)), (shop.id, computed)
