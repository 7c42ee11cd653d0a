"""Upsert: what happens to the rows of one chunk."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from batchrepo.changes import Change
from batchrepo.errors import ForbiddenWrite, RowError, StaleRows
from batchrepo.sql.locate import locate, locate_all
from batchrepo.writing.criteria.checking import bounds, hidden_among
from batchrepo.writing.criteria.stamping import stamped
from batchrepo.writing.falling_back import by_what_works
from batchrepo.writing.insert.insert_many import Inserts
from batchrepo.writing.looking_up import look_up
from batchrepo.writing.refusals.applying import Part, apply, value_in_tuple
from batchrepo.writing.refusals.naming import refused
from batchrepo.writing.rows.duplicates import Duplicates
from batchrepo.writing.rows.filling import fill
from batchrepo.writing.rows.intake import Batch, key_of, keys_of
from batchrepo.writing.running import Written
from batchrepo.writing.upsert.upserting import Upserter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.writing.choosing import Choice, Method
    from batchrepo.writing.context import WriteContext, WritePlace
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.rows.duplicates import Policy
    from batchrepo.writing.rows.shapes import Row
    from batchrepo.writing.running import Options
    from batchrepo.writing.upsert.conflicts import Target


@dataclass(frozen=True, slots=True)
class Terms:
    """How rows that are there already are told, and what happens to them.

    Attributes:
        target: by which rows are told apart.
        updated: the attributes that an update sets; None for all that a row has.
        duplicates: what to do with rows that the input has twice.
    """

    target: Target
    updated: tuple[str, ...] | None
    duplicates: Policy


class Upserts:
    """Upserts the rows of one call, chunk after chunk.

    Args:
        columns: of the entity.
        options: what the caller said.
        terms: what is an upsert's own.
        several: whether more than one chunk may come.
    """

    def __init__(self, columns: WriteColumns, options: Options, terms: Terms, *, several: bool) -> None:
        self._columns = columns
        self._entity = columns.entity
        self._options = options
        self._terms = terms
        self._duplicates = Duplicates(columns, terms.target, terms.duplicates, several=several)
        self._inserts = Inserts(columns, options)
        self._upserters: dict[tuple[tuple[str, ...], frozenset[str]], Upserter] = {}

    async def write(self, batches: Sequence[Batch], context: WriteContext) -> Written:
        """Write one chunk."""
        written = Written()
        resolved, written.errors = self._duplicates.resolve(batches)
        same = dict(self._duplicates.same)
        if written.errors and self._options.on_error == "raise":
            return written
        for batch in resolved:
            for part in self._by_version(batch):
                await self._batch(part, context, written)
                if written.errors and self._options.on_error == "raise":
                    return written
        if self._options.wants_rows:
            written.repeat(same)
        return written

    async def _batch(self, batch: Batch, context: WriteContext, written: Written) -> None:
        kept, errors = stamped(self._entity, batch, context.guards, self._options.on_error)
        written.errors += errors
        if self._options.wants_rows:
            kept, fresh = self._without_target(kept)
            if fresh.rows:
                _merge(written, await self._inserts.write([fresh], context))
        given = frozenset(batch.names)
        filled, lacking = fill(kept, self._columns, explicit_none=True)
        written.errors += lacking
        if lacking and self._options.on_error == "raise":
            return
        for part in filled:
            if part.rows:
                await self._upsert(part, given, context, written)

    def _by_version(self, batch: Batch) -> list[Batch]:
        """Rows that say which version they are of, and those that do not."""
        version = self._columns.generated_version
        if version is None or version.name not in batch.names:
            return [batch]
        place = batch.names.index(version.name)
        without = [at for at, row in enumerate(batch.rows) if row[place] is None]
        if not without:
            return [batch]
        names = (*batch.names[:place], *batch.names[place + 1 :])
        rest = [at for at, row in enumerate(batch.rows) if row[place] is not None]
        return [
            batch.at(rest),
            Batch(
                names,
                [(*batch.rows[at][:place], *batch.rows[at][place + 1 :]) for at in without],
                [batch.indexes[at] for at in without],
            ),
        ]

    def _without_target(self, batch: Batch) -> tuple[Batch, Batch]:
        """Rows by whether one may be there already: with NULL in its key none is, and it cannot be found by it."""
        keys = self._duplicates.keys(batch)
        if None not in keys:
            return batch, Batch(batch.names, [], [])
        known, fresh = (
            batch.at([at for at, key in enumerate(keys) if (key is None) is unknown])
            for unknown in (False, True)
        )
        return known, fresh

    async def _upsert(
        self, batch: Batch, given: frozenset[str], context: WriteContext, written: Written
    ) -> None:
        upserter = self._upserter(batch.names, given, context)
        method = await by_what_works(
            self._columns.table,
            lambda: upserter.choice(len(batch)),
            lambda method: self._apply(batch, context, written, upserter, method),
        )
        written.methods.append(method)

    async def _apply(
        self, batch: Batch, context: WriteContext, written: Written, upserter: Upserter, method: Method
    ) -> None:
        async def write(part: Part[Row]) -> tuple[int, list[Any]]:
            if upserter.checks_version:
                await self._refuse_stale(batch.names, part, context)
            count = await context.write(lambda writer: upserter.write(writer, part, method))
            guarded = bool(context.guards.of(self._entity))
            keys = await self._keys(batch.names, part, context) if self._options.wants_rows or guarded else []
            if guarded:
                await self._refuse_hidden(keys, part, context)
            if upserter.counts and count < len(part):
                raise StaleRows(
                    f"{len(part) - count} rows of {self._entity.name} were changed by somebody else while they were "
                    f"written, and so nothing was written. Read them again.",
                    self._entity.name,
                )
            return count, keys

        applied = await apply(
            Part(batch.rows, batch.indexes),
            write,
            context,
            self._entity,
            on_error=self._options.on_error,
            value=value_in_tuple(batch.names),
        )
        written.errors += applied.errors
        for part, (count, keys) in zip(applied.written, applied.results, strict=True):
            written.count += count
            if keys:
                written.keys.append((part.indexes, keys))
            known = tuple(keys) if keys else None
            for operation in ("insert", "update") if upserter.conflict.updates else ("insert",):
                context.changed(Change(self._entity.cls, operation, known))

    async def _keys(self, names: tuple[str, ...], part: Part[Row], context: WriteContext) -> list[Any]:
        """The primary keys of the rows, whether they were there before or not."""
        key_names = self._entity.key_names
        if self._terms.target.is_key and set(key_names) <= set(names):
            return keys_of(self._columns, names, part.rows)
        wanted = [column.column for column in self._columns.key]
        every = await self._all_located(names, part, wanted, context)
        if every is not None:
            return every
        found = await self._located(names, part, wanted, context)
        return [
            (values[0] if len(values) == 1 else values) if (values := found.get(at)) is not None else None
            for at in range(len(part))
        ]

    async def _located(
        self,
        names: tuple[str, ...],
        part: Part[Row],
        wanted: Sequence[Any],
        context: WriteContext,
        *,
        lock: bool = False,
    ) -> dict[int, tuple[Any, ...]]:
        """Some columns of the rows that are there, by the place of the row in the part."""
        target = self._terms.target
        values = self._target_values(names, part)
        located = locate(
            [column.column for column in target.columns], wanted, target.where, context.dialect, lock=lock
        )
        return await look_up(located, values, context, cause=f"upsert {self._entity.name}")

    async def _all_located(
        self, names: tuple[str, ...], part: Part[Row], wanted: Sequence[Any], context: WriteContext
    ) -> list[Any] | None:
        """The keys of rows that are all there, as one array; None where that cannot be, or one is not there."""
        target = self._terms.target
        columns = [column.column for column in target.columns]
        located = locate_all(columns, wanted, target.where, context.dialect)
        if located is None:
            return None
        statement, encode = located
        params = encode(self._target_values(names, part))
        cause = f"upsert {self._entity.name}"
        arrays = await context.write(
            lambda writer: writer.execute(statement, params, cause=cause, keys=len(part)).one()
        )
        if len(arrays[0] or ()) != len(part):
            return None
        return list(arrays[0]) if len(arrays) == 1 else list(zip(*arrays, strict=True))

    def _target_values(self, names: tuple[str, ...], part: Part[Row]) -> list[Any]:
        return list(map(itemgetter(*(names.index(name) for name in self._terms.target.names)), part.rows))

    async def _refuse_stale(self, names: tuple[str, ...], part: Part[Row], context: WriteContext) -> None:
        version = self._columns.generated_version
        assert version is not None
        found = await self._located(names, part, [version.column], context, lock=True)
        place = names.index(version.name)
        errors = [
            RowError(
                part.indexes[at],
                "stale",
                f"It is of version {row[place]!r}, but the row has version {found[at][0]!r} now.",
                key_of(self._columns, names, row),
                columns=(version.name,),
            )
            for at, row in enumerate(part.rows)
            if at in found and found[at][0] != row[place]
        ]
        if errors:
            raise refused(StaleRows, self._entity.name, errors, "were changed by somebody else")

    async def _refuse_hidden(self, keys: Sequence[Any], part: Part[Row], context: WriteContext) -> None:
        guards = context.guards
        conditions, values = bounds(self._entity, guards)
        places = [at for at, key in enumerate(keys) if key is not None]
        hidden = await hidden_among(self._entity, [keys[at] for at in places], conditions, values, context)
        if hidden:
            errors = [
                RowError(
                    part.indexes[places[at]],
                    "forbidden",
                    "A row with its key is there, or would be, which this scope may not see.",
                    keys[places[at]] if self._terms.target.is_key else None,
                )
                for at in hidden
            ]
            raise refused(ForbiddenWrite, self._entity.name, errors, "are not this scope's to write")

    def choice(self, names: tuple[str, ...], rows: int, context: WritePlace) -> Choice:
        """The way for so many rows with these columns, and why."""
        filled, _ = fill(Batch(names, [], []), self._columns, explicit_none=True)
        known = filled[0].names if filled else names
        return self._upserter(known, frozenset(names), context).choice(rows)

    def _upserter(self, names: tuple[str, ...], given: frozenset[str], context: WritePlace) -> Upserter:
        found = self._upserters.get((names, given))
        if found is None:
            found = self._upserters[names, given] = Upserter(
                self._columns,
                names,
                given,
                self._terms.target,
                self._terms.updated,
                context.dialect,
                bounds=bounds(self._entity, context.guards),
                method=self._options.method,
            )
        return found


def _merge(written: Written, more: Written) -> None:
    written.count += more.count
    written.keys += more.keys
    written.errors += more.errors
    written.methods += more.methods
