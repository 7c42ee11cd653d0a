"""What OpenAPI says of the application as a whole."""

from __future__ import annotations

from typing import Any

SUMMARY = "A music store over REST: five tables to browse, three to sell by, each one declaration."

DESCRIPTION = """
Everything here reads and writes the [Chinook](https://github.com/lerocha/chinook-database) sample store. Try these first:

| | |
|---|---|
| `GET /albums` | a page of albums with artist, tracks and genres: five SQL statements for any number of them |
| `GET /albums?title__icontains=rock&sort=-title` | filtered and sorted; each list names what it can be filtered and sorted by |
| `GET /albums?fields=id,title,artist(name)` | only these fields: two statements |
| `GET /employees?sort=-sales` | who sold most |

**Statements.** The header `X-Statements` of each answer says how many SQL statements it took. The number depends on what
is shown, never on how much of it.

**Pages.** A list has `first` (how many) and `after` (a cursor). Follow the `Link` header, or pass `end_cursor` as `after`.
Page 1,000 costs little more than page 1. `total=exact` counts the rows of all pages, for one statement more.

**Filters.** `title=Outbreak` is equal, `title__icontains=rock` has an operator behind two underscores. Beside each other all
must hold; `filter={"or":[...]}` has groups.

**Fields.** `fields=id,artist(name)` reads and shows only these.

**Caches.** Send an answer's `ETag` back as `If-None-Match`, and what you have is not sent again (304). Every path takes
`HEAD`, and answers are compressed.

**Writing.** `POST`, `PATCH` and `DELETE` are one transaction each, and answer with what was written. `PATCH` changes exactly
the fields that are sent. `If-Match` with the `ETag` of what was read keeps you from overwriting what somebody else has written
(412). Many rows at once (`/playlists/bulk`, `/catalogue`) are answered one by one. With `dry_run=true` nothing of it stays:

| | |
|---|---|
| `POST /orders?dry_run=true` | an invoice with its lines, at the prices that the tracks have |
| `POST /genres/{id}/reprice?dry_run=true` | all tracks of a genre by one `UPDATE` |
| `POST /catalogue?dry_run=true` | albums and tracks, created or changed by their ids |

**Errors** are problem details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) that say what was wrong, and what there is
instead.
"""

TAGS: list[dict[str, Any]] = [
    {"name": "Albums", "description": "With artist, tracks and genres. By number of tracks, length, artist."},
    {"name": "Artists", "description": "With the number of their albums; one of them with a page of albums."},
    {"name": "Tracks", "description": "What is sold: by name, composer, genre, price, and how often it was."},
    {
        "name": "Genres",
        "description": "Anybody may keep these answers for a minute (`Cache-Control: public`).",
    },
    {"name": "Playlists", "description": "Through a table between. This list has page numbers."},
    {
        "name": "Customers",
        "description": "What they spent and when; `buying__overlaps` finds who bought before and after, or within, a "
        "range of time.",
    },
    {"name": "Invoices", "description": "With their lines, and the customer with the sum of all invoices."},
    {
        "name": "Employees",
        "description": "A table that refers to itself: manager and reports, each with the sales to the customers whom they "
        "look after.",
    },
    {
        "name": "By hand",
        "description": "Endpoints that are no declaration: several repositories in one answer, a page as bytes, a stream, a "
        "background task; an order, new prices, a catalogue file.",
    },
]
"""The groups of endpoints, in their order."""
