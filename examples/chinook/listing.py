"""One task in six ways: all albums with artist, tracks, each track's genre, and the artist's album count.

Two of them are plain SQLAlchemy, as it is written without batchrepo. All give the same, which is what the
demo and the tests hold them to.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload
from strawberry.relay import GlobalID

from batchrepo import Scope
from examples.chinook.models import Album, Artist, Genre, Track
from examples.chinook.repositories import AlbumRepository, ArtistRepository
from examples.chinook.views import AlbumView

Listing = list[dict[str, Any]]
"""The albums by title, as the JSON of `AlbumView` has them."""

ORDER = (Album.title, Album.id)
"""By title; the id decides between equal ones."""

GRAPHQL = """
{
  albums(first: 400) {
    edges {
      node {
        id title
        artist { id name album_count: albumCount }
        tracks(first: 60) {
          edges { node { id name composer milliseconds genre { id name } } }
        }
      }
    }
  }
}
"""
"""The same task as a GraphQL query. No album has more than 57 tracks."""


async def naive(session: AsyncSession) -> Listing:
    """Plain SQLAlchemy, one thing at a time: the loop that every code review has seen."""
    listing = []
    for album in await session.scalars(select(Album).order_by(*ORDER)):
        artist = await album.awaitable_attrs.artist
        album_count = await session.scalar(
            select(func.count()).select_from(Album).where(Album.artist_id == artist.id)
        )
        tracks = [
            track_dict(track, await track.awaitable_attrs.genre)
            for track in await album.awaitable_attrs.tracks
        ]
        listing.append(album_dict(album, artist, album_count or 0, tracks))
    return listing


async def hand_tuned(session: AsyncSession) -> Listing:
    """Plain SQLAlchemy by someone who knows what the endpoint shows, and keeps it in step by hand."""
    options = (selectinload(Album.artist), selectinload(Album.tracks).selectinload(Track.genre))
    albums = (await session.scalars(select(Album).order_by(*ORDER).options(*options))).all()
    artists = {album.artist_id for album in albums}
    counted = select(Album.artist_id, func.count()).where(Album.artist_id.in_(artists))
    counts = dict((await session.execute(counted.group_by(Album.artist_id))).all())
    return [
        album_dict(
            album, album.artist, counts[album.artist_id], [track_dict(t, t.genre) for t in album.tracks]
        )
        for album in albums
    ]


async def loop(scope: Scope) -> Listing:
    """A repository and the naive loop again: the first album that asks loads it for all of them."""
    listing = []
    for album in await AlbumRepository(scope).find(order_by=ORDER):
        artist = await scope.related(album, Album.artist)
        album_count = await scope.related(artist, ArtistRepository.album_count)
        tracks = [
            track_dict(track, await scope.related(track, Track.genre))
            for track in await scope.related(album, Album.tracks)
        ]
        listing.append(album_dict(album, artist, album_count, tracks))
    return listing


async def gathered(scope: Scope) -> Listing:
    """A repository and a task per album and track, as GraphQL and other resolvers do it."""

    async def one_track(track: Track) -> dict[str, Any]:
        return track_dict(track, await scope.related(track, Track.genre))

    async def one_album(album: Album) -> dict[str, Any]:
        artist, tracks = await asyncio.gather(
            scope.related(album, Album.artist), scope.related(album, Album.tracks)
        )
        album_count, shown = await asyncio.gather(
            scope.related(artist, ArtistRepository.album_count), asyncio.gather(*map(one_track, tracks))
        )
        return album_dict(album, artist, album_count, shown)

    albums = await AlbumRepository(scope).find(order_by=ORDER)
    return list(await asyncio.gather(*map(one_album, albums)))


async def view(scope: Scope) -> list[AlbumView]:
    """A view: what is shown is what is read."""
    return await AlbumRepository(scope).find(AlbumView, order_by=ORDER)


async def view_json(scope: Scope) -> bytes:
    """A view, straight to the body of a response."""
    return await AlbumRepository(scope).find_json(AlbumView, order_by=ORDER)


def plain(result: Listing | list[AlbumView] | bytes) -> Listing:
    """What any of the ways gave, in one form."""
    if isinstance(result, bytes):
        listing: Listing = json.loads(result)
        return listing
    return [album if isinstance(album, dict) else album.model_dump() for album in result]


def from_graphql(data: Any) -> Any:
    """An answer to a query in the form of `Listing`: pages as lists, global ids as the primary keys in them."""
    if isinstance(data, list):
        return [from_graphql(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "edges" in data:
        return [from_graphql(edge["node"]) for edge in data["edges"]]
    return {
        name: int(GlobalID.from_id(value).node_id) if name == "id" else from_graphql(value)
        for name, value in data.items()
    }


def album_dict(
    album: Album, artist: Artist, album_count: int, tracks: list[dict[str, Any]]
) -> dict[str, Any]:
    """An album as `AlbumView` shows it."""
    return {
        "id": album.id,
        "title": album.title,
        "artist": {"id": artist.id, "name": artist.name, "album_count": album_count},
        "tracks": tracks,
    }


def track_dict(track: Track, genre: Genre) -> dict[str, Any]:
    """A track as `TrackView` shows it."""
    return {
        "id": track.id,
        "name": track.name,
        "composer": track.composer,
        "milliseconds": track.milliseconds,
        "genre": {"id": genre.id, "name": genre.name},
    }
