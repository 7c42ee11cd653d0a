"""Row criteria of entities that are added, changed and deleted: nothing outside of what the scope sees is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import (
    Database,
    ForbiddenWrite,
    MissingContext,
    NotFound,
    Repository,
    match,
    predicate,
    soft_delete,
)


class Base(DeclarativeBase):
    pass


class Tenant(Base):
    __tablename__ = "tenant"
    id: Mapped[int] = mapped_column(primary_key=True)


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    secret: Mapped[bool] = mapped_column(default=False)
    deleted_at: Mapped[str | None]
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenant.id"))
    tenant: Mapped[Tenant] = relationship()


only_mine = match(Note.tenant_id, lambda tenant: tenant)
not_secret = predicate(Note.secret.is_(False), name="not secret")
alive = soft_delete(Note.deleted_at, value="now")


class Notes(Repository[Note]):
    criteria = (only_mine, not_secret, alive)


class Tenants(Repository[Tenant]):
    pass


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, repositories=[Notes, Tenants]) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(Tenant.__table__.insert(), [{"id": 1}, {"id": 2}])
        for tenant in (1, 2):
            async with opened.scope(tenant) as scope, scope.transaction():
                scope.add(Note(id=tenant, text=f"of {tenant}"))
        yield opened
        assert opened.engine.sync_engine.pool.checkedout() == 0


async def everything(db: Database) -> list[Any]:
    async with db.scope() as scope:
        rows = select(Note.id, Note.text, Note.tenant_id, Note.deleted_at).order_by(Note.id)
        return await scope.fetch(rows, unfiltered="the test looks at all")


async def refused(
    db: Database, tenant: Any, *entities: Note, error: type[Exception] = ForbiddenWrite
) -> None:
    """What adding these says; nothing may have changed."""
    before = await everything(db)
    async with db.scope(tenant) as scope:
        with pytest.raises(error):
            async with scope.transaction():
                scope.add(*entities)
    assert await everything(db) == before


async def test_new_entities_get_the_tenant_and_no_other(db: Database):
    assert [row[2] for row in await everything(db)] == [1, 2]
    await refused(db, 1, Note(id=50, text="forged", tenant_id=2))
    await refused(db, None, Note(id=50, text="nobody's"), error=MissingContext)


async def test_neither_through_a_relationship(db: Database):
    async with db.scope(1) as scope:
        with pytest.raises(ForbiddenWrite, match="writes rows with 1 only"):
            async with scope.transaction():
                scope.add(Note(id=50, text="forged", tenant=await Tenants(scope).get(2)))
    assert len(await everything(db)) == 2


async def test_a_row_cannot_be_given_away(db: Database):
    async with db.scope(1) as scope:
        with pytest.raises(ForbiddenWrite):
            async with scope.transaction():
                (await Notes(scope).get(1)).tenant_id = 2
    assert [row[2] for row in await everything(db)] == [1, 2]


@pytest.mark.parametrize("claimed", [1, 2])
async def test_a_row_of_others_cannot_be_changed_by_an_entity_made_up(db: Database, claimed: int):
    """As SQLAlchemy's make_transient_to_detached, or an entity of another scope, would allow."""
    from sqlalchemy.orm import make_transient_to_detached

    note = Note(id=2, tenant_id=claimed)
    make_transient_to_detached(note)
    async with db.scope(1) as scope:

        async def change() -> None:
            async with scope.transaction():
                scope.add(note)
                note.text = "taken over"

        async def delete() -> None:
            async with scope.transaction():
                stolen = Note(id=2, tenant_id=claimed, secret=False)
                make_transient_to_detached(stolen)
                scope.add(stolen)
                await scope.session.delete(stolen)

        for attempt in (change, delete):
            with pytest.raises(ForbiddenWrite):
                await attempt()
    assert [row[1] for row in await everything(db)] == ["of 1", "of 2"]


async def test_what_a_predicate_hides_may_not_be_written(db: Database):
    await refused(db, 1, Note(id=50, text="hidden", secret=True))
    async with db.scope(1) as scope:
        async with scope.transaction():
            notes = Notes(scope)
            note = await notes.get(1)
            with pytest.raises(ForbiddenWrite, match="does not meet the criteria"):
                async with scope.transaction():
                    note.secret = True
            assert (await notes.get(1)).secret is False, "the savepoint took it back"
        async with scope.without(not_secret, reason="the editor") as editor, editor.transaction():
            (await Notes(editor).get(1)).secret = True
        assert await Notes(scope).get_or_none(1) is None


async def test_deleting_marks_where_it_is_declared(db: Database):
    async with db.scope(1) as scope:
        async with scope.transaction():
            notes = Notes(scope)
            note = await notes.get(1)
            await scope.delete(note)
            await scope.flush()
            assert await notes.find() == []
            with pytest.raises(NotFound):
                await notes.get(1)
        assert await Notes(scope).get_or_none(1) is None
    assert (await everything(db))[0] == (1, "of 1", 1, "now")


async def test_the_outer_transaction_is_that_of_scopes_without_criteria_too(db: Database):
    async with db.scope(1) as scope, scope.transaction():
        scope.add(Note(id=7, text="new"))
        await scope.flush()
        async with scope.without(not_secret, reason="looks inside") as other:
            assert (await Notes(other).get(7)).text == "new"
            other.add(Note(id=8, text="secret", secret=True))
        assert await Notes(scope).count() == 2
    assert len(await everything(db)) == 4
