"""Servers for tests of routing: SQLite files whose rows differ, so that whoever answered is seen."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ForeignKey, event
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, HealthChecks, Repository, Scope, count
from batchrepo.executing import make_engine
from batchrepo.routing import Endpoint, Router, TokenCodec
from batchrepo.routing.probing import Answer
from tests.support.databases import sqlite_file_url

SELDOM = HealthChecks(interval=3_600)
"""One look at the beginning; whatever happens to the servers later, a test does."""

PRIMARY, REPLICAS = "primary", ("replica-1", "replica-2")


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Author(Base):
    __tablename__ = "author"
    id: Mapped[int] = mapped_column(primary_key=True)
    server: Mapped[str]
    notes: Mapped[list[Note]] = relationship(back_populates="author", order_by="Note.id")


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    server: Mapped[str]
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="notes")


class NoteRepository(Repository[Note]):
    pass


class AuthorRepository(Repository[Author]):
    note_count = count(Author.notes)


class NoteView(BaseModel):
    id: int
    server: str


class AuthorView(BaseModel):
    id: int
    server: str
    notes: list[NoteView]


def fill(path: Path, server: str, *, authors: int = 3, notes: int = 2) -> None:
    """Make the tables in a file, with rows that say whose file it is."""
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE author (id INTEGER PRIMARY KEY, server TEXT NOT NULL);"
            "CREATE TABLE note (id INTEGER PRIMARY KEY, server TEXT NOT NULL, author_id INTEGER NOT NULL REFERENCES author(id));"
        )
        for author in range(1, authors + 1):
            connection.execute("INSERT INTO author VALUES (?, ?)", (author, server))
            for note in range(notes):
                connection.execute("INSERT INTO note VALUES (?, ?, ?)", (author * 10 + note, server, author))
    connection.close()


@asynccontextmanager
async def files(
    folder: Path, *, replicas: Sequence[str] = REPLICAS, **settings: Any
) -> AsyncIterator[Database]:
    """A Database of files: a primary, and replicas that nobody brings up to date. At the end nothing may be in use."""
    urls = []
    for name in (PRIMARY, *replicas):
        path = folder / f"{name}.db"
        fill(path, name)
        urls.append(sqlite_file_url(path))
    async with Database(
        urls[0],
        replicas=urls[1:],
        **{"health": SELDOM, "repositories": [NoteRepository, AuthorRepository], **settings},
    ) as db:
        yield db
        await router_of(db).looked()  # the first look at a server takes a connection of its pool
        assert [engine.sync_engine.pool.checkedout() for engine in db.engines] == [0] * len(db.engines)


async def server_of(scope: Scope, key: int = 10) -> str:
    """Which server answers a read."""
    return (await NoteRepository(scope).get(key, NoteView)).server


def endpoints_of(scope: Scope) -> list[str]:
    """The servers of a scope's statements, in order."""
    return [getattr(one, "endpoint") for one in scope.events.events if hasattr(one, "sql")]  # noqa: B009


def routes_of(scope: Scope) -> list[tuple[str, str]]:
    """Where a scope went, and why."""
    return [(one.endpoint, one.reason) for one in scope.events.events if type(one).__name__ == "RouteEvent"]


def router_of(db: Database) -> Router:
    """What a Database knows of its servers."""
    return db._router


def endpoint_of(db: Database, name: str) -> Endpoint:
    """One server of a Database."""
    return next(endpoint for endpoint in router_of(db).endpoints if endpoint.name == name)


class Fault:
    """What is wrong with a server. Its driver raises it, as it would if the server had it.

    Attributes:
        connecting: the error of new connections.
        running: the error of statements.
        lost: whether that error costs the connection.
        seen: how many statements had it.
    """

    def __init__(self) -> None:
        self.connecting: Exception | None = None
        self.running: Exception | None = None
        self.lost = True
        self.seen = 0


@contextmanager
def faulty(engine: AsyncEngine) -> Iterator[Fault]:
    """Let a server have faults for the length of a block."""
    fault, target = Fault(), engine.sync_engine

    def connect(*_: Any) -> None:
        if fault.connecting is not None:
            raise fault.connecting

    def execute(*_: Any) -> None:
        if fault.running is not None:
            fault.seen += 1
            raise fault.running

    def handle(context: Any) -> None:
        if context.original_exception is fault.running:
            context.is_disconnect = fault.lost

    listeners = (("do_connect", connect), ("do_execute", execute), ("do_execute_no_params", execute))
    for name, listener in (*listeners, ("handle_error", handle)):
        event.listen(target, name, listener)
    try:
        yield fault
    finally:
        for name, listener in (*listeners, ("handle_error", handle)):
            event.remove(target, name, listener)


def made_endpoint(name: str, folder: Path, *, dialect: str = "sqlite") -> Endpoint:
    """An endpoint that nobody connects to."""
    url = (
        sqlite_file_url(folder / f"{name}.db")
        if dialect == "sqlite"
        else f"postgresql+asyncpg://nobody@{name}/x"
    )
    engine = make_engine(url)
    return Endpoint(name, "primary" if name == PRIMARY else "replica", engine, engine, owned=True)


class ScriptedProber:
    """What a server would answer, one after the other; the last answer is kept."""

    def __init__(self, endpoint: Endpoint, *answers: Answer | BaseException) -> None:
        self.endpoint = endpoint
        self.answers = list(answers)
        self.asked = 0

    async def ask(self) -> Answer:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        self.endpoint.position = answer.position
        return answer


def scripted(
    primary: Endpoint,
    replicas: Sequence[Endpoint],
    answers: dict[str, Sequence[Answer | BaseException]],
    checks: HealthChecks = SELDOM,
) -> tuple[Router, list[Any]]:
    """A router whose servers answer what a test says, and the events that it tells."""
    told: list[Any] = []
    router = Router(primary, replicas, TokenCodec((), 60), checks, told.append)
    probers: Any = [ScriptedProber(e, *answers.get(e.name, (Answer(),))) for e in router.endpoints]
    router.probers = probers
    router._prober_of = {prober.endpoint: prober for prober in probers}
    return router, told
