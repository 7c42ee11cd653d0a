"""New rows of a bulk write get the scope's values; those that contradict them are refused, or left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrepo.errors import ForbiddenWrite
from batchrepo.writing.criteria.checking import stamp_rows
from batchrepo.writing.rows.intake import Batch

if TYPE_CHECKING:
    from batchrepo.declare.criteria import Guards
    from batchrepo.errors import RowError
    from batchrepo.mapping import EntityInfo
    from batchrepo.writing.refusals.applying import OnError


def stamped(
    entity: EntityInfo, batch: Batch, guards: Guards, on_error: OnError
) -> tuple[Batch, list[RowError]]:
    """The rows with what ``match`` says of them, and those that were left out.

    Raises:
        ForbiddenWrite: rows say something else, with ``on_error="raise"``.
    """
    try:
        names, rows = stamp_rows(entity, batch.names, batch.rows, batch.indexes, guards)
    except ForbiddenWrite as error:
        if on_error == "raise":
            raise
        left = batch.without({row.index for row in error.rows})
        return stamped(entity, left, guards, on_error)[0], list(error.rows)
    return Batch(names, rows, batch.indexes), []
