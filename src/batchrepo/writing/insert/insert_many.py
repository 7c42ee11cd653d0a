"""Insert: what happens to the rows of one chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.changes import Change
from batchrepo.writing.criteria.checking import check_written, needs_check
from batchrepo.writing.criteria.stamping import stamped
from batchrepo.writing.falling_back import by_what_works
from batchrepo.writing.insert.inserting import Inserter
from batchrepo.writing.refusals.applying import Part, apply, value_in_tuple
from batchrepo.writing.rows.filling import fill
from batchrepo.writing.rows.intake import Batch
from batchrepo.writing.running import Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.writing.choosing import Choice
    from batchrepo.writing.context import WriteContext, WritePlace
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.rows.shapes import Row
    from batchrepo.writing.running import Options


class Inserts:
    """Inserts the rows of one call, chunk after chunk.

    Args:
        columns: of the entity.
        options: what the caller said.
    """

    def __init__(self, columns: WriteColumns, options: Options) -> None:
        self._columns = columns
        self._entity = columns.entity
        self._options = options
        self._inserters: dict[tuple[str, ...], Inserter] = {}

    async def write(self, batches: Sequence[Batch], context: WriteContext) -> Written:
        """Write one chunk."""
        written = Written()
        for batch in batches:
            kept, errors = stamped(self._entity, batch, context.guards, self._options.on_error)
            filled, lacking = fill(kept, self._columns)
            written.errors += errors + lacking
            if lacking and self._options.on_error == "raise":
                return written
            for part in filled:
                if part.rows:
                    await self._insert(part, context, written)
        return written

    async def _insert(self, batch: Batch, context: WriteContext, written: Written) -> None:
        inserter = self._inserter(batch.names, context)
        method = await by_what_works(
            self._columns.table,
            lambda: inserter.choice(len(batch)),
            lambda method: self._apply(batch, context, written, inserter, method),
        )
        written.methods.append(method)

    async def _apply(
        self, batch: Batch, context: WriteContext, written: Written, inserter: Inserter, method: Any
    ) -> None:
        async def write(part: Part[Row]) -> list[Any]:
            keys = await context.write(lambda writer: inserter.write(writer, part, method))
            if needs_check(self._entity, context.guards):
                await check_written(self._entity, keys, context, part.indexes)
            return keys

        applied = await apply(
            Part(batch.rows, batch.indexes),
            write,
            context,
            self._entity,
            on_error=self._options.on_error,
            value=value_in_tuple(batch.names),
        )
        written.errors += applied.errors
        for part, keys in zip(applied.written, applied.results, strict=True):
            written.count += len(part)
            if keys:
                written.keys.append((part.indexes, keys))
            known = tuple(keys) if keys else None
            context.changed(Change(self._entity.cls, "insert", known))

    def choice(self, names: tuple[str, ...], rows: int, context: WritePlace) -> Choice:
        """The way for so many rows with these columns, and why."""
        filled, _ = fill(Batch(names, [], []), self._columns)
        known = filled[0].names if filled else names
        return self._inserter(known, context).choice(rows)

    def _inserter(self, names: tuple[str, ...], context: WritePlace) -> Inserter:
        found = self._inserters.get(names)
        if found is None:
            wants = self._options.wants_rows or needs_check(self._entity, context.guards)
            found = self._inserters[names] = Inserter(
                self._columns, names, wants, context.dialect, self._options.method
            )
        return found
