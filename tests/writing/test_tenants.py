"""No bulk write touches, or makes, a row that the scope may not see; a soft delete hides what it deletes."""

from __future__ import annotations

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import BaseModel

from batchrepo import (
    BulkError,
    Database,
    DeclarationError,
    ForbiddenWrite,
    InvalidArgument,
    MissingContext,
    NotFound,
    Repository,
    soft_delete,
)
from batchrepo.testing.counting import statement_counter
from tests.writing.stock import (
    OF_TENANT,
    Context,
    Conversation,
    Flag,
    Flags,
    Item,
    ItemsOfTenant,
    Message,
    MessagesOfTenant,
    Note,
    Notes,
    NotesOfTenant,
    items,
    opened,
    put,
    rows,
)

ALL = [Item.id, Item.tenant, Item.sku, Item.title, Item.amount]
ME = Context(tenant=1)


@pytest_asyncio.fixture
async def db(database_url):
    """Items 1 to 4 are of tenant 1, 5 to 8 of tenant 2."""
    async with opened(database_url, OF_TENANT) as db:
        for entity in items(8):
            entity.tenant = 1 if entity.id < 5 else 2
            await put(db, entity)
        await put(
            db,
            Conversation(id=1, tenant=1),
            Conversation(id=2, tenant=2),
            Conversation(id=3, tenant=1, closed=True),
        )
        await put(db, *[Note(id=n, tenant=1 + n % 2, text="t") for n in range(1, 7)])
        yield db


# --- every call, and rows of another tenant ------------------------------------------------------


async def refused(db, call, error=ForbiddenWrite):
    """The rows that a call names; it must leave everything as it was."""
    before = await rows(db, *ALL)
    async with db.scope(ME) as scope:
        with pytest.raises(error) as caught:
            await call(ItemsOfTenant(scope))
    assert await rows(db, *ALL) == before
    return [(row.index, row.kind, row.key) for row in caught.value.rows]


async def test_rows_are_stamped_with_the_tenant(db):
    async with db.scope(ME) as scope:
        given = [{"id": 20, "sku": "a"}, {"id": 21, "sku": "b"}]
        await ItemsOfTenant(scope).insert_many(given)
        await ItemsOfTenant(scope).insert_many([{"id": 22, "sku": "c", "tenant": None}])
        await ItemsOfTenant(scope).upsert_many([{"id": 23, "sku": "d"}, {"id": 1, "sku": "s1"}])
    found = await rows(db, Item.id, Item.tenant)
    assert [row for row in found if row[0] > 19] == [(20, 1), (21, 1), (22, 1), (23, 1)]


async def test_rows_of_another_tenant_are_not_inserted(db):
    given = [{"id": 20, "sku": "a", "tenant": 1}, {"id": 21, "sku": "b", "tenant": 2}]
    for call in ("insert_many", "upsert_many"):
        named = await refused(db, lambda items, call=call: getattr(items, call)(given))
        assert named == [(1, "forbidden", 21)]
    async with db.scope(ME) as scope:
        result = await ItemsOfTenant(scope).insert_many(given, on_error="collect")
    assert (result.count, [row.key for row in result.errors]) == (1, [21])


async def test_an_upsert_overwrites_no_row_of_another_tenant(db):
    given = [{"id": 1, "sku": "mine"}, {"id": 6, "sku": "theirs"}]
    assert await refused(db, lambda items: items.upsert_many(given)) == [(1, "forbidden", 6)]
    async with db.scope(ME) as scope:
        # The same sku is another row for each tenant: it is new here, and theirs stays.
        result = await ItemsOfTenant(scope).upsert_many(
            [{"id": 30, "sku": "s6", "tenant": 1}], on=(Item.tenant, Item.sku)
        )
        assert result.count == 1
    assert (6, 2, "s6", "t6", 6) in await rows(db, *ALL)


async def test_an_update_does_not_find_rows_of_another_tenant(db):
    given = [{"id": n, "title": "x"} for n in (1, 6, 2)]
    assert await refused(db, lambda items: items.update_many(given), BulkError) == [(1, "not_found", 6)]
    assert await refused(db, lambda items: items.update_many(given[1:2]), BulkError) == [(0, "not_found", 6)]
    async with db.scope(ME) as scope:
        result = await ItemsOfTenant(scope).update_many(given, absent="ignore", returning="keys")
        assert (result.count, result.rows) == (2, [1, 2])
        result = await ItemsOfTenant(scope).update_many(sa.true(), set={Item.title: "all"})
        assert result.count == 4
    assert [title for _, title in await rows(db, Item.id, Item.title)] == ["all"] * 4 + [
        "t5",
        "t6",
        "t7",
        "t8",
    ]


