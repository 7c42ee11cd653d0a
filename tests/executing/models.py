"""Two tables with one relation, and rows to read."""

from __future__ import annotations

from sqlalchemy import ForeignKey, insert
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
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


AUTHORS = 20
BOOKS_EACH = 3


async def fill(engine: AsyncEngine) -> None:
    """Authors 1 to 20; author n has the books 10n, 10n+1, 10n+2."""
    authors = range(1, AUTHORS + 1)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(insert(Author), [{"id": n, "name": f"author {n}"} for n in authors])
        await connection.execute(
            insert(Book),
            [
                {"id": 10 * n + i, "title": f"book {n}.{i}", "author_id": n}
                for n in authors
                for i in range(BOOKS_EACH)
            ],
        )
