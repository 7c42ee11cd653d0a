"""Plain foreign keys: many-to-one, one-to-many with order, one-to-one, and unusual target columns."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - SQLAlchemy reads the annotations
from decimal import Decimal  # noqa: TC003 - SQLAlchemy reads the annotations

from sqlalchemy import ForeignKey, Numeric, Text, func
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship

from batchrepo.testing.contract.models.base import Base, UtcDateTime


class Author(Base):
    """Has books in two orders, and at most one passport. `name` is named otherwise in the database."""

    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column("full_name")

    books: Mapped[list[Book]] = relationship(
        back_populates="author", order_by=lambda: (Book.rating.desc(), Book.id)
    )
    books_by_title: Mapped[list[Book]] = relationship(viewonly=True, order_by=lambda: Book.title)
    passport: Mapped[Passport | None] = relationship(back_populates="author")


class Passport(Base):
    """The one side of a one-to-one."""

    __tablename__ = "passport"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[str]
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"), unique=True)

    author: Mapped[Author | None] = relationship(back_populates="passport")


class Publisher(Base):
    """A key whose attribute is named otherwise than its column; books without a declared order."""

    __tablename__ = "publisher"

    key: Mapped[int] = mapped_column("publisher_id", primary_key=True, autoincrement=False)
    name: Mapped[str]

    books: Mapped[list[Book]] = relationship(back_populates="publisher")


class Book(Base):
    """A target with a deferred column, a column property, a decimal, an aware datetime, a renamed column."""

    __tablename__ = "book"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column()
    code: Mapped[str | None] = mapped_column("book_code")
    rating: Mapped[int | None]
    price: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    published_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    synopsis: Mapped[str | None] = mapped_column(Text, deferred=True)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("author.id"), index=True)
    publisher_key: Mapped[int | None] = mapped_column(
        "publisher_ref", ForeignKey("publisher.publisher_id"), index=True
    )

    title_length: Mapped[int] = column_property(func.length(title))

    author: Mapped[Author | None] = relationship(back_populates="books")
    publisher: Mapped[Publisher | None] = relationship(back_populates="books")
