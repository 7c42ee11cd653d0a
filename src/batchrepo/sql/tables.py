"""The table of an entity, as statements that write name it: without the ORM's annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.mapping import EntityInfo


def plain(condition: Any) -> Any:
    """The same condition without annotations, by which SQLAlchemy would take the statement for one of the ORM's."""
    clause = condition.__clause_element__() if hasattr(condition, "__clause_element__") else condition
    return clause._deannotate()


def why_not_deleted(entity: EntityInfo) -> str | None:
    """Why the rows of an entity cannot be deleted with a statement on one table; None where they can."""
    mapper = entity.mapper
    if not isinstance(mapper.local_table, sa.Table):
        return f"{entity.name} is mapped to a query, not to a table"
    if len(mapper.tables) > 1:
        names = ", ".join(table.name for table in mapper.tables if isinstance(table, sa.Table))
        return f"the rows of {entity.name} are in several tables ({names}: joined-table inheritance)"
    joined = [
        below.class_.__name__
        for below in mapper.self_and_descendants
        if below.local_table is not mapper.local_table and not below.concrete
    ]
    if joined:
        return f"{entity.name} has subclasses with tables of their own ({', '.join(sorted(joined))})"
    return None


def discriminator(entity: EntityInfo) -> tuple[ColumnElement[bool], ...]:
    """The condition that tells the rows of a single-table subclass from the others of its table."""
    mapper = entity.mapper
    if not mapper.single or mapper.polymorphic_on is None:
        return ()
    kind = plain(mapper.polymorphic_on)
    return (sa.or_(*(kind == below.polymorphic_identity for below in mapper.self_and_descendants)),)
