"""What a repository type exposes: for each of its fields, what is read for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrepo.declare.computed import Top
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.read import Field
    from batchrepo.repository import Repository


@dataclass(frozen=True, eq=False)
class Value:
    """A column or a computed attribute.

    Attributes:
        name: of the field in Python.
        field: what is read for it.
    """

    name: str
    field: Field


@dataclass(frozen=True, eq=False)
class Related:
    """What a relation, or ``top`` and ``latest`` over one, leads to: an object, a list, or a connection.

    Attributes:
        name: of the field in Python.
        relation: which is followed.
        many: whether there is a list of rows.
        where: conditions on them.
        order: of them; empty for the relation's own.
        first: at most so many, or None.
        declared: the ``top`` or ``latest`` that it is, which callers can neither filter nor sort; or None.
    """

    name: str
    relation: RelationInfo
    many: bool
    where: tuple[Any, ...] = ()
    order: tuple[OrderTerm, ...] = ()
    first: int | None = None
    declared: Top[Any] | None = None


Member: TypeAlias = Value | Related
"""What is read for a field."""


@dataclass(frozen=True, eq=False)
class RepositoryType:
    """A GraphQL type made from a repository.

    Attributes:
        cls: the class with the fields.
        repository: reads its rows.
        entity: of the rows.
        members: what is read for its fields, by their names in Python; also for what is not public, but required by
            resolvers.
    """

    cls: type[Any]
    repository: type[Repository[Any]]
    entity: EntityInfo
    members: Mapping[str, Member]

    def objects(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """Instances of the class that have rows as their attributes; its constructor is not called."""
        cls, new = self.cls, object.__new__
        found = []
        for values in rows:
            instance = new(cls)
            instance.__dict__ = values
            found.append(instance)
        return found

    def object(self, row: dict[str, Any]) -> Any:
        """As `objects`, of one row."""
        instance = object.__new__(self.cls)
        instance.__dict__ = row
        return instance


MARK = "__batchrepo_type__"
"""The attribute of a class where its `RepositoryType` is."""

KEY = "##"
"""Under which name an object that was not read yet has the primary key of its row: no name of a column behind ``#``."""


def repository_type_of(cls: Any) -> RepositoryType | None:
    """The `RepositoryType` of a class; None for any other."""
    return getattr(cls, "__dict__", {}).get(MARK)
