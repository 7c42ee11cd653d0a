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

import copy
import dataclasses
import inspect
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_args, get_origin

import strawberry
from strawberry import relay
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.auto import StrawberryAuto
from strawberry.types.field import StrawberryField
from strawberry.types.private import is_private

from batchrepo.errors import DeclarationError
from batchrepo.integrations.strawberry.types.fields import RepositoryField
from batchrepo.integrations.strawberry.types.members import MARK, Related, RepositoryType, Value
from batchrepo.integrations.strawberry.types.nodes import is_node_id, make_node
from batchrepo.integrations.strawberry.types.scalars import automatic
from batchrepo.integrations.strawberry.types.sources import read_member
from batchrepo.mapping import entity_info
from batchrepo.mapping.entity import shown
from batchrepo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrepo.integrations.strawberry.types.members import Member

T = TypeVar("T")


def repository_type(
    repository: type[Repository[Any]],
    *,
    name: str | None = None,
    description: str | None = None,
    directives: Sequence[object] = (),
) -> Callable[[type[T]], type[T]]:
    """Make a Strawberry type of a class that lists what is public of a repository's rows.

    A field is what has its name: a column, a computed attribute of the repository, a relation, a hybrid. Its type is
    ``auto``, or one that fits what is read; relations name a type of their own. ``attribute(...)`` and ``related(...)``
    are for fields under another name. One that is ``strawberry.Private`` is not public, but may be required by
    resolvers of one's own: see `field`.

    A class may inherit from other types: their fields are then read from this repository.

    Args:
        repository: reads the rows; its computed attributes may be listed.
        name: of the type in GraphQL. Default: the name of the class, without ``Type`` at its end.
        description: of the type. Default: the class's docstring.
        directives: of the type, as ``strawberry.type`` takes them.

    Raises:
        DeclarationError: a name is neither a column, a computed attribute nor a relation, or a type does not fit.
            Types with names that are not known yet are checked when the schema is made.
    """
    given: Any = repository
    if not isinstance(given, type) or not issubclass(given, Repository):
        raise DeclarationError(
            f"@repository_type expects a repository class, such as AlbumRepository; got {shown(repository)}."
        )

    def decorate(cls: type[T]) -> type[T]:
        reader = _Reader(cls, repository)
        if issubclass(cls, relay.Node):
            make_node(cls, reader.entity)
        reader.read()
        text = description or docstring_of(cls)
        made = strawberry.type(
            cls, name=name or cls.__name__.removesuffix("Type"), description=text, directives=directives
        )
        reader.adopt(made.__strawberry_definition__.fields)  # type: ignore[attr-defined]
        if not made.__dictoffset__:
            raise DeclarationError(
                f"{cls.__name__} has __slots__, but its objects have the row that was read as their __dict__. Leave the "
                f"line out."
            )
        setattr(made, MARK, RepositoryType(made, repository, reader.entity, reader.members))
        return made

    return decorate


