"""Update by key: what happens to the rows of one chunk.

Rows become tuples of what the statement needs: their key, the version that they were read with, and what is to be set.
They are sorted by key, so that two updates of the same rows lock them in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from operator import itemgetter, le
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from batchrepo.changes import Change
from batchrepo.errors import BulkError, InvalidArgument, RowError, StaleRows
from batchrepo.sql.locate import locate
from batchrepo.sql.update import RowUpdate
from batchrepo.writing.criteria.checking import bounds, check_written, needs_check
from batchrepo.writing.falling_back import by_what_works
from batchrepo.writing.looking_up import look_up
from batchrepo.writing.refusals.applying import Part, TakeBack, apply, value_in_tuple
from batchrepo.writing.refusals.naming import refused
from batchrepo.writing.rows.allocating import allocating
from batchrepo.writing.rows.duplicates import Duplicates
from batchrepo.writing.rows.unwritable import moved_away, of_other_class, without_key, without_version
from batchrepo.writing.running import Written
from batchrepo.writing.update.setting import on_update
from batchrepo.writing.update.updating import Updater
from batchrepo.writing.update.versions import Versions
from batchrepo.writing.upsert.conflicts import Target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrepo.errors import WriteError
    from batchrepo.writing.choosing import Choice, Method
    from batchrepo.writing.context import WriteContext, WritePlace
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.rows.duplicates import Policy
    from batchrepo.writing.rows.intake import Batch
    from batchrepo.writing.rows.shapes import Row
    from batchrepo.writing.running import Options
    from batchrepo.writing.update.versions import Check

Absent = Literal["error", "ignore"]
"""What to do where a key has no row: refuse the row of the input, or leave it out silently."""


@dataclass(frozen=True, slots=True)
class UpdateTerms:
    """What is an update's own.

    Attributes:
        absent: what to do where a key has no row.
        versions: whether rows must say which version they are of.
        duplicates: what to do with rows that the input has twice.
    """

    absent: Absent = "error"
    versions: Check = "checked"
    duplicates: Policy = "error"


@dataclass(frozen=True, slots=True)
class _Plan:
    """How rows with the same columns are updated.

    Attributes:
        names: what the tuples have: the key, the version if it is compared, and what is set.
        update: the statement.
        updater: runs the statement.
        written: the attributes that are set.
    """

    names: tuple[str, ...]
    update: RowUpdate
    updater: Updater
    written: frozenset[str]


class Updates:
    """Updates the rows of one call, chunk after chunk.

    Args:
        columns: of the entity.
        options: what the caller said.
        terms: what is an update's own.
        several: whether more than one chunk may come.
    """

    def __init__(self, columns: WriteColumns, options: Options, terms: UpdateTerms, *, several: bool) -> None:
        self._columns = columns
        self._entity = columns.entity
        self._options = options
        self._terms = terms
        self._versions = Versions(columns, terms.versions)
        self._duplicates = Duplicates(
            columns, Target(columns.key, is_key=True), terms.duplicates, several=several
        )
        self._plans: dict[tuple[str, ...], _Plan] = {}

    async def write(self, batches: Sequence[Batch], context: WriteContext) -> Written:
        """Write one chunk."""
        written = Written()
        keyed = [self._take_out(batch, without_key(batch, self._entity), written) for batch in batches]
        resolved, errors = self._duplicates.resolve([batch for batch in keyed if batch.rows])
        same = dict(self._duplicates.same)
        written.errors += errors
        ready: list[Batch] = []
        for batch in resolved:
            known = self._take_out(batch, without_version(batch, self._entity, self._versions), written)
            known = self._take_out(known, of_other_class(known, self._columns), written)
            moved = moved_away(known, self._entity, context.guards, self._options.on_error)
            ready.append(self._take_out(known, moved, written))
        if written.errors and self._options.on_error == "raise":
            return written
        for batch in ready:
            if batch.rows:
                await self._update(batch, context, written)
        if self._options.wants_rows:
            written.repeat(same)
        return written

    def choice(self, names: tuple[str, ...], rows: int, place: WritePlace) -> Choice:
        """The way for so many rows with these columns, and why."""
        return self._plan(names, place).updater.choice(rows)

    def _take_out(self, batch: Batch, errors: Sequence[RowError], written: Written) -> Batch:
        if not errors:
            return batch
        written.errors += errors
        return batch.without({error.index for error in errors})

    # --- rows that can --------------------------------------------------------------------------

    async def _update(self, batch: Batch, context: WriteContext, written: Written) -> None:
        plan = self._plan(batch.names, context)
        part = self._part(batch, plan)
        method = await by_what_works(
            self._columns.table,
            lambda: plan.updater.choice(len(part)),
            lambda method: self._apply(part, plan, method, context, written),
        )
        written.methods.append(method)

    async def _apply(
        self, part: Part[Row], plan: _Plan, method: Method, context: WriteContext, written: Written
    ) -> None:
        async def write(some: Part[Row]) -> tuple[int, set[int]]:
            """How many rows were updated, and the places in the input of those that have no row, as far as needed."""
            return await self._write(some, plan, method, context)

        applied = await apply(
            part,
            write,
            context,
            self._entity,
            on_error=self._options.on_error,
            value=value_in_tuple(plan.names),
        )
        written.errors += applied.errors
        for some, (count, absent) in zip(applied.written, applied.results, strict=True):
            kept = some.without(absent) if absent else some
            keys = self._keys(kept)
            written.count += count
            if self._options.wants_rows:
                ordered = sorted(zip(kept.indexes, keys, strict=True), key=itemgetter(0))
                written.keys.append(([at for at, _ in ordered], [key for _, key in ordered]))
            if count:
                context.changed(Change(self._entity.cls, "update", tuple(keys), plan.written))

    async def _write(
        self, part: Part[Row], plan: _Plan, method: Method, context: WriteContext
    ) -> tuple[int, set[int]]:
        absent: set[int] = set()
        ignores = self._terms.absent == "ignore"
        if ignores and self._versions.compared:
            # An update alone would not tell a row that is gone from one that somebody has changed.
            absent, errors = await self._look(part, context, lock=True)
            if errors:
                raise refused(StaleRows, self._entity.name, errors, _STALE)
            part = part.without(absent)
            if not len(part):
                return 0, absent
        count = await context.write(lambda writer: plan.updater.write(writer, part, method))
        checks = needs_check(self._entity, context.guards)
        if count < len(part):
            if not ignores or self._versions.compared:
                raise TakeBack(lambda: self._explain(part, context))
            if checks or self._options.wants_rows:
                absent, _ = await self._look(part, context)
        if checks:
            kept = part.without(absent)
            await check_written(self._entity, self._keys(kept), context, kept.indexes)
        return count, absent

    async def _explain(self, part: Part[Row], context: WriteContext) -> WriteError:
        """Why fewer rows were updated than the input has."""
        absent, errors = await self._look(part, context)
        name = self._entity.name
        if self._terms.absent == "error":
            errors += [
                RowError(index, "not_found", f"{name} has no row for its key.", key)
                for index, key in zip(part.indexes, self._keys(part), strict=True)
                if index in absent
            ]
        errors.sort(key=lambda error: error.index)
        if any(error.kind == "stale" for error in errors):
            return refused(StaleRows, name, errors, _STALE)
        if errors:
            return refused(BulkError, name, errors)
        return StaleRows(f"Rows of {name} were changed by somebody else while they were written.", name)

    async def _look(
        self, part: Part[Row], context: WriteContext, *, lock: bool = False
    ) -> tuple[set[int], list[RowError]]:
        """The rows whose key has no row that the scope may see, and those of another version."""
        compared = self._versions.column if self._versions.compared else None
        wanted = [] if compared is None else [compared.column]
        conditions, values = bounds(self._entity, context.guards)
        located = locate(
            [column.column for column in self._columns.key],
            wanted,
            sa.and_(sa.true(), *conditions),
            context.dialect,
            lock=lock,
        )
        keys = self._keys(part)
        found = await look_up(located, keys, context, cause=f"update {self._entity.name}", values=values)
        absent = {index for at, index in enumerate(part.indexes) if at not in found}
        if compared is None:
            return absent, []
        place = len(self._columns.key)
        return absent, [
            self._versions.stale(part.indexes[at], keys[at])
            for at, (version,) in sorted(found.items())
            if version != part.rows[at][place]
        ]

    def _keys(self, part: Part[Row]) -> list[Any]:
        width = len(self._columns.key)
        if width == 1:
            return [row[0] for row in part.rows]
        return [tuple(row[:width]) for row in part.rows]

    # --- how rows are updated -------------------------------------------------------------------

    @allocating
    def _part(self, batch: Batch, plan: _Plan) -> Part[Row]:
        """The rows as the statement takes them, sorted by key."""
        width = len(self._columns.key)
        if plan.names == batch.names:
            rows: Sequence[Row] = batch.rows
        else:
            rows = list(zip(*self._columns_of(batch, plan), strict=True))
        key: Any = itemgetter(0) if width == 1 else itemgetter(*range(width))
        keys = list(map(key, rows))
        try:
            if all(map(le, keys, islice(keys, 1, None))):
                return Part(rows, batch.indexes)
            order = sorted(range(len(rows)), key=keys.__getitem__)
        except TypeError:  # of a type that has no order in Python
            return Part(rows, batch.indexes)
        return Part([rows[at] for at in order], [batch.indexes[at] for at in order])

    def _columns_of(self, batch: Batch, plan: _Plan) -> list[Sequence[Any]]:
        """What the statement takes, column by column."""
        tested = len(plan.update.key) + len(plan.update.compared)
        given: list[Sequence[Any]] = [batch.values(name) for name in plan.names[:tested]]
        version = self._versions.column
        for name in plan.names[tested:]:
            column = self._columns.columns[name]
            if column is version and self._versions.moved:
                old = batch.values(name) if self._versions.compared else [None] * len(batch)
                given.append(self._versions.following(old))
            elif name in batch.names:
                given.append(batch.values(name))
            else:
                assert column.make_on_update is not None
                given.append([column.make_on_update() for _ in range(len(batch))])
        return given

    def _plan(self, names: tuple[str, ...], context: WritePlace) -> _Plan:
        found = self._plans.get(names)
        if found is None:
            found = self._plans[names] = self._new_plan(names, context)
        return found

    def _new_plan(self, names: tuple[str, ...], context: WritePlace) -> _Plan:
        columns, versions = self._columns.columns, self._versions
        key = self._entity.key_names
        version = versions.column.name if versions.column is not None else None
        given = [name for name in names if name not in key and name != version]
        if version is not None and not versions.moved and not versions.compared and version in names:
            given.append(version)  # a version that nobody makes is a column like any other
        if not given:
            raise InvalidArgument(
                f"update_many of {self._entity.name}: rows have nothing but {', '.join(names)}, so there is nothing "
                f"to set."
            )
        made: dict[Any, Any] = {}
        changed = list(given)
        contextual: str | None = None
        for name, column in columns.items():
            if name in given or name in key or name == version or column.on_update is None:
                continue
            if column.make_on_update is not None:
                changed.append(name)
            elif column.on_update == "context":
                contextual = name  # SQLAlchemy adds it to the statement by itself
            else:
                made |= on_update(column)
        if version is not None and versions.moved:
            if versions.counted or (not versions.compared):
                made |= versions.in_sql("update_many")
            else:
                changed.append(version)
        compared = (version,) if version is not None and versions.compared else ()
        conditions, values = bounds(self._entity, context.guards)
        update = RowUpdate(
            self._columns.table,
            tuple(column.column for column in self._columns.key),
            tuple(columns[name].column for name in compared),
            tuple(columns[name].column for name in changed),
            made,
            conditions,
        )
        tuples = (*key, *compared, *changed)
        updater = Updater(
            self._columns, tuples, update, values, contextual, context.dialect, self._options.method
        )
        moved = {version} if version is not None and versions.moved else set()
        return _Plan(tuples, update, updater, frozenset(changed) | moved | self._set_by_sql(made))

    def _set_by_sql(self, made: Mapping[Any, Any]) -> set[str]:
        return {name for name, column in self._columns.columns.items() if column.column in made}


_STALE = "are not as they were read"


def check_absent(absent: object, name: str) -> None:
    """Check ``absent=``; `name` is the call's.

    Raises:
        InvalidArgument: it is none of the two.
    """
    if absent not in ("error", "ignore"):
        raise InvalidArgument(f'{name}: absent= expects "error" or "ignore"; got {absent!r:.100}.')
