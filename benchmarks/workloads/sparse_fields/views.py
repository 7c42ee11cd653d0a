"""What the request may return, and what it asks for."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

ROWS = 1_000
"""Profiles in the answer."""

NAMES = ("id", "handle", "joined_at")
"""The fields that are asked for."""


class ProfileView(BaseModel):
    """All columns."""

    id: int
    handle: str
    first_name: str
    last_name: str
    email: str
    phone: str | None
    street: str
    postcode: str
    city: str
    country: str
    language: str
    time_zone: str
    born_on: date
    joined_at: datetime
    seen_at: datetime | None
    followers: int
    rating: float
    balance: Decimal
    verified: bool
    about: str


class ProfileLine(BaseModel):
    """What is asked for."""

    # Only the ORM stacks make views from objects; it changes nothing for the others.
    model_config = ConfigDict(from_attributes=True)

    id: int
    handle: str
    joined_at: datetime
