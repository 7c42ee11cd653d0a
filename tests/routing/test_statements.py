"""What may go to a replica: statements that surely only read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Integer,
    Sequence,
    String,
    and_,
    column,
    delete,
    exists,
    func,
    insert,
    lambda_stmt,
    lateral,
    literal,
    literal_column,
    select,
    table,
    text,
    union_all,
    update,
    values,
)
from sqlalchemy.orm import aliased, selectinload

from batchrepo.routing.statements import is_plain_select, remember_writing
from tests.routing.servers import Author, Note

note = Note.__table__
locked = select(Note.id).with_for_update()
changed = update(note).values(server="x").returning(note.c.id)

PLAIN: dict[str, Any] = {
    "columns": select(note.c.id),
    "entities": select(Note).options(selectinload(Note.author)).where(Note.id == 1),
    "join": select(Note, Author).join(Note.author).order_by(Note.id).limit(5),
    "union": union_all(select(note.c.id), select(note.c.author_id)),
    "cte": select(select(note.c.id).cte("some")),
    "recursive": select(select(literal(1).label("n")).cte("walk", recursive=True)),
    "subquery": select(func.count()).select_from(select(note).subquery()),
    "exists": select(exists().where(note.c.id == 1)),
    "lateral": select(note.c.id, lateral(select(func.max(note.c.id)).where(note.c.id > 1)).c),
    "alias": select(aliased(Note)),
    "function of the application": select(func.weather(note.c.server)),
    "unnest": select(func.unnest(literal([1, 2])).table_valued("key", with_ordinality="n")),
    "json_each": select(func.json_each("[1]").table_valued("value")),
    "window": select(func.row_number().over(partition_by=note.c.author_id)),
    "operator": select(note.c.server.op("~*")("a")),
    "values": select(values(column("n", Integer), name="v").data([(1,), (2,)])),
    "literal column": select(literal_column("1")),
    "hint": select(note.c.id).with_statement_hint("/*+ IndexScan(note) */"),
    "prefix": select(note.c.id).prefix_with(text("ALL")),
    "text": text("SELECT id FROM note"),
    "text with binds": text("select id from note where id = :id"),
    "text with columns": text("SELECT id FROM note").columns(note.c.id),
    "table": text("TABLE note"),
}

NOT_PLAIN: dict[str, Any] = {
    "for update": locked,
    "for share": select(Note).with_for_update(read=True),
    "for update below": select(locked.subquery()),
    "for update in a cte": select(locked.cte("mine")),
    "for update in a condition": select(note.c.id).where(note.c.id.in_(locked)),
    "for update in a union": union_all(select(note.c.id), locked),
    "for update in exists": select(exists(locked)),
    "for update in a scalar": select(locked.limit(1).scalar_subquery()),
    "for update in lateral": select(lateral(locked)),
    "update in a cte": select(changed.cte("written")),
    "insert in a cte": select(insert(note).values(id=1).returning(note.c.id).cte("written")),
    "delete in a cte": select(func.count()).select_from(delete(note).returning(note.c.id).cte("gone")),
    "a cte that nobody reads": select(note.c.id).add_cte(changed.cte("written")),
    "update": update(note).values(server="x"),
    "insert": insert(note).values(id=1),
    "delete": delete(note),
    "nextval": select(func.nextval("ids")),
    "nextval of a schema": select(func.pg_catalog.nextval("ids")),
    "nextval in capitals": select(func.NEXTVAL("ids")),
    "sequence": select(Sequence("ids").next_value()),
    "nextval in a condition": select(note.c.id).where(note.c.id == func.nextval("ids")),
    "nextval in an order": select(note.c.id).order_by(func.nextval("ids")),
    "nextval in from": select(func.nextval("ids").table_valued("id")),
    "advisory lock": select(func.pg_advisory_lock(1)),
    "advisory lock of a transaction": select(func.pg_try_advisory_xact_lock(1)),
    "set_config": select(func.set_config("a.b", "c", True)),
    "notify": select(func.pg_notify("channel", "news")),
    "terminate": select(func.pg_terminate_backend(1)),
    "where it runs": select(func.pg_is_in_recovery()),
    "replication slot": select(func.pg_create_physical_replication_slot("slot")),
    "literal column that calls": select(literal_column("nextval('ids')")),
    "literal column below": select(select(literal_column("nextval('ids')").label("n")).subquery()),
    "text in a condition": select(note.c.id).where(text("id = nextval('ids')")),
    "text beside others": select(note.c.id).where(and_(note.c.id > 1, text("pg_sleep(1) IS NULL"))),
    "text in from": select(note.c.id).select_from(text("writes() AS w")),
    "suffix": select(note.c.id).suffix_with("FOR UPDATE"),
    "suffix below": select(select(note.c.id).suffix_with("FOR UPDATE").subquery()),
    "prefix": select(note.c.id).prefix_with(text("1; DELETE FROM note; SELECT")),
    "statement hint": select(note.c.id).with_statement_hint("FOR UPDATE"),
    "table hint": select(note.c.id).with_hint(note, "FOR UPDATE"),
    "hint with more behind it": select(note.c.id).with_statement_hint("/*+ a */ FOR UPDATE /*+ b */"),
    "operator": select(note.c.server.op("= nextval('ids') OR")("x")),
    "text that writes": text("INSERT INTO note VALUES (1)"),
    "text in lower case": text("  delete from note"),
    "text with a cte": text("WITH gone AS (DELETE FROM note RETURNING *) SELECT * FROM gone"),
    "text with a call": text("SELECT nextval('ids')"),
    "text that locks": text("SELECT * FROM note FOR UPDATE"),
    "text with several": text("SELECT 1; DELETE FROM note"),
    "text with a comment": text("SELECT 1 -- DELETE"),
    "select into": text("SELECT * INTO copy FROM note"),
    "explain": text("EXPLAIN ANALYZE DELETE FROM note"),
    "text with columns": text("SELECT nextval('ids') AS id").columns(note.c.id),
    "from statement": select(Note).from_statement(text("SELECT * FROM note FOR UPDATE")),
    "text below": select(text("DELETE FROM note RETURNING id").columns(note.c.id).subquery("gone")),
    "function alone": func.nextval("ids"),
    "sequence alone": Sequence("ids"),
    "lambda": lambda_stmt(lambda: select(note.c.id)),
    "something else": object(),
    "what has no weak reference": 7,
}


@pytest.mark.parametrize("name", PLAIN)
def test_what_surely_reads_may_go_to_a_replica(name: str):
    assert is_plain_select(PLAIN[name])


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_may_do_more_goes_to_the_primary(name: str):
    assert not is_plain_select(NOT_PLAIN[name])


def test_what_a_replica_refused_is_remembered():
    statement = select(func.looks_harmless(column("x", String)).label("y")).select_from(table("note"))
    assert is_plain_select(statement)
    remember_writing(statement)
    assert not is_plain_select(statement)


def test_a_statement_is_looked_through_once():
    looked = 0

    class Counting(type(select(1))):  # type: ignore[misc]
        inherit_cache = True

        def get_children(self, **options: Any) -> Any:
            nonlocal looked
            looked += 1
            return super().get_children(**options)

    statement = Counting(note.c.id)
    assert [is_plain_select(statement) for _ in range(3)] == [True] * 3
    assert looked == 1
