"""The keys of a resource's rows in paths and queries: composite ones, texts, UUIDs, dates, numbers."""

import datetime as dt
import enum
from decimal import Decimal
from uuid import UUID

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import ForeignKey, ForeignKeyConstraint, Numeric
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, DeclarationError, Repository
from batchrepo.integrations.fastapi import install, related, resource


class Base(DeclarativeBase):
    pass


class Line(Base):
    __tablename__ = "line"

    order_no: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]
    parts: Mapped[list["Part"]] = relationship(order_by="Part.id")


class Part(Base):
    __tablename__ = "part"
    __table_args__ = (ForeignKeyConstraint(["order_no", "product"], [Line.order_no, Line.product]),)

    id: Mapped[int] = mapped_column(primary_key=True)
    order_no: Mapped[int]
    product: Mapped[str]


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


class Thing(Base):
    """With arguments' own names as columns."""

    __tablename__ = "thing"

    request: Mapped[UUID] = mapped_column(primary_key=True)
    repository: Mapped[dt.date] = mapped_column(primary_key=True)
    fields: Mapped[Colour] = mapped_column(primary_key=True)
    first: Mapped[bool] = mapped_column(primary_key=True)
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2), primary_key=True)


class Word(Base):
    __tablename__ = "word"

    text: Mapped[str] = mapped_column(primary_key=True)
    other: Mapped[str | None] = mapped_column(ForeignKey("word.text"))


class Lines(Repository[Line]):
    pass


class Things(Repository[Thing]):
    pass


class Words(Repository[Word]):
    pass


class LineView(BaseModel):
    order_no: int
    product: str
    amount: int


class PartView(BaseModel):
    id: int


class ThingView(BaseModel):
    request: UUID
    fields: Colour


class WordView(BaseModel):
    text: str


UUIDS = [UUID(int=1), UUID("3f2504e0-4f89-11d3-9a0c-0305e82c3301")]
DATE = dt.date(2024, 2, 29)


def rows() -> list[Base]:
    things = [
        Thing(request=each, repository=DATE, fields=Colour.RED, first=True, price=Decimal("1.50"))
        for each in UUIDS
    ]
    return [
        Line(order_no=1, product="a,b", amount=10),
        Line(order_no=1, product="ü &", amount=20),
        Line(order_no=2, product="a,b", amount=30),
        Part(id=1, order_no=1, product="a,b"),
        Part(id=2, order_no=1, product="a,b"),
        Part(id=3, order_no=2, product="a,b"),
        *things,
        Word(text="count"),
        Word(text="by-ids"),
        Word(text="100%"),
    ]


@pytest.fixture
async def http(database_url, client):
    async with Database(database_url, repositories=[Lines, Things, Words]) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(database.engine) as session:
            session.add_all(rows())
            await session.commit()
        app = FastAPI()
        install(app, database)
        parts = {"parts": related(Line.parts, PartView)}
        app.include_router(resource(Lines, view=LineView, prefix="/lines", related=parts))
        app.include_router(resource(Things, view=ThingView, prefix="/things", operations=["one", "list"]))
        app.include_router(resource(Words, view=WordView, prefix="/words"))
        async with client(app) as opened:
            yield opened


async def test_a_composite_key(http):
    one = await http.get("/lines/1/a,b")
    other = await http.get("/lines/1/%C3%BC%20%26")
    none = await http.get("/lines/2/%C3%BC%20%26")  # both halves are there, but not together
    assert (one.json()["amount"], other.json()["amount"], none.status_code) == (10, 20, 404)


async def test_many_composite_keys(http):
    def ask(*keys):
        pairs = [pair for number, product in keys for pair in (("order_no", number), ("product", product))]
        return http.get("/lines/by-ids", params=pairs)

    found = await ask((2, "a,b"), (1, "ü &"), (2, "a,b"))
    assert [line["amount"] for line in found.json()] == [30, 20, 30]
    missing = await ask((2, "ü &"), (1, "a,b"))
    assert (missing.status_code, missing.json()["detail"]) == (404, "Line has no row for key (2, 'ü &').")


async def test_of_many_composite_keys_each_needs_all_columns(http):
    answer = await http.get("/lines/by-ids?order_no=1&order_no=2&product=x")
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "Each Line needs all columns of its key; got order_no 2 times, product 1 times."
    )
    assert (await http.get("/lines/by-ids?order_no=1")).status_code == 422


async def test_what_is_related_to_a_composite_key(http):
    answer = await http.get("/lines/1/a,b/parts")
    assert [part["id"] for part in answer.json()["items"]] == [1, 2]
    assert (await http.get("/lines/1/%C3%BC%20%26/parts")).json()["items"] == []
    assert (await http.get("/lines/3/a,b/parts")).status_code == 404


async def test_keys_of_other_types_and_with_any_name(http):
    key = f"{UUIDS[1]}/2024-02-29/r/true/1.50"
    assert (await http.get(f"/things/{key}")).json() == {"request": str(UUIDS[1]), "fields": "r"}
    for wrong in ("/things/x/2024-02-29/r/true/1", f"/things/{UUIDS[0]}/2024-02-30/b/2/x"):
        assert (await http.get(wrong)).status_code == 422
    some = await http.get(f"/things/{key}?fields=request")
    assert some.json() == {"request": str(UUIDS[1])}


def test_a_key_with_the_name_of_a_parameter_cannot_be_asked_for_many_times():
    with pytest.raises(
        DeclarationError, match="/things/by-ids would take two parameters of the name 'fields'"
    ):
        resource(Things, view=ThingView, prefix="/things")


async def test_rows_whose_key_is_the_name_of_an_operation_are_found_by_many(http):
    assert (await http.get("/words/count")).json() == {"count": 3}
    many = await http.get("/words/by-ids?text=count&text=by-ids")
    assert [word["text"] for word in many.json()] == ["count", "by-ids"]
    assert (await http.get("/words/100%25")).json() == {"text": "100%"}


@pytest.mark.parametrize("key", ["%00", "%F0%9F%8E%B8", "a" * 5000, "%ED%A0%80"])
async def test_a_text_that_no_row_has_is_no_error_of_the_server(http, key):
    answer = await http.get(f"/words/{key}")
    assert answer.status_code in (400, 404)


async def test_openapi_has_the_types_of_keys(http):
    paths = (await http.get("/openapi.json")).json()["paths"]
    one = paths["/things/{request}/{repository}/{fields}/{first}/{price}"]["get"]["parameters"]
    types = {
        each["name"]: each["schema"].get("format") or each["schema"].get("type")
        for each in one
        if each["in"] == "path"
    }
    assert types["request"] == "uuid"
    assert types["repository"] == "date"
    assert types["first"] == "boolean"
    assert [(each["name"], each["in"]) for each in one if not each["required"]] == [("fields", "query")]
    many = paths["/lines/by-ids"]["get"]["parameters"]
    types = [(each["name"], each["schema"]["type"]) for each in many]
    assert types == [("order_no", "array"), ("product", "array"), ("fields", "string")]
