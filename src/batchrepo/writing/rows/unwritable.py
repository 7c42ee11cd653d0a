"""Rows of an update that cannot be written, told before the database is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.errors import ForbiddenWrite, RowError
from batchrepo.writing.criteria.checking import key_in, refuse_moves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo
    from batchrepo.writing.refusals.applying import OnError
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.rows.intake import Batch
    from batchrepo.writing.update.versions import Versions


def without_key(batch: Batch, entity: EntityInfo) -> list[RowError]:
    """Rows that do not say their key."""
    names = entity.key_names
    if set(names) <= set(batch.names):
        lacking = sorted({at for name in names for at in _nones(batch.values(name))})
    else:
        lacking = list(range(len(batch)))
    what = f"It does not say its key, {', '.join(names)}, by which the row to update is found."
    return [RowError(batch.indexes[at], "value", what, columns=names) for at in lacking]


def without_version(batch: Batch, entity: EntityInfo, versions: Versions) -> list[RowError]:
    """Rows that do not say their version although they must."""
    return [
        versions.refusal(batch.indexes[at], key_in(entity, batch.names, batch.rows[at]))
        for at in versions.lacking(batch)
    ]


def of_other_class(batch: Batch, columns: WriteColumns) -> list[RowError]:
    """Rows that would become rows of a class that is none of the entity's."""
    known, entity = columns.identities, columns.entity
    column = entity.mapper.polymorphic_on
    if known is None or column is None:
        return []
    name = entity.mapper.get_property_by_column(column).key
    if name not in batch.names:
        return []
    return [
        RowError(
            index,
            "value",
            f"{entity.name}.{name} would become {kind!r:.100}, which is the mark of another class.",
            key_in(entity, batch.names, row),
            columns=(name,),
        )
        for index, row, kind in zip(batch.indexes, batch.rows, batch.values(name), strict=True)
        if kind not in known
    ]


def moved_away(batch: Batch, entity: EntityInfo, guards: Guards, on_error: OnError) -> list[RowError]:
    """Rows that would go out of the scope's sight.

    Raises:
        ForbiddenWrite: the same, with ``on_error="raise"``.
    """
    try:
        refuse_moves(entity, batch.names, batch.rows, batch.indexes, guards)
    except ForbiddenWrite as error:
        if on_error == "raise":
            raise
        return list(error.rows)
    return []


def _nones(values: Sequence[Any]) -> list[int]:
    return [at for at, value in enumerate(values) if value is None] if None in values else []
