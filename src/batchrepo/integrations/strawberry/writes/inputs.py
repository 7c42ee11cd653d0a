"""``@create_input`` and ``@update_input``: Strawberry inputs of the columns that a repository's rows are written with.

::

    @create_input(AlbumRepository)
    class AlbumCreate:
        title: auto
        artist: auto  # a relation: the global id of its node
        price: auto  # has a default in the mapper, so that it may be left out


    @update_input(AlbumRepository)
    class AlbumUpdate:
        id: auto  # a part of the key, or of the version, must be sent
        title: auto  # everything else may be left out, and stays as it is then

A field that is not sent is ``strawberry.UNSET`` in Python and not written; null is NULL.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, dataclass_transform

import strawberry
from strawberry import relay
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.auto import StrawberryAuto
from strawberry.types.base import StrawberryOptional
from strawberry.types.field import StrawberryField

from batchrepo.errors import DeclarationError, InvalidArgument, did_you_mean
from batchrepo.integrations.strawberry.types.declaring import docstring_of
from batchrepo.integrations.strawberry.types.fields import RepositoryField
from batchrepo.integrations.strawberry.types.fitting import shown_type, takes_values, text_of_type
from batchrepo.integrations.strawberry.types.scalars import annotation_of_value, automatic
from batchrepo.mapping import entity_info
from batchrepo.mapping.entity import attribute_owner, shown
from batchrepo.plan.read import ColumnField
from batchrepo.repository import Repository
from batchrepo.writing.rows.columns import write_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchrepo.mapping import ColumnInfo, EntityInfo
    from batchrepo.writing.rows.columns import WriteColumns

T = TypeVar("T")

MARK = "__batchrepo_input__"
"""The attribute of a class where its `InputKind` is."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What a field of an input sets.

    Attributes:
        names: the attributes that are set, in the order of the key where a node's id is given.
        node: whose key the id of a node stands for; None for a plain value.
        column: of a plain value.
    """

    names: tuple[str, ...]
    node: EntityInfo | None
    column: ColumnInfo | None


@dataclass(frozen=True, eq=False)
class InputKind:
    """An input made from a repository.

    Attributes:
        cls: the class.
        repository: writes its rows.
        entity: of the rows.
        settings: what its fields set, by their names in Python.
        creates: whether it is for new rows.
        versions: whether updates compare versions: ``checked`` or ``unchecked``.
        version: the attribute of the version, if rows have one.
    """

    cls: type[Any]
    repository: type[Repository[Any]]
    entity: EntityInfo
    settings: Mapping[str, Setting]
    creates: bool
    versions: str
    version: str | None

    @property
    def names(self) -> frozenset[str]:
        """The attributes that it can set."""
        return frozenset(name for setting in self.settings.values() for name in setting.names)

    @property
    def has_key(self) -> bool:
        """Whether it says which row it is about."""
        return set(self.entity.key_names) <= self.names

    def field_for(self, attribute: str) -> str:
        """The name in Python of the field that sets an attribute; the attribute's own where none does."""
        for name, setting in self.settings.items():
            if attribute in setting.names:
                return name
        return attribute


def input_kind(cls: Any, where: str) -> InputKind:
    """The `InputKind` of a class.

    Raises:
        DeclarationError: it has none.
    """
    found: InputKind | None = getattr(cls, "__dict__", {}).get(MARK)
    if found is None:
        raise DeclarationError(
            f"{where} expects a class with @create_input(...) or @update_input(...); got {shown(cls)}."
        )
    return found


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def create_input(
    repository: type[Repository[Any]], *, name: str | None = None, description: str | None = None
) -> Callable[[type[T]], type[T]]:
    """Make a Strawberry input of a class that lists what clients may say of a new row.

    A field is a column, or a relation to one row, by its name: ``auto`` takes the type from the mapper; of a relation it
    is the global id of its node. Another annotation must take the same values; ``relay.GlobalID`` for a foreign key is
    the id of the node that it refers to. What has a default, or may be NULL, may be left out.

    Args:
        repository: writes the rows.
        name: of the input in GraphQL. Default: the name of the class.
        description: of the input. Default: the class's docstring.

    Raises:
        DeclarationError: a name is no column that can be written, or a type does not fit.
    """
    return _decorator(repository, name, description, creates=True, versions="checked")


