"""Loads the Chinook store into a database.

As a command: `python -m examples.chinook.loader sqlite+aiosqlite:///chinook.db`.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import gzip
import json
import sys
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import DateTime, Numeric, Table, func, insert, select
from sqlalchemy.exc import ArgumentError, InvalidRequestError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from examples.chinook.models import Base

Progress = Callable[[str, int, int], None]
"""Called after each chunk with the table's name, its rows so far, and its rows in all."""

Row = dict[str, Any]
"""One row as the insert statement takes it: column name to value."""

DATA_FILE = Path(__file__).parent / "data" / "chinook.json.gz"
"""The store's rows; `data/README.md` names their origin and licence."""

CHUNK_ROWS = 500
"""Rows per insert: large enough to be quick, small enough to show progress."""

_LOCK_KEY = 0x43_48_49_4E  # "CHIN": two loaders on one PostgreSQL take turns on this advisory lock


class ChinookLoadError(RuntimeError):
    """The database holds something else than the Chinook store."""


async def load_chinook(engine: AsyncEngine, *, progress: Progress | None = None) -> dict[str, int]:
    """Creates the schema where it is missing and fills it, in one transaction.

    A database that already holds the store, and whatever was written to it since, is left alone, and loaders that run at the same time take turns, so
    that every application may call this when it starts.

    Args:
        engine: An engine for SQLite (aiosqlite) or PostgreSQL (asyncpg, psycopg).
        progress: Called after each chunk; never called when there is nothing to load.

    Returns:
        The number of rows of each table.

    Raises:
        ChinookLoadError: The tables hold far fewer rows than the store has.
    """
    rows_of = read_rows()
    expected = {name: len(rows) for name, rows in rows_of.items()}
    async with engine.begin() as connection:
        await _take_turn(connection)
        await connection.run_sync(Base.metadata.create_all)
        present = await _count_rows(connection)
        if not any(present.values()):
            for table in Base.metadata.sorted_tables:
                await _fill(connection, table, rows_of[table.name], progress)
            await _advance_sequences(connection)
            present = await _count_rows(connection)
        if any(present[name] < count // 2 for name, count in expected.items()):
            raise ChinookLoadError(_describe_mismatch(engine, present, expected))
    return present


def read_rows() -> dict[str, list[Row]]:
    """Reads the data file: the rows of each table, with dates and prices as Python values."""
    with gzip.open(DATA_FILE, "rt", encoding="utf-8") as file:
        content = json.load(file)
    rows_of = {}
    for table in Base.metadata.sorted_tables:
        columns = content[table.name]["columns"]
        convert = [_converter(table, name) for name in columns]
        rows = [
            {name: to_python(value) for name, to_python, value in zip(columns, convert, row, strict=True)}
            for row in content[table.name]["rows"]
        ]
        rows_of[table.name] = _parents_first(table, rows)
    return rows_of


def _converter(table: Table, column: str) -> Callable[[Any], Any]:
    kind = table.c[column].type
    if isinstance(kind, DateTime):
        return _naive_utc
    if isinstance(kind, Numeric):
        return lambda value: Decimal(str(value))
    return lambda value: value


def _naive_utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).replace(tzinfo=None)


def _parents_first(table: Table, rows: list[Row]) -> list[Row]:
    """Orders the rows of a self-referencing table so that each comes after the row it points to."""
    references = [key.parent.name for key in table.foreign_keys if key.column.table is table]
    if not references:
        return rows
    ordered: list[Row] = []
    waiting, placed = rows, {None}
    while waiting:
        ready = [row for row in waiting if all(row[name] in placed for name in references)]
        if not ready:
            ids = ", ".join(str(row["id"]) for row in waiting)
            raise ChinookLoadError(
                f"{DATA_FILE.name}: rows {ids} of table '{table.name}' point to each other or to missing rows "
                f"through {', '.join(references)}; expected rows that lead to a root. Restore the file."
            )
        ordered += ready
        placed.update(row["id"] for row in ready)
        waiting = [row for row in waiting if row["id"] not in placed]
    return ordered


async def _take_turn(connection: AsyncConnection) -> None:
    """Makes a second loader wait, before it looks at what the first one is about to write."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCK_KEY)))
    elif connection.dialect.name == "sqlite":
        raw = await connection.get_raw_connection()
        # Python's sqlite3 begins before the first INSERT only: too late for the schema and the counts.
        if raw.driver_connection is not None and not raw.driver_connection.in_transaction:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _count_rows(connection: AsyncConnection) -> dict[str, int]:
    counts = (
        select(func.count()).select_from(table).scalar_subquery().label(table.name)
        for table in Base.metadata.sorted_tables
    )
    return dict((await connection.execute(select(*counts))).mappings().one())


async def _fill(
    connection: AsyncConnection, table: Table, rows: list[Row], progress: Progress | None
) -> None:
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows[start : start + CHUNK_ROWS]
        await connection.execute(insert(table), chunk)
        if progress is not None:
            progress(table.name, start + len(chunk), len(rows))


async def _advance_sequences(connection: AsyncConnection) -> None:
    """Lets PostgreSQL give ids after the loaded ones; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    columns = (table.autoincrement_column for table in Base.metadata.sorted_tables)
    await connection.execute(
        select(
            *(
                func.setval(
                    func.pg_get_serial_sequence(column.table.name, column.name),
                    select(func.max(column)).scalar_subquery(),
                )
                for column in columns
                if column is not None
            )
        )
    )


def _describe_mismatch(engine: AsyncEngine, present: Mapping[str, int], expected: Mapping[str, int]) -> str:
    differences = ", ".join(
        f"{name} has {present[name]:,} rows, expected {expected[name]:,}"
        for name in expected
        if present[name] < expected[name]
    )
    url = engine.url.render_as_string(hide_password=True)
    return (
        f"Database {url} does not hold the Chinook store: {differences}. "
        f"Give an empty database, or drop these tables and load again."
    )


class _Display:
    """Shows progress on a terminal as one line per table that counts up; elsewhere, only finished tables."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()

    def __call__(self, table: str, done: int, total: int) -> None:
        if self._terminal:
            bar = "█" * (24 * done // total)
            print(f"\r  {table:<16}{bar:<24} {done:>6,} of {total:,}", end="", flush=True)
            if done == total:
                print()
        elif done == total:
            print(f"  {table:<16}{total:>6,} rows")


async def _load_url(url: str) -> None:
    engine = create_async_engine(url)
    try:
        started = time.perf_counter()
        counts = await load_chinook(engine, progress=_Display())
        seconds = time.perf_counter() - started
    finally:
        await engine.dispose()
    print(f"The Chinook store is in {engine.url}: {sum(counts.values()):,} rows, {seconds:.1f} s.")


def main() -> int:
    """Runs the loader as a command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.chinook.loader",
        description="Load the Chinook store into a database; a database that has it is left alone.",
    )
    parser.add_argument(
        "url",
        help="database URL with an async driver: sqlite+aiosqlite:///chinook.db, "
        "postgresql+asyncpg://user@host/name or postgresql+psycopg://user@host/name",
    )
    url = parser.parse_args().url
    try:
        asyncio.run(_load_url(url))
    except (ArgumentError, InvalidRequestError, ImportError) as error:
        print(
            f"Cannot open {url!r}: {error}\nExpected a URL like sqlite+aiosqlite:///chinook.db or "
            "postgresql+asyncpg://user@host/name, with its driver installed.",
            file=sys.stderr,
        )
        return 2
    except (ChinookLoadError, SQLAlchemyError, OSError) as error:
        print(f"Cannot load the Chinook store: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
