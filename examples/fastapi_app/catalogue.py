"""Written by hand: a catalogue file of albums and tracks, of which the good lines are written and the others named."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from batchrepo import Scope
from batchrepo.integrations.fastapi import Provide, RefusedRow, problems
from examples.chinook.forms import Id, Title
from examples.chinook.repositories import AlbumRepository, TrackRepository
from examples.fastapi_app.trying import DryRun

router = APIRouter(tags=["By hand"])

LARGEST = 10_000_000
"""So many bytes a file may have."""

Number = Annotated[int, Field(ge=0, lt=2**31, examples=[200_000])]
"""A whole number."""


class AlbumLine(BaseModel):
    """An album of the file."""

    kind: Literal["album"]
    id: Id
    title: Title
    artist_id: Id


class TrackLine(BaseModel):
    """A track of the file."""

    kind: Literal["track"]
    id: Id
    name: Annotated[str, Field(min_length=1, max_length=200, examples=["I Feel Good"])]
    album_id: Id
    media_type_id: Id = 1
    genre_id: Id
    composer: Annotated[str | None, Field(max_length=220)] = None
    milliseconds: Number
    bytes: Number = 0
    unit_price: Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2, examples=["0.99"])]


Line = Annotated[AlbumLine | TrackLine, Field(discriminator="kind")]
"""A line of a catalogue file."""

LINE: TypeAdapter[AlbumLine | TrackLine] = TypeAdapter(Line)

_ONE_OF = {"anyOf": [AlbumLine.model_json_schema(), TrackLine.model_json_schema()]}
_EXAMPLE = '{"kind": "album", "id": 348, "title": "Live at the Apollo", "artist_id": 1}\n'


class Taken(BaseModel):
    """What became of a catalogue file."""

    albums: Annotated[int, Field(description="Albums that were created or changed.")]
    tracks: Annotated[int, Field(description="Tracks that were created or changed.")]
    errors: Annotated[list[RefusedRow], Field(description="Lines that were refused, by their index.")]


@router.post(
    "/catalogue",
    summary="Take in a catalogue file",
    responses={
        207: {"description": "Some lines were refused.", "model": Taken},
        **problems(400, 413, 422, 503),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/jsonl": {"schema": {"type": "string", "examples": [_EXAMPLE]}},
                "application/json": {"schema": {"type": "array", "items": _ONE_OF}},
            },
        }
    },
)
async def take_in(
    request: Request,
    response: Response,
    scope: Provide[Scope],
    albums: Provide[AlbumRepository],
    tracks: Provide[TrackRepository],
    dry_run: DryRun = False,
) -> Taken:
    """Albums and tracks, each created or changed by its id: a JSON object in each line, or a JSON array of them.

    The albums are written first, so that tracks may refer to them wherever they stand. A line that is wrong hurts no
    other: `errors` has its index, counted from 0, and the reason.
    """
    refused: list[RefusedRow] = []
    rows: dict[str, list[tuple[int, dict[str, Any]]]] = {"album": [], "track": []}
    for index, item in enumerate(await _items(request)):
        try:
            line = LINE.validate_python(item) if not isinstance(item, bytes) else LINE.validate_json(item)
        except ValidationError as error:
            refused.append(_wrong(index, error))
        else:
            rows[line.kind].append((index, line.model_dump(exclude={"kind"})))
    counts: dict[str, int] = {}
    async with scope.transaction(dry_run=dry_run):
        for kind, repository in (("album", albums), ("track", tracks)):
            found = await repository.upsert_many([row for _, row in rows[kind]], on_error="collect")
            counts[kind] = found.count
            refused += [RefusedRow.of(error, rows[kind][error.index][0]) for error in found.errors]
    if refused:
        response.status_code = 207
    refused.sort(key=lambda row: row.index)
    return Taken(albums=counts["album"], tracks=counts["track"], errors=refused)


async def _items(request: Request) -> Iterable[Any]:
    """What the file has: lines of JSON, or values."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise HTTPException(413, f"A catalogue file has at most {LARGEST:,} bytes. Send it in parts.")
    if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        return [line for line in bytes(body).splitlines() if line.strip()]
    try:
        return TypeAdapter(list[Any]).validate_json(bytes(body))
    except ValidationError as error:
        raise HTTPException(422, f"Expected a JSON array: {error.errors()[0]['msg']}.") from error


def _wrong(index: int, error: ValidationError) -> RefusedRow:
    told = [(".".join(map(str, each["loc"][1:])), each["msg"]) for each in error.errors()]
    message = "; ".join(f"{field}: {what}" if field else what for field, what in told)
    columns = [field for field, _ in told if field]
    return RefusedRow(index=index, kind="value", message=message, columns=columns, constraint=None)