@dataclass_transform(kw_only_default=True, field_specifiers=(strawberry.field,))
def update_input(
    repository: type[Repository[Any]],
    *,
    name: str | None = None,
    description: str | None = None,
    versions: str = "checked",
) -> Callable[[type[T]], type[T]]:
    """As `create_input`, of a class that lists what clients may change of a row.

    Columns of the primary key and the version must be sent where they are listed; all else may be left out, and stays
    as it is.

    Args:
        repository: as for `create_input`.
        name: as for `create_input`.
        description: as for `create_input`.
        versions: of an entity with a version column: ``"checked"`` needs it among the fields, so that a row which
            somebody else has changed meanwhile is refused; ``"unchecked"`` overwrites whatever is there.

    Raises:
        DeclarationError: as `create_input`; or the version is not listed.
    """
    return _decorator(repository, name, description, creates=False, versions=versions)


def _decorator(
    repository: type[Repository[Any]],
    name: str | None,
    description: str | None,
    *,
    creates: bool,
    versions: str,
) -> Callable[[type[T]], type[T]]:
    call = "@create_input" if creates else "@update_input"
    given: Any = repository
    if not isinstance(given, type) or not issubclass(given, Repository):
        raise DeclarationError(
            f"{call} expects a repository class, such as AlbumRepository; got {shown(repository)}."
        )
    if versions not in ("checked", "unchecked"):
        raise DeclarationError(
            f'{call}(versions=...) expects "checked" or "unchecked"; got {versions!r:.100}.'
        )

    def decorate(cls: type[T]) -> type[T]:
        reader = _Reader(cls, repository, creates=creates)
        settings = reader.read()
        if not creates and versions == "checked":
            reader.check_version(settings)
        text = description or docstring_of(cls)
        made: Any = strawberry.input(cls, name=name or cls.__name__, description=text)
        for field in made.__strawberry_definition__.fields:
            field.type_annotation = reader.annotations.get(field.python_name, field.type_annotation)
        kind = InputKind(made, repository, reader.entity, settings, creates, versions, reader.version)
        setattr(made, MARK, kind)
        return made  # type: ignore[no-any-return]

    return decorate


