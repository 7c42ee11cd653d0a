"""The GraphQL types, written by hand: each holds its row, and its resolvers ask the scope for what is related.

No resolver knows of batches. GraphQL runs the resolvers of all albums at once, and the scope loads what they
ask for together.
"""

from __future__ import annotations

from typing import Self

import strawberry

from batchrepo.integrations.strawberry import scope_of
from examples.chinook.models import Album, Artist, Genre, Playlist, Track
from examples.chinook.repositories import AlbumRepository, ArtistRepository, PlaylistRepository

Info = strawberry.Info[None, None]
"""What resolvers get; the application needs no context of its own."""


@strawberry.type(name="Genre")
class GenreType:
    """A genre."""

    id: int
    name: str

    @classmethod
    def of(cls, row: Genre) -> Self:
        """The type for a row."""
        return cls(id=row.id, name=row.name)


@strawberry.type(name="Track")
class TrackType:
    """A track."""

    row: strawberry.Private[Track]
    id: int
    name: str
    composer: str | None
    milliseconds: int

    @classmethod
    def of(cls, row: Track) -> Self:
        """The type for a row."""
        return cls(row=row, id=row.id, name=row.name, composer=row.composer, milliseconds=row.milliseconds)

    @strawberry.field
    async def genre(self, info: Info) -> GenreType:
        """Its genre."""
        return GenreType.of(await scope_of(info).related(self.row, Track.genre))

    @strawberry.field
    async def album(self, info: Info) -> AlbumType:
        """The album it is on."""
        return AlbumType.of(await scope_of(info).related(self.row, Track.album))


@strawberry.type(name="Album")
class AlbumType:
    """An album."""

    row: strawberry.Private[Album]
    id: int
    title: str

    @classmethod
    def of(cls, row: Album) -> Self:
        """The type for a row."""
        return cls(row=row, id=row.id, title=row.title)

    @strawberry.field
    async def artist(self, info: Info) -> ArtistType:
        """Whose album it is."""
        return ArtistType.of(await scope_of(info).related(self.row, Album.artist))

    @strawberry.field
    async def tracks(self, info: Info) -> list[TrackType]:
        """All tracks."""
        return [TrackType.of(row) for row in await scope_of(info).related(self.row, Album.tracks)]

    @strawberry.field
    async def first_tracks(self, info: Info) -> list[TrackType]:
        """The first three tracks."""
        return [
            TrackType.of(row) for row in await scope_of(info).related(self.row, AlbumRepository.first_tracks)
        ]

    @strawberry.field
    async def longest(self, info: Info) -> TrackType | None:
        """The longest track."""
        row = await scope_of(info).related(self.row, AlbumRepository.longest)
        return TrackType.of(row) if row is not None else None

    @strawberry.field
    async def duration(self, info: Info) -> int:
        """How long it plays, in milliseconds."""
        return await scope_of(info).related(self.row, AlbumRepository.duration)


@strawberry.type(name="Artist")
class ArtistType:
    """A performer or band."""

    row: strawberry.Private[Artist]
    id: int
    name: str

    @classmethod
    def of(cls, row: Artist) -> Self:
        """The type for a row."""
        return cls(row=row, id=row.id, name=row.name)

    @strawberry.field
    async def albums(self, info: Info) -> list[AlbumType]:
        """The artist's albums."""
        return [AlbumType.of(row) for row in await scope_of(info).related(self.row, Artist.albums)]

    @strawberry.field
    async def album_count(self, info: Info) -> int:
        """How many albums there are."""
        return await scope_of(info).related(self.row, ArtistRepository.album_count)


@strawberry.type(name="Playlist")
class PlaylistType:
    """A named list of tracks."""

    row: strawberry.Private[Playlist]
    id: int
    name: str

    @classmethod
    def of(cls, row: Playlist) -> Self:
        """The type for a row."""
        return cls(row=row, id=row.id, name=row.name)

    @strawberry.field
    async def tracks(self, info: Info) -> list[TrackType]:
        """All tracks."""
        return [TrackType.of(row) for row in await scope_of(info).related(self.row, Playlist.tracks)]

    @strawberry.field
    async def track_count(self, info: Info) -> int:
        """How many tracks there are."""
        return await scope_of(info).related(self.row, PlaylistRepository.track_count)
