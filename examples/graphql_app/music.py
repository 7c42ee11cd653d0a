"""The GraphQL types of the music. Each lists what is public of a repository's rows; nothing here reads them.

What a query selects of them, at any depth, is one plan: a statement for each relation that it follows, whatever the
number of rows.
"""

from __future__ import annotations

from strawberry import auto, relay

from batchrepo.integrations.strawberry import Connection, repository_type
from examples.chinook.repositories import (
    AlbumRepository,
    ArtistRepository,
    GenreRepository,
    PlaylistRepository,
    TrackRepository,
)


@repository_type(ArtistRepository)
class ArtistType(relay.Node):
    """A performer or band."""

    name: auto
    album_count: auto
    albums: Connection[AlbumType]


@repository_type(AlbumRepository)
class AlbumType(relay.Node):
    """An album of one artist; `duration` in milliseconds."""

    title: auto
    track_count: auto
    duration: auto
    artist: ArtistType
    tracks: Connection[TrackType]
    first_tracks: list[TrackType]
    longest: TrackType | None


@repository_type(TrackRepository)
class TrackType(relay.Node):
    """A track of an album; `sold` is how many invoices have it."""

    name: auto
    composer: auto
    milliseconds: auto
    unit_price: auto
    sold: auto
    album: AlbumType
    genre: GenreType
    playlists: Connection[PlaylistType]


@repository_type(GenreRepository)
class GenreType(relay.Node):
    """A musical (or film) genre."""

    name: auto
    track_count: auto
    tracks: Connection[TrackType]


@repository_type(PlaylistRepository)
class PlaylistType(relay.Node):
    """A named list of tracks, which are on any number of lists."""

    name: auto
    track_count: auto
    duration: auto
    tracks: Connection[TrackType]
