"""Custom join conditions: on the target, on the owner, OR, a function, a range of time."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - SQLAlchemy reads the annotations

from sqlalchemy import ForeignKey, and_, func, or_
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship, remote

from batchrepo.testing.contract.models.base import Base, UtcDateTime


class Team(Base):
    """The one side of every condition on members."""

    __tablename__ = "team"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    is_active: Mapped[bool]

    leads: Mapped[list[Member]] = relationship(
        primaryjoin=lambda: and_(Team.id == Member.team_id, Member.kind == "lead"),
        viewonly=True,
        order_by=lambda: (Member.id.desc(),),
    )
    members_while_active: Mapped[list[Member]] = relationship(
        primaryjoin=lambda: and_(Team.id == Member.team_id, Team.is_active.is_(True)), viewonly=True
    )
    members_and_guests: Mapped[list[Member]] = relationship(
        primaryjoin=lambda: or_(Team.id == Member.team_id, Team.id == Member.guest_team_id), viewonly=True
    )


class Member(Base):
    """The many side, with conditions on either side of a many-to-one."""

    __tablename__ = "member"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    kind: Mapped[str]
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))
    guest_team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id"))

    active_team: Mapped[Team | None] = relationship(
        primaryjoin=lambda: and_(Member.team_id == Team.id, Team.is_active.is_(True)), viewonly=True
    )
    team_if_lead: Mapped[Team | None] = relationship(
        primaryjoin=lambda: and_(Member.team_id == Team.id, Member.kind == "lead"), viewonly=True
    )


class Account(Base):
    """Joined to its logins by a function of both sides."""

    __tablename__ = "account"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    email: Mapped[str | None]

    logins: Mapped[list[Login]] = relationship(
        primaryjoin=lambda: func.lower(Account.email) == func.lower(foreign(Login.address)),
        viewonly=True,
        order_by=lambda: (Login.address, Login.id),
    )


class Login(Base):
    """An address in any mix of cases."""

    __tablename__ = "login"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    address: Mapped[str | None]

    accounts: Mapped[list[Account]] = relationship(
        primaryjoin=lambda: func.lower(remote(Account.email)) == func.lower(foreign(Login.address)),
        viewonly=True,
        uselist=True,
    )


class TimeWindow(Base):
    """Holds the samples of its sensor from `starts_at` until just before `ends_at`."""

    __tablename__ = "time_window"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sensor: Mapped[str]
    starts_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    samples: Mapped[list[Sample]] = relationship(
        primaryjoin=lambda: and_(
            TimeWindow.sensor == foreign(Sample.sensor),
            TimeWindow.starts_at <= foreign(Sample.taken_at),
            TimeWindow.ends_at > foreign(Sample.taken_at),
        ),
        viewonly=True,
        order_by=lambda: Sample.taken_at,
    )


class Sample(Base):
    """One value of a sensor; in any number of windows, as they may overlap."""

    __tablename__ = "sample"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sensor: Mapped[str]
    taken_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
