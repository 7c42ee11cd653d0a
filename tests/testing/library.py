"""A small store of authors and books, for tests that write."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ForeignKey
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Repository, count


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    books: Mapped[list[Book]] = relationship(back_populates="author", order_by="Book.id")


class Book(Base):
    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), index=True)
    author: Mapped[Author] = relationship(back_populates="books")


class AuthorRepository(Repository[Author]):
    book_count = count(Author.books)


class BookRepository(Repository[Book]):
    pass


class AuthorView(BaseModel):
    id: int
    name: str


class BookView(BaseModel):
    id: int
    title: str
    author: AuthorView


REPOSITORIES = (AuthorRepository, BookRepository)

BOOKS_EACH = 3


async def fill(engine: AsyncEngine, authors: int = 5) -> None:
    """Makes the tables, with authors 1, 2, ... of whom each has three books: 1 to 3, 4 to 6, ..."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        await add(session, range(1, authors + 1))
        await session.commit()


async def add(session: AsyncSession, authors: range) -> None:
    """Adds authors with their books, and flushes them."""
    for number in authors:
        first = (number - 1) * BOOKS_EACH + 1
        books = [Book(id=n, title=f"book {n}") for n in range(first, first + BOOKS_EACH)]
        session.add(Author(id=number, name=f"author {number}", books=books))
    await session.flush()


@asynccontextmanager
async def library(url_or_engine: str | AsyncEngine, **options: Any) -> AsyncIterator[Database]:
    """A Database with five authors of three books each; at its end no connection may be in use."""
    database = Database(url_or_engine, repositories=REPOSITORIES, **options)
    async with database:
        await fill(database.engine)
        yield database
        assert in_use(database.engine) == 0, "a connection was not returned"


def in_use(engine: AsyncEngine) -> int:
    """Connections that are out of the pool; a pool of one shared connection lends none."""
    pool = engine.sync_engine.pool
    return pool.checkedout() if hasattr(pool, "checkedout") else 0
