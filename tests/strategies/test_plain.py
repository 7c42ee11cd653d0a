"""Where the short way to JSON and Pydantic's way part, on data and schemas that only some databases have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ValidationError, create_model
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from batchrepo import Database, Repository
from tests.strategies.every_type import Parent, ParentRepository, fill


class PriceView(BaseModel):
    title: str
    price: Decimal


async def test_a_decimal_that_is_no_number_is_refused_as_pydantic_refuses_it(postgres_url: str):
    """PostgreSQL's NaN; the text NaN, which the rows have too, is nothing special."""
    engine = create_async_engine(postgres_url)
    await fill(engine)
    async with engine.begin() as connection:
        await connection.execute(sa.update(Parent).where(Parent.id == 1).values(price=Decimal("NaN")))
    db = Database(engine, repositories=[ParentRepository], views=[PriceView])
    assert is_plain(db, ParentRepository, PriceView)
    async with db.scope() as scope:
        parents = ParentRepository(scope)
        assert await parents.find_json(PriceView, Parent.id == 7) == b'[{"title":"NaN","price":"4.6000"}]'
        with pytest.raises(ValidationError):
            await parents.find_json(PriceView)
    await engine.dispose()


def is_plain(db: Database, repository: type[Repository[Any]], view: type[BaseModel]) -> bool:
    info = db.reading.catalog.by_class[repository]
    return db.reading.views(view, info.entity, info)[0].plain


class Base(DeclarativeBase):
    pass


class OwnInteger(sa.Integer):
    """A type of the user's own, which may give anything."""

    def result_processor(self, dialect: Any, coltype: Any) -> Any:
        return lambda value: f"number {value}"


class Left(Base):
    __tablename__ = "left"

    id: Mapped[int] = mapped_column(primary_key=True)
    own: Mapped[str] = mapped_column(OwnInteger)
    varied: Mapped[str] = mapped_column(sa.String().with_variant(OwnInteger(), "sqlite"))


class Right(Base):
    __tablename__ = "right"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Both(Base):
    """Mapped to an outer join: the right side may be NULL although its table says otherwise."""

    __table__ = sa.outerjoin(Left.__table__, Right.__table__, Left.__table__.c.id == Right.__table__.c.id)
    id = column_property(Left.__table__.c.id, Right.__table__.c.id)
    name = Right.__table__.c.name


class LeftRepository(Repository[Left]):
    pass


class BothRepository(Repository[Both]):
    pass


async def test_columns_of_an_outer_join_may_be_null(engine: AsyncEngine):
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(sa.insert(Left), [{"id": 1, "own": 1, "varied": "1"}])
    view = create_model("View", name=str)
    db = Database(engine, repositories=[BothRepository], views=[view])
    assert not is_plain(db, BothRepository, view)
    async with db.scope() as scope:
        with pytest.raises(ValidationError):
            await BothRepository(scope).find_json(view)
        assert (
            await BothRepository(scope).find_json(create_model("View", name=str | None)) == b'[{"name":null}]'
        )


@pytest.mark.parametrize(("name", "kind"), [("own", int), ("varied", str)])
def test_types_of_the_users_own_are_not_known(name: str, kind: type):
    db = Database("sqlite+aiosqlite://", repositories=[LeftRepository])
    assert is_plain(db, LeftRepository, create_model("View", id=int))
    assert not is_plain(db, LeftRepository, create_model("View", **{name: kind}))
