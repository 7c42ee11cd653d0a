"""What the store shows: each view is an endpoint's answer and its read plan at once.

Only the columns that a view names are read, and each relation of a view costs one statement for all its
parents, whatever their number.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel

from batchrepo import column, include
from examples.chinook.models import Album, Artist, Genre, Track


class ArtistView(BaseModel):
    """An artist, with the number of albums."""

    id: int
    name: str
    album_count: int


class GenreView(BaseModel):
    """A genre."""

    id: int
    name: str


class TrackView(BaseModel):
    """A track with its genre."""

    id: int
    name: str
    composer: str | None
    milliseconds: int
    genre: GenreView


class AlbumView(BaseModel):
    """An album with everything that a list of albums may show: three levels, five statements."""

    id: int
    title: str
    artist: ArtistView
    tracks: list[TrackView]


class AlbumItem(BaseModel):
    """An album as one line of a list."""

    id: int
    title: str
    artist_name: Annotated[str, column(Album.artist, Artist.name)]
    track_count: int


class TrackItem(BaseModel):
    """A track as one line of a list."""

    id: int
    name: str
    milliseconds: int
    genre_name: Annotated[str, column(Track.genre, Genre.name)]


class AlbumPage(BaseModel):
    """An album's own page: computed attributes, the first few of a list, a filtered list."""

    id: int
    title: str
    artist: ArtistView
    track_count: int
    duration: int
    first_tracks: list[TrackItem]
    longest: TrackItem | None
    long_tracks: Annotated[
        list[TrackItem], include(Album.tracks, first=5, where=Track.milliseconds > 300_000)
    ]


class ArtistPage(BaseModel):
    """An artist with the albums."""

    id: int
    name: str
    album_count: int
    albums: list[AlbumItem]


class PlaylistItem(BaseModel):
    """A playlist as one line of a list; `duration` in milliseconds."""

    id: int
    name: str
    track_count: int
    duration: int


class EmployeeItem(BaseModel):
    """Someone who works at the store."""

    id: int
    first_name: str
    last_name: str
    title: str


class EmployeeView(EmployeeItem):
    """Someone who works at the store, whom they report to, and who reports to them."""

    reports_to: EmployeeItem | None
    reports: list[EmployeeItem]
    customer_count: int


class InvoiceItem(BaseModel):
    """An invoice as one line of a list."""

    id: int
    invoice_date: dt.datetime
    total: Decimal


class CustomerView(BaseModel):
    """A customer, what they spent and when last, and who looks after them."""

    id: int
    first_name: str
    last_name: str
    country: str
    support_rep: EmployeeItem | None
    invoice_count: int
    total_spent: Decimal
    latest_invoice: InvoiceItem | None


VIEWS = (
    AlbumItem,
    AlbumPage,
    AlbumView,
    ArtistPage,
    ArtistView,
    CustomerView,
    EmployeeView,
    PlaylistItem,
    TrackItem,
    TrackView,
)
"""All views that are read by themselves, for `Database(..., views=VIEWS)`: a mistake is found at the start."""
