"""The Chinook store as ordinary SQLAlchemy models, with nothing of batchrepo in them.

Relationship shapes: many-to-one and one-to-many (album, track, invoice ...), many-to-many through
`playlist_track`, over two tables (`Employee.invoices`: what an employee's customers bought), and self-referencing
(`Employee.reports_to`). Lists have an order, so that they read the same
on every database.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

from sqlalchemy import Column, DateTime, ForeignKey, Numeric, String, Table
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Money = Annotated[Decimal, mapped_column(Numeric(10, 2))]
"""A price or a sum, exact to two decimals."""

Timestamp = Annotated[dt.datetime, mapped_column(DateTime())]
"""A date and time in UTC without an offset: the one form that SQLite and PostgreSQL give back equally."""


class Base(AsyncAttrs, DeclarativeBase):
    """The base of the store's models; `AsyncAttrs` gives `await album.awaitable_attrs.tracks`."""


playlist_track = Table(
    "playlist_track",
    Base.metadata,
    Column("playlist_id", ForeignKey("playlist.id"), primary_key=True),
    # The primary key serves lookups by playlist; this index serves those by track.
    Column("track_id", ForeignKey("track.id"), primary_key=True, index=True),
)
"""Which tracks a playlist holds."""


class Artist(Base):
    """A performer or band."""

    __tablename__ = "artist"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))

    albums: Mapped[list[Album]] = relationship(back_populates="artist", order_by="Album.id")


class Album(Base):
    """An album of one artist."""

    __tablename__ = "album"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(160))
    artist_id: Mapped[int] = mapped_column(ForeignKey("artist.id"), index=True)

    artist: Mapped[Artist] = relationship(back_populates="albums")
    tracks: Mapped[list[Track]] = relationship(back_populates="album", order_by="Track.id")


class Genre(Base):
    """A musical (or film) genre."""

    __tablename__ = "genre"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))

    tracks: Mapped[list[Track]] = relationship(back_populates="genre", order_by="Track.id")


class MediaType(Base):
    """The file format of a track."""

    __tablename__ = "media_type"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))

    tracks: Mapped[list[Track]] = relationship(back_populates="media_type", order_by="Track.id")


class Track(Base):
    """A track of an album."""

    __tablename__ = "track"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    album_id: Mapped[int] = mapped_column(ForeignKey("album.id"), index=True)
    media_type_id: Mapped[int] = mapped_column(ForeignKey("media_type.id"), index=True)
    genre_id: Mapped[int] = mapped_column(ForeignKey("genre.id"), index=True)
    composer: Mapped[str | None] = mapped_column(String(220))
    milliseconds: Mapped[int]
    bytes: Mapped[int]
    unit_price: Mapped[Money]

    album: Mapped[Album] = relationship(back_populates="tracks")
    media_type: Mapped[MediaType] = relationship(back_populates="tracks")
    genre: Mapped[Genre] = relationship(back_populates="tracks")
    playlists: Mapped[list[Playlist]] = relationship(
        secondary=playlist_track, back_populates="tracks", order_by="Playlist.id"
    )
    invoice_lines: Mapped[list[InvoiceLine]] = relationship(back_populates="track", order_by="InvoiceLine.id")


class Playlist(Base):
    """A named list of tracks; some names occur twice, some playlists are empty."""

    __tablename__ = "playlist"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))

    tracks: Mapped[list[Track]] = relationship(
        secondary=playlist_track, back_populates="playlists", order_by="Track.id"
    )


class Employee(Base):
    """Someone who works at the store, with the one they report to."""

    __tablename__ = "employee"

    id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str] = mapped_column(String(20))
    last_name: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(30))
    reports_to_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"), index=True)
    birth_date: Mapped[Timestamp]
    hire_date: Mapped[Timestamp]
    address: Mapped[str] = mapped_column(String(70))
    city: Mapped[str] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(40))
    country: Mapped[str] = mapped_column(String(40))
    postal_code: Mapped[str] = mapped_column(String(10))
    phone: Mapped[str] = mapped_column(String(24))
    fax: Mapped[str] = mapped_column(String(24))
    email: Mapped[str] = mapped_column(String(60))

    reports_to: Mapped[Employee | None] = relationship(back_populates="reports", remote_side="Employee.id")
    reports: Mapped[list[Employee]] = relationship(back_populates="reports_to", order_by="Employee.id")
    customers: Mapped[list[Customer]] = relationship(back_populates="support_rep", order_by="Customer.id")
    invoices: Mapped[list[Invoice]] = relationship(
        secondary="customer",
        primaryjoin="Employee.id == Customer.support_rep_id",
        secondaryjoin="Customer.id == Invoice.customer_id",
        viewonly=True,
        order_by="Invoice.id",
    )


class Customer(Base):
    """A customer, with the employee who looks after them."""

    __tablename__ = "customer"

    id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str] = mapped_column(String(40))
    last_name: Mapped[str] = mapped_column(String(20))
    company: Mapped[str | None] = mapped_column(String(80))
    address: Mapped[str] = mapped_column(String(70))
    city: Mapped[str] = mapped_column(String(40))
    state: Mapped[str | None] = mapped_column(String(40))
    country: Mapped[str] = mapped_column(String(40))
    postal_code: Mapped[str | None] = mapped_column(String(10))
    phone: Mapped[str | None] = mapped_column(String(24))
    fax: Mapped[str | None] = mapped_column(String(24))
    email: Mapped[str] = mapped_column(String(60))
    support_rep_id: Mapped[int | None] = mapped_column(ForeignKey("employee.id"), index=True)

    support_rep: Mapped[Employee | None] = relationship(back_populates="customers")
    invoices: Mapped[list[Invoice]] = relationship(back_populates="customer", order_by="Invoice.id")


class Invoice(Base):
    """What a customer bought at one time."""

    __tablename__ = "invoice"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"), index=True)
    invoice_date: Mapped[Timestamp]
    billing_address: Mapped[str] = mapped_column(String(70))
    billing_city: Mapped[str] = mapped_column(String(40))
    billing_state: Mapped[str | None] = mapped_column(String(40))
    billing_country: Mapped[str] = mapped_column(String(40))
    billing_postal_code: Mapped[str | None] = mapped_column(String(10))
    total: Mapped[Money]

    customer: Mapped[Customer] = relationship(back_populates="invoices")
    lines: Mapped[list[InvoiceLine]] = relationship(back_populates="invoice", order_by="InvoiceLine.id")


class InvoiceLine(Base):
    """One track of an invoice."""

    __tablename__ = "invoice_line"

    id: Mapped[int] = mapped_column(primary_key=True)
    invoice_id: Mapped[int] = mapped_column(ForeignKey("invoice.id"), index=True)
    track_id: Mapped[int] = mapped_column(ForeignKey("track.id"), index=True)
    unit_price: Mapped[Money]
    quantity: Mapped[int]

    invoice: Mapped[Invoice] = relationship(back_populates="lines")
    track: Mapped[Track] = relationship(back_populates="invoice_lines")
