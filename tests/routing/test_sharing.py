"""Scopes that share what must be seen, without one being made of the other."""

import asyncio

import pytest

from batchrepo import Database, Scope
from batchrepo.routing import Consistency
from tests.integrations.notes import Note, NoteRepository, NoteView, two_servers


@pytest.fixture
async def db(tmp_path):
    async with two_servers(tmp_path) as opened:
        yield opened


async def text_of(scope: Scope) -> str:
    (note,) = await NoteRepository(scope).find(NoteView, Note.id == 1)
    return note.text


async def text(db: Database) -> str:
    async with db.scope() as scope:
        return await text_of(scope)


async def write(db: Database, consistency: Consistency | None = None) -> None:
    async with db.scope(token=consistency) as scope, scope.transaction():
        (await NoteRepository(scope).get(1)).text = "written"


async def test_each_sees_what_any_of_them_has_written(db):
    consistency = Consistency()
    with db.sharing(consistency):
        assert await text(db) == "replica"
        await asyncio.create_task(write(db))
        assert await text(db) == "written"
    assert consistency.commits == 1
    assert await text(db) == "replica"


async def test_tasks_that_share_something_else_are_for_themselves(db):
    written = asyncio.Event()

    async def writer() -> str:
        with db.sharing(Consistency()):
            await write(db)
            written.set()
            return await text(db)

    async def reader() -> str:
        with db.sharing(Consistency()):
            await written.wait()
            return await text(db)

    assert await asyncio.gather(writer(), reader()) == ["written", "replica"]


async def test_another_database_has_nothing_to_do_with_it(db, tmp_path):
    (tmp_path / "other").mkdir()
    async with two_servers(tmp_path / "other") as other:
        with db.sharing(Consistency()):
            await write(db)
            assert (await text(db), await text(other)) == ("written", "replica")


async def test_a_scope_says_itself_what_it_shares(db):
    consistency = Consistency()
    with db.sharing(Consistency()):
        await write(db, consistency)
        async with db.scope(token=consistency) as scope:
            assert await text_of(scope) == "written"
        assert await text(db) == "written"  # the one was opened inside the other


async def test_two_that_are_opened_inside_each_other_end(db):
    first, second = Consistency(), Consistency()
    async with db.scope(token=first), db.scope(token=second):
        await write(db)
    async with db.scope(token=second), db.scope(token=first), db.scope(token=second) as scope:
        assert await text_of(scope) == "written"
    assert first.commits == 1
    with db.sharing(first):
        async with db.scope(token=first) as scope:
            assert await text_of(scope) == "written"


async def test_a_token_is_there_when_the_scope_has_ended(db):
    async with db.scope() as scope:
        pass
    assert await scope.consistency_token() is None
    async with db.scope() as scope, scope.transaction():
        (await NoteRepository(scope).get(1)).text = "written"
    token = await scope.consistency_token()
    assert token is not None
    async with db.scope(token=token) as later:
        assert await text_of(later) == "written"