class _Reader:
    """Reads one class.

    Attributes:
        entity: whose rows it shows.
        members: what is read for its fields.
    """

    def __init__(self, cls: type[Any], repository: type[Repository[Any]]) -> None:
        if getattr(repository, "entity_class", None) is None:
            raise DeclarationError(
                f"@repository_type: {repository.__name__} does not name its entity. "
                f"Write class {repository.__name__}(Repository[Album])."
            )
        self.entity = entity_info(repository.entity_class)
        self.members: dict[str, Member] = {}
        self._types: dict[str, StrawberryAnnotation] = {}
        self._cls = cls
        self._repository = repository
        self._namespace = sys.modules[cls.__module__].__dict__

    def read(self) -> None:
        """Make fields of the annotations of the class itself."""
        annotations = dict(inspect.get_annotations(self._cls))
        for name, annotation in annotations.items():
            given = self._cls.__dict__.get(name)
            if _is_class_variable(annotation):
                continue
            kind = self._evaluated(annotation)
            if is_private(kind) or is_node_id(annotation):
                self._private(name)
                continue
            if get_origin(kind) is Annotated and any(isinstance(m, StrawberryField) for m in get_args(kind)):
                kind, given = self._split(name, kind, given)
            elif not isinstance(kind, StrawberryAuto):
                kind = annotation
            if isinstance(given, StrawberryField) and not _is_plain(given):
                continue
            annotations[name] = self._field(name, kind, given)
        self._cls.__annotations__ = annotations

    def _field(self, name: str, kind: Any, given: Any) -> Any:
        """Put a field on the class; gives its annotation."""
        where = f"{self._cls.__name__}.{name}"
        if given is not None and not isinstance(given, StrawberryField):
            raise DeclarationError(
                f"{where} has the value {given!r:.100}, but it is read from the database. Leave the value away."
            )
        if name in self._cls.__dict__ and given is None:
            raise DeclarationError(
                f"{where} has the value None, but it is read from the database. Leave the value away; None is allowed "
                f"by the type: {name}: ... | None."
            )
        field = self._own(name, given)
        if isinstance(kind, StrawberryAuto):
            kind = self._automatic(field)
        field.type_annotation = StrawberryAnnotation(kind, namespace=self._namespace)
        self._types[name] = field.type_annotation
        setattr(self._cls, name, field)
        return kind

    def _own(self, name: str, given: StrawberryField | None) -> RepositoryField:
        """The field of this class for what it, or a class that it inherits from, declares."""
        if isinstance(given, RepositoryField):
            field = copy.copy(given)
        else:
            field = _converted(given) if given is not None else RepositoryField()
        field.python_name = name
        field.where = f"{self._cls.__name__}.{name}"
        field.member = read_member(field.where, name, field.source, self.entity, self._repository)
        self.members[name] = field.member
        return field

    def adopt(self, fields: list[StrawberryField]) -> None:
        """Let the fields that are inherited be read from this repository, and check what can be checked now."""
        for index, field in enumerate(fields):
            name = field.python_name
            if name not in self.members and _is_plain(field):
                own = self._own(name, field)
                own.type_annotation, own.origin = field.type_annotation, field.origin
                own._arguments = None
                fields[index] = own
        for field in fields:
            if field.python_name in self._types:
                # Strawberry puts what it could resolve here, which is nothing where a name is not known yet.
                field.type_annotation = self._types[field.python_name]
            if isinstance(field, RepositoryField):
                field.check(early=True)
            for required in getattr(field, "requires", ()):
                self._require(field, required)

    def _private(self, name: str) -> None:
        if name not in self._cls.__dict__:
            where = f"{self._cls.__name__}.{name}"
            self.members[name] = read_member(where, name, None, self.entity, self._repository)

    def _require(self, field: StrawberryField, name: str) -> None:
        where = f"{self._cls.__name__}.{field.python_name}: requires="
        if name not in self.members:
            self.members[name] = read_member(where, name, None, self.entity, self._repository)
        if not isinstance(self.members[name], Value):
            raise DeclarationError(
                f"{where} names {name}, a relation. It takes columns and computed attributes; load relations in the "
                f"resolver with scope_of(info).related(...)."
            )

    def _automatic(self, field: RepositoryField) -> Any:
        member = field.member
        if isinstance(member, Related):
            target = member.relation.target.name
            raise DeclarationError(
                f"{field.where} leads to {target}, of which there may be several types. "
                f'Name one: {member.name}: "{target}Type".'
            )
        return automatic(member.field, field.where)

    def _evaluated(self, annotation: Any) -> Any:
        """The annotation without quotes; as it is where it names what is not known yet."""
        if not isinstance(annotation, str):
            return annotation
        if annotation in ("auto", "strawberry.auto") and annotation not in self._namespace:
            return strawberry.auto  # imported for type checkers only
        try:
            return StrawberryAnnotation(annotation, namespace=self._namespace).evaluate()
        except (NameError, TypeError, KeyError):
            return annotation

    def _split(self, name: str, kind: Any, given: Any) -> tuple[Any, Any]:
        """The type and the field of ``Annotated[type, strawberry.field(...)]``."""
        first, *metadata = get_args(kind)
        fields = [item for item in metadata if isinstance(item, StrawberryField)]
        if len(fields) > 1 or isinstance(given, StrawberryField):
            raise DeclarationError(
                f"{self._cls.__name__}.{name} has several fields. Give it one: in Annotated, or as its value."
            )
        rest = tuple(item for item in metadata if not isinstance(item, StrawberryField))
        return (Annotated[(first, *rest)] if rest else first), fields[0]


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return re.match(r"(\w+\.)?ClassVar\b", annotation) is not None
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def _is_plain(field: StrawberryField) -> bool:
    """Whether nothing but its name and its type says where a field's value comes from."""
    return type(field) in (StrawberryField, RepositoryField) and field.base_resolver is None


def _converted(field: StrawberryField) -> RepositoryField:
    """A field of Strawberry's own, with all that it says of itself, as one that is read."""
    if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING:
        raise DeclarationError(
            f"{field.python_name or 'A field'} has a default, but it is read from the database. Leave it away."
        )
    found = RepositoryField(
        graphql_name=field.graphql_name,
        description=field.description,
        deprecation_reason=field.deprecation_reason,
        directives=field.directives,
        metadata=field.metadata,
        extensions=field.extensions,
    )
    found.permission_classes = list(field.permission_classes)
    return found


def docstring_of(cls: type[Any]) -> str | None:
    """What a class says of itself; not what a dataclass makes up."""
    text = cls.__dict__.get("__doc__")
    return inspect.cleandoc(text) if text and not text.startswith(f"{cls.__name__}(") else None
