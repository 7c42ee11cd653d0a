"""The station of the tour that writes: what is sent, what is answered, and what must hold of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Wrote:
    """One write.

    Attributes:
        request: as it is shown.
        status: of the answer.
        statements: how many it took.
        claim: what is said of it.
        held: whether that is so.
    """

    request: str
    status: str
    statements: str
    claim: str
    held: bool


async def write(client: httpx.AsyncClient) -> list[Wrote]:
    """Write to the store over REST."""
    return [
        await _order(client),
        await _reprice(client),
        await _two_at_once(client),
        await _catalogue(client),
    ]


async def _order(client: httpx.AsyncClient) -> Wrote:
    lines = [{"track_id": 1, "quantity": 2}, {"track_id": 2820, "quantity": 1}]
    unknown = {"customer_id": 2, "lines": [*lines, {"track_id": 9999, "quantity": 1}]}
    refused = await client.post("/orders", json=unknown)
    placed = await client.post("/orders", json={"customer_id": 2, "lines": lines})
    read = await client.get(placed.headers.get("Location", "/"))
    held = (
        (refused.status_code, placed.status_code) == (422, 201)
        and placed.json()["total"] == "3.97"
        and read.json() == placed.json()
    )
    claim = "an order is an invoice with its lines, or nothing: one transaction"
    return _wrote("POST /orders", claim, held, placed)


async def _reprice(client: httpx.AsyncClient) -> Wrote:
    answer = await client.post("/genres/1/reprice", json={"percent": 10})
    priced = await client.get("/tracks/count?genre_id=1&unit_price=1.09")
    held = answer.json() == {"tracks": 1297} and priced.json() == {"count": 1297}
    return _wrote("POST /genres/1/reprice", "1,297 tracks are repriced by one UPDATE", held, answer)


async def _two_at_once(client: httpx.AsyncClient) -> Wrote:
    tag = (await client.get("/playlists/1")).headers["ETag"]
    answers = await asyncio.gather(
        *(
            client.patch("/playlists/1", json={"name": name}, headers={"If-Match": tag})
            for name in ("Mine", "No, mine")
        )
    )
    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    now = await client.get("/playlists/1")
    held = (won.status_code, lost.status_code) == (200, 412) and now.json() == won.json()
    claim = "of two who change what both have read, one is told: 412"
    return _wrote("PATCH /playlists/1, twice at once", claim, held, won, lost)


async def _catalogue(client: httpx.AsyncClient) -> Wrote:
    def album(key: int, artist: int) -> dict[str, Any]:
        return {"kind": "album", "id": key, "title": f"Album {key}", "artist_id": artist}

    artists = [1] * 500
    artists[123] = 9999
    rows = [album(400 + at, artist) for at, artist in enumerate(artists)]
    answer = await client.post("/catalogue", json=rows)
    told = answer.json()
    held = answer.status_code == 207 and (told["albums"], [row["index"] for row in told["errors"]]) == (
        499,
        [123],
    )
    claim = "of 500 lines one is wrong: 499 are written, and it is named"
    return _wrote("POST /catalogue, 500 lines", claim, held, answer)


def _wrote(request: str, claim: str, held: bool, *answers: httpx.Response) -> Wrote:
    statuses = ", ".join(str(answer.status_code) for answer in answers)
    statements = ", ".join(answer.headers.get("X-Statements", "0") for answer in answers)
    return Wrote(request, statuses, statements, claim, held)
