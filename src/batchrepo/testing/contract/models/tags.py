"""Many-to-many: with and without order, on link tables with and without a key, and one link at most."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, Table, and_
from sqlalchemy.orm import Mapped, mapped_column, relationship

from batchrepo.testing.contract.models.base import Base

article_tag = Table(
    "article_tag",
    Base.metadata,
    Column("article_id", ForeignKey("article.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("is_main", Integer, nullable=False),
)
"""Links with columns of their own: `position` orders an article's tags, `is_main` is 0 or 1."""

article_reader = Table(
    "article_reader",
    Base.metadata,
    Column("article_id", ForeignKey("article.id")),
    Column("reader_id", ForeignKey("reader.id")),
)
"""Links without a key: a pair may be there twice, and either side may be NULL."""

article_section = Table(
    "article_section",
    Base.metadata,
    Column("article_id", ForeignKey("article.id"), primary_key=True),
    Column("section_id", ForeignKey("section.id"), nullable=False),
)
"""At most one link per article: a many-to-one through a link table."""


class Article(Base):
    """The owner of most many-to-many shapes."""

    __tablename__ = "article"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]

    tags: Mapped[list[Tag]] = relationship(secondary=article_tag, back_populates="articles")
    tags_by_name: Mapped[list[Tag]] = relationship(
        secondary=article_tag, viewonly=True, order_by=lambda: (Tag.name, Tag.id)
    )
    tags_by_position: Mapped[list[Tag]] = relationship(
        secondary=article_tag, viewonly=True, order_by=article_tag.c.position.desc()
    )
    main_tags: Mapped[list[Tag]] = relationship(
        secondary=article_tag,
        primaryjoin=lambda: and_(Article.id == article_tag.c.article_id, article_tag.c.is_main == 1),
        viewonly=True,
    )
    short_tags: Mapped[list[Tag]] = relationship(
        secondary=article_tag,
        secondaryjoin=lambda: and_(Tag.id == article_tag.c.tag_id, Tag.name != "long"),
        viewonly=True,
    )
    readers: Mapped[list[Reader]] = relationship(secondary=article_reader, back_populates="articles")
    readers_by_name: Mapped[list[Reader]] = relationship(
        secondary=article_reader, viewonly=True, order_by=lambda: (Reader.name.desc(), Reader.id.desc())
    )
    section: Mapped[Section | None] = relationship(secondary=article_section, back_populates="articles")


class Tag(Base):
    """Linked from articles through `article_tag`."""

    __tablename__ = "tag"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]

    articles: Mapped[list[Article]] = relationship(secondary=article_tag, back_populates="tags")


class Reader(Base):
    """Linked from articles through `article_reader`, where links may repeat."""

    __tablename__ = "reader"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]

    articles: Mapped[list[Article]] = relationship(secondary=article_reader, back_populates="readers")


class Section(Base):
    """Linked from articles through `article_section`; articles by title, newest key first among equals."""

    __tablename__ = "section"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]

    articles: Mapped[list[Article]] = relationship(
        secondary=article_section,
        back_populates="section",
        order_by=lambda: (Article.title, Article.id.desc()),
    )
