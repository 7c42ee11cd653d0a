"""Markers for view fields whose name alone does not say what to read.

They go into ``Annotated``: ``artist_name: Annotated[str, column(Album.artist, Artist.name)]``. What they were
given is checked when the view is planned, where view and field can be named. A `column` is a SQL expression
too, by which reads can be sorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from batchrepo.declare.computed import Computed
from batchrepo.declare.orders import Sortable
from batchrepo.declare.values import value_along
from batchrepo.errors import BatchRepoError, DeclarationError, InvalidArgument, did_you_mean
from batchrepo.mapping.entity import attribute_owner, shown

if TYPE_CHECKING:
    from batchrepo.mapping import ColumnInfo, EntityInfo, RelationInfo


@dataclass(frozen=True, eq=False)
class Marker:
    """The base of all markers."""


@dataclass(frozen=True, eq=False)
class ColumnMarker(Marker, Sortable):
    """Made by `column`."""

    path: tuple[Any, ...]

    def resolve(
        self, entity: EntityInfo, where: str, error: type[BatchRepoError] = DeclarationError
    ) -> tuple[tuple[RelationInfo, ...], ColumnInfo]:
        """The relations along the path, and the column at its end.

        Args:
            entity: where the path starts.
            where: names what the marker was given to, for messages.
            error: what to raise.

        Raises:
            DeclarationError: the path is none (or `error`, where given).
        """
        if not self.path:
            raise error(f"{where}: column() needs a column, such as column(Album.artist, Artist.name).")
        relations: list[RelationInfo] = []
        current = entity
        for step in self.path[:-1]:
            relation = relation_of(where, current, step, error)
            if relation.many:
                raise error(
                    f"{where}: {relation} leads to a list; column() follows to-one relations only. "
                    f"Use a list of views, or a computed attribute."
                )
            if relation.refused:
                raise error(f"{where}: {relation.refused}.")
            relations.append(relation)
            current = relation.target
        last = self.path[-1]
        if isinstance(last, Computed):
            raise error(f"{where}: column() ends with a column; {last} is a computed attribute.")
        owner, attribute = attribute_owner(last, where, error)
        if owner not in current.ancestors:
            raise error(f"{where}: {owner.name}.{attribute} is not an attribute of {current.name}.")
        return tuple(relations), current.column(attribute, where, error)

    def entity(self, where: str, error: type[BatchRepoError] = DeclarationError) -> EntityInfo:
        """The entity at which the path starts, as far as it says so itself.

        Raises:
            DeclarationError: there is no path (or `error`, where given).
        """
        return attribute_owner(self.path[0] if self.path else None, where, error)[0]

    def __clause_element__(self) -> Any:
        """The column, or a subquery for it that is correlated to the tables of the entity at the path's start.

        Raises:
            InvalidArgument: the path leads to no column.
        """
        return self._sql

    @cached_property
    def _sql(self) -> Any:
        relations, found = self.resolve(self.entity(str(self), InvalidArgument), str(self), InvalidArgument)
        if relations:
            return value_along(relations, found.attribute)
        return found.attribute.__clause_element__()

    def __str__(self) -> str:
        return f"column({', '.join(map(shown, self.path))})"


@dataclass(frozen=True, eq=False)
class IncludeMarker(Marker):
    """Made by `include`."""

    relation: Any
    first: int | None
    where: Any
    order_by: Any
    last: int | None = None
    total: Any = None


@dataclass(frozen=True, eq=False)
class UnmappedMarker(Marker):
    """Made by `unmapped`."""


def column(*path: Any) -> ColumnMarker:
    """Read a column under another name, or flatten one of a related entity.

    Args:
        path: to-one relationships that lead to the column, then the column:
            ``column(Album.title)``, ``column(Album.artist, Artist.name)``.
    """
    return ColumnMarker(path)


def include(
    relation: Any,
    *,
    first: int | None = None,
    where: Any = None,
    order_by: Any = None,
    last: int | None = None,
    total: Literal["exact"] | None = None,
) -> IncludeMarker:
    """Read a relation under another name, or with a filter, an order or a limit for each parent.

    Args:
        relation: the relationship, such as ``Album.tracks``.
        first: at most so many rows for each parent, 1 or more; None for all.
        where: a condition on the related rows (or a sequence of conditions, all of which must hold).
        order_by: default: the relationship's own order; the primary key breaks ties where `first` is given.
        last: for a field of type ``Page[...]``: the last page of each parent, with so many rows.
        total: for a field of type ``Page[...]``: "exact" counts the rows of all pages of each parent.
    """
    return IncludeMarker(relation, first, where, order_by, last, total)


def unmapped() -> UnmappedMarker:
    """A field that is not read from the database: the view's default or a validator fills it."""
    return UnmappedMarker()


def relation_of(
    where: str, entity: EntityInfo, attribute: Any, error: type[BatchRepoError] = DeclarationError
) -> RelationInfo:
    """The relation of an entity that an attribute such as ``Album.tracks`` names.

    Raises:
        DeclarationError: it names none (or `error`, where given).
    """
    owner, name = attribute_owner(attribute, where, error)
    if owner not in entity.ancestors or name not in entity.relations:
        raise error(
            f"{where}: {owner.name}.{name} is not a relationship of {entity.name}."
            f"{did_you_mean(name, entity.relations)}"
        )
    return entity.relations[name]
