"""Rows of every kind become tuples of equal columns; what cannot be written is refused by its name."""

import dataclasses
import datetime as dt
from collections.abc import AsyncIterator
from itertools import repeat
from types import MappingProxyType
from typing import ClassVar

import pytest
import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship, synonym

from batchrepo.errors import InvalidArgument
from batchrepo.mapping import entity_info
from batchrepo.testing.contract.models import inheritance
from batchrepo.writing.rows.columns import write_columns
from batchrepo.writing.rows.intake import Batch, Reader, check_source, chunks, length_of


class Base(DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column("book_title")
    price: Mapped[int | None] = mapped_column()
    stock: Mapped[int] = mapped_column(default=3)
    made: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    code: Mapped[str] = mapped_column(default=lambda: "x")
    slug: Mapped[str] = mapped_column(default=lambda context: context.get_current_parameters()["book_title"])
    tax: Mapped[int] = mapped_column(sa.Computed("price / 5"))
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("author.id"))
    version: Mapped[int] = mapped_column()

    author: Mapped[Author | None] = relationship()
    double = column_property(price * 2)
    name = synonym("title")

    __mapper_args__: ClassVar = {"version_id_col": version}

    @hybrid_property
    def cheap(self) -> bool:
        return (self.price or 0) < 5


class BookIn(BaseModel):
    title: str = Field(alias="bookTitle")
    price: int | None = None


@dataclasses.dataclass
class BookData:
    title: str
    price: int


COLUMNS = write_columns(entity_info(Book))


def read(*rows, missing="error", start=0):
    return Reader(COLUMNS, "insert_many", missing).read(rows, start)


def only(*rows):
    found = read(*rows)
    assert found.errors == []
    (batch,) = found.batches
    return batch


EXPECTED = Batch(("title", "price"), [("a", 1), ("b", 2)], range(2))


def test_dicts():
    assert only({"title": "a", "price": 1}, {"price": 2, "title": "b"}) == EXPECTED


def test_mapped_attributes_as_keys():
    assert only({Book.title: "a", Book.price: 1}, {Book.title: "b", Book.price: 2}) == EXPECTED


def test_other_mappings():
    rows = [MappingProxyType({"title": "a", "price": 1}), MappingProxyType({"title": "b", "price": 2})]
    assert only(*rows).rows == EXPECTED.rows


def test_models_give_the_fields_that_were_set_by_their_names():
    assert only(BookIn(bookTitle="a", price=1), BookIn(bookTitle="b", price=2)) == EXPECTED
    assert only(BookIn(bookTitle="a")).names == ("title",)


def test_models_may_have_extra_fields_that_are_columns():
    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        title: str

    assert only(Open(title="a", price=1), Open(title="b", price=2)) == EXPECTED


def test_dataclasses():
    assert only(BookData("a", 1), BookData("b", 2)) == EXPECTED


def test_entities_give_what_is_set():
    assert only(Book(title="a", price=1), Book(title="b", price=2)) == EXPECTED


def test_entities_may_differ():
    found = read(Book(title="a", price=1), Book(title="b"))
    assert [(batch.names, list(batch.indexes)) for batch in found.batches] == [
        (("title", "price"), [0]),
        (("title",), [1]),
    ]


def test_rows_of_several_kinds():
    batch = only({"title": "a", "price": 1}, BookData("b", 2))
    assert (batch.names, batch.rows, list(batch.indexes)) == (EXPECTED.names, EXPECTED.rows, [0, 1])


def test_one_column():
    assert only({"title": "a"}, {"title": "b"}).rows == [("a",), ("b",)]


def test_no_column():
    assert only({}, {}).rows == [(), ()]


def test_unequal_keys_are_named_with_their_rows():
    found = read({"title": "a", "price": 1}, {"title": "b"}, {"title": "c", "price": 1, "stock": 2}, start=7)
    assert [error.index for error in found.errors] == [8, 9]
    assert "Row 8 lacks 'price'" in found.errors[0].message
    assert "Row 9 has 'stock' in addition" in found.errors[1].message
    assert found.errors[0].columns == ("price",)
    assert found.batches[0].rows == [("a", 1)]


