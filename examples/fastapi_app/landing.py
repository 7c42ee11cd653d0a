"""The page at `/`: what there is to try."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

LINKS = (
    ("/albums?limit=1000", "all 347 albums with artist, tracks, genres and the artist's album count"),
    ("/albums?q=rock", "albums with “rock” in the title"),
    ("/albums/1", "one album: length, first three tracks, longest track, long tracks"),
    ("/albums/1/tracks", "its tracks"),
    ("/artists?limit=1000", "all artists with the number of their albums"),
    ("/artists/90", "one artist with the albums"),
    ("/playlists", "playlists: the number and length of their tracks, through the table between them"),
    ("/playlists/1/tracks", "the 3,290 tracks of one playlist"),
    ("/employees", "employees: a relation to the table itself"),
    ("/customers", "customers: what they spent, and their latest invoice"),
    ("/albums/9999", "an album that does not exist: a problem as RFC 9457 has it"),
    ("/docs", "the OpenAPI page"),
)
"""Paths to try, and what they show."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chinook</title>
<style>
body {{ max-width: 56rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1c1c1e; }}
table {{ width: 100%; border-collapse: collapse; }}
td, th {{ padding: .4rem .6rem; border-top: 1px solid #ddd; text-align: left; vertical-align: top; }}
code, .n {{ font-family: ui-monospace, monospace; }}
.n {{ text-align: right; white-space: nowrap; }}
</style>
</head>
<body>
<h1>Chinook, a music store</h1>
<p>Every answer says in its header <code>X-Statements</code> how many SQL statements it took. The number depends on
what is shown, not on how much of it.</p>
<table>
<thead><tr><th>Try</th><th>What it is</th><th class="n">statements</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<script>
for (const row of document.querySelectorAll("tr[data-path]")) {{
  fetch(row.dataset.path).then((answer) => {{
    row.lastElementChild.textContent = answer.headers.get("X-Statements") ?? "";
  }});
}}
</script>
</body>
</html>
"""


def create_router(more: Sequence[tuple[str, str]] = ()) -> APIRouter:
    """The page.

    Args:
        more: paths of other parts of the application, and what they show.
    """
    router = APIRouter(include_in_schema=False)
    rows = "\n".join(
        f'<tr data-path="{escape(path)}"><td><a href="{escape(path)}"><code>{escape(path)}</code></a></td>'
        f'<td>{escape(text)}</td><td class="n"></td></tr>'
        for path, text in (*LINKS, *more)
    )
    page = _PAGE.format(rows=rows)

    @router.get("/", response_class=HTMLResponse)
    async def landing() -> str:
        """Links to try, each with the number of statements that it takes."""
        return page

    return router
