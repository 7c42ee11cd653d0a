"""The repositories of the store: declarations, and nothing that runs.

Every relationship of the models is batched without a word here. What is declared is what the models do not
have: counts, sums, the first few of a list.
"""

from __future__ import annotations

from batchrepo import Repository, count, latest, top, total
from examples.chinook.models import (
    Album,
    Artist,
    Customer,
    Employee,
    Genre,
    Invoice,
    Playlist,
    Track,
)


class ArtistRepository(Repository[Artist]):
    """Artists, by name."""

    album_count = count(Artist.albums)
    default_order = (Artist.name,)


class AlbumRepository(Repository[Album]):
    """Albums, by title."""

    track_count = count(Album.tracks)
    duration = total(Album.tracks, Track.milliseconds)
    first_tracks = top(Album.tracks, 3)
    longest = latest(Album.tracks, by=Track.milliseconds)
    default_order = (Album.title,)


class TrackRepository(Repository[Track]):
    """Tracks, in the order of their ids."""


class GenreRepository(Repository[Genre]):
    """Genres, by name."""

    track_count = count(Genre.tracks)
    default_order = (Genre.name,)


class PlaylistRepository(Repository[Playlist]):
    """Playlists, by name."""

    track_count = count(Playlist.tracks)
    duration = total(Playlist.tracks, Track.milliseconds)
    default_order = (Playlist.name,)


class EmployeeRepository(Repository[Employee]):
    """The people who work at the store."""

    report_count = count(Employee.reports)
    customer_count = count(Employee.customers)


class CustomerRepository(Repository[Customer]):
    """Customers, by last name."""

    invoice_count = count(Customer.invoices)
    total_spent = total(Customer.invoices, Invoice.total)
    latest_invoice = latest(Customer.invoices, by=Invoice.invoice_date)
    default_order = (Customer.last_name, Customer.first_name)


REPOSITORIES = (
    ArtistRepository,
    AlbumRepository,
    TrackRepository,
    GenreRepository,
    PlaylistRepository,
    EmployeeRepository,
    CustomerRepository,
)
"""All repositories of the store, for `Database(..., repositories=REPOSITORIES)`."""
