"""The page at `/`: what there is to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

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


def create_router(more: Sequence[Link] = ()) -> APIRouter:
    """The page.

    Args:
        more: links to other parts of the application.
    """
    router = APIRouter(include_in_schema=False)
    sections = {**LINKS, **({"GraphQL": tuple(more)} if more else {})}
    shown = page(
        Path(__file__).with_name("landing.html"),
        "\n".join(_section(title, links) for title, links in sections.items()),
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