class _Reader:
    """Reads one class.

    Attributes:
        entity: whose rows it writes.
        annotations: of its fields.
    """

    def __init__(self, cls: type[Any], repository: type[Repository[Any]], *, creates: bool) -> None:
        self.entity = entity_info(repository.entity_class)
        self.annotations: dict[str, StrawberryAnnotation] = {}
        self._cls = cls
        self._creates = creates
        self._namespace = sys.modules[cls.__module__].__dict__
        try:
            self._columns: WriteColumns = write_columns(self.entity)
        except InvalidArgument as error:
            raise DeclarationError(f"{cls.__name__}: {error} Write a resolver with @mutation.") from error

    def read(self) -> dict[str, Setting]:
        """Make fields of the class's annotations; gives what each sets."""
        settings: dict[str, Setting] = {}
        annotations = dict(inspect.get_annotations(self._cls))
        for name, annotation in annotations.items():
            where = f"{self._cls.__name__}.{name}"
            given = self._cls.__dict__.get(name)
            kind = self._resolved(annotation)
            node = None if isinstance(kind, StrawberryAuto) else _is_global_id(kind)
            setting = settings[name] = self._setting(where, name, given, node)
            annotations[name] = self._field(where, name, given, kind, setting)
        self._cls.__annotations__ = annotations
        return settings

    @property
    def version(self) -> str | None:
        """The attribute of the version, if rows have one."""
        version = self._columns.version
        return None if version is None else version.name

    def check_version(self, settings: Mapping[str, Setting]) -> None:
        """Refuse an input that forgets the version."""
        version = self._columns.version
        if version is None or any(version.name in setting.names for setting in settings.values()):
            return
        raise DeclarationError(
            f"{self._cls.__name__}: rows of {self.entity.name} have a version, {version.name!r}, by which an update is "
            f"refused where somebody else has changed the row. List it, or write "
            f'@update_input(..., versions="unchecked").'
        )

    def _resolved(self, annotation: Any) -> Any:
        """The annotation as a type of Strawberry's; ``auto`` as itself."""
        if isinstance(annotation, str):
            if annotation in ("auto", "strawberry.auto") and annotation not in self._namespace:
                return strawberry.auto
            annotation = StrawberryAnnotation(annotation, namespace=self._namespace).evaluate()
        if isinstance(annotation, StrawberryAuto):
            return annotation
        return StrawberryAnnotation(annotation, namespace=self._namespace).resolve()

    def _setting(self, where: str, name: str, given: Any, node: bool | None) -> Setting:
        source = given.source if isinstance(given, RepositoryField) else None
        if source is not None:
            owner, name = attribute_owner(source, where)
            if owner not in self.entity.ancestors:
                raise DeclarationError(
                    f"{where}: {owner.name}.{name} is not an attribute of {self.entity.name}."
                )
        relation = self.entity.relations.get(name)
        if relation is not None:
            order = relation.key_order
            if order is None or node is False:
                raise DeclarationError(
                    f"{where}: a relation in an input is the global id of the row that it refers to by key, auto or "
                    f"relay.GlobalID. {relation} is written by "
                    f"{'its own rows' if order is None else 'its columns, if not by an id'}."
                )
            names = tuple(relation.local[place].name for place in order)
            for each in names:
                self._check_writable(where, each)
            return Setting(names, relation.target, None)
        self._check_writable(where, name)
        if node:
            return Setting((name,), self._referred(where, name), None)
        return Setting((name,), None, self.entity.columns[name])

    def _check_writable(self, where: str, name: str) -> None:
        try:
            self._columns.named(name, where)
        except InvalidArgument as error:
            raise DeclarationError(str(error)) from error

    def _referred(self, where: str, name: str) -> EntityInfo:
        """Whose key a column holds."""
        if self.entity.key_names == (name,):
            return self.entity
        for relation in self.entity.relations.values():
            if relation.key_order is not None and [column.name for column in relation.local] == [name]:
                return relation.target
        known = [each.name for each in self.entity.relations.values() if each.key_order is not None]
        raise DeclarationError(
            f"{where} is a GlobalID, but {self.entity.name}.{name} is neither its primary key nor what a relation "
            f"refers by.{did_you_mean(name, known)}"
        )

    def _field(self, where: str, name: str, given: Any, kind: Any, setting: Setting) -> Any:
        """Put a field on the class; gives its annotation."""
        required = self._is_required(setting)
        if isinstance(kind, StrawberryAuto):
            made: Any = relay.GlobalID
            if setting.column is not None:
                column = setting.column
                made = automatic(ColumnField(name, column.attribute, column), where)
                resolved = StrawberryAnnotation(made, namespace={}).resolve()
                made = resolved.of_type if isinstance(resolved, StrawberryOptional) else made
            # What may be left out may be null: GraphQL does not tell the two apart in types.
            kind = made if required else made | None
            optional = not required
        else:
            optional = isinstance(kind, StrawberryOptional)
            self._check_type(where, kind, setting)
            kind = inspect.get_annotations(self._cls)[name]
        annotation = StrawberryAnnotation(kind, namespace=self._namespace)
        default: Any = dataclasses.MISSING
        field = given if isinstance(given, StrawberryField) else None
        if field is not None:
            default = field.default
        elif name in self._cls.__dict__:
            default = given
        if default is dataclasses.MISSING and optional:
            default = strawberry.UNSET
        options: dict[str, Any] = {"default": default} if default is not dataclasses.MISSING else {}
        if field is not None:
            options |= {
                "name": field.graphql_name,
                "description": field.description,
                "deprecation_reason": field.deprecation_reason,
                "directives": field.directives,
                "metadata": field.metadata,
            }
        setattr(self._cls, name, strawberry.field(**options))
        self.annotations[name] = annotation
        return kind

    def _check_type(self, where: str, kind: Any, setting: Setting) -> None:
        declared = kind.of_type if isinstance(kind, StrawberryOptional) else kind
        if setting.column is None:
            return
        expected = annotation_of_value(
            ColumnField(setting.column.name, setting.column.attribute, setting.column)
        )
        if expected is not None and not takes_values(declared, expected):
            raise DeclarationError(
                f"{where}: {self.entity.name}.{setting.column.name} holds values of type {text_of_type(expected)}, but "
                f"the field is {shown_type(declared)}. Write {text_of_type(expected)}, or auto."
            )

    def _is_required(self, setting: Setting) -> bool:
        columns = [self._columns.columns[name] for name in setting.names]
        if self._creates:
            return any(column.name in self._columns.required for column in columns)
        return any(column.primary_key or column is self._columns.version for column in columns)


def _is_global_id(kind: Any) -> bool:
    inner = kind.of_type if isinstance(kind, StrawberryOptional) else kind
    return inner is relay.GlobalID
