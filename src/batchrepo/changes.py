"""What was written, as values: which rows of which entities, and how.

Every flush and every bulk write says what it changed with one `Change` for each entity and operation. A scope forgets
what they made stale at once; a commit hands them on as one `Changes`, to `Database.on_commit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Operation = Literal["insert", "update", "delete", "unknown"]
"""What happened to the rows. ``unknown``: a statement of the user's own, or ``scope.touch``."""


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one entity that were written by one operation.

    Attributes:
        entity: the mapped class.
        operation: what happened.
        keys: the primary keys (a value, or a tuple for a composite key); None where they are not known: any row of
            the entity may be meant.
        columns: the names of the attributes that were written; None where they are not known, or all.
    """

    entity: type[Any]
    operation: Operation
    keys: tuple[Any, ...] | None = None
    columns: frozenset[str] | None = None

    def __repr__(self) -> str:
        rows = "any rows" if self.keys is None else f"{len(self.keys)} rows"
        return f"<Change {self.operation} {self.entity.__name__}, {rows}>"


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that one transaction committed.

    Attributes:
        changes: in the order in which they were made.
        context: of the scope that made them, such as the user or tenant.
        anything: a statement was run of which nobody knows what it changed: any rows may have been.
    """

    changes: tuple[Change, ...]
    context: Any = None
    anything: bool = False

    @property
    def entities(self) -> tuple[type[Any], ...]:
        """The mapped classes that were written, each once."""
        return tuple(dict.fromkeys(change.entity for change in self.changes))

    def of(self, entity: type[Any]) -> tuple[Change, ...]:
        """The changes of one mapped class (or of a class that it inherits from, or that inherits from it)."""
        return tuple(
            change
            for change in self.changes
            if issubclass(change.entity, entity) or issubclass(entity, change.entity)
        )

    def __bool__(self) -> bool:
        return bool(self.changes) or self.anything

    def __repr__(self) -> str:
        return f"<Changes {', '.join(map(repr, self.changes)) or 'none'}>"
