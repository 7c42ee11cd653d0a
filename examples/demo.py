"""`make demo`: a tour of batchrepo on the Chinook store.

The numbers are measured while you watch, and held to what is claimed: the exit code is 0 only if every
claim holds.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import getsource
from io import TextIOWrapper
from pathlib import Path
from time import perf_counter
from typing import Any

import httpx
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from batchrepo import Database, LazyLoad
from batchrepo.events import EventLog
from batchrepo.report import Report
from batchrepo.testing.counting import statement_counter
from examples.chinook import listing
from examples.chinook.loader import load_chinook
from examples.chinook.repositories import AlbumRepository
from examples.chinook.store import open_store, sqlite_url
from examples.chinook.views import AlbumView
from examples.demo_writing import write
from examples.fastapi_app.app import create_app
from examples.graphql_app.music import AlbumType
from examples.graphql_app.schema import create_schema

BUDGET = 5
"""No way through a repository may take more statements than this."""

ROUNDS = 3
"""Each way is timed so often; the fastest counts."""


@dataclass(frozen=True)
class Way:
    """One way to the listing.

    Attributes:
        name: as the table shows it.
        read: opens what it needs on a Database, reads, and closes it.
        ours: whether it goes through a repository.
    """

    name: str
    read: Callable[[Database], Awaitable[Any]]
    ours: bool


def by_session(read: Callable[[AsyncSession], Awaitable[Any]]) -> Callable[[Database], Awaitable[Any]]:
    """Read in a plain session."""

    async def run(database: Database) -> Any:
        async with AsyncSession(database.engine) as session:
            return await read(session)

    return run


def by_scope(read: Callable[[Any], Awaitable[Any]]) -> Callable[[Database], Awaitable[Any]]:
    """Read in a scope."""

    async def run(database: Database) -> Any:
        async with database.scope() as scope:
            return await read(scope)

    return run


WAYS = (
    Way("SQLAlchemy, a loop that loads as it goes", by_session(listing.naive), ours=False),
    Way("SQLAlchemy, eager loading kept by hand", by_session(listing.hand_tuned), ours=False),
    Way("batchrepo, the same loop", by_scope(listing.loop), ours=True),
    Way("batchrepo, a task for each album and track", by_scope(listing.gathered), ours=True),
    Way("batchrepo, a view", by_scope(listing.view), ours=True),
    Way("batchrepo, a view as the bytes of a response", by_scope(listing.view_json), ours=True),
)
"""The rows of the table; the first is what the others are held to."""


class Tour:
    """The stations of the tour, in order.

    Args:
        console: where it is shown.
        database: the store.

    Attributes:
        claims: what was claimed, and whether it held.
    """

    def __init__(self, console: Console, database: Database) -> None:
        self._console = console
        self._database = database
        self._expected: listing.Listing = []
        self.claims: list[tuple[str, bool]] = []

    async def run(self) -> bool:
        """Take the tour; True if every claim held."""
        await self.load()
        await self.compare()
        self.explain()
        await self.rest()
        await self.graphql()
        await self.refusal()
        await self.writing()
        return self.conclude()

    async def load(self) -> None:
        """Fill the database."""
        self.title("1. The Chinook store goes into an SQLite file")
        columns = (TextColumn("  {task.description:<16}"), BarColumn(40), MofNCompleteColumn())
        started = perf_counter()
        with Progress(*columns, console=self._console) as progress:
            tasks: dict[str, Any] = {}

            def show(table: str, done: int, total: int) -> None:
                if table not in tasks:
                    tasks[table] = progress.add_task(table, total=total)
                progress.update(tasks[table], completed=done)

            counts = await load_chinook(self._database.engine, progress=show)
        seconds = perf_counter() - started
        self.say(f"{sum(counts.values()):,} rows in {seconds:.1f} s.")
        self.claim(
            "the store has 347 albums and 3,503 tracks", (counts["album"], counts["track"]) == (347, 3503)
        )

    async def compare(self) -> None:
        """One listing, six ways."""
        self.title("2. 347 albums with artist, tracks, each track's genre, and the artist's album count")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        table.add_column("", no_wrap=True)
        table.add_column("statements", justify="right")
        table.add_column("milliseconds", justify="right")
        # What was imported is not looked at again by the garbage collector, as in a server that has started.
        gc.collect()
        gc.freeze()
        with self._console.status("measuring"):
            for way in WAYS:
                result, statements, seconds = await self._measure(way)
                style = "bold green" if way.ours else "red" if statements > BUDGET else ""
                table.add_row(way.name, f"{statements:,}", f"{seconds * 1000:,.0f}", style=style)
                self._hold(way, listing.plain(result), statements)
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))
        self.say(
            "The loop of the third row is the loop of the first, with `await scope.related(album, ...)`."
        )

    async def _measure(self, way: Way) -> tuple[Any, int, float]:
        await way.read(self._database)  # connections are open and plans are made
        result, statements, fastest = None, 0, float("inf")
        for _ in range(ROUNDS):
            with statement_counter(self._database.engine) as seen:
                started = perf_counter()
                result = await way.read(self._database)
                fastest = min(fastest, perf_counter() - started)
            statements = max(statements, seen.count)
        return result, statements, fastest

    def _hold(self, way: Way, result: listing.Listing, statements: int) -> None:
        if not self._expected:
            self._expected = result
            return
        self.claim(f"{way.name}: the same albums", result == self._expected)
        if way.ours:
            self.claim(f"{way.name}: at most {BUDGET} statements", statements <= BUDGET)

    def explain(self) -> None:
        """A view is a plan."""
        self.title("3. That view, and how it is read: print(database.explain(AlbumView))")
        self.block(getsource(AlbumView))
        self.block(str(self._database.explain(AlbumView, AlbumRepository)))

    async def rest(self) -> None:
        """The example over REST."""
        self.title("4. Over REST: GET /albums?first=1000")
        transport = httpx.ASGITransport(create_app(self._database))
        async with httpx.AsyncClient(transport=transport, base_url="http://chinook") as client:
            with self._watched() as events:
                answer = await client.get("/albums", params={"first": 1000})
            header = answer.headers["X-Statements"]
            self.say(
                f"{answer.status_code} {answer.reason_phrase}, {len(answer.content):,} bytes, X-Statements: {header}"
            )
            self.report(events)
            self.claim("REST: the same albums", answer.json()["items"] == self._expected)
            self.claim(f"REST: at most {BUDGET} statements", int(header) == events.statement_count <= BUDGET)
            await self.clients(client)

    async def clients(self, client: httpx.AsyncClient) -> None:
        """What clients may ask of one declared list."""
        self.title("5. What clients may ask of that list: pages, filters, orders, fields")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        table.add_column("GET", no_wrap=True)
        table.add_column("rows", justify="right")
        table.add_column("statements", justify="right")
        long = [album for album in self._expected if len(album["tracks"]) >= 20]
        for url, statements, rows in (
            ("/albums?title__icontains=rock", 5, self._having("rock")[:20]),
            ("/albums?title__icontains=rock&total=exact", 6, self._having("rock")[:20]),
            ("/albums?track_count__ge=20&first=100", 5, long),
            ("/albums?first=1000&fields=id,title", 1, self._picked("id", "title")),
            (
                "/albums?first=1000&fields=artist(name)",
                2,
                [{"artist": {"name": a["artist"]["name"]}} for a in self._expected],
            ),
        ):
            answer = await client.get(url)
            found = answer.json()["items"]
            table.add_row(url, f"{len(found):,}", answer.headers["X-Statements"])
            self.claim(f"{url}: the right rows", found == rows)
            self.claim(f"{url}: {statements} statements", answer.headers["X-Statements"] == str(statements))
        url, pages = "/albums?sort=-track_count&first=50&fields=id,title", 0
        walked: list[Any] = []
        while url:
            answer = await client.get(url)
            walked += answer.json()["items"]
            pages += 1
            self.claim(f"page {pages}: 1 statement", answer.headers["X-Statements"] == "1")
            url = answer.links.get("next", {}).get("url", "")
        table.add_row(
            "/albums?sort=-track_count&first=50&fields=id,title",
            f"{len(walked):,}",
            f"1 for each of {pages} pages",
        )
        ordered = sorted(self._expected, key=lambda album: (len(album["tracks"]), album["id"]), reverse=True)
        self.claim(
            "pages joined are the whole order", [a["id"] for a in walked] == [a["id"] for a in ordered]
        )
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))
        for url, status in (("/albums/9999", 404), ("/albums?titel__icontains=rock", 400)):
            answer = await client.get(url)
            self.say(f"GET {url}: {answer.headers['content-type']}")
            self.block(answer.text)
            self.claim(f"{url}: a {status} with problem details", answer.status_code == status)

    def _having(self, text: str) -> listing.Listing:
        return [album for album in self._expected if text in album["title"].lower()]

    def _picked(self, *names: str) -> listing.Listing:
        return [{name: album[name] for name in names} for album in self._expected]

    async def graphql(self) -> None:
        """The example over GraphQL."""
        self.title("6. Over GraphQL: what the query selects is the plan")
        self.block(getsource(AlbumType))
        self.block(listing.GRAPHQL.strip())
        schema = create_schema(self._database)
        with self._watched() as events:
            answer = await schema.execute(listing.GRAPHQL)
        self.report(events)
        albums = listing.from_graphql((answer.data or {}).get("albums"))
        self.claim("GraphQL: the same albums", answer.errors is None and albums == self._expected)
        self.claim(f"GraphQL: at most {BUDGET} statements", events.statement_count <= BUDGET)

    async def refusal(self) -> None:
        """What cannot be batched is refused, with the fix."""
        self.title("7. What nobody loaded is an error with its fix, not a hidden statement: album.tracks")
        message = ""
        async with self._database.scope() as scope:
            album = await AlbumRepository(scope).get(1)
            try:
                _ = album.tracks
            except LazyLoad as error:
                message = str(error)
        self.say(message)
        self.claim("a hidden load is refused", bool(message))

    async def writing(self) -> None:
        """The example over REST, written to."""
        self.title("8. Writing: each request is one transaction, and its answer is read in it")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        table.add_column("", no_wrap=True)
        table.add_column("status", justify="right")
        table.add_column("statements", justify="right")
        transport = httpx.ASGITransport(create_app(self._database))
        async with httpx.AsyncClient(transport=transport, base_url="http://chinook") as client:
            for wrote in await write(client):
                table.add_row(wrote.request, wrote.status, wrote.statements)
                self.claim(wrote.claim, wrote.held)
        self._console.print(Padding(table, (0, 0, 0, 2), expand=False))
        self.say("Of two who change what both have read one is told; of 500 lines the wrong one is named.")

    def conclude(self) -> bool:
        """Say what held."""
        failed = [text for text, held in self.claims if not held]
        self._console.print(Rule(style="dim"))
        for text in failed:
            self._console.print(Text(f"  did not hold: {text}", style="bold red"))
        if not failed:
            self._console.print(
                Text(
                    f"  All {len(self.claims)} claims held: the same albums every time,", style="bold green"
                ),
                Text(f"at most {BUDGET} statements for all of them.", style="bold green"),
            )
            self.say("Next: `make serve`, then open the page that it names.")
        return not failed

    def _watched(self) -> _Watched:
        return _Watched(self._database)

    def report(self, events: EventLog) -> None:
        """The report of a request."""
        self.block(str(Report(events)), cut=True)

    def claim(self, text: str, held: bool) -> None:
        """Note whether something that was said holds."""
        self.claims.append((text, held))

    def title(self, text: str) -> None:
        """The next station."""
        self._console.print()
        self._console.print(Text(text, style="bold cyan"))
        self._console.print(Rule(style="dim"))

    def say(self, text: str) -> None:
        """A sentence."""
        self._console.print(Padding(Text(text), (0, 0, 0, 2), expand=False))

    def block(self, text: str, *, cut: bool = False) -> None:
        """Text as it is, a little to the right; `cut` shortens long lines instead of wrapping them."""
        shown = Text(text, style="dim", no_wrap=cut, overflow="ellipsis" if cut else "fold")
        self._console.print(Padding(shown, (0, 0, 0, 4), expand=False))


class _Watched:
    """The events of all scopes that are opened within a block."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._events = EventLog()

    def __enter__(self) -> EventLog:
        self._stop = self._database.on_event(self._events.emit)
        return self._events

    def __exit__(self, *_: object) -> None:
        self._stop()


async def tour(console: Console) -> bool:
    """Take the tour in a temporary folder; True if every claim held."""
    with tempfile.TemporaryDirectory(prefix="batchrepo-demo-") as folder:
        async with open_store(sqlite_url(Path(folder) / "chinook.db")) as database:
            return await Tour(console, database).run()


def main() -> int:
    """Run the demo; returns the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a sign is no reason to stop
    console = Console(highlight=False)
    console.width = min(console.width, 100) if console.is_terminal else 100
    return 0 if asyncio.run(tour(console)) else 1


if __name__ == "__main__":
    sys.exit(main())
