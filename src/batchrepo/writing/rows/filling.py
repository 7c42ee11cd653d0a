"""New rows as SQLAlchemy's unit of work would send them: with the values that Python knows for what they leave out.

None in a column that has a default asks for the default, as with entities; JSON's null excepted. Columns that the
database fills are left out of the statement, so rows that leave out different ones become different batches.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from batchrepo.errors import RowError
from batchrepo.writing.rows.allocating import allocating
from batchrepo.writing.rows.columns import PYTHON
from batchrepo.writing.rows.intake import Batch, key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchrepo.writing.rows.columns import WriteColumn, WriteColumns


@allocating
def fill(
    batch: Batch, columns: WriteColumns, *, explicit_none: bool = False
) -> tuple[list[Batch], list[RowError]]:
    """Complete new rows.

    Args:
        batch: rows with the same columns.
        columns: of the entity.
        explicit_none: whether None is NULL where the column takes it, in spite of a default: rows that may update
            others.

    Returns:
        The rows with all values that Python knows, and those that cannot be written.
    """
    batch, errors = _refuse_identities(batch, columns)
    missing = [name for name in columns.columns if name in columns.required and name not in batch.names]
    if missing and batch.rows:
        return [], errors + [_lacking(columns, batch, at, missing) for at in range(len(batch))]
    filled: list[Batch] = []
    for part in _by_left_out(batch, columns, explicit_none):
        names = part.names
        extra = [
            column
            for name, column in columns.columns.items()
            if name not in names and (column.default in PYTHON or name in columns.stamps)
        ]
        version = columns.generated_version
        if version is not None and version.name not in names:
            extra = [column for column in extra if column is not version]
            extra.append(version)
        rows = part.rows
        if extra:
            made = [_made(column, columns, len(rows)) for column in extra]
            rows = [(*row, *more) for row, more in zip(rows, zip(*made, strict=True), strict=True)]
            names = (*names, *(column.name for column in extra))
        filled.append(Batch(names, rows, part.indexes))
    return filled, errors


def _made(column: WriteColumn, columns: WriteColumns, count: int) -> list[Any]:
    if column is columns.generated_version:
        return [columns.next_version() for _ in range(count)]
    if column.name in columns.stamps:
        return [columns.stamps[column.name]] * count
    assert column.make is not None
    make = column.make
    return [make() for _ in range(count)]


def _by_left_out(batch: Batch, columns: WriteColumns, explicit_none: bool) -> Iterable[Batch]:
    """Rows with defaults for their Nones, apart where the database fills what they leave out."""
    names, rows = batch.names, batch.rows
    by_database: list[int] = []
    for place, name in enumerate(names):
        column = columns.columns[name]
        fills = name in columns.stamps or column.default is not None
        if not fills or column.none_is_a_value or (explicit_none and column.nullable):
            continue
        if None not in map(itemgetter(place), rows):
            continue
        if name in columns.stamps or column.default in PYTHON:
            rows = _replaced(rows, place, column, columns)
        else:
            by_database.append(place)
    version = columns.generated_version
    if version is not None and version.name in names and not explicit_none:
        # As SQLAlchemy does: a new row has the first version, whatever it says.
        place = names.index(version.name)
        rows = [(*row[:place], columns.next_version(), *row[place + 1 :]) for row in rows]
    if not by_database:
        yield Batch(names, rows, batch.indexes)
        return
    groups: dict[tuple[bool, ...], list[int]] = {}
    for at, row in enumerate(rows):
        groups.setdefault(tuple(row[place] is None for place in by_database), []).append(at)
    for left_out, places in groups.items():
        dropped = {place for place, out in zip(by_database, left_out, strict=True) if out}
        kept = [place for place in range(len(names)) if place not in dropped]
        yield Batch(
            tuple(names[place] for place in kept),
            [tuple(rows[at][place] for place in kept) for at in places],
            [batch.indexes[at] for at in places],
        )


def _replaced(
    rows: Sequence[tuple[Any, ...]], place: int, column: WriteColumn, columns: WriteColumns
) -> list[tuple[Any, ...]]:
    return [
        row if row[place] is not None else (*row[:place], _made(column, columns, 1)[0], *row[place + 1 :])
        for row in rows
    ]


def _refuse_identities(batch: Batch, columns: WriteColumns) -> tuple[Batch, list[RowError]]:
    """Rows that say to be of a class that is none of the entity's."""
    known = columns.identities
    mapper = columns.entity.mapper
    name = mapper.get_property_by_column(mapper.polymorphic_on).key if known is not None else None  # type: ignore[arg-type]
    if known is None or name not in batch.names:
        return batch, []
    place = batch.names.index(name)
    wrong = [at for at, row in enumerate(batch.rows) if row[place] is not None and row[place] not in known]
    if not wrong:
        return batch, []
    errors = [
        RowError(
            batch.indexes[at],
            "value",
            f"{columns.entity.name}.{name} is {batch.rows[at][place]!r:.100}, which is the mark of another class. "
            f"Write such rows through its repository.",
            key_of(columns, batch.names, batch.rows[at]),
            columns=(name,),
        )
        for at in wrong
    ]
    return batch.without({error.index for error in errors}), errors


def _lacking(columns: WriteColumns, batch: Batch, at: int, missing: Sequence[str]) -> RowError:
    names = ", ".join(missing)
    return RowError(
        batch.indexes[at],
        "not_null",
        f"It has no {names}, which {'have' if len(missing) > 1 else 'has'} no default and must not be NULL.",
        key_of(columns, batch.names, batch.rows[at]),
        columns=tuple(missing),
    )
