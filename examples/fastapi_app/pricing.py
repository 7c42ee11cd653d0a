"""Written by hand: one statement for as many rows as there are."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from sqlalchemy import func

from batchrepo import Scope
from batchrepo.integrations.fastapi import Provide, problems
from examples.chinook.models import Track
from examples.chinook.repositories import GenreRepository, TrackRepository
from examples.fastapi_app.trying import DryRun

router = APIRouter(tags=["By hand"])


class Reprice(BaseModel):
    """How prices change."""

    percent: Annotated[int, Field(ge=-90, le=100, description="Dearer, or cheaper.", examples=[10])]


class Repriced(BaseModel):
    """What became of it."""

    tracks: Annotated[int, Field(description="How many tracks have another price now.")]


@router.post("/genres/{id}/reprice", summary="Re-price a genre", responses=problems(400, 404, 503))
async def reprice(
    id: Annotated[int, Path(description="The id of the genre.", examples=[1])],  # noqa: A002
    change: Reprice,
    scope: Provide[Scope],
    tracks: Provide[TrackRepository],
    genres: Provide[GenreRepository],
    dry_run: DryRun = False,
) -> Repriced:
    """All tracks of a genre by one `UPDATE`, however many there are."""
    factor = 1 + Decimal(change.percent) / 100
    price = func.round(Track.unit_price * factor, 2, type_=Track.unit_price.type)
    async with scope.transaction(dry_run=dry_run):
        done = await tracks.update_many(Track.genre_id == id, set={Track.unit_price: price})
        if not done.count:
            await genres.get(id)  # 404 where there is no such genre at all
    return Repriced(tracks=done.count)
