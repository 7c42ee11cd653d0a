"""Rows of one input that are the same row of the table: PostgreSQL refuses to write one twice in a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from batchrepo.errors import InvalidArgument, RowError
from batchrepo.writing.rows.allocating import allocating
from batchrepo.writing.rows.intake import Batch, key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.upsert.conflicts import Target

Policy = Literal["error", "last"]
"""What to do with them: refuse them, or let the last one win, column by column."""


def check_policy(policy: object) -> None:
    """Check ``duplicates=``.

    Raises:
        InvalidArgument: it is no policy.
    """
    if policy not in ("error", "last"):
        raise InvalidArgument(f'duplicates= expects "error" or "last"; got {policy!r:.100}.')


class Duplicates:
    """Looks through the rows of one call, chunk after chunk.

    Args:
        columns: of the entity.
        target: by which rows are told apart.
        policy: what to do.
        several: whether more than one chunk may come.
    """

    def __init__(self, columns: WriteColumns, target: Target, policy: Policy, *, several: bool) -> None:
        self._columns = columns
        self._target = target
        self._policy = policy
        self._several = several
        self._seen: set[Any] = set()
        self.same: dict[int, int] = {}
        """Of the latest chunk: by the place of a row that was left out, the place of the one that stands for it."""

    @allocating
    def resolve(self, batches: Sequence[Batch]) -> tuple[list[Batch], list[RowError]]:
        """The rows of a chunk, each row of the table once.

        Returns:
            What is to be written, and the rows that are refused.
        """
        self.same = {}
        keys = [self.keys(batch) for batch in batches]
        every = [key for some in keys for key in some if key is not None]
        distinct = set(every)
        unique = len(distinct) == len(every)
        if self._policy == "last":
            if unique:
                return list(batches), []
            return (self._last(batches[0], keys[0]) if len(batches) == 1 else self._merged(batches, keys)), []
        errors = [] if unique and self._seen.isdisjoint(distinct) else self._errors(batches, keys)
        if self._several:
            self._seen |= distinct
        if not errors:
            return list(batches), []
        refused = {error.index for error in errors}
        return [batch.without(refused) for batch in batches], errors

    def keys(self, batch: Batch) -> list[Any]:
        """What tells the rows of a batch apart; None for a row that equals no other."""
        names, target = batch.names, self._target
        if not set(target.names) <= set(names):
            return [None] * len(batch)
        places = [names.index(name) for name in target.names]
        if len(places) == 1:
            (place,) = places
            found: list[Any] = [row[place] for row in batch.rows]
            return [(None,) if key is None else key for key in found] if target.nulls_are_equal else found
        several = [tuple(row[place] for place in places) for row in batch.rows]
        if target.nulls_are_equal:
            return several
        return [None if None in key else key for key in several]

    def _errors(self, batches: Sequence[Batch], keys: Sequence[list[Any]]) -> list[RowError]:
        seen = set(self._seen)
        errors = []
        rows = (
            sorted(
                (index, key, batch, at)
                for batch, some in zip(batches, keys, strict=True)
                for at, (index, key) in enumerate(zip(batch.indexes, some, strict=True))
            )
            if len(batches) > 1
            else [
                (index, key, batches[0], at)
                for at, (index, key) in enumerate(zip(batches[0].indexes, keys[0], strict=True))
            ]
        )
        for index, key, batch, at in rows:
            if key is None:
                continue
            if key in seen:
                names = ", ".join(self._target.names)
                errors.append(
                    RowError(
                        index,
                        "duplicate",
                        f'An earlier row of the input has the same {names}. Pass duplicates="last" to let the last '
                        f"one win.",
                        key_of(self._columns, batch.names, batch.rows[at]),
                        columns=self._target.names,
                    )
                )
            seen.add(key)
        return errors

    def _last(self, batch: Batch, keys: list[Any]) -> list[Batch]:
        """Rows with the same columns: the last has all that the earlier ones had."""
        last = {key: at for at, key in enumerate(keys) if key is not None}
        kept = []
        for at, key in enumerate(keys):
            stands = at if key is None else last[key]
            if stands == at:
                kept.append(at)
            else:
                self.same[batch.indexes[at]] = batch.indexes[stands]
        return [batch.at(kept)]

    def _merged(self, batches: Sequence[Batch], keys: Sequence[list[Any]]) -> list[Batch]:
        """Rows with different columns: each column has the value of the last row that has it."""
        rows = {
            index: (key, dict(zip(batch.names, row, strict=True)))
            for batch, some in zip(batches, keys, strict=True)
            for index, key, row in zip(batch.indexes, some, batch.rows, strict=True)
        }
        values: dict[Any, dict[str, Any]] = {}
        last: dict[Any, int] = {}
        kept: dict[int, dict[str, Any]] = {}
        for index in sorted(rows):
            key, row = rows[index]
            if key is None:
                kept[index] = row
                continue
            values.setdefault(key, {}).update(row)
            last[key] = index
        for index, (key, _) in rows.items():
            if key is not None and last[key] != index:
                self.same[index] = last[key]
        kept.update((index, values[key]) for key, index in last.items())
        order = tuple(self._columns.columns)
        grouped: dict[tuple[str, ...], Batch] = {}
        for index in sorted(kept):
            names = tuple(name for name in order if name in kept[index])
            batch = grouped.setdefault(names, Batch(names, [], []))
            batch.rows.append(tuple(kept[index][name] for name in names))
            batch.indexes.append(index)  # type: ignore[attr-defined]
        return list(grouped.values())
