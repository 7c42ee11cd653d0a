"""The table before each request: empty, full, or with every second row. None of it is measured."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.data import Dataset
from benchmarks.engines import reading_engine, writing_engine
from benchmarks.workload import Ground
from benchmarks.workloads.bulk.remarks import FIELDS, TABLE, BulkBase, Remark, count_of, new_rows

_LINE = "concat_ws('|', {id}post_id, author_id, body, extract(epoch FROM created_at), coalesce(score, 5000))"
_SUM = "SELECT count(*), md5(string_agg({line}, E'\\n' ORDER BY {order})) FROM {rows}"
_BY_TIME = sa.text(_SUM.format(line=_LINE.format(id=""), order="created_at", rows="remark"))
_BY_KEY = sa.text(_SUM.format(line=_LINE.format(id="id, "), order="id", rows="remark"))
_BY_ANSWER = sa.text(
    _SUM.format(
        line=_LINE.format(id=""),
        order="place",
        rows="unnest(CAST(:keys AS integer[])) WITH ORDINALITY AS answer (id, place) JOIN remark USING (id)",
    )
)

_TRUNCATE = "TRUNCATE remark RESTART IDENTITY"
_RELOAD = "INSERT INTO remark SELECT * FROM remark_before ORDER BY id"
_ANALYZE = "ANALYZE remark"


class Left(NamedTuple):
    """What a request left behind.

    Attributes:
        rows: how many the table has.
        checksum: of all its columns; without the keys where the rows had none.
        found: to how many of the keys that came back there is a row.
    """

    rows: int
    checksum: str
    found: int | None = None


@asynccontextmanager
async def _ground(
    dataset: Dataset, *, before: sa.TextClause | None, checked: sa.TextClause
) -> AsyncIterator[Ground]:
    engine = reading_engine(dataset)
    again = [_TRUNCATE] if before is None else [_TRUNCATE, _RELOAD, _ANALYZE]

    async def reset() -> None:
        async with engine.connect() as connection:
            for sql in again:
                await connection.exec_driver_sql(sql)

    async def left(keys: list[int] | None) -> Any:
        """How many rows the table has, and their checksum; in the order of the keys where they were asked back."""
        async with engine.connect() as connection:
            rows, checksum = (await connection.execute(checked)).one()
            if keys is None:
                return rows and Left(rows, checksum)
            found, checksum = (await connection.execute(_BY_ANSWER, {"keys": keys})).one()
            return rows and Left(rows, checksum, found)

    try:
        async with engine.connect() as connection:
            await connection.run_sync(BulkBase.metadata.create_all)
            if before is not None:
                await connection.execute(sa.insert(Remark), new_rows(count_of(dataset)))
                await connection.execute(before)
        yield Ground(dataset, reset, left)
    finally:
        async with engine.connect() as connection:
            await connection.exec_driver_sql("DROP TABLE IF EXISTS remark_before")
            await connection.run_sync(BulkBase.metadata.drop_all)
        await engine.dispose()


empty = partial(_ground, before=None, checked=_BY_TIME)
"""No rows; keys begin at 1."""

full = partial(_ground, before=sa.text("CREATE TABLE remark_before AS TABLE remark"), checked=_BY_KEY)
"""As many rows as are written, with the keys 1 and so on, and statistics of them."""

half = partial(
    _ground,
    before=sa.text("CREATE TABLE remark_before AS SELECT * FROM remark WHERE id % 2 = 0"),
    checked=_BY_KEY,
)
"""Of these rows every second one."""


@asynccontextmanager
async def empty_file(dataset: Dataset) -> AsyncIterator[Ground]:
    """An SQLite file without rows, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="batchrepo-bench-") as folder:
        in_file = Dataset(f"sqlite+aiosqlite:///{Path(folder) / 'bulk.db'}", dataset.scale)
        engine = writing_engine(in_file)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(BulkBase.metadata.create_all)
            yield Ground(in_file, partial(_emptied, engine), partial(_hashed, engine))
        finally:
            await engine.dispose()


async def _emptied(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM remark")
    async with engine.connect() as connection:
        # What the last request left in the write-ahead log is not the next one's to move into the file.
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


async def _hashed(engine: AsyncEngine, _answer: object) -> Any:
    # SQLite has no checksum of its own.
    columns = [TABLE.c[name] for name in FIELDS]
    async with engine.connect() as connection:
        rows = (await connection.execute(sa.select(*columns).order_by(Remark.created_at))).all()
    return rows and Left(len(rows), hashlib.sha256(repr(rows).encode()).hexdigest())
