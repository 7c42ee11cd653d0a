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

from batchrepo.errors import BatchRepoError, DeclarationError, did_you_mean
from batchrepo.mapping.relation import RelationInfo, unique_keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import InstanceState
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.sql.selectable import FromClause
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
        is_table_column: False for expressions, and for columns of a class that is mapped to a query or join.
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
        return python_type_of(self.type)

    def __repr__(self) -> str:
        return f"<ColumnInfo {self.name}>"


@dataclass(frozen=True)
class Sources:
    """Tables that a statement over an entity's rows has, or can join by a condition alone.

    Attributes:
        own: the tables of the rows themselves.
        links: link tables of relations; ``Post.tags.contains(tag)`` joins an alias of one.
    """

    own: frozenset[FromClause]
    links: frozenset[FromClause]

    def __contains__(self, table: object) -> bool:
        if isinstance(table, sa.Alias) and table.element in self.links:
            return True
        return table in self.own or table in self.links


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
            element = _sql_of(self.cls, key) if is_hybrid or is_synonym else None
            if element is not None:
                found[key] = ColumnInfo(key, getattr(self.cls, key), element.type, True, False, False)
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
    def sources(self) -> Sources:
        """The tables whose columns a condition on its rows may name."""
        mapper = self.mapper
        own = {*mapper.tables, *mapper.persist_selectable._from_objects, *mapper.selectable._from_objects}
        links = {prop.secondary for prop in mapper.relationships if prop.secondary is not None}
        return Sources(frozenset(table._deannotate() for table in own), frozenset(links))

    @cached_property
    def row_names(self) -> frozenset[str]:
        """The attributes that reading an entity's row gives: all columns but the deferred ones."""
        return frozenset(name for name, column in self.columns.items() if not column.deferred)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The attribute names of the primary key."""
        return tuple(column.name for column in self.key)

    def column(
        self, name: str, where: str = "", error: type[BatchRepoError] = DeclarationError
    ) -> ColumnInfo:
        """The column, hybrid or synonym called `name`.

        Args:
            name: of the attribute.
            where: names what it was given to, such as ``AlbumRepository.duration``, for the message.
            error: what to raise.

        Raises:
            DeclarationError: there is none; the message has the nearest names (or `error`, where given).
        """
        found = self.columns.get(name) or self.expressions.get(name)
        if found is None:
            place = f"{where}: " if where else ""
            if name in self.relations:
                keys = ", ".join(f"{self.name}.{column.name}" for column in self.relations[name].local)
                raise error(
                    f"{place}{self.name}.{name} is a relationship, not a column."
                    f"{f' Its key is {keys}.' if keys else ''}"
                )
            known = [*self.columns, *self.expressions]
            raise error(f"{place}{self.name} has no column {name!r}.{did_you_mean(name, known)}")
        return found

    def is_unique(self, columns: Sequence[ColumnInfo]) -> bool:
        """Whether the schema promises that no two rows have the same values in all of these columns."""
        wanted = {column_of(column.attribute) for column in columns if column.is_table_column}
        tables = {column.table for column in wanted if isinstance(column, sa.Column)}
        return any(key and set(key) <= wanted for table in tables for key in unique_keys(table))

    def key_of(self, entity: object) -> Any:
        """The primary key of a loaded entity: a value, or a tuple for a composite key."""
        identity = instance_state(entity).key
        return key_of_identity(identity[1] if identity else self.mapper.primary_key_from_instance(entity))

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


def key_of_identity(identity: Sequence[Any]) -> Any:
    """A primary key as callers know it: a value, or a tuple for a composite key."""
    return tuple(identity) if len(identity) > 1 else identity[0]


def key_of_state(state: InstanceState[Any]) -> Any:
    """The primary key of an entity that is being flushed, which may have none of its own yet."""
    return key_of_identity(state.mapper._identity_key_from_state(state)[1])


def _column_info(cls: type[Any], prop: orm.ColumnProperty[Any]) -> ColumnInfo:
    column = prop.columns[0]
    # A class may be mapped to an outer join or to a query, whose columns are NULL where the table's are not.
    of_tables = all(isinstance(mapper.local_table, sa.Table) for mapper in prop.parent.iterate_to_root())
    is_table_column = isinstance(column, sa.Column) and of_tables
    nullable = bool(column.nullable) if isinstance(column, sa.Column) and of_tables else True
    return ColumnInfo(prop.key, getattr(cls, prop.key), column.type, nullable, prop.deferred, is_table_column)


def _sql_of(cls: type[Any], name: str) -> ColumnElement[Any] | None:
    """The SQL of a hybrid or synonym; None for a hybrid that works on instances only."""
    try:
        element = getattr(cls, name).__clause_element__()
    except Exception:  # noqa: BLE001  the user's function runs with columns where it may expect values
        return None
    return element if isinstance(element, sa.ColumnElement) else None


def python_type_of(kind: TypeEngine[Any]) -> Kind | None:
    """The Python type of the values of a SQLAlchemy type, or None where SQLAlchemy does not know."""
    try:
        found = kind.python_type
    except NotImplementedError:
        return None
    return None if found is object else found


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


def attribute_owner(
    attribute: object, where: str = "", error: type[BatchRepoError] = DeclarationError
) -> tuple[EntityInfo, str]:
    """The entity and the name of a mapped attribute such as ``Album.title``.

    Args:
        attribute: what was given for it.
        where: names what it was given to, such as ``AlbumRepository.duration``, for the message.
        error: what to raise.

    Raises:
        DeclarationError: `attribute` is not an attribute of a mapped class (or `error`, where given).
    """
    place = f"{where}: " if where else ""
    if not isinstance(attribute, QueryableAttribute):
        raise error(
            f"{place}Expected an attribute of a mapped class, such as Album.title; got {shown(attribute)}."
        )
    parent: Any = attribute.parent
    if parent.is_aliased_class:
        raise error(
            f"{place}{attribute} belongs to an alias. Expected the attribute of the mapped class itself."
        )
    return entity_info(parent.class_), attribute.key


def is_relationship(attribute: object) -> bool:
    """Whether `attribute` is a relationship of a mapped class, such as ``Album.tracks``."""
    if not isinstance(attribute, QueryableAttribute):
        return False
    return attribute.key in sa.inspect(attribute.parent.class_).relationships


def shown(value: object) -> str:
    """A value in messages: attributes and classes by their names."""
    if isinstance(value, QueryableAttribute):
        return str(value)
    return value.__name__ if isinstance(value, type) else f"{value!r:.200}"


def column_of(element: object) -> ColumnElement[Any]:
    """The table column behind a mapped attribute, without SQLAlchemy's annotations."""
    expression: Any = element
    if hasattr(expression, "__clause_element__"):
        expression = expression.__clause_element__()
    return expression._deannotate()  # type: ignore[no-any-return]
