"""Key columns of every type: UUID, text, enum, bytes, decimal, date."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - SQLAlchemy reads the annotations
import enum
import uuid  # noqa: TC003 - SQLAlchemy reads the annotations
from decimal import Decimal  # noqa: TC003 - SQLAlchemy reads the annotations

from sqlalchemy import ForeignKey, Numeric
from sqlalchemy.orm import Mapped, mapped_column, relationship

from batchrepo.testing.contract.models.base import Base


class Severity(enum.Enum):
    """Names differ from values, so that sending the wrong one is noticed."""

    LOW = "l"
    MIDDLE = "m"
    HIGH = "h"
    NONE = ""


class Device(Base):
    """Keyed by UUID."""

    __tablename__ = "device"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    label: Mapped[str]

    pings: Mapped[list[Ping]] = relationship(back_populates="device", order_by=lambda: Ping.id)


class Currency(Base):
    """Keyed by text; the empty text is a key."""

    __tablename__ = "currency"

    code: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]

    pings: Mapped[list[Ping]] = relationship(back_populates="currency", order_by=lambda: Ping.id)


class Level(Base):
    """Keyed by an enum: a native type on PostgreSQL."""

    __tablename__ = "level"

    severity: Mapped[Severity] = mapped_column(primary_key=True)
    label: Mapped[str]

    pings: Mapped[list[Ping]] = relationship(back_populates="level", order_by=lambda: Ping.id)


class Document(Base):
    """Keyed by bytes, which are not text in any encoding."""

    __tablename__ = "document"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    label: Mapped[str]

    pings: Mapped[list[Ping]] = relationship(back_populates="document", order_by=lambda: Ping.id)


class Rate(Base):
    """Keyed by a decimal, with two places."""

    __tablename__ = "rate"

    percent: Mapped[Decimal] = mapped_column(Numeric(10, 2), primary_key=True)
    label: Mapped[str]

    pings: Mapped[list[Ping]] = relationship(back_populates="rate", order_by=lambda: Ping.id)


class Day(Base):
    """Keyed by a date."""

    __tablename__ = "day"

    date: Mapped[dt.date] = mapped_column(primary_key=True)
    label: Mapped[str]

    pings: Mapped[list[Ping]] = relationship(back_populates="day", order_by=lambda: Ping.id)


class Ping(Base):
    """Refers to one of each, or to none."""

    __tablename__ = "ping"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"))
    currency_code: Mapped[str | None] = mapped_column(ForeignKey("currency.code"))
    severity: Mapped[Severity | None] = mapped_column(ForeignKey("level.severity"))
    digest: Mapped[bytes | None] = mapped_column(ForeignKey("document.digest"))
    percent: Mapped[Decimal | None] = mapped_column(ForeignKey("rate.percent"))
    date: Mapped[dt.date | None] = mapped_column(ForeignKey("day.date"))

    device: Mapped[Device | None] = relationship(back_populates="pings")
    currency: Mapped[Currency | None] = relationship(back_populates="pings")
    level: Mapped[Level | None] = relationship(back_populates="pings")
    document: Mapped[Document | None] = relationship(back_populates="pings")
    rate: Mapped[Rate | None] = relationship(back_populates="pings")
    day: Mapped[Day | None] = relationship(back_populates="pings")
