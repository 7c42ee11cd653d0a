"""What the store shows: each view is an endpoint's answer and its read plan at once.

Only the columns that a view names are read, and each relation of a view costs one statement for all its
parents, whatever their number.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel

from batchrepo import Page, column, include
from examples.chinook.models import (
    Album,
    Artist,
    Customer,
    Genre,
    Invoice,
    InvoiceLine,
    MediaType,
    Playlist,
    Track,
)


def in_utc(time: dt.datetime) -> dt.datetime:
    """A time of the store with its zone, as `date-time` of JSON Schema has it."""
    return time.replace(tzinfo=dt.UTC)


Moment = Annotated[dt.datetime, AfterValidator(in_utc)]
"""A time in UTC."""


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
    """An artist with the first page of the albums; `/artists/{id}/albums` goes on from its cursor."""

    id: int
    name: str
    album_count: int
    albums: Annotated[Page[AlbumItem], include(Artist.albums, first=5, total="exact")]


class GenreItem(BaseModel):
    """A genre as one line of a list."""

    id: int
    name: str
    track_count: int


class GenrePage(GenreItem):
    """A genre with its longest tracks."""

    longest_tracks: Annotated[
        list[TrackItem], include(Genre.tracks, first=5, order_by=Track.milliseconds.desc())
    ]


class PlaylistItem(BaseModel):
    """A playlist as one line of a list; `duration` in milliseconds."""

    id: int
    name: str
    track_count: int
    duration: int


class PlaylistPage(PlaylistItem):
    """A playlist with the first page of its tracks."""

    tracks: Annotated[Page[TrackItem], include(Playlist.tracks, first=10)]


class PlaylistName(BaseModel):
    """Which playlist."""

    id: int
    name: str


class TrackPage(BaseModel):
    """A track with all that the store knows of it; `sold` is how many invoices have it."""

    id: int
    name: str
    composer: str | None
    milliseconds: int
    unit_price: Decimal
    sold: int
    media_type: Annotated[str, column(Track.media_type, MediaType.name)]
    genre: GenreView
    album: AlbumItem
    playlists: list[PlaylistName]


class EmployeeItem(BaseModel):
    """Someone who works at the store."""

    id: int
    first_name: str
    last_name: str
    title: str


class Seller(EmployeeItem):
    """Someone who works at the store, and what the customers bought whom they look after."""

    customer_count: int
    invoice_count: int
    sales: Decimal


class EmployeeView(Seller):
    """Someone who works at the store, whom they report to, and who reports to them, with the sales of each."""

    reports_to: EmployeeItem | None
    reports: list[Seller]


class InvoiceItem(BaseModel):
    """An invoice as one line of a list."""

    id: int
    invoice_date: Moment
    total: Decimal


class CustomerItem(BaseModel):
    """A customer, and what all their invoices come to."""

    id: int
    first_name: str
    last_name: str
    country: str
    invoice_count: int
    total_spent: Decimal


class CustomerView(CustomerItem):
    """A customer, what they bought last, and who looks after them."""

    support_rep: EmployeeItem | None
    latest_invoice: InvoiceItem | None


class CustomerPage(CustomerView):
    """A customer with the newest invoices."""

    email: str
    company: str | None
    first_bought: Moment | None
    last_bought: Moment | None
    invoices: Annotated[
        Page[InvoiceItem],
        include(Customer.invoices, first=5, order_by=Invoice.invoice_date.desc(), total="exact"),
    ]


class InvoiceView(InvoiceItem):
    """An invoice, and the customer with what all their invoices come to."""

    billing_city: str
    billing_country: str
    line_count: int
    customer: CustomerItem


class LineItem(BaseModel):
    """A line of an invoice, with the names of what was bought."""

    id: int
    quantity: int
    unit_price: Decimal
    track_name: Annotated[str, column(InvoiceLine.track, Track.name)]
    artist_name: Annotated[str, column(InvoiceLine.track, Track.album, Album.artist, Artist.name)]


class InvoicePage(InvoiceView):
    """An invoice with its lines."""

    lines: list[LineItem]


VIEWS = (
    AlbumItem,
    AlbumPage,
    AlbumView,
    ArtistPage,
    ArtistView,
    CustomerPage,
    CustomerView,
    EmployeeView,
    GenreItem,
    GenrePage,
    InvoicePage,
    InvoiceView,
    LineItem,
    PlaylistItem,
    PlaylistPage,
    TrackItem,
    TrackPage,
    TrackView,
)
"""All views that are read by themselves, for `Database(..., views=VIEWS)`: a mistake is found at the start."""