def test_the_keys_of_the_first_row_hold_for_all_chunks():
    reader = Reader(COLUMNS, "insert_many")
    reader.read([{"title": "a"}], 0)
    assert [error.index for error in reader.read([{"title": "b", "price": 1}], 1).errors] == [1]


def test_unequal_keys_make_batches_where_asked():
    found = read({"title": "a", "price": 1}, {"title": "b"}, {"price": 2, "title": "c"}, missing="default")
    assert found.errors == []
    assert [(batch.names, batch.rows, list(batch.indexes)) for batch in found.batches] == [
        (("title", "price"), [("a", 1), ("c", 2)], [0, 2]),
        (("title",), [("b",)], [1]),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"titel": 1}, "Did you mean 'title'?"),
        ({"author": None}, "Set its columns (author_id)"),
        ({"name": "a"}, "is a synonym. Use 'title'"),
        ({"double": 1}, "is an expression"),
        ({"cheap": True}, "is an expression"),
        ({"tax": 1}, "is computed by the database"),
        ({"book_title": 1}, "Did you mean 'title'?"),
        ({Author.id: 1}, "Author.id is not a column of Book"),
        ({1: 1}, "got 1"),
        ({Book.title: 1, "title": 1}, "one column under two keys"),
        (Author(id=1), "Rows are dicts"),
        (("a", 1), "Rows are dicts"),
        (Book, "Rows are dicts"),
        (Book(title="a", author=Author()), "scope.add()"),
    ],
)
def test_what_cannot_be_written_is_refused(row, said):
    with pytest.raises(InvalidArgument) as caught:
        read(row)
    assert said in str(caught.value)
    with pytest.raises(InvalidArgument, match="row 1"):
        read({"title": "a"}, row)


def test_every_new_entity_is_asked_for_relations():
    with pytest.raises(InvalidArgument, match="row 1"):
        read(Book(title="a"), Book(title="b", author=Author()))


def test_what_fills_columns():
    kinds = {name: column.default for name, column in COLUMNS.columns.items()}
    assert kinds == {
        "id": "autoincrement",
        "title": None,
        "price": None,
        "stock": "value",
        "made": "server",
        "code": "function",
        "slug": "context",
        "tax": "server",
        "author_id": None,
        "version": None,
    }
    assert COLUMNS.columns["stock"].make() == 3
    assert COLUMNS.columns["code"].make() == "x"
    assert COLUMNS.required == {"title"}
    assert COLUMNS.version is COLUMNS.columns["version"]
    assert COLUMNS.counts_versions
    assert COLUMNS.next_version(3) == 4


def test_joined_inheritance_is_refused():
    spread = [mapper.class_ for mapper in inheritance.Base.registry.mappers if len(set(mapper.tables)) > 1]
    assert spread
    with pytest.raises(InvalidArgument, match=r"joined-table inheritance.*scope\.add"):
        write_columns(entity_info(spread[0]))


@pytest.mark.parametrize("rows", [{"title": "a"}, "abc", 3, BookIn(bookTitle="a")])
def test_a_source_is_many_rows(rows):
    with pytest.raises(InvalidArgument, match="expected rows"):
        check_source(rows, "insert_many of Book")


async def _async(rows) -> AsyncIterator[int]:
    for row in rows:
        yield row


async def test_chunks():
    async def sizes(rows):
        return [list(piece) async for piece in chunks(rows, repeat(2))]

    expected = [[1, 2], [3, 4], [5]]
    assert await sizes([1, 2, 3, 4, 5]) == expected
    assert await sizes(iter([1, 2, 3, 4, 5])) == expected
    assert await sizes(_async([1, 2, 3, 4, 5])) == expected
    assert await sizes([]) == await sizes(_async([])) == await sizes(iter(())) == []
    assert (length_of([1]), length_of(iter([1]))) == (1, None)
