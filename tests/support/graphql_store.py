"""The Chinook store as a GraphQL schema, for the tests of the plug.

Albums and artists are nodes of Relay, tracks and playlists are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import strawberry
from strawberry import auto, relay

from batchrepo import Database
from batchrepo.integrations.strawberry import (
    Connection,
    ScopeExtension,
    connection,
    field,
    many,
    one,
    repository_type,
    scope_of,
    to_type,
)
from batchrepo.testing.counting import statement_counter
from examples.chinook.models import Album
from examples.chinook.repositories import (
    AlbumRepository,
    ArtistRepository,
    GenreRepository,
    PlaylistRepository,
    TrackRepository,
)


@repository_type(ArtistRepository)
class ArtistType(relay.Node):
    name: auto
    album_count: auto
    albums: Connection[AlbumType]


@repository_type(AlbumRepository)
class AlbumType(relay.Node):
    id: relay.NodeID[int]
    title: auto
    duration: auto
    artist: ArtistType
    tracks: Connection[TrackType]
    first_tracks: list[TrackType]
    longest: TrackType | None

    @field(requires=("id", "title"))
    def label(self) -> str:
        return f"{self.id}: {self.title}"


@repository_type(TrackRepository)
class TrackType:
    id: auto
    name: auto
    milliseconds: auto
    album: AlbumType
    genre: GenreType
    playlists: list[PlaylistType]


@repository_type(GenreRepository)
class GenreType:
    id: auto
    name: auto


@repository_type(PlaylistRepository)
class PlaylistType:
    id: auto
    name: auto
    tracks: list[TrackType]


@strawberry.type
class Query:
    album: AlbumType | None = one()
    albums: Connection[AlbumType] = connection()
    artist: ArtistType | None = one()
    artists: Connection[ArtistType] = connection()
    playlists: list[PlaylistType] = many()
    tracks: Connection[TrackType] = connection()

    @strawberry.field
    async def rock(self, info: strawberry.Info) -> list[AlbumType]:
        """A resolver of the user's own."""
        found = await AlbumRepository(scope_of(info)).find(Album.title.icontains("rock"), limit=3)
        return [to_type(AlbumType, album) for album in found]


def make_schema(database: Database, *more: Any, **options: Any) -> strawberry.Schema:
    """The schema on a database; `options` are those of `ScopeExtension`."""

    # A class of its own: Strawberry's node fields work in one schema only.
    @strawberry.type(name="Query")
    class Root(Query):
        node: relay.Node | None = relay.node()
        nodes: list[relay.Node | None] = relay.node()

    return strawberry.Schema(Root, extensions=[*more, lambda: ScopeExtension(database, **options)])


@contextmanager
def counting(database: Database, statements: int) -> Iterator[None]:
    """So many statements, exactly, reach the driver."""
    with statement_counter(database.engine) as seen:
        yield
    assert seen.count == statements, (seen.count, statements)


async def answer(schema: strawberry.Schema, query: str, **variables: Any) -> dict[str, Any]:
    """The data of an answer without errors."""
    result = await schema.execute(query, variable_values=variables)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


async def refusal(schema: strawberry.Schema, query: str, **variables: Any) -> Any:
    """The only error of an answer."""
    result = await schema.execute(query, variable_values=variables)
    assert result.errors is not None
    (error,) = result.errors
    return error
