"""Row criteria of rows that are written: the values that ``match`` gives them, and what they are checked for afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchrepo.declare.criteria import Match
from batchrepo.declare.soft_delete import SoftDelete
from batchrepo.mapping.entity import attribute_owner

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo


@dataclass(frozen=True, slots=True)
class Stamp:
    """What ``match`` says of one column of every row that is written.

    Attributes:
        name: the attribute's name.
        value: which every row must have.
    """

    name: str
    value: Any

    def refusal(self, entity: EntityInfo, given: Any) -> str:
        """Why another value is refused, for people."""
        return f"{entity.name}.{self.name} is {given!r:.100}, but this scope writes rows with {self.value!r:.100} only."


def stamps(entity: EntityInfo, guards: Guards) -> tuple[Stamp, ...]:
    """The columns that every row written in a scope must have one value in.

    Raises:
        MissingContext: the scope's context does not have a value.
    """
    values = guards.values([entity])
    return tuple(
        Stamp(name, values[criterion.parameter])
        for criterion in guards.of(entity)
        if isinstance(criterion, Match) and (name := stamped_name(entity, criterion)) is not None
    )


def stamped_name(entity: EntityInfo, criterion: Match) -> str | None:
    """The attribute that a ``match`` stamps, or None where it is no column of the table."""
    _, name = attribute_owner(criterion.attribute)
    if name in entity.mapper.synonyms:
        name = entity.mapper.synonyms[name].name
    column = entity.columns.get(name)
    return name if column is not None and column.is_table_column else None


HIDDEN = "It does not meet the criteria by which this scope sees rows."
"""Why a row that was written is refused, for people."""


def checked_conditions(entity: EntityInfo, guards: Guards) -> tuple[ColumnElement[bool], ...]:
    """What rows must meet after they were written: all criteria but those that were stamped, and soft deletes.

    Raises:
        MissingContext: a predicate needs a context that the scope does not have.
    """
    return tuple(
        condition
        for criterion, condition in zip(guards.of(entity), guards.conditions(entity), strict=True)
        if not isinstance(criterion, SoftDelete)
        and not (isinstance(criterion, Match) and stamped_name(entity, criterion) is not None)
    )
