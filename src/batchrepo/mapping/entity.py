"""EntityInfo: the columns, the key and the relations of one mapped class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.orm.attributes import instance_state

from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.mapping.keys import checked_python_type
from batchrepo.mapping.relation import RelationInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine


Kind = type[Any]
"""A Python type (in `ColumnInfo` the name ``type`` is taken)."""


@dataclass(frozen=True, eq=False)
class ColumnInfo:
    """One column of an entity: a table column, a ``column_property``, a hybrid or a synonym.

    Attributes:
        name: the attribute's name on the class, which may differ from the column's in the table.
        attribute: the SQL expression, such as ``Album.title``.
        type: SQLAlchemy type.
        nullable: whether it may be NULL; True where the mapper cannot know.
        deferred: whether the mapper leaves it out of an entity's row until it is asked for.
        is_table_column: False for expressions.
    """

    name: str
    attribute: Any
    type: TypeEngine[Any]
    nullable: bool
    deferred: bool
    is_table_column: bool

    @property
    def python_type(self) -> Kind | None:
        """The Python type of its values, or None where SQLAlchemy does not know."""
        try:
            return self.type.python_type
        except NotImplementedError:
            return None

    @cached_property
    def checked_type(self) -> Kind | None:
        """The type that a key of this column must have, or None where several will do."""
        if isinstance(self.type, sa.types.TypeDecorator):
            return None
        found: Kind | None = checked_python_type(self.python_type)
        return found

    def __repr__(self) -> str:
        return f"<ColumnInfo {self.name}>"


class EntityInfo:
    """What the mapper says of one mapped class. Made once per class by `entity_info`.

    Attributes:
        cls: the mapped class.
        name: its name, used in messages and reports.
        columns: by attribute name, in the mapper's order.
        key: the primary key's columns, in the mapper's order.
    """

    def __init__(self, mapper: orm.Mapper[Any]) -> None:
        self.mapper = mapper
        self.cls: type[Any] = mapper.class_
        self.name = self.cls.__name__
        self.columns: Mapping[str, ColumnInfo] = {
            prop.key: _column_info(self.cls, prop) for prop in mapper.column_attrs
        }
        self.key: tuple[ColumnInfo, ...] = tuple(
            self.columns[mapper.get_property_by_column(column).key] for column in mapper.primary_key
        )

    @cached_property
    def expressions(self) -> Mapping[str, ColumnInfo]:
        """Hybrid properties and synonyms of columns, by name: readable like columns."""
        found: dict[str, ColumnInfo] = {}
        for name, descriptor in self.mapper.all_orm_descriptors.items():
            key = str(name)
            if key in self.columns or key in self.relations:
                continue
            is_hybrid = descriptor.extension_type is HybridExtensionType.HYBRID_PROPERTY
            is_synonym = key in self.mapper.synonyms and self.mapper.synonyms[key].name in self.columns
            if is_hybrid or is_synonym:
                attribute = getattr(self.cls, key)
                kind = getattr(attribute, "type", sa.types.NULLTYPE)
                found[key] = ColumnInfo(key, attribute, kind, True, False, False)
        return found

    @cached_property
    def relations(self) -> Mapping[str, RelationInfo]:
        """Every relationship of the mapper by attribute name; inherited ones are those of the base class."""
        return {
            prop.key: RelationInfo(self, prop)
            if prop.parent is self.mapper
            else entity_info(prop.parent.class_).relations[prop.key]
            for prop in self.mapper.relationships
        }

    @cached_property
    def ancestors(self) -> tuple[EntityInfo, ...]:
        """This entity and the mapped classes it inherits from, nearest first."""
        return tuple(entity_info(mapper.class_) for mapper in self.mapper.iterate_to_root())

    @cached_property
    def row_names(self) -> frozenset[str]:
        """The attributes that reading an entity's row gives: all columns but the deferred ones."""
        return frozenset(name for name, column in self.columns.items() if not column.deferred)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The attribute names of the primary key."""
        return tuple(column.name for column in self.key)

    def column(self, name: str) -> ColumnInfo:
        """The column, hybrid or synonym called `name`.

        Raises:
            DeclarationError: there is none; the message has the nearest names.
        """
        found = self.columns.get(name) or self.expressions.get(name)
        if found is None:
            known = [*self.columns, *self.expressions]
            raise DeclarationError(f"{self.name} has no column {name!r}.{did_you_mean(name, known)}")
        return found

    def key_of(self, entity: object) -> Any:
        """The primary key of a loaded entity: a value, or a tuple for a composite key."""
        identity = instance_state(entity).key
        values: Any = identity[1] if identity else self.mapper.primary_key_from_instance(entity)
        return tuple(values) if len(values) > 1 else values[0]

    @cached_property
    def has_eager(self) -> bool:
        """Whether the mapping loads any relation eagerly, of this entity or of a subclass."""
        return any(entity_info(m.class_).eager_in_mapper for m in self.mapper.self_and_descendants)

    @cached_property
    def eager_in_mapper(self) -> tuple[str, ...]:
        """Relations that the mapping itself loads eagerly (``lazy="selectin"`` and such)."""
        eager = ("joined", "selectin", "subquery", "immediate", False)
        return tuple(name for name, relation in self.relations.items() if relation.prop.lazy in eager)

    def __repr__(self) -> str:
        return f"<EntityInfo {self.name}>"


def _column_info(cls: type[Any], prop: orm.ColumnProperty[Any]) -> ColumnInfo:
    column = prop.columns[0]
    is_table_column = isinstance(column, sa.Column)
    nullable = bool(column.nullable) if isinstance(column, sa.Column) else True
    return ColumnInfo(prop.key, getattr(cls, prop.key), column.type, nullable, prop.deferred, is_table_column)


_known: WeakKeyDictionary[orm.Mapper[Any], EntityInfo] = WeakKeyDictionary()


def entity_info(cls: type[Any]) -> EntityInfo:
    """The `EntityInfo` of a mapped class.

    Raises:
        DeclarationError: the class is not mapped by SQLAlchemy.
    """
    mapper = sa.inspect(cls, raiseerr=False)
    if not isinstance(mapper, orm.Mapper):
        raise DeclarationError(
            f"{cls!r} is not a class mapped by SQLAlchemy. Expected a declarative class such as Album."
        )
    info = _known.get(mapper)
    if info is None:
        mapper._check_configure()
        info = _known[mapper] = EntityInfo(mapper)
    return info


def attribute_owner(attribute: object) -> tuple[EntityInfo, str]:
    """The entity and the name of a mapped attribute such as ``Album.title``.

    Raises:
        DeclarationError: `attribute` is not an attribute of a mapped class.
    """
    if isinstance(attribute, QueryableAttribute):
        parent: Any = attribute.parent
        if parent.is_aliased_class:
            raise DeclarationError(
                f"{attribute} belongs to an alias. Expected the attribute of the mapped class itself."
            )
        return entity_info(parent.class_), attribute.key
    raise DeclarationError(
        f"Expected an attribute of a mapped class, such as Album.title; got {attribute!r}."
    )


def column_of(element: object) -> ColumnElement[Any]:
    """The table column behind a mapped attribute, without SQLAlchemy's annotations."""
    expression: Any = element
    if hasattr(expression, "__clause_element__"):
        expression = expression.__clause_element__()
    return expression._deannotate()  # type: ignore[no-any-return]
