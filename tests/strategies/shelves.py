"""Shelves and their books: what the tests of the single strategy read, and views of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import sqlalchemy as sa
from pydantic import BaseModel, computed_field
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Repository, column, count, fetched, latest, match, top
from tests.criteria.repositories import asked_of


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    room: Mapped[str | None]
    floor: Mapped[int]
    books: Mapped[list[Book]] = relationship(
        foreign_keys=lambda: Book.shelf_id, order_by=lambda: Book.id, back_populates="shelf"
    )
    boxes: Mapped[list[Box]] = relationship(order_by=lambda: Box.id)


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelf.id"), index=True)
    sequel_of_id: Mapped[int | None] = mapped_column(sa.ForeignKey("book.id"), index=True)
    kept_on_id: Mapped[int] = mapped_column(sa.ForeignKey("shelf.id"), index=True)
    shelf: Mapped[Shelf | None] = relationship(foreign_keys=shelf_id, back_populates="books")
    kept_on: Mapped[Shelf] = relationship(foreign_keys=kept_on_id)
    sequel_of: Mapped[Book | None] = relationship(remote_side=lambda: Book.id)
    sequels: Mapped[list[Book]] = relationship(order_by=lambda: Book.id, overlaps="sequel_of")


class Box(Base):
    """Its foreign key has no index."""

    __tablename__ = "box"

    id: Mapped[int] = mapped_column(primary_key=True)
    shelf_id: Mapped[int] = mapped_column(sa.ForeignKey("shelf.id"))


class ShelfRepository(Repository[Shelf]):
    default_order = (Shelf.id,)

    book_count = count(Shelf.books)
    last_book = latest(Shelf.books, by=Book.id)
    two_books = top(Shelf.books, 2, order_by=Book.title.desc())
    asked = fetched(asked_of, key=Shelf.id)


class BookRepository(Repository[Book]):
    default_order = (Book.id,)


class BoxRepository(Repository[Box]):
    pass


REPOSITORIES = (ShelfRepository, BookRepository, BoxRepository)

SHELVES = [
    {"id": i, "name": f"shelf {i}", "room": None if i == 2 else f"room {i}", "floor": 2 if i == 3 else 1}
    for i in range(1, 5)
]
BOOKS = [
    {
        "id": i,
        "title": f"book {10 - i}",
        "shelf_id": (1, 1, 2, None, 3, 1)[i - 1],
        "kept_on_id": 3 if i > 3 else 1,
        "sequel_of_id": (i // 2) or None,
    }
    for i in range(1, 7)
]


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[Database]:
    """A database with these rows."""
    async with Database(url, repositories=REPOSITORIES) as made:
        async with made.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(sa.insert(Shelf), SHELVES)
            await connection.execute(sa.insert(Book), BOOKS)
            await connection.execute(sa.insert(Box), [{"id": 1, "shelf_id": 1}])
        yield made


class BoxView(BaseModel):
    id: int


class Titled(BaseModel):
    title: str


class BookView(BaseModel):
    id: int
    title: str
    sequel_of: Titled | None
    sequels: list[Titled]
    room: Annotated[str | None, column(Book.shelf, Shelf.room)]
    first_title: Annotated[str | None, column(Book.sequel_of, Book.sequel_of, Book.title)]


class ShelfView(BaseModel):
    name: str
    books: list[BookView]
    book_count: int
    last_book: BookView | None
    two_books: list[Titled]


class WithComputed(BaseModel):
    name: str

    @computed_field
    @property
    def length(self) -> int:
        return len(self.name)


class Named(BaseModel):
    name: str


class Needing(BaseModel):
    id: int
    kept_on: Named


class AboveNeeding(BaseModel):
    id: int
    sequels: list[Needing]


class OnlyOfFloor(Repository[Shelf]):
    criteria = (match(Shelf.floor, lambda context: context),)


@asynccontextmanager
async def guarded_by_floor(db: Database) -> AsyncIterator[Database]:
    """The same rows; a scope sees the shelves of the floor that is its context."""
    async with Database(db.engine, repositories=[OnlyOfFloor, BookRepository, BoxRepository]) as made:
        yield made
