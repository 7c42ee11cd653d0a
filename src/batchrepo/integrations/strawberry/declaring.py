"""``@repository_type``: from a class that lists what is public to a Strawberry type.

::

    @repository_type(AlbumRepository)
    class AlbumType:
        id: auto
        title: auto
        duration: auto  # a computed attribute of the repository
        artist: "ArtistType"
        tracks: Connection["TrackType"]
"""

from __future__ import annotations

import inspect
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import strawberry
from strawberry import relay
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.auto import StrawberryAuto
from strawberry.types.field import StrawberryField

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.integrations.strawberry.connections import page_arguments
from batchrepo.integrations.strawberry.members import MARK, Member, Related, RepositoryType, Value
from batchrepo.integrations.strawberry.nodes import is_node_id, make_node
from batchrepo.integrations.strawberry.resolving import (
    Resolver,
    arguments_of,
    related_resolver,
    value_resolver,
)
from batchrepo.integrations.strawberry.scalars import annotation_of_column, annotation_of_computed
from batchrepo.integrations.strawberry.shapes import shape_of
from batchrepo.mapping import entity_info
from batchrepo.plan.read import AggregateField, ColumnField, FetchedField

if TYPE_CHECKING:
    from collections.abc import Callable

    from strawberry.types.arguments import StrawberryArgument

    from batchrepo.mapping import EntityInfo
    from batchrepo.repository import Repository

T = TypeVar("T")


class RepositoryField(StrawberryField):
    """A field whose value is read by the plan.

    Attributes:
        member: what is read.
    """

    member: Member

    def __copy__(self) -> RepositoryField:
        copied = super().__copy__()
        copied.member = self.member
        return copied

    @property
    def is_basic_field(self) -> bool:
        """Whether the value is an attribute of its object, and nothing else."""
        return False

    @property
    def is_async(self) -> bool:
        """Whether it may have to be awaited, which extensions of the field ask."""
        return True

    @property
    def arguments(self) -> list[StrawberryArgument]:
        """The arguments in GraphQL."""
        if self._arguments is None:
            paged = isinstance(self.member, Related) and shape_of(self.resolve_type()).paged
            self._arguments = page_arguments() if paged else []
        return self._arguments

    @arguments.setter
    def arguments(self, value: list[StrawberryArgument]) -> None:
        self._arguments = value

    @cached_property
    def resolver(self) -> Resolver:
        """Gives the value, as graphql-core asks for it."""
        if isinstance(self.member, Value):
            return value_resolver(self.member.name)
        return related_resolver(self.member, shape_of(self.resolve_type()))

    def get_result(self, source: Any, info: Any, args: list[Any], kwargs: Any) -> Any:
        """The value, where the field has permissions or extensions, which Strawberry asks first."""
        raw = info._raw_info
        return self.resolver(source, raw, **(arguments_of(raw) if self.arguments else {}))


def repository_type(
    repository: type[Repository[Any]], *, name: str | None = None, description: str | None = None
) -> Callable[[type[T]], type[T]]:
    """Make a Strawberry type of a class that lists what is public of a repository's rows.

    Args:
        repository: reads the rows; its computed attributes may be listed.
        name: of the type in GraphQL. Default: the name of the class, without ``Type`` at its end.
        description: of the type. Default: the class's docstring.

    Raises:
        DeclarationError: a name is neither a column, a computed attribute nor a relation.
    """

    def decorate(cls: type[T]) -> type[T]:
        entity = entity_info(repository.entity_class)
        namespace = sys.modules[cls.__module__].__dict__
        members: dict[str, Member] = {}
        if issubclass(cls, relay.Node):
            make_node(cls, entity)
        annotations: dict[str, StrawberryAnnotation] = {}
        for attribute, annotation in list(inspect.get_annotations(cls).items()):
            if isinstance(cls.__dict__.get(attribute), StrawberryField):
                continue
            member = _member(cls, attribute, entity, repository)
            if is_node_id(annotation):
                members[attribute] = member
                continue
            field = RepositoryField(python_name=attribute)
            field.member = members[attribute] = member
            kind = _automatic(member, cls) if _is_auto(annotation, namespace) else annotation
            field.type_annotation = annotations[attribute] = StrawberryAnnotation(kind, namespace=namespace)
            setattr(cls, attribute, field)
        text = description or (
            cls.__doc__ if cls.__doc__ and not cls.__doc__.startswith(f"{cls.__name__}(") else None
        )
        made = strawberry.type(cls, name=name or cls.__name__.removesuffix("Type"), description=text)
        for strawberry_field in made.__strawberry_definition__.fields:  # type: ignore[attr-defined]
            # dataclasses put the annotation's text here, which knows nothing of its module.
            if strawberry_field.python_name in annotations:
                strawberry_field.type_annotation = annotations[strawberry_field.python_name]
        setattr(made, MARK, RepositoryType(made, repository, entity, members))
        return made

    return decorate


def _member(cls: type[Any], name: str, entity: EntityInfo, repository: type[Repository[Any]]) -> Member:
    column = entity.columns.get(name) or entity.expressions.get(name)
    if column is not None:
        return Value(name, ColumnField(name, column.attribute, column))
    relation = entity.relations.get(name)
    if relation is not None:
        return Related(name, relation, relation.many)
    computed = getattr(repository, name, None)
    match computed:
        case Expression(expression=sql):
            return Value(name, ColumnField(name, sql, None))
        case Aggregate():
            return Value(name, AggregateField(name, computed))
        case Fetched():
            return Value(name, FetchedField(name, computed))
        case Top(relation=relation):
            return Related(
                name, relation, not computed.single, computed.where, computed.order, computed.first
            )
    known = [*entity.columns, *entity.relations, *_computed_names(repository), *entity.expressions]
    raise DeclarationError(
        f"{cls.__name__}.{name}: {entity.name} has no attribute {name!r}, and {repository.__name__} computes none."
        f"{did_you_mean(name, known)} Write a resolver of your own with @strawberry.field."
    )


def _computed_names(repository: type[Repository[Any]]) -> list[str]:
    return [name for name in dir(repository) if isinstance(getattr(repository, name, None), Computed)]


def _is_auto(annotation: Any, namespace: dict[str, Any]) -> bool:
    if isinstance(annotation, str):
        found = namespace.get(annotation.rpartition(".")[2])
        return annotation.endswith("auto") and isinstance(found or strawberry.auto, StrawberryAuto)
    return isinstance(annotation, StrawberryAuto)


def _automatic(member: Member, cls: type[Any]) -> Any:
    where = f"{cls.__name__}.{member.name}"
    match member:
        case Value(field=ColumnField(column=column)) if column is not None:
            return annotation_of_column(column, where)
        case Value():
            return annotation_of_computed(member.field, where)
        case Related():
            raise DeclarationError(
                f"{where} leads to {member.relation.target.name}, of which there may be several types. "
                f'Name one: {member.name}: "{member.relation.target.name}Type".'
            )


__all__ = ["RepositoryField", "repository_type"]
