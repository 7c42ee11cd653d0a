"""A store that two sites share: rows of both in every table, and references from one site to the other.

Every shape of relation is there; every entity has a `site`, by which row criteria tell the rows apart.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, ForeignKeyConstraint, Table, func, select
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship


class Base(AsyncAttrs, DeclarativeBase):
    pass


page_label = Table(
    "page_label",
    Base.metadata,
    Column("page_id", ForeignKey("page.id"), primary_key=True),
    Column("label_id", ForeignKey("label.id"), primary_key=True),
)

page_reader = Table(
    "page_reader",
    Base.metadata,
    Column("page_id", ForeignKey("page.id"), index=True),
    Column("member_id", ForeignKey("member.id"), index=True),
)
"""Without a key: a pair may be linked twice."""


class Member(Base):
    """Refers to itself: who teaches whom."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]
    name: Mapped[str]
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("member.id"))

    mentor: Mapped[Member | None] = relationship(remote_side=lambda: Member.id, back_populates="pupils")
    pupils: Mapped[list[Member]] = relationship(back_populates="mentor", order_by=lambda: Member.id)
    pages: Mapped[list[Page]] = relationship(back_populates="author", order_by=lambda: Page.id)
    badge: Mapped[Badge | None] = relationship(back_populates="member")
    read: Mapped[list[Page]] = relationship(
        secondary=page_reader, back_populates="readers", order_by=lambda: Page.id
    )


class Badge(Base):
    """At most one for each member."""

    __tablename__ = "badge"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]
    member_id: Mapped[int] = mapped_column(ForeignKey("member.id"), unique=True)

    member: Mapped[Member] = relationship(back_populates="badge")


class Page(Base):
    """Has two columns with subqueries, one of them and another column deferred."""

    __tablename__ = "page"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]
    title: Mapped[str]
    size: Mapped[int | None]
    body: Mapped[str] = mapped_column(deferred=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("member.id"), index=True)

    author: Mapped[Member] = relationship(back_populates="pages")
    labels: Mapped[list[Label]] = relationship(
        secondary=page_label, back_populates="pages", order_by=lambda: Label.id
    )
    readers: Mapped[list[Member]] = relationship(
        secondary=page_reader, back_populates="read", order_by=lambda: Member.id
    )
    remarks: Mapped[list[Remark]] = relationship(back_populates="page", order_by=lambda: Remark.id)
    parts: Mapped[list[Part]] = relationship(back_populates="page", order_by=lambda: Part.id)
    chapters: Mapped[list[Chapter]] = relationship(back_populates="page", order_by=lambda: Chapter.number)


class Label(Base):
    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]
    name: Mapped[str]

    pages: Mapped[list[Page]] = relationship(
        secondary=page_label, back_populates="labels", order_by=lambda: Page.id
    )


class Remark(Base):
    __tablename__ = "remark"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]
    stars: Mapped[int | None]
    page_id: Mapped[int] = mapped_column(ForeignKey("page.id"), index=True)

    page: Mapped[Page] = relationship(back_populates="remarks")


class Part(Base):
    """The base of a joined-table hierarchy."""

    __tablename__ = "part"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "part"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]
    kind: Mapped[str]
    page_id: Mapped[int] = mapped_column(ForeignKey("page.id"))

    page: Mapped[Page] = relationship(back_populates="parts")


class Picture(Part):
    __tablename__ = "picture"
    __mapper_args__ = {"polymorphic_identity": "picture"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("part.id"), primary_key=True, autoincrement=False)
    width: Mapped[int]


class Chapter(Base):
    """A composite key; `Note` has it as a foreign key."""

    __tablename__ = "chapter"

    page_id: Mapped[int] = mapped_column(ForeignKey("page.id"), primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]

    page: Mapped[Page] = relationship(back_populates="chapters")
    notes: Mapped[list[Note]] = relationship(back_populates="chapter", order_by=lambda: Note.id)


class Note(Base):
    __tablename__ = "note"
    __table_args__ = (ForeignKeyConstraint(["page_id", "number"], ["chapter.page_id", "chapter.number"]),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    site: Mapped[int]
    page_id: Mapped[int | None]
    number: Mapped[int | None]

    chapter: Mapped[Chapter | None] = relationship(back_populates="notes")


def _of_page(value: object) -> object:
    return select(value).where(Remark.page_id == Page.id).correlate(Page).scalar_subquery()  # type: ignore[call-overload]


Page.remark_count = column_property(_of_page(func.count(Remark.id)))
Page.best = column_property(_of_page(func.max(Remark.stars)), deferred=True)
