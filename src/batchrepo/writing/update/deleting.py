"""Delete rows by key, and what a soft delete writes instead."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing
from itertools import repeat
from typing import TYPE_CHECKING, Any

from batchrepo.changes import Change
from batchrepo.errors import BulkError, InvalidArgument, RowError
from batchrepo.sql.delete import delete_rows
from batchrepo.sql.key_checks import check_keys
from batchrepo.sql.members import among
from batchrepo.sql.tables import why_not_deleted
from batchrepo.writing.criteria.checking import bounds, hidden_among
from batchrepo.writing.refusals.applying import Part, TakeBack, apply
from batchrepo.writing.refusals.naming import refused
from batchrepo.writing.results import BulkResult
from batchrepo.writing.rows.intake import chunks, length_of
from batchrepo.writing.running import CHUNK, LIST_CHUNK
from batchrepo.writing.update.setting import on_update
from batchrepo.writing.update.versions import Versions

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping, Sequence

    import sqlalchemy as sa

    from batchrepo.declare.soft_delete import SoftDelete
    from batchrepo.mapping import EntityInfo
    from batchrepo.writing.context import WriteContext, WriteScope
    from batchrepo.writing.refusals.applying import OnError
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.update.update_many import Absent


def marks_of(columns: WriteColumns, soft: SoftDelete | None) -> dict[sa.Column[Any], Any] | None:
    """What a soft delete writes into a row: its mark, and what SQLAlchemy sets on an UPDATE; None without one."""
    if soft is None:
        return None
    marks: dict[sa.Column[Any], Any] = {}
    for column in columns.columns.values():
        if column is not columns.version:
            marks |= on_update(column)
    marks |= Versions(columns, "unchecked").in_sql("delete_many")
    marks[columns.columns[soft.column].column] = soft.value()
    return marks


def refuse_partial_delete(entity: EntityInfo) -> None:
    """Refuse to delete rows that are in several tables.

    Raises:
        InvalidArgument: they are.
    """
    reason = why_not_deleted(entity)
    if reason is not None:
        raise InvalidArgument(
            f"delete_many of {entity.name}: {reason}, and a bulk delete deletes from one. Use scope.delete(), which "
            f"deletes from all of them."
        )


class Deletes:
    """Deletes rows by key.

    Args:
        columns: of the entity.
        marks: of a soft delete: what is written into the rows; None deletes them.
        absent: what to do where a key has no row.
        on_error: what a row does that the database refuses to delete.
    """

    def __init__(
        self,
        columns: WriteColumns,
        marks: Mapping[sa.Column[Any], Any] | None,
        absent: Absent,
        on_error: OnError,
    ) -> None:
        self._columns = columns
        self._entity = columns.entity
        self._marks = marks
        self._absent = absent
        self._on_error: OnError = on_error
        self._count = 0
        self._errors: list[RowError] = []

    async def run(self, keys: Iterable[Any] | AsyncIterable[Any], scope: WriteScope) -> BulkResult[Any]:
        """Delete the rows with these keys.

        Raises:
            BulkError: keys have no row where that is an error, or the database refused.
        """
        inside = scope.in_transaction
        size = LIST_CHUNK if isinstance(keys, list | tuple) else CHUNK
        total = length_of(keys)
        async with AsyncExitStack() as stack:
            context = await stack.enter_async_context(scope.writing())
            if inside and (total is None or total > size):
                await stack.enter_async_context(context.savepoint())  # more chunks than one
            start = 0
            pieces = await stack.enter_async_context(aclosing(chunks(keys, repeat(size))))
            async for piece in pieces:
                await self._chunk(piece, start, context)
                start += len(piece)
        self._errors.sort(key=lambda error: error.index)
        return BulkResult(self._count, errors=tuple(self._errors), method="keys")

    async def _chunk(self, piece: Sequence[Any], start: int, context: WriteContext) -> None:
        checked = check_keys(self._entity.name, self._entity.key, piece, context.dialect)
        first = {key: start + at for at, key in reversed(list(enumerate(checked)))}
        try:
            keys = sorted(first)  # two that delete the same rows lock them in the same order
        except TypeError:  # of a type that has no order in Python
            keys = list(first)
        limit = among(self._key, context.dialect).limit or len(keys)
        for begin in range(0, len(keys), limit):
            some = keys[begin : begin + limit]
            await self._delete(Part(some, [first[key] for key in some]), context)

    @property
    def _key(self) -> list[Any]:
        return [column.column for column in self._columns.key]

    async def _delete(self, part: Part[Any], context: WriteContext) -> None:
        found = among(self._key, context.dialect)
        conditions, values = bounds(self._entity, context.guards)
        statement = delete_rows(self._columns.table, (*found.conditions, *conditions), self._marks)

        async def write(some: Part[Any]) -> int:
            params = {**found.encode(some.rows), **values}
            cause = f"delete {self._entity.name}"
            count: int = await context.write(
                lambda writer: writer.execute(statement, params, cause=cause, keys=len(some)).rowcount
            )
            if count < len(some) and self._absent == "error":
                raise TakeBack(lambda: self._explain(some, context))
            return count

        names = self._entity.key_names

        def value(key: Any, name: str) -> Any:
            return key if len(names) == 1 else key[names.index(name)]

        applied = await apply(part, write, context, self._entity, on_error=self._on_error, value=value)
        self._count += sum(applied.results)
        self._errors += applied.errors
        for some, count in zip(applied.written, applied.results, strict=True):
            if count:
                context.changed(Change(self._entity.cls, "delete", tuple(some.rows)))

    async def _explain(self, part: Part[Any], context: WriteContext) -> BulkError:
        """Which keys have no row that the scope may see."""
        conditions, values = bounds(self._entity, context.guards)
        absent = await hidden_among(self._entity, part.rows, conditions, values, context)
        name = self._entity.name
        what = f"{name} has no row for its key."
        errors = [RowError(part.indexes[at], "not_found", what, part.rows[at]) for at in absent]
        errors.sort(key=lambda error: error.index)
        if errors:
            return refused(BulkError, name, errors)
        return BulkError(f"Rows of {name} were deleted by somebody else while they were looked for.", name)
