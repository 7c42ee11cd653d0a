"""Optimistic locking: the version column of an entity, as bulk updates check it and move it on.

A row of the input that says its version is updated only where the table's row still has it. The version that
follows is counted by the database where it counts, and made by the mapper's ``version_id_generator`` elsewhere;
with ``version_id_generator=False`` the database makes it by itself, and it is only compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from batchrepo.errors import InvalidArgument, RowError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.writing.rows.columns import WriteColumn, WriteColumns
    from batchrepo.writing.rows.intake import Batch

Check = Literal["checked", "unchecked"]
"""Whether rows must say which version they are of (``checked``), or overwrite whatever is there (``unchecked``)."""


class Versions:
    """The versions of one entity.

    Args:
        columns: of the entity.
        check: whether they are compared.
    """

    def __init__(self, columns: WriteColumns, check: Check) -> None:
        self._columns = columns
        self.column: WriteColumn | None = columns.version
        self.compared = self.column is not None and check == "checked"

    @property
    def moved(self) -> bool:
        """Whether an update moves them on: not so where the database does it by itself."""
        return self._columns.generated_version is not None

    @property
    def counted(self) -> bool:
        """Whether the next version is the last one and 1, so that the database can count."""
        if not self.moved:
            return False
        return self._columns.counts_versions or self._counts_by_trial()

    def _counts_by_trial(self) -> bool:
        assert self.column is not None
        if not isinstance(self.column.type, sa.Integer):
            return False
        try:
            return [self._columns.next_version(now) for now in (None, 1, 41)] == [1, 2, 42]
        except Exception:  # noqa: BLE001  a function of the user's
            return False

    def in_sql(self, what: str) -> dict[sa.Column[Any], Any]:
        """What an UPDATE sets that knows no version.

        Raises:
            InvalidArgument: the database cannot make the next version; `what` names the call.
        """
        if self.column is None or not self.moved:
            return {}
        column = self.column.column
        if self.counted:
            return {column: sa.func.coalesce(column, 0) + 1}
        if isinstance(self.column.type, sa.Integer):
            raise InvalidArgument(
                f"{what}: the versions of {self._columns.entity.name} are numbers that its version_id_generator makes "
                f"from the last one, which the database cannot do. Give rows with their versions."
            )
        return {column: sa.literal(self._columns.next_version(None), self.column.type)}

    def following(self, versions: Sequence[Any]) -> list[Any]:
        """The versions that follow those of rows, made by Python."""
        return [self._columns.next_version(version) for version in versions]

    def lacking(self, batch: Batch) -> list[int]:
        """The places of the rows in a batch that do not say their version although they must."""
        if not self.compared or self.column is None:
            return []
        if self.column.name not in batch.names:
            return list(range(len(batch)))
        return [at for at, version in enumerate(batch.values(self.column.name)) if version is None]

    def refusal(self, index: int, key: Any) -> RowError:
        """Why a row without a version is refused."""
        assert self.column is not None
        return RowError(
            index,
            "stale",
            f"It does not say its {self.column.name}, the version it was read with. Add it to the row, or pass "
            f'versions="unchecked" to overwrite what others have changed.',
            key,
            columns=(self.column.name,),
        )

    def stale(self, index: int, key: Any) -> RowError:
        """Why a row of another version is refused."""
        assert self.column is not None
        return RowError(
            index,
            "stale",
            "Somebody else has changed it since it was read.",
            key,
            columns=(self.column.name,),
        )


def check_versions(versions: object) -> None:
    """Check ``versions=``.

    Raises:
        InvalidArgument: it is none of the two.
    """
    if versions not in ("checked", "unchecked"):
        raise InvalidArgument(f'versions= expects "checked" or "unchecked"; got {versions!r:.100}.')