async def test_a_row_is_not_moved_to_another_tenant(db):
    given = [{"id": 1, "tenant": 1, "title": "x"}, {"id": 2, "tenant": 2, "title": "x"}]
    assert await refused(db, lambda items: items.update_many(given)) == [(1, "forbidden", 2)]
    for value in (2, None, Item.tenant + 1):
        assert (
            await refused(db, lambda items, v=value: items.update_many(Item.id == 1, set={Item.tenant: v}))
            == []
        )
    async with db.scope(ME) as scope:
        assert (await ItemsOfTenant(scope).update_many(given[:1])).count == 1
        result = await ItemsOfTenant(scope).update_many(given, on_error="collect")
        assert (result.count, [row.key for row in result.errors]) == (1, [2])


async def test_rows_of_another_tenant_are_not_deleted(db):
    async with db.scope(ME) as scope:
        result = await ItemsOfTenant(scope).delete_many([1, 6, 99])
        assert result.count == 1
        with pytest.raises(BulkError) as caught:
            await ItemsOfTenant(scope).delete_many([2, 6, 99], absent="error")
        assert [(row.index, row.key) for row in caught.value.rows] == [(1, 6), (2, 99)]
        assert (await ItemsOfTenant(scope).delete_many(Item.amount > 2)).count == 2
    assert await rows(db, Item.id) == [2, 5, 6, 7, 8]


async def test_rows_must_meet_a_predicate_after_the_write(db):
    """Rows of tenant 1 are seen with an amount below 1000 only."""
    named = await refused(
        db, lambda items: items.update_many([{"id": n, "amount": 400 * n} for n in (1, 2, 3, 4)])
    )
    assert named == [(2, "forbidden", 3), (3, "forbidden", 4)]
    given = [{"id": 20, "sku": "a", "amount": 5}, {"id": 21, "sku": "b", "amount": 5000}]
    assert await refused(db, lambda items: items.insert_many(given)) == [(1, "forbidden", 21)]
    assert await refused(db, lambda items: items.upsert_many(given)) == [(1, "forbidden", 21)]
    assert len(await refused(db, lambda items: items.update_many(sa.true(), set={Item.amount: 1000}))) == 4
    async with db.scope(ME) as scope:
        result = await ItemsOfTenant(scope).insert_many(given, on_error="collect")
    assert (result.count, [row.key for row in result.errors]) == (1, [21])


async def test_a_subquery_of_a_condition_sees_the_tenants_rows_only(db):
    other = sa.orm.aliased(Item)
    async with db.scope(ME) as scope:
        most = sa.select(sa.func.max(other.amount)).scalar_subquery()
        await ItemsOfTenant(scope).update_many(Item.amount == most, set={Item.title: "most"})
        await ItemsOfTenant(scope).update_many(Item.id == 1, set={Item.amount: most})
    assert (await rows(db, *ALL))[:4:3] == [(1, 1, "s1", "t1", 4), (4, 1, "s4", "most", 4)]


async def test_lifted_criteria_do_not_bind_writes(db):
    async with db.scope(ME) as scope, scope.without(*ItemsOfTenant.criteria, reason="a job") as every:
        assert (await ItemsOfTenant(every).update_many([{"id": 6, "title": "x", "amount": 9999}])).count == 1
        await ItemsOfTenant(every).insert_many([{"id": 20, "sku": "a", "tenant": 2}])
        assert (await ItemsOfTenant(every).delete_many([5])).count == 1
    assert (6, 2, "s6", "x", 9999) in await rows(db, *ALL)


async def test_without_a_context_nothing_is_written(db):
    before = await rows(db, *ALL)
    calls = [
        lambda items: items.insert_many([{"id": 20, "sku": "a"}]),
        lambda items: items.upsert_many([{"id": 1, "sku": "a"}]),
        lambda items: items.update_many([{"id": 1, "title": "a"}]),
        lambda items: items.update_many(sa.true(), set={Item.title: "a"}),
        lambda items: items.delete_many([1]),
        lambda items: items.delete_many(sa.true()),
    ]
    for context in (None, Context(tenant=None)):
        for call in calls:
            async with db.scope(context) as scope:
                with pytest.raises(MissingContext):
                    await call(ItemsOfTenant(scope))
    assert await rows(db, *ALL) == before


# --- a row below a parent ------------------------------------------------------------------------


async def test_a_message_goes_into_a_conversation_of_mine_in_one_statement(db):
    class View(BaseModel):
        id: int
        conversation_id: int
        role: str
        content: str
        made: int | None
        tenant: int

    async with db.scope(ME) as scope:
        messages = MessagesOfTenant(scope)
        with statement_counter(db) as seen:
            key = await messages.insert_from(Message.conversation, 1, {"content": "Hello"})
        assert seen.count == 1
        view = await messages.insert_from(
            Message.conversation, 1, {"content": "World", "role": "bot"}, returning=View
        )
        assert view == View(id=key + 1, conversation_id=1, role="bot", content="World", made=7, tenant=1)
    assert await rows(db, Message.id, Message.role, Message.made, Message.tenant) == [
        (key, "user", 7, 1),
        (key + 1, "bot", 7, 1),
    ]


