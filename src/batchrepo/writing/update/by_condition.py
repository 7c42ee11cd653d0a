"""Update and delete whatever meets conditions: one statement."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import StatementError

from batchrepo.changes import Change
from batchrepo.sql.delete import delete_rows
from batchrepo.writing.criteria.checking import check_written, needs_check
from batchrepo.writing.refusals.applying import value_in_dict
from batchrepo.writing.refusals.naming import Naming
from batchrepo.writing.results import BulkResult
from batchrepo.writing.update.setting import read_conditions, read_setting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from batchrepo.writing.context import WriteContext, WriteScope
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.update.versions import Versions


async def update_where(
    scope: WriteScope, columns: WriteColumns, where: Sequence[Any], given: Any, versions: Versions
) -> BulkResult[Any]:
    """Set columns of the rows that meet all conditions.

    Raises:
        BulkError: the database refused a row.
        ForbiddenWrite: rows would be out of the scope's sight.
        InvalidArgument: a condition or a value is of another entity, or none.
    """
    entity = columns.entity
    async with _writing(scope, columns) as context:
        setting = read_setting(columns, given, versions, context.guards)
        conditions, values = read_conditions(entity, where, context.guards)
        values = {**values, **context.guards.values(setting.reached)}
        statement: Any = sa.update(columns.table).where(*conditions).values(dict(setting.values))
        checks = needs_check(entity, context.guards)
        count, keys = await _run(
            statement, values, columns, context, f"update {entity.name}", returning=checks
        )
        if checks:
            await check_written(entity, keys, context)
        if count:
            known = tuple(keys) if checks else None
            context.changed(Change(entity.cls, "update", known, setting.names))
    return BulkResult(count, method="where")


async def delete_where(
    scope: WriteScope,
    columns: WriteColumns,
    where: Sequence[Any],
    marks: Mapping[sa.Column[Any], Any] | None,
) -> BulkResult[Any]:
    """Delete the rows that meet all conditions.

    Args:
        scope: where it happens.
        columns: of the entity.
        where: the conditions.
        marks: of a soft delete: what is written into the rows.

    Raises:
        BulkError: the database refused it, as other rows refer to one of them.
    """
    entity = columns.entity
    async with _writing(scope, columns) as context:
        conditions, values = read_conditions(entity, where, context.guards)
        statement = delete_rows(columns.table, conditions, marks)
        count, _ = await _run(statement, values, columns, context, f"delete {entity.name}", returning=False)
        if count:
            context.changed(Change(entity.cls, "delete"))
    return BulkResult(count, method="where")


@asynccontextmanager
async def _writing(scope: WriteScope, columns: WriteColumns) -> AsyncIterator[WriteContext]:
    """The transaction; inside of an open one a savepoint, so that a refusal leaves it usable."""
    inside = scope.in_transaction
    async with AsyncExitStack() as stack:
        context = await stack.enter_async_context(scope.writing())
        try:
            if inside:
                async with context.savepoint():
                    yield context
            else:
                yield context
        except StatementError as error:
            raise Naming(columns.entity, value_in_dict).unnamed(error) from error


async def _run(
    statement: Any,
    values: Mapping[str, Any],
    columns: WriteColumns,
    context: WriteContext,
    cause: str,
    *,
    returning: bool,
) -> tuple[int, list[Any]]:
    if not returning:
        count: int = await context.write(
            lambda writer: writer.execute(statement, values, cause=cause).rowcount
        )
        return count, []
    statement = statement.returning(*(column.column for column in columns.key))
    rows: Sequence[Any] = await context.write(
        lambda writer: writer.execute(statement, values, cause=cause).all()
    )
    keys = [row[0] if len(columns.key) == 1 else tuple(row) for row in rows]
    return len(keys), keys
