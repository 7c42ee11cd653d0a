"""What can be written in every way: unique and foreign keys, checks, defaults, a version, a tenant, natural keys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Header
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Repository, count, match, predicate
from batchrepo.integrations.fastapi import install, lifespan, resource


class Base(DeclarativeBase):
    """Of the shelf."""


class Label(Base):
    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    records: Mapped[list[Record]] = relationship(back_populates="label", order_by="Record.id")


class Record(Base):
    __tablename__ = "record"
    __table_args__ = (CheckConstraint("price >= 0", name="price_is_positive"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    ref: Mapped[str] = mapped_column(String(20), unique=True)
    title: Mapped[str] = mapped_column(String(40))
    price: Mapped[int] = mapped_column(default=10)
    stock: Mapped[int] = mapped_column(server_default="7")
    note: Mapped[str | None] = mapped_column(String(200))
    label_id: Mapped[int] = mapped_column(ForeignKey("label.id"), index=True)
    label: Mapped[Label] = relationship(back_populates="records")


class Counter(Base):
    __tablename__ = "counter"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Paper(Base):
    __tablename__ = "paper"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(String(10))
    text: Mapped[str] = mapped_column(String(40))


class Country(Base):
    __tablename__ = "country"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(40))


class Seat(Base):
    __tablename__ = "seat"

    row: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    taken: Mapped[bool] = mapped_column(default=False)


class LabelRepository(Repository[Label]):
    record_count = count(Label.records)


class RecordRepository(Repository[Record]):
    pass


class CounterRepository(Repository[Counter]):
    pass


class PaperRepository(Repository[Paper]):
    criteria = (
        match(Paper.tenant, lambda tenant: tenant),
        predicate(Paper.text != "secret", name="no secrets"),
    )


class CountryRepository(Repository[Country]):
    pass


class SeatRepository(Repository[Seat]):
    pass


REPOSITORIES = (
    LabelRepository,
    RecordRepository,
    CounterRepository,
    PaperRepository,
    CountryRepository,
    SeatRepository,
)


class LabelName(BaseModel):
    id: int
    name: str


class LabelCreate(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=40)]


class RecordView(BaseModel):
    id: int
    ref: str
    title: str
    price: int
    stock: int
    note: str | None
    label: LabelName


class RecordCreate(BaseModel):
    """A new record."""

    model_config = ConfigDict(extra="forbid")

    ref: Annotated[str, Field(min_length=1, max_length=20, examples=["r9"])]
    title: Annotated[str, Field(max_length=40)]
    price: int = 12
    stock: Annotated[int | None, Field(ge=-(2**31), lt=2**31)] = None
    note: Annotated[str | None, Field(max_length=200)] = None
    label_id: int


class RecordUpdate(BaseModel):
    """What may be changed of a record."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str | None, Field(max_length=40)] = None
    price: int | None = None
    note: Annotated[str | None, Field(max_length=200)] = None
    label_id: int | None = None


class CounterView(BaseModel):
    id: int
    value: int
    version: int


class CounterValue(BaseModel):
    value: int


class PaperView(BaseModel):
    id: int
    text: str


class PaperCreate(BaseModel):
    text: Annotated[str, Field(max_length=40)]
    tenant: Annotated[str | None, Field(max_length=10)] = None


class PaperUpdate(BaseModel):
    text: str | None = None
    tenant: str | None = None


class CountryView(BaseModel):
    code: str
    name: str


class CountryUpdate(BaseModel):
    name: Annotated[str, Field(max_length=40)]


class CountryCreate(CountryUpdate):
    code: Annotated[str, Field(min_length=2, max_length=2)]


class SeatView(BaseModel):
    row: int
    number: int
    taken: bool


class SeatUpdate(BaseModel):
    taken: bool


EVERY = ("list", "one", "many", "count", "create", "update", "delete", "bulk")

RECORDS: dict[str, Any] = {
    "view": RecordView,
    "prefix": "/records",
    "operations": EVERY,
    "create": RecordCreate,
    "update": RecordUpdate,
    "upsert_on": Record.ref,
    "dry_run": True,
}


def routers() -> list[APIRouter]:
    return [
        resource(LabelRepository, view=LabelName, prefix="/labels", create=LabelCreate),
        resource(RecordRepository, **RECORDS),
        resource(
            CounterRepository,
            view=CounterView,
            prefix="/counters",
            operations=EVERY,
            create=CounterValue,
            update=CounterValue,
            require_if_match=True,
        ),
        resource(
            PaperRepository,
            view=PaperView,
            prefix="/papers",
            operations=EVERY,
            create=PaperCreate,
            update=PaperUpdate,
        ),
        resource(
            CountryRepository,
            view=CountryView,
            prefix="/countries",
            operations=EVERY,
            create=CountryCreate,
            update=CountryUpdate,
        ),
        resource(
            SeatRepository,
            view=SeatView,
            prefix="/seats",
            operations=("one", "update", "delete", "bulk"),
            update=SeatUpdate,
        ),
    ]


async def tenant(x_tenant: Annotated[str, Header()] = "a") -> str:
    return x_tenant


def application(database: Database, *more: APIRouter) -> FastAPI:
    @asynccontextmanager
    async def filled(_app: FastAPI) -> AsyncIterator[None]:
        await fill(database)
        yield

    app = FastAPI(lifespan=lifespan(database, filled))
    install(app, database, context=tenant)
    for router in more or routers():
        app.include_router(router)
    return app


async def fill(database: Database) -> None:
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(database.engine) as session, session.begin():
        session.add_all(
            [
                Label(name="rock", records=[Record(ref=f"r{n}", title=f"Record {n}") for n in (1, 2, 3)]),
                Label(name="jazz"),
                *(Counter(value=n) for n in (1, 2)),
                *(Paper(tenant=who, text=f"{who} {n}") for who in "ab" for n in (1, 2)),
                Country(code="CH", name="Switzerland"),
                *(Seat(row=1, number=n) for n in (1, 2)),
            ]
        )
