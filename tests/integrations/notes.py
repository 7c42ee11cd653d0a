"""Notes on two servers: an SQLite file as the primary, and another one as a replica that never catches up.

A row's text says which of them it was read from, until it is written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from batchrepo import Database, Repository
from tests.support.databases import sqlite_file_url


class Base(DeclarativeBase):
    """Of the notes."""


class Note(Base):
    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


class NoteRepository(Repository[Note]):
    """All of them."""


class NoteView(BaseModel):
    id: int
    text: str


class NoteCreate(BaseModel):
    text: str


class NoteUpdate(BaseModel):
    text: str = ""


SECRET = "the same in every process"


@asynccontextmanager
async def two_servers(folder: Path, *, routed: bool = True, **options: Any) -> AsyncIterator[Database]:
    """The Database.

    Args:
        folder: for the files.
        routed: False: without the replica.
        options: of the Database.
    """
    urls = []
    for name in ("primary", "replica"):
        urls.append(sqlite_file_url(folder / f"{name}.db"))
        engine = create_engine(urls[-1].replace("+aiosqlite", ""))
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(insert(Note), [{"id": 1, "text": name}, {"id": 2, "text": name}])
        engine.dispose()
    primary, replica = urls
    given = {"repositories": [NoteRepository], "secret": SECRET, **options}
    async with Database(primary, replicas=[replica] if routed else [], **given) as db:
        yield db
