"""One row below a parent that the scope may see: INSERT ... SELECT from the parent, so that nothing lies between.

Reading the parent first and inserting then are two statements, between which it may be deleted, closed or given to
somebody else; and whoever forgets to read it writes into what is not his.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from batchrepo.changes import Change
from batchrepo.errors import BulkError, InvalidArgument, NotFound
from batchrepo.mapping.entity import attribute_owner, column_of
from batchrepo.mapping.keys import key_values
from batchrepo.sql.key_checks import check_keys
from batchrepo.writing.criteria.checking import check_written, needs_check
from batchrepo.writing.criteria.stamping import stamped
from batchrepo.writing.refusals.applying import value_in_tuple
from batchrepo.writing.refusals.naming import Naming, refused
from batchrepo.writing.rows.filling import fill
from batchrepo.writing.rows.intake import Batch, Reader
from batchrepo.writing.update.setting import read_conditions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.writing.context import WriteContext, WriteScope
    from batchrepo.writing.rows.columns import WriteColumns

_PARENT = "batchrepo_parent"


async def insert_from(
    scope: WriteScope, columns: WriteColumns, relation: RelationInfo, key: Any, row: Any, where: Sequence[Any]
) -> Any:
    """Insert one row below a parent.

    Args:
        scope: where it happens.
        columns: of the entity of the row.
        relation: to the parent; `parent_relation` has checked it.
        key: of the parent.
        row: without the columns of the relation.
        where: what else must hold of the parent.

    Returns:
        The primary key of the new row.

    Raises:
        BulkError: the database refused the row, or it lacks values.
        ForbiddenWrite: it is not this scope's to write.
        NotFound: there is no such parent that the scope may see and that meets the conditions.
    """
    entity, parent = columns.entity, relation.target
    batch = _read(columns, relation, row)
    async with AsyncExitStack() as stack:
        context = await stack.enter_async_context(scope.writing())
        checks = needs_check(entity, context.guards)
        if checks and scope.in_transaction:
            await stack.enter_async_context(context.savepoint())
        statement, values, names, new = _statement(columns, relation, key, batch, where, context)
        try:
            found = await context.write(
                lambda writer: writer.execute(
                    statement, values, cause=f"insert {entity.name} below {parent.name}", keys=1
                ).all()
            )
        except StatementError as error:
            raise Naming(entity, value_in_tuple(names)).error_for([new], [0], error) from error
        if not found:
            raise NotFound(parent.name, [key])
        made = found[0][0] if len(columns.key) == 1 else tuple(found[0])
        if checks:
            await check_written(entity, [made], context)
        context.changed(Change(entity.cls, "insert", (made,)))
    return made


def parent_relation(entity: EntityInfo, attribute: Any) -> RelationInfo:
    """The relation that ``insert_from`` was given.

    Raises:
        InvalidArgument: it does not lead to one parent by its primary key.
    """
    where = f"insert_from of {entity.name}"
    owner, name = attribute_owner(attribute, where, InvalidArgument)
    relation = entity.relations.get(name) if owner in entity.ancestors else None
    if relation is None or relation.key_order is None:
        raise InvalidArgument(
            f"{where}: expected a relationship of {entity.name} to its parent by the parent's primary key; got "
            f"{attribute}."
        )
    return relation


def _read(columns: WriteColumns, relation: RelationInfo, row: Any) -> Batch:
    """The row, without the columns that the parent gives."""
    (batch,) = Reader(columns, "insert_from").read([row], 0).batches or [Batch((), [()], [0])]
    given = {column.name for column in relation.local}
    twice = given.intersection(batch.names)
    if twice:
        raise InvalidArgument(
            f"insert_from of {columns.entity.name}: {', '.join(sorted(twice))} comes from the "
            f"{relation.target.name}. Leave it out of the row."
        )
    return batch


def _statement(
    columns: WriteColumns,
    relation: RelationInfo,
    key: Any,
    batch: Batch,
    where: Sequence[Any],
    context: WriteContext,
) -> tuple[Any, dict[str, Any], tuple[str, ...], tuple[Any, ...]]:
    """The statement, its parameters, and the row as it is written, for errors."""
    entity, parent = columns.entity, relation.target
    kept, _ = stamped(entity, batch, context.guards, "raise")
    local = tuple(column.name for column in relation.local)
    # A placeholder where the parent's values will be, so that they are not taken for missing.
    placed = Batch((*kept.names, *local), [(*row, *local) for row in kept.rows], kept.indexes)
    filled, errors = fill(placed, columns)
    if errors:
        raise refused(BulkError, entity.name, errors)
    (new,) = filled
    (row,) = new.rows
    assert relation.key_order is not None
    from_parent = {
        relation.local[position].name: column_of(parent.key[at].attribute)
        for at, position in enumerate(relation.key_order)
    }
    selected: list[Any] = []
    for name, value in zip(new.names, row, strict=True):
        own = columns.columns[name]
        taken = from_parent.get(name)
        selected.append(taken if taken is not None else sa.bindparam(None, value, type_=own.type))
    conditions, values = read_conditions(parent, where, context.guards)
    checked = check_keys(parent.name, parent.key, [key], context.dialect)[0]
    equal = []
    for place, (column, value) in enumerate(
        zip(parent.key, key_values(parent.name, parent.key, checked), strict=True)
    ):
        own_column = column_of(column.attribute)
        values[f"{_PARENT}_{place}"] = value
        equal.append(own_column == sa.bindparam(f"{_PARENT}_{place}", type_=own_column.type))
    select = sa.select(*selected).select_from(_source(parent)).where(*equal, *conditions)
    targets = [columns.columns[name].column for name in new.names]
    statement = sa.insert(columns.table).from_select(targets, select)
    return statement.returning(*(column.column for column in columns.key)), values, new.names, row


def _source(parent: EntityInfo) -> Any:
    """The table of the parent, joined to those of its base classes."""
    return parent.mapper.persist_selectable
