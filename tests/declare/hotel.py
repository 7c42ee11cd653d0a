"""A hotel: rooms of every type of column, with guests and bookings. What filters and sorts must get right."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import (
    Repository,
    any_of,
    between,
    column,
    contains,
    count,
    eq,
    exists,
    expression,
    ge,
    gt,
    icontains,
    is_null,
    latest,
    le,
    lt,
    named_filter,
    ne,
    overlaps,
    period,
    startswith,
    total,
)


class Base(DeclarativeBase):
    pass


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Guest(Base):
    __tablename__ = "guest"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    friend_id: Mapped[int | None] = mapped_column(sa.ForeignKey("guest.id"))
    friend: Mapped[Guest | None] = relationship(remote_side=lambda: Guest.id)


class Room(Base):
    """Each column but the key and `name` may be NULL."""

    __tablename__ = "room"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret: Mapped[str | None]
    code: Mapped[str | None] = mapped_column(sa.String(4))
    floor: Mapped[int | None]
    steps: Mapped[int | None] = mapped_column(sa.BigInteger)
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    area: Mapped[float | None]
    quiet: Mapped[bool | None]
    size: Mapped[Size | None]
    side: Mapped[str | None] = mapped_column(sa.Enum("north", "south", name="side"))
    built: Mapped[dt.date | None]
    cleaned_at: Mapped[dt.datetime | None]
    serial: Mapped[UUID | None]
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey("guest.id"))
    layout: Mapped[dict | None] = mapped_column(sa.JSON)

    owner: Mapped[Guest | None] = relationship()
    bookings: Mapped[list[Booking]] = relationship(back_populates="room")


class Booking(Base):
    __tablename__ = "booking"

    id: Mapped[int] = mapped_column(primary_key=True)
    room_id: Mapped[int] = mapped_column(sa.ForeignKey("room.id"))
    guest_id: Mapped[int] = mapped_column(sa.ForeignKey("guest.id"))
    start_at: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    end_at: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    nights: Mapped[int]

    room: Mapped[Room] = relationship(back_populates="bookings")
    guest: Mapped[Guest] = relationship()


COMPARING = (eq, ne, any_of, is_null)
ORDERING = (*COMPARING, lt, le, gt, ge, between)
TEXT = (*ORDERING, contains, icontains, startswith)


class GuestRepository(Repository[Guest]):
    filterable = {  # noqa: RUF012
        column(Guest.friend, Guest.name): TEXT,
        column(Guest.friend, Guest.friend, Guest.name): TEXT,
    }


class RoomRepository(Repository[Room]):
    booking_count = count(Room.bookings)
    booked = exists(Room.bookings)
    nights = total(Room.bookings, Booking.nights)
    longest = latest(Room.bookings, by=Booking.nights)
    label = expression(Room.name + "!")

    default_order = (Room.name,)
    sortable = (
        Room.name,
        Room.id,
        Room.price.nulls_last(),
        Room.floor.nulls_first(),
        Room.quiet,
        column(Room.owner, Guest.name).nulls_last(),
        booking_count,
        longest.nulls_last(),
        label,
    )
    filterable = {  # noqa: RUF012
        Room.id: (eq, any_of),
        Room.name: TEXT,
        Room.code: TEXT,
        Room.floor: ORDERING,
        Room.steps: ORDERING,
        Room.price: ORDERING,
        Room.area: ORDERING,
        Room.quiet: COMPARING,
        Room.size: COMPARING,
        Room.side: COMPARING,
        Room.built: ORDERING,
        Room.cleaned_at: ORDERING,
        Room.serial: COMPARING,
        Room.owner_id: COMPARING,
        Room.layout: is_null,
        column(Room.owner, Guest.name): TEXT,
        column(Room.owner, Guest.friend, Guest.name): (eq, is_null),
        booking_count: ORDERING,
        booked: (eq, ne),
        nights: ORDERING,
        longest: ORDERING,
        label: TEXT,
    }

    @named_filter
    def for_nights(self, least: int) -> sa.ColumnElement[bool]:
        """Rooms that somebody has booked for so many nights.

        In one booking.
        """
        return RoomRepository.longest >= least

    @named_filter
    def on_floors(self, floors: list[int]) -> sa.ColumnElement[bool]:
        return Room.floor.in_(floors)


class BookingRepository(Repository[Booking]):
    filterable = {  # noqa: RUF012
        period(Booking.start_at, Booking.end_at, name="busy"): overlaps,
        Booking.start_at: ORDERING,
        column(Booking.room, Room.name): (eq, icontains),
        column(Booking.room, Room.owner, Guest.name): (eq, icontains),
    }
    sortable = (column(Booking.room, Room.owner, Guest.name), Booking.start_at.nulls_last())


REPOSITORIES = (GuestRepository, RoomRepository, BookingRepository)
