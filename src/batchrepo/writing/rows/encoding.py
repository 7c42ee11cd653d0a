"""Rows as the driver takes them: column by column, so that columns whose values stay as they are cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.errors import BulkError, RowError
from batchrepo.sql.wire import wire_of
from batchrepo.writing.refusals.naming import refused
from batchrepo.writing.rows.allocating import allocating
from batchrepo.writing.rows.intake import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine

    from batchrepo.writing.rows.columns import WriteColumn, WriteColumns
    from batchrepo.writing.rows.shapes import Row


class Encoder:
    """Encodes rows of one set of columns for one database.

    Args:
        columns: of the entity.
        names: the attributes that the rows have.
        dialect: of the database.
    """

    def __init__(self, columns: WriteColumns, names: Sequence[str], dialect: Dialect) -> None:
        self._columns = columns
        self._names = names
        self._written = [columns.columns[name] for name in names]
        self._wires = [wire_of(column.type, dialect) for column in self._written]
        self._processed = any(wire.process is not None for wire in self._wires)

    @property
    def array_types(self) -> list[TypeEngine[Any]]:
        """The type of an array for each column; only where all of them may be arrays."""
        return [wire.array for wire in self._wires if wire.array is not None]

    @allocating
    def rows(self, rows: Sequence[Row], indexes: Sequence[int]) -> Sequence[Row]:
        """The rows as tuples of what the driver takes.

        Raises:
            BulkError: a type refuses values; it names their rows.
        """
        if not self._processed or not rows:
            return rows
        return list(zip(*self.arrays(rows, indexes), strict=True))

    @allocating
    def arrays(self, rows: Sequence[Row], indexes: Sequence[int]) -> list[Sequence[Any]]:
        """The same, column by column.

        Raises:
            BulkError: a type refuses values; it names their rows.
        """
        if not rows:
            return [[] for _ in self._names]
        arrays: list[Sequence[Any]] = []
        for wire, values in zip(self._wires, zip(*rows, strict=True), strict=True):
            if wire.process is None or (wire.same and wire.same.issuperset(map(type, values))):
                arrays.append(list(values))
                continue
            try:
                arrays.append(list(map(wire.process, values)))
            except Exception as error:
                raise self._refusal(rows, indexes) or error from error
        return arrays

    def _refusal(self, rows: Sequence[Row], indexes: Sequence[int]) -> BulkError | None:
        """What to raise where a processor has failed: the rows whose values their types refuse."""
        found: dict[int, RowError] = {}
        for place, (column, wire) in enumerate(zip(self._written, self._wires, strict=True)):
            if wire.process is None:
                continue
            for row, index in zip(rows, indexes, strict=True):
                if index not in found and (said := _tried(wire.process, row[place])) is not None:
                    found[index] = self._error(row, index, column, row[place], said)
        return self._named(found.values())

    def wrong_types(self, rows: Sequence[Row], indexes: Sequence[int], at: int, said: str) -> BulkError:
        """What to raise where the driver has failed to encode a row.

        Args:
            rows: as they were given to the driver.
            indexes: the place of each in the input.
            at: the row that the driver failed at.
            said: the driver's words.
        """
        found: dict[int, RowError] = {}
        for place, (column, wire) in enumerate(zip(self._written, self._wires, strict=True)):
            if not wire.kinds:
                continue
            for row, index in zip(rows, indexes, strict=True):
                value = row[place]
                if value is not None and not isinstance(value, wire.kinds) and index not in found:
                    expected = " or ".join(kind.__name__ for kind in wire.kinds[:1])
                    found[index] = self._error(row, index, column, value, f"expected {expected}")
        if indexes[at] not in found:
            row = rows[at]
            found[indexes[at]] = RowError(
                indexes[at],
                "value",
                f"A value does not fit into its column: {said}",
                key_of(self._columns, self._names, row),
            )
        error = self._named(found.values())
        assert error is not None
        return error

    def _error(self, row: Row, index: int, column: WriteColumn, value: Any, said: str) -> RowError:
        return RowError(
            index,
            "value",
            f"{self._columns.entity.name}.{column.name} does not take {_shown(value)} "
            f"({type(value).__name__}): {said}.",
            key_of(self._columns, self._names, row),
            columns=(column.name,),
        )

    def _named(self, errors: Iterable[RowError]) -> BulkError | None:
        rows = sorted(errors, key=lambda error: error.index)
        return refused(BulkError, self._columns.entity.name, rows) if rows else None


def _tried(process: Callable[[Any], Any], value: Any) -> str | None:
    try:
        process(value)
    except Exception as error:  # noqa: BLE001  a type of the user's may raise anything
        return " ".join(str(error).split()) or type(error).__name__
    return None


def _shown(value: Any) -> str:
    try:
        return f"{value!r:.100}"
    except Exception:  # noqa: BLE001  Python refuses to print very long integers
        return "a value that cannot be printed"
