"""The page at `/`: what there is to try."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from examples.pages import counted, page


@dataclass(frozen=True)
class Link:
    """Something to try.

    Attributes:
        path: of a GET request, with its query.
        text: what it reads.
        statements: how many SQL statements it takes; None for a page of documentation.
        status: of the answer.
    """

    path: str
    text: str
    statements: int | None
    status: int = 200


LINKS: dict[str, tuple[Link, ...]] = {
    "Lists": (
        Link(
            "/albums?first=1000",
            "all 347 albums with artist, tracks, genres, and the artist's album count",
            5,
        ),
        Link("/albums?first=10", "ten of them: as many statements", 5),
        Link("/artists?sort=-album_count", "artists, the most albums first: sorted by a count", 2),
        Link("/tracks?sort=-milliseconds&first=5", "the five longest of 3,503 tracks, with their genres", 2),
        Link(
            "/playlists?page=2&size=5",
            "playlists, by page numbers; tracks counted through the table between",
            3,
        ),
    ),
    "Filters": (
        Link("/albums?title__icontains=rock&total=exact", "“rock” in the title, and how many there are", 6),
        Link(
            "/albums?lasting=120&sort=-duration&fields=title,artist(name)", "albums of two hours and more", 2
        ),
        Link(
            '/albums?filter={"or":[{"artist.name":"Iron Maiden"},{"track_count__ge":25}]}&fields=id,title',
            "a group: by Iron Maiden, or with 25 tracks",
            1,
        ),
        Link(
            "/tracks/count?genre.name=Jazz&milliseconds__ge=600000",
            "how many Jazz tracks last ten minutes",
            1,
        ),
        Link(
            "/customers?buying__overlaps=2011-12-01,2012-01-01&fields=first_name,last_name,total_spent",
            "customers who were buying in December 2011: from the first to the last invoice",
            2,
        ),
    ),
    "Fields": (
        Link("/albums?fields=id,title", "two columns: one statement", 1),
        Link("/albums?fields=title,artist(name)", "and the artist's name", 2),
        Link("/albums/1?fields=title,longest(name)", "one album and its longest track", 2),
    ),
    "One, many, and what belongs to one": (
        Link("/albums/94", "an album: its length, first tracks, longest track, long tracks", 8),
        Link("/artists/90", "Iron Maiden, with the first page of 21 albums and their total", 5),
        Link("/artists/90/albums?sort=title&first=3", "the same albums as a list of its own", 4),
        Link("/albums/by-ids?id=3&id=1&fields=title,artist(name)", "two albums, in this order", 2),
        Link("/playlists/1/tracks?first=3", "the first of 3,290 tracks of a playlist", 3),
    ),
    "Sales": (
        Link(
            "/invoices?first=5", "the newest invoices, each with the total of all invoices of its customer", 4
        ),
        Link("/invoices/1", "one invoice with its lines, and the artist of each", 8),
        Link("/customers?sort=-total_spent&first=5", "the customers who spent most", 4),
        Link(
            "/employees?sort=-sales", "employees, their manager, and the sales of whoever reports to them", 7
        ),
        Link("/employees/2/reports?sort=-sales", "the three who report to Nancy Edwards, by sales", 4),
        Link("/best-sellers", "the tracks that sell best: a page by hand", 3),
        Link("/search?q=black", "artists, albums and tracks at once: three repositories, one scope", 7),
        Link(
            "/exports/tracks?genre=Jazz",
            "a stream that reads as it is sent; counted are statements before it",
            0,
        ),
    ),
    "Errors": (
        Link("/albums/9999", "an album that does not exist", 1, 404),
        Link("/albums?titel=x", "a parameter with a typing error", 0, 400),
        Link("/albums?fields=titel", "a field with one", 0, 400),
        Link("/albums?first=5000", "more than a page may have", 0, 422),
    ),
    "Documentation": (
        Link("/docs", "every endpoint and parameter, to try out", None),
        Link("/openapi.json", "the same for programs", None),
    ),
}
"""Links by their headings."""


@dataclass(frozen=True)
class Try:
    """A write to try; nothing of it stays.

    Attributes:
        path: of the request; every one says `dry_run=true`.
        text: what it writes.
        body: what is sent, as JSON.
        statements: how many SQL statements it takes, as measured with SQLite.
        status: of the answer.
        method: of the request.
    """

    path: str
    text: str
    body: Any
    statements: int
    status: int = 200
    method: str = "POST"


_LINES = [{"track_id": 1, "quantity": 2}, {"track_id": 2820, "quantity": 1}]

TRIES = (
    Try(
        "/orders?dry_run=true",
        "an order: an invoice with its lines in one transaction, at the prices that the tracks have",
        {"customer_id": 2, "lines": _LINES},
        13,
        201,
    ),
    Try(
        "/orders?dry_run=true",
        "an order of a track that there is not",
        {"customer_id": 2, "lines": [{"track_id": 9999, "quantity": 1}]},
        2,
        422,
    ),
    Try(
        "/genres/1/reprice?dry_run=true",
        "1,297 Rock tracks a tenth dearer: one UPDATE, in a savepoint",
        {"percent": 10},
        3,
    ),
    Try(
        "/catalogue?dry_run=true",
        "a catalogue: an album and its track are written, and a line without an artist is named",
        [
            {"kind": "album", "id": 400, "title": "Live at the Apollo", "artist_id": 1},
            {"kind": "album", "id": 401, "title": "By nobody", "artist_id": 9999},
            {
                "kind": "track",
                "id": 4001,
                "name": "I Feel Good",
                "album_id": 400,
                "genre_id": 1,
                "milliseconds": 200_000,
                "unit_price": "0.99",
            },
        ],
        14,
        207,
    ),
    Try(
        "/albums?dry_run=true",
        "a new album, answered as it is read",
        {"title": "Live", "artist_id": 1},
        8,
        201,
    ),
    Try(
        "/albums/1?dry_run=true",
        "another title: exactly what is sent is changed",
        {"title": "For Those About to Read"},
        9,
        method="PATCH",
    ),
    Try(
        "/playlists/1?dry_run=true",
        "a playlist that nobody may overwrite unread: this one needs an If-Match",
        {"name": "Mine"},
        0,
        428,
        method="PATCH",
    ),
)
"""Writes to try."""


def create_router(more: Sequence[Link] = ()) -> APIRouter:
    """The page.

    Args:
        more: links to other parts of the application.
    """
    router = APIRouter(include_in_schema=False)
    sections = {**LINKS, **({"GraphQL": tuple(more)} if more else {})}
    shown = page(
        Path(__file__).with_name("landing.html"),
        "\n".join([*(_section(title, links) for title, links in sections.items()), _tries()]),
    )

    @router.get("/", response_class=HTMLResponse)
    async def landing() -> str:
        """Links to try, each with the number of statements that it takes."""
        return shown

    return router


def _section(title: str, links: Sequence[Link]) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n<ul>\n{''.join(map(_item, links))}</ul>\n</section>"


def _item(link: Link) -> str:
    path = escape(link.path)
    status = "" if link.status == 200 else f" <b>{link.status}</b>"
    measured = "" if link.statements is None else counted(link.statements, path=link.path)
    return f'<li><a href="{path}"><code>{path}</code></a><p>{escape(link.text)}{status}</p>{measured}</li>\n'


def _tries() -> str:
    items = "".join(map(_try, TRIES))
    return f"<section>\n<h2>Writes, of which nothing stays</h2>\n<ul>\n{items}</ul>\n</section>"


def _try(each: Try) -> str:
    body = json.dumps(each.body)
    status = f" <b>{each.status}</b>" if each.status >= 300 else ""
    measured = counted(each.statements, path=each.path, method=each.method, body=body)
    sent = escape(json.dumps(each.body, indent=1))
    return (
        f"<li><div><button>{each.method} {escape(each.path)}</button><pre hidden>{sent}</pre></div>"
        f"<p>{escape(each.text)}{status}</p>{measured}</li>\n"
    )
