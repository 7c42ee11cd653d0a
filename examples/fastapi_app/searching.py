"""Written by hand: three lists in one answer, and a chart. `Provide` gives each repository, all on one scope."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from batchrepo import Page
from batchrepo.integrations.fastapi import Provide, json_response, problems
from examples.chinook.repositories import AlbumRepository, ArtistRepository, TrackRepository
from examples.chinook.views import AlbumItem, ArtistView, TrackItem

router = APIRouter(tags=["By hand"])

Text = Annotated[
    str, Query(min_length=1, max_length=100, description="Part of a name, in any case.", examples=["black"])
]
"""What is searched for."""

First = Annotated[int, Query(ge=1, le=50, description="At most so many of each.", examples=[5])]
"""How much is shown."""


class Found(BaseModel):
    """What a search found."""

    artists: list[ArtistView]
    albums: list[AlbumItem]
    tracks: list[TrackItem]


@router.get("/search", summary="Search everything", responses=problems(400))
async def search(
    q: Text,
    artists: Provide[ArtistRepository],
    albums: Provide[AlbumRepository],
    tracks: Provide[TrackRepository],
    first: First = 5,
) -> Found:
    """Artists, albums and tracks with a text in their names. The three lists are read at the same time."""
    found = await asyncio.gather(
        artists.find(ArtistView, artists.filters({"name__icontains": q}), limit=first),
        albums.find(AlbumItem, albums.filters({"title__icontains": q}), limit=first),
        tracks.find(TrackItem, tracks.filters({"name__icontains": q}), limit=first),
    )
    return Found(artists=found[0], albums=found[1], tracks=found[2])


class ChartItem(TrackItem):
    """A track, and how many invoices have it."""

    sold: int


@router.get(
    "/best-sellers",
    summary="List the tracks that sell best",
    response_model=Page[ChartItem],  # for this page only: the JSON goes out as it is
    responses={304: {"description": "What the client has is still right."}, **problems(400)},
)
async def best_sellers(
    request: Request,
    tracks: Provide[TrackRepository],
    first: First = 10,
    after: Annotated[str | None, Query(description="The `end_cursor` of the page before.")] = None,
) -> Response:
    """A keyset page in the order of a count, as bytes with an entity tag and a link to the next page."""
    order = TrackRepository.sold.desc()
    page = await tracks.page_json(ChartItem, order_by=order, first=first, after=after)
    return json_response(request, page)
