"""Rows in: from dicts, models, dataclasses and entities, of any iterable, to tuples of equal columns.

A chunk of rows becomes few batches: rows that have the same columns, each a tuple. Rows that are dicts with the
same keys take the shortest way, in which nothing written in Python runs for each row.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal

from batchrepo.errors import InvalidArgument, RowError
from batchrepo.mapping.entity import shown
from batchrepo.writing.rows.allocating import allocating
from batchrepo.writing.rows.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Iterator

    from batchrepo.writing.rows.columns import WriteColumns

RowSource = Iterable[Any] | AsyncIterable[Any]
"""Rows as callers give them: dicts, Pydantic models, dataclasses or entities, from any kind of iterable."""

Missing = Literal["error", "default"]
"""What to do where rows have not all the same keys."""


@dataclass(slots=True)
class Batch:
    """Rows that have the same columns.

    Attributes:
        names: the attributes, in the table's order.
        rows: their values, in the order of `names`.
        indexes: the place of each row in the whole input, counted from 0.
    """

    names: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    indexes: Sequence[int]

    def values(self, name: str) -> list[Any]:
        """The values of one column."""
        place = self.names.index(name)
        return [row[place] for row in self.rows]

    def at(self, places: Sequence[int]) -> Batch:
        """Some of the rows, by their places in this batch."""
        return Batch(self.names, [self.rows[at] for at in places], [self.indexes[at] for at in places])

    def without(self, indexes: Collection[int]) -> Batch:
        """The rows whose places in the input are not among these."""
        return self.at([at for at, index in enumerate(self.indexes) if index not in indexes])

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(slots=True)
class Intake:
    """What came in with one chunk of rows.

    Attributes:
        batches: the rows by the columns that they have, in the order of their first rows.
        errors: rows that were refused, in the order of the input.
        read: how many rows the chunk had.
    """

    batches: list[Batch]
    errors: list[RowError] = field(default_factory=list)
    read: int = 0


class Reader:
    """Reads the rows of one call, chunk after chunk.

    Args:
        columns: of the entity.
        where: the call, such as ``insert_many``, for messages.
        missing: what to do where rows have not the same keys.
    """

    def __init__(self, columns: WriteColumns, where: str, missing: Missing = "error") -> None:
        self._columns = columns
        self._where = f"{where} of {columns.entity.name}"
        self._missing = missing
        self._shapes = Shapes(columns, self._where)
        self._names: frozenset[str] | None = None

    @allocating
    def read(self, rows: Sequence[Any], start: int) -> Intake:
        """Read one chunk.

        Args:
            rows: as the caller gave them.
            start: the place of the first in the whole input.

        Raises:
            InvalidArgument: a row is of no kind that has columns, or has a column that cannot be written.
        """
        if not rows:
            return Intake([])
        shape = self._shapes.of(rows[0], start)
        taken = shape.take(rows)
        if taken is not None and (shape.lenient or self._same(shape.names)):
            return Intake([Batch(shape.ordered, taken, range(start, start + len(rows)))], read=len(rows))
        return self._one_by_one(rows, start)

    def _same(self, names: frozenset[str]) -> bool:
        if self._names is None:
            self._names = names
        return self._missing == "default" or names == self._names

    def _one_by_one(self, rows: Sequence[Any], start: int) -> Intake:
        """Rows of several kinds, or with different keys."""
        order = {name: place for place, name in enumerate(self._columns.columns)}
        batches: dict[frozenset[str], Batch] = {}
        errors: list[RowError] = []
        for index, row in enumerate(rows, start):
            shape = self._shapes.of(row, index)
            if not shape.lenient and not self._same(shape.names):
                errors.append(self._unequal(row, shape.names, index))
                continue
            batch = batches.get(shape.names)
            if batch is None:
                ordered = tuple(sorted(shape.names, key=order.__getitem__))
                batch = batches[shape.names] = Batch(ordered, [], [])
            (values,) = shape.take((row,)) or ((),)
            batch.rows.append(values)
            batch.indexes.append(index)  # type: ignore[attr-defined]
        return Intake(list(batches.values()), errors, len(rows))

    def _unequal(self, row: Any, names: frozenset[str], index: int) -> RowError:
        assert self._names is not None
        order = tuple(self._columns.columns)
        lacking = [name for name in order if name in self._names - names]
        extra = [name for name in order if name in names - self._names]
        said = " and ".join(
            part
            for part in (
                f"lacks {', '.join(map(repr, lacking))}" if lacking else "",
                f"has {', '.join(map(repr, extra))} in addition" if extra else "",
            )
            if part
        )
        return RowError(
            index,
            "value",
            f"Row {index} {said}, compared with the first row. Give all rows the same keys, or pass {self._way_out}.",
            self._key_in(row, index),
            columns=(*lacking, *extra),
        )

    @property
    def _way_out(self) -> str:
        if self._where.startswith("update_many"):
            return 'missing="keep": what a row leaves out then stays as it is'
        return 'missing="default": what a row leaves out is then left to its default'

    def _key_in(self, row: Any, index: int) -> Any:
        shape = self._shapes.of(row, index)
        (values,) = shape.take((row,)) or ((),)
        return key_of(self._columns, shape.ordered, values)


def key_of(columns: WriteColumns, names: Sequence[str], values: Sequence[Any]) -> Any:
    """The primary key in the values of a row: a value, or a tuple of several; None where it is not all there."""
    given = dict(zip(names, values, strict=True))
    key = tuple(given.get(column.name) for column in columns.key)
    if None in key:
        return None
    return key if len(columns.key) > 1 else next(iter(key))


def keys_of(columns: WriteColumns, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
    """The primary keys of rows that all have them."""
    return list(map(itemgetter(*(names.index(column.name) for column in columns.key)), rows))


def length_of(rows: object) -> int | None:
    """How many rows there are, where the input says it."""
    return len(rows) if isinstance(rows, Sized) else None


def check_source(rows: object, where: str) -> None:
    """Refuse what is no source of rows.

    Raises:
        InvalidArgument: it is one row, a text, or nothing that can be iterated.
    """
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable | AsyncIterable):
        raise InvalidArgument(f"{where}: expected rows, such as [{{...}}, {{...}}]; got {shown(rows)}.")
    if hasattr(type(rows), "model_fields"):
        raise InvalidArgument(f"{where}: expected rows; got one {type(rows).__name__}. Put it into a list.")


async def chunks(rows: RowSource, sizes: Iterator[int]) -> AsyncGenerator[Sequence[Any], None]:
    """The rows in pieces of at most these sizes; of an iterator no more than one piece is held."""
    if isinstance(rows, AsyncIterable):
        piece: list[Any] = []
        size = next(sizes)
        async for row in rows:
            piece.append(row)
            if len(piece) >= size:
                yield piece
                piece, size = [], next(sizes)
        if piece:
            yield piece
        return
    if isinstance(rows, list | tuple):
        start = 0
        while start < len(rows):
            size = next(sizes)
            yield rows if not start and size >= len(rows) else rows[start : start + size]
            start += size
        return
    iterator = iter(rows)
    while piece := list(islice(iterator, next(sizes))):
        yield piece
