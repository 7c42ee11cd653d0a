"""The GraphQL types of the music. Each lists what is public of a repository's rows; nothing here reads them.

What a query selects of them, at any depth, is one plan: a statement for each relation that it follows, whatever the
number of rows.
"""

from __future__ import annotations

from strawberry import auto, relay

from batchrepo import column
from batchrepo.integrations.strawberry import Connection, attribute, related, repository_type
from examples.chinook.models import Album, Artist, Track
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

    database_id: int = attribute(Artist.id)
    name: auto
    album_count: auto
    albums: Connection[AlbumType]


@repository_type(AlbumRepository)
class AlbumType(relay.Node):
    """An album of one artist; `duration` in milliseconds."""

    database_id: int = attribute(Album.id)
    title: auto
    track_count: auto
    duration: auto
    artist: ArtistType
    artist_name: str = attribute(column(Album.artist, Artist.name))
    tracks: Connection[TrackType]
    long_tracks: list[TrackType] = related(
        Album.tracks,
        where=Track.milliseconds > 300_000,
        order_by=Track.milliseconds.desc(),
        first=5,
        description="The longest five of those that last more than five minutes.",
    )
    first_tracks: list[TrackType]
    longest: TrackType | None


@repository_type(TrackRepository)
class TrackType(relay.Node):
    """A track of an album; `sold` is how many invoices have it."""

    database_id: int = attribute(Track.id)
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
