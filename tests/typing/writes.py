"""What users write to change data, and the types that they must see. Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, assert_type

import sqlalchemy as sa
from pydantic import BaseModel

from batchrepo import Change, Changes, Database, Scope, Transaction
from tests.typing.reads import Album, AlbumRepository


class Row(BaseModel):
    title: str


class Shown(BaseModel):
    id: int


async def transactions(db: Database, scope: Scope) -> None:
    async with scope.transaction() as transaction:
        assert_type(transaction, Transaction)
        albums = AlbumRepository(scope)
        assert_type(await albums.get(1, for_update=True), Album)
        assert_type(await albums.get_many([1, 2], for_update="nowait"), list[Album])
        assert_type(await albums.find(Album.title == "x", limit=3, for_update="skip_locked"), list[Album])
        scope.add(Album(title="x"), Album(title="y"))
        await scope.flush()
        seen: list[Changes] = []
        transaction.after_commit(seen.append)
        assert_type(transaction.changes, Changes)
        assert_type(transaction.changes.changes, tuple[Change, ...])
    async with scope.transaction(isolation="SERIALIZABLE", read_only=True), scope.transaction():
        pass
    await albums.get(1, Shown, for_update=True)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    scope.transaction(isolation="CHAOS")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def again(db: Database) -> None:
    async def rename(scope: Scope) -> int:
        return (await AlbumRepository(scope).get(1)).id

    assert_type(await db.run(rename, isolation="SERIALIZABLE", retries=5), int)

    async def told(changes: Changes) -> None: ...

    end = db.on_commit(told)
    end()


async def many(scope: Scope, rows: AsyncIterator[dict[str, Any]]) -> None:
    albums = AlbumRepository(scope)
    written = await albums.insert_many([{Album.title: "a"}, {"title": "b"}], returning=Shown)
    assert_type(written.rows, list[Shown])
    assert_type(written.count, int)
    keys = await albums.upsert_many([Row(title="a")], on=Album.title, update=(Album.title,), returning="keys")
    assert_type(keys.rows, list[Any])
    await albums.insert_many(rows, progress=lambda progress: progress.written, commit_every=10_000)
    await albums.update_many([{"id": 1, "title": "x"}], returning=Shown)
    await albums.update_many(Album.title == "x", set={Album.title: sa.func.upper(Album.title)})
    await albums.delete_many([1, 2, 3])
    await albums.delete_many(Album.title == "x")
    assert_type(albums.explain_write("insert", 50_000), str)
