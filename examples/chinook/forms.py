"""What clients of the store send: the fields of these models are columns, checked against them at the start."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

Id = Annotated[int, Field(ge=1, lt=2**31, examples=[1])]
"""An id of the store."""

Title = Annotated[str, Field(min_length=1, max_length=160, examples=["Live at the Apollo"])]
"""The title of an album."""

Name = Annotated[str, Field(min_length=1, max_length=120, examples=["For the road"])]
"""The name of a playlist."""


class AlbumCreate(BaseModel):
    """A new album."""

    title: Title
    artist_id: Id


class AlbumUpdate(BaseModel):
    """What is new about an album."""

    title: Title | None = None
    artist_id: Id | None = None


class PlaylistCreate(BaseModel):
    """A new playlist, or the new name of one."""

    name: Name
