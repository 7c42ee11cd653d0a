"""Albums: a list as it goes out fastest, one, and what belongs to one."""

from __future__ import annotations

from fastapi import APIRouter, Response

from batchrepo import Scope
from batchrepo.integrations.fastapi import Provide, problems
from examples.chinook.models import Album
from examples.chinook.repositories import AlbumRepository
from examples.chinook.views import AlbumPage, AlbumView, ArtistView, TrackView
from examples.fastapi_app.parameters import Id, Limit, Search

router = APIRouter(prefix="/albums", tags=["albums"])


@router.get("", response_model=list[AlbumView])
async def list_albums(albums: Provide[AlbumRepository], limit: Limit = 20, q: Search = None) -> Response:
    """Albums with artist, tracks and each track's genre: five statements for any number of them."""
    where = [Album.title.icontains(q, autoescape=True)] if q else []
    body = await albums.find_json(AlbumView, *where, order_by=(Album.title, Album.id), limit=limit)
    return Response(body, media_type="application/json")


@router.get("/{album_id}", responses=problems(404))
async def get_album(album_id: Id, albums: Provide[AlbumRepository]) -> AlbumPage:
    """One album, with computed attributes."""
    return await albums.get(album_id, AlbumPage)


@router.get("/{album_id}/tracks", responses=problems(404))
async def list_tracks(
    album_id: Id, albums: Provide[AlbumRepository], scope: Provide[Scope]
) -> list[TrackView]:
    """The tracks of one album."""
    album = await albums.get(album_id)
    return await scope.related(album, Album.tracks, TrackView)


@router.get("/{album_id}/artist", responses=problems(404))
async def get_artist(
    album_id: Id, albums: Provide[AlbumRepository], scope: Provide[Scope]
) -> ArtistView | None:
    """The artist of one album."""
    album = await albums.get(album_id)
    return await scope.related(album, Album.artist, ArtistView)
