"""Generic keys: `entity_type` says which table `entity_id` refers to, seen from both sides."""

from __future__ import annotations

from sqlalchemy import and_
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from batchrepo.testing.contract.models.base import Base


class Photo(Base):
    """Has the comments of type `photo`."""

    __tablename__ = "photo"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    caption: Mapped[str]

    comments: Mapped[list[Comment]] = relationship(
        primaryjoin=lambda: and_(Photo.id == foreign(Comment.entity_id), Comment.entity_type == "photo"),
        viewonly=True,
        order_by=lambda: (Comment.id.desc(),),
    )


class Video(Base):
    """Has the comments of type `video`; shares key values with photos."""

    __tablename__ = "video"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str]

    comments: Mapped[list[Comment]] = relationship(
        primaryjoin=lambda: and_(Video.id == foreign(Comment.entity_id), Comment.entity_type == "video"),
        viewonly=True,
    )


class Comment(Base):
    """Belongs to a photo, to a video, or to something that is not there."""

    __tablename__ = "comment"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entity_type: Mapped[str | None]
    entity_id: Mapped[int | None]
    body: Mapped[str]

    photo: Mapped[Photo | None] = relationship(
        primaryjoin=lambda: and_(foreign(Comment.entity_id) == Photo.id, Comment.entity_type == "photo"),
        viewonly=True,
    )
    video: Mapped[Video | None] = relationship(
        primaryjoin=lambda: and_(foreign(Comment.entity_id) == Video.id, Comment.entity_type == "video"),
        viewonly=True,
    )
