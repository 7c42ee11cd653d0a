"""Artists: a list, one, and their albums."""

from __future__ import annotations

from fastapi import APIRouter

from batchrepo import Scope
from batchrepo.integrations.fastapi import Provide, problems
from examples.chinook.models import Artist
from examples.chinook.repositories import ArtistRepository
from examples.chinook.views import AlbumItem, ArtistPage, ArtistView
from examples.fastapi_app.parameters import Id, Limit, Search

router = APIRouter(prefix="/artists", tags=["artists"])


@router.get("")
async def list_artists(
    artists: Provide[ArtistRepository], limit: Limit = 20, q: Search = None
) -> list[ArtistView]:
    """Artists with the number of their albums, counted in one statement for all."""
    where = [Artist.name.icontains(q, autoescape=True)] if q else []
    return await artists.find(ArtistView, *where, order_by=(Artist.name, Artist.id), limit=limit)


@router.get("/{artist_id}", responses=problems(404))
async def get_artist(artist_id: Id, artists: Provide[ArtistRepository]) -> ArtistPage:
    """One artist with the albums."""
    return await artists.get(artist_id, ArtistPage)


@router.get("/{artist_id}/albums", responses=problems(404))
async def list_albums(
    artist_id: Id, artists: Provide[ArtistRepository], scope: Provide[Scope]
) -> list[AlbumItem]:
    """The albums of one artist."""
    artist = await artists.get(artist_id)
    return await scope.related(artist, Artist.albums, AlbumItem)
