"""A small music shop to write to: keys that the database makes, defaults of every kind, cascades, a version."""

from __future__ import annotations

import datetime as dt

from pydantic import BaseModel
from sqlalchemy import Column, ForeignKey, Table, UniqueConstraint, func
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Repository, count, latest, total


class Base(AsyncAttrs, DeclarativeBase):
    """Of the shop."""


class Artist(Base):
    __tablename__ = "artist"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    albums: Mapped[list[Album]] = relationship(back_populates="artist", order_by="Album.id")


album_label = Table(
    "album_label",
    Base.metadata,
    Column("album_id", ForeignKey("album.id", ondelete="CASCADE"), primary_key=True),
    Column("label_id", ForeignKey("label.id", ondelete="CASCADE"), primary_key=True),
)


class Album(Base):
    __tablename__ = "album"
    __table_args__ = (UniqueConstraint("title", "artist_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    price: Mapped[int] = mapped_column(default=10)
    stock: Mapped[int] = mapped_column(server_default="7")
    artist_id: Mapped[int] = mapped_column(ForeignKey("artist.id"), index=True)
    touched_at: Mapped[dt.datetime] = mapped_column(
        server_default=func.current_timestamp(), onupdate=func.now()
    )
    artist: Mapped[Artist] = relationship(back_populates="albums")
    tracks: Mapped[list[Track]] = relationship(
        back_populates="album", order_by="Track.id", cascade="all, delete-orphan", passive_deletes=True
    )
    labels: Mapped[list[Label]] = relationship(secondary=album_label, order_by="Label.id")


class Track(Base):
    __tablename__ = "track"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    seconds: Mapped[int] = mapped_column(default=180)
    album_id: Mapped[int] = mapped_column(ForeignKey("album.id", ondelete="CASCADE"), index=True)
    album: Mapped[Album] = relationship(back_populates="tracks")


class Label(Base):
    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)


class Counter(Base):
    """With a version."""

    __tablename__ = "counter"

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column(default=1)

    __mapper_args__ = {"version_id_col": version}


class ArtistRepository(Repository[Artist]):
    album_count = count(Artist.albums)


class AlbumRepository(Repository[Album]):
    duration = total(Album.tracks, Track.seconds)
    longest = latest(Album.tracks, by=Track.seconds)


class TrackRepository(Repository[Track]):
    pass


class LabelRepository(Repository[Label]):
    pass


class CounterRepository(Repository[Counter]):
    pass


class TrackView(BaseModel):
    name: str


class AlbumView(BaseModel):
    id: int
    title: str
    tracks: list[TrackView]
    duration: int | None


REPOSITORIES = (ArtistRepository, AlbumRepository, TrackRepository, LabelRepository, CounterRepository)
