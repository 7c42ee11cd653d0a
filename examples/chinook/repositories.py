"""The repositories of the store: declarations, and nothing that runs.

Every relationship of the models is batched without a word here. What is declared is what the models do not
have (counts, sums, the first few of a list), and what clients may filter and sort by.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import Field
from sqlalchemy import ColumnElement, and_

from batchrepo import (
    Repository,
    any_of,
    between,
    column,
    count,
    eq,
    ge,
    gt,
    icontains,
    is_null,
    latest,
    le,
    lt,
    maximum,
    minimum,
    named_filter,
    overlaps,
    period,
    startswith,
    top,
    total,
)
from examples.chinook.models import (
    Album,
    Artist,
    Customer,
    Employee,
    Genre,
    Invoice,
    InvoiceLine,
    Playlist,
    Track,
)


class ArtistRepository(Repository[Artist]):
    """Artists, by name."""

    album_count = count(Artist.albums)
    default_order = (Artist.name,)
    sortable = (Artist.name, album_count)
    filterable = {Artist.name: (eq, icontains, startswith), album_count: (eq, ge, le)}  # noqa: RUF012


class AlbumRepository(Repository[Album]):
    """Albums, by title."""

    track_count = count(Album.tracks)
    duration = total(Album.tracks, Track.milliseconds)
    first_tracks = top(Album.tracks, 3)
    longest = latest(Album.tracks, by=Track.milliseconds)
    default_order = (Album.title,)
    sortable = (Album.title, Album.id, track_count, duration, column(Album.artist, Artist.name))
    filterable = {  # noqa: RUF012
        Album.title: (eq, icontains, startswith),
        Album.artist_id: (eq, any_of),
        column(Album.artist, Artist.name): (eq, icontains),
        track_count: (ge, le, between),
    }

    @named_filter
    def lasting(self, minutes: Annotated[int, Field(ge=1, le=1_000)]) -> ColumnElement[bool]:
        """Albums that play so many minutes, or longer."""
        return AlbumRepository.duration >= minutes * 60_000


class TrackRepository(Repository[Track]):
    """Tracks, in the order of their ids."""

    max_page_size = 500
    sold = count(Track.invoice_lines)
    sortable = (Track.name, Track.milliseconds, Track.composer.nulls_last(), Track.unit_price, sold)
    filterable = {  # noqa: RUF012
        Track.name: (eq, icontains, startswith),
        Track.composer: (icontains, is_null),
        Track.album_id: (eq, any_of),
        Track.genre_id: (eq, any_of),
        column(Track.genre, Genre.name): (eq,),
        Track.milliseconds: (ge, le, between),
        Track.unit_price: (eq, ge, le),
    }


class GenreRepository(Repository[Genre]):
    """Genres, by name."""

    track_count = count(Genre.tracks)
    default_order = (Genre.name,)
    sortable = (Genre.name, track_count)
    filterable = {Genre.name: (eq, icontains)}  # noqa: RUF012


class PlaylistRepository(Repository[Playlist]):
    """Playlists, by name."""

    track_count = count(Playlist.tracks)
    duration = total(Playlist.tracks, Track.milliseconds)
    default_order = (Playlist.name,)
    sortable = (Playlist.name, track_count, duration)
    filterable = {Playlist.name: (eq, icontains), track_count: (ge,)}  # noqa: RUF012


class EmployeeRepository(Repository[Employee]):
    """The people who work at the store, and what they sell."""

    report_count = count(Employee.reports)
    customer_count = count(Employee.customers)
    invoice_count = count(Employee.invoices)
    sales = total(Employee.invoices, Invoice.total)
    sortable = (Employee.last_name, Employee.hire_date, customer_count, sales)
    filterable = {  # noqa: RUF012
        Employee.reports_to_id: (eq, is_null),
        Employee.title: (eq, icontains),
        column(Employee.reports_to, Employee.last_name): (eq,),
        sales: (ge,),
    }


class CustomerRepository(Repository[Customer]):
    """Customers, by last name."""

    invoice_count = count(Customer.invoices)
    total_spent = total(Customer.invoices, Invoice.total)
    first_bought = minimum(Customer.invoices, Invoice.invoice_date)
    last_bought = maximum(Customer.invoices, Invoice.invoice_date)
    latest_invoice = latest(Customer.invoices, by=Invoice.invoice_date)
    default_order = (Customer.last_name, Customer.first_name)
    sortable = (Customer.last_name, Customer.country, invoice_count, total_spent)
    filterable = {  # noqa: RUF012
        Customer.country: (eq, any_of),
        Customer.last_name: (eq, startswith),
        Customer.company: (icontains, is_null),
        column(Customer.support_rep, Employee.last_name): (eq,),
        total_spent: (ge, le),
        period(first_bought, last_bought, name="buying"): overlaps,
    }


class InvoiceRepository(Repository[Invoice]):
    """Invoices, the newest first."""

    line_count = count(Invoice.lines)
    default_order = (Invoice.invoice_date.desc(),)
    sortable = (Invoice.invoice_date, Invoice.total, line_count)
    filterable = {  # noqa: RUF012
        Invoice.invoice_date: (ge, lt, between),
        Invoice.total: (gt, ge, le),
        Invoice.customer_id: (eq, any_of),
        Invoice.billing_country: (eq, any_of),
    }

    @named_filter
    def year(self, year: Annotated[int, Field(ge=2000, le=2100, examples=[2009])]) -> ColumnElement[bool]:
        """Invoices of one year."""
        start, end = (dt.datetime.fromisoformat(f"{first}-01-01") for first in (year, year + 1))
        return and_(Invoice.invoice_date >= start, Invoice.invoice_date < end)


class InvoiceLineRepository(Repository[InvoiceLine]):
    """Lines of invoices, in the order of their ids."""

    sortable = (InvoiceLine.unit_price, column(InvoiceLine.track, Track.name))


REPOSITORIES = (
    ArtistRepository,
    AlbumRepository,
    TrackRepository,
    GenreRepository,
    PlaylistRepository,
    EmployeeRepository,
    CustomerRepository,
    InvoiceRepository,
    InvoiceLineRepository,
)
"""All repositories of the store, for `Database(..., repositories=REPOSITORIES)`."""