async def test_a_conversation_of_others_is_not_found(db):
    async with db.scope(ME) as scope:
        messages = MessagesOfTenant(scope)
        for key in (2, 99):
            with pytest.raises(NotFound, match=f"Conversation has no row for key {key}"):
                await messages.insert_from(Message.conversation, key, {"content": "Hello"})
        with pytest.raises(NotFound):
            await messages.insert_from(
                Message.conversation, 3, {"content": "Hello"}, Conversation.closed.is_(False)
            )
        with pytest.raises(ForbiddenWrite):
            await messages.insert_from(Message.conversation, 1, {"content": "Hello", "tenant": 2})
        with pytest.raises(InvalidArgument, match="conversation_id comes from the Conversation"):
            await messages.insert_from(Message.conversation, 1, {"content": "Hello", "conversation_id": 2})
        with pytest.raises(InvalidArgument, match="expected a relationship of Message to its parent"):
            await messages.insert_from(Message.role, 1, {"content": "Hello"})
        with pytest.raises(BulkError, match="It has no content"):
            await messages.insert_from(Message.conversation, 1, {})
        with pytest.raises(BulkError, match="content needs a value"):
            await messages.insert_from(Message.conversation, 1, {"content": None})
    assert await rows(db, Message.id) == []


# --- soft delete ---------------------------------------------------------------------------------


async def test_deleted_rows_stay_and_are_not_seen(db):
    async with db.scope(ME) as scope:
        notes = NotesOfTenant(scope)
        result = await notes.delete_many([2, 4, 1])
        assert result.count == 2
        assert [note.id for note in await notes.find()] == [6]
        assert await notes.get_or_none(2) is None
        assert (await notes.delete_many([2])).count == 0, "it is deleted already"
        assert (await notes.update_many([{"id": 4, "text": "x"}], absent="ignore")).count == 0
        with pytest.raises(BulkError, match="Note has no row for its key"):
            await notes.delete_many([2], absent="error")
        (deleted,) = (each for each in NotesOfTenant.criteria if each.name == "soft_delete")
        async with scope.without(deleted, reason="the bin") as every:
            assert [note.id for note in await NotesOfTenant(every).find(order_by=Note.id)] == [2, 4, 6]
            await NotesOfTenant(every).update_many([{"id": 4, "deleted_at": None}])
            assert (await NotesOfTenant(every).delete_many([2], soft=False)).count == 1
        assert (await notes.delete_many(sa.true())).count == 2
    found = await rows(db, Note.id, Note.deleted_at, Note.edited)
    assert [(key, when is not None, edited) for key, when, edited in found] == [
        (1, False, None),
        (3, False, None),
        (4, True, "edited"),
        (5, False, None),
        (6, True, "edited"),
    ]


async def test_a_flag_is_deleted_by_its_column(database_url):
    async with opened(database_url) as db:
        await put(db, Flag(id=1, name="a"), Flag(id=2, name="b"))
        async with db.scope() as scope:
            with statement_counter(db) as seen:
                assert (await Flags(scope).delete_many([1])).count == 1
            assert seen.count == 1
            assert await Flags(scope).count() == 1
        assert await rows(db, Flag.id, Flag.is_deleted) == [(1, True), (2, False)]


def declaring(criteria):
    class NotesOfTest(Repository[Note]):
        pass

    NotesOfTest.criteria = criteria
    return NotesOfTest


def test_a_soft_delete_is_checked_when_the_application_starts():
    cases = {
        "expects a column that is NULL in rows which are not deleted": (soft_delete(Note.text),),
        "does not know what to write into Note.edited": (soft_delete(Note.edited),),
        "cannot write into the key": (soft_delete(Note.id),),
        "Item.title is not a column of Note": (soft_delete(Item.title),),
        "soft_delete.. twice": (soft_delete(Note.deleted_at), soft_delete(Note.edited, value="x")),
    }
    for message, criteria in cases.items():
        declared = declaring(criteria)
        with pytest.raises(DeclarationError, match=message):
            Database("sqlite+aiosqlite://", repositories=[declared])
    declared = declaring((soft_delete(Note.edited, value=lambda: "gone"),))
    db = Database("sqlite+aiosqlite://", repositories=[declared])
    assert db.reading.catalog.by_class[declared].soft_delete.value() == "gone"
    assert Notes.criteria[0].column == "deleted_at"
