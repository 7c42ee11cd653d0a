"""Repositories of the Chinook store that declare what clients may filter and sort by."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import ColumnElement, func

from batchrepo import (
    Repository,
    any_of,
    between,
    column,
    count,
    eq,
    ge,
    icontains,
    is_null,
    le,
    named_filter,
    startswith,
    total,
)
from examples.chinook.models import Album, Artist, Invoice, Track


class Range(BaseModel):
    low: int
    high: int


class Albums(Repository[Album]):
    track_count = count(Album.tracks)
    duration = total(Album.tracks, Track.milliseconds)
    default_order = (Album.title,)
    sortable = (Album.title, Album.id, track_count, column(Album.artist, Artist.name))
    filterable = {  # noqa: RUF012
        Album.title: (eq, icontains, startswith),
        Album.artist_id: (eq, any_of),
        column(Album.artist, Artist.name): (icontains,),
        track_count: (ge, le, between),
    }

    @named_filter
    def long_title(self, characters: Annotated[int, Field(ge=1)]) -> ColumnElement[bool]:
        """Titles of so many characters, or more."""
        return func.length(Album.title) >= characters

    @named_filter
    def lasting(self, minutes: Range) -> ColumnElement[bool]:
        return Albums.duration.between(minutes.low * 60_000, minutes.high * 60_000)


class Tracks(Repository[Track]):
    page_size = 5
    max_page_size = 50
    sortable = (Track.milliseconds, Track.composer.nulls_last())
    filterable = {  # noqa: RUF012
        Track.name: (icontains,),
        Track.composer: (eq, is_null),
        Track.unit_price: (eq, ge),
    }


class Invoices(Repository[Invoice]):
    filterable = {Invoice.invoice_date: (ge, between), Invoice.total: (ge,)}  # noqa: RUF012


class AlbumView(BaseModel):
    id: int
    title: str


class TrackView(BaseModel):
    id: int
    name: str
    composer: str | None


def in_utc(time: dt.datetime) -> dt.datetime:
    return time.replace(tzinfo=dt.UTC)


class InvoiceView(BaseModel):
    id: int
    invoice_date: Annotated[dt.datetime, AfterValidator(in_utc)]  # `date-time` of JSON Schema has a zone
    total: Decimal
