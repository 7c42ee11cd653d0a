"""The schema of the benchmarks: a blog. Every stack reads these tables through these indexes."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy import ForeignKey, Index
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

EDITED_OR_NEVER = "coalesce(edited_at, timestamptz '1970-01-01 00:00:00+00')"
"""An order without NULLs by a column that has some, for whoever cannot page by such a column."""


class Base(AsyncAttrs, DeclarativeBase):
    type_annotation_map = {datetime: sa.DateTime(timezone=True)}  # noqa: RUF012  SQLAlchemy's own spelling


class Author(Base):
    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]


class Tag(Base):
    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


post_tag = sa.Table(
    "post_tag",
    Base.metadata,
    sa.Column("post_id", ForeignKey("post.id"), primary_key=True),
    sa.Column("tag_id", ForeignKey("tag.id"), primary_key=True, index=True),
)


class Post(Base):
    __tablename__ = "post"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), index=True)

    author: Mapped[Author] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=post_tag, order_by=Tag.id)
    comments: Mapped[list[Comment]] = relationship(back_populates="post")

    __table_args__ = (Index("ix_post_newest", sa.desc("created_at"), sa.desc("id")),)


class Comment(Base):
    __tablename__ = "comment"

    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    created_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    post_id: Mapped[int] = mapped_column(ForeignKey("post.id"))
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"), index=True)

    post: Mapped[Post] = relationship(back_populates="comments")
    author: Mapped[Author] = relationship()

    __table_args__ = (
        Index("ix_comment_newest", "post_id", sa.desc("created_at"), sa.desc("id")),
        # One for each order of `deep_page`, read backward too.
        Index("ix_comment_created", sa.desc("created_at"), sa.desc("id")),
        Index("ix_comment_created_mixed", sa.desc("created_at"), "id"),
        Index("ix_comment_edited", sa.desc("edited_at").nulls_last(), sa.desc("id")),
        Index("ix_comment_edited_or_never", sa.text(f"({EDITED_OR_NEVER}) DESC"), sa.desc("id")),
    )


class Profile(Base):
    """A wide row."""

    __tablename__ = "profile"

    id: Mapped[int] = mapped_column(primary_key=True)
    handle: Mapped[str]
    first_name: Mapped[str]
    last_name: Mapped[str]
    email: Mapped[str]
    phone: Mapped[str | None]
    street: Mapped[str]
    postcode: Mapped[str]
    city: Mapped[str]
    country: Mapped[str]
    language: Mapped[str]
    time_zone: Mapped[str]
    born_on: Mapped[date]
    joined_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    followers: Mapped[int]
    rating: Mapped[float]
    balance: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    verified: Mapped[bool]
    about: Mapped[str]
