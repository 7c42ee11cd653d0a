"""What the mapper says of the columns that a bulk write can set, and of what fills those that it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast
from weakref import WeakKeyDictionary

import sqlalchemy as sa
from sqlalchemy.orm import QueryableAttribute

from batchrepo.errors import InvalidArgument, did_you_mean
from batchrepo.mapping.entity import attribute_owner, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.types import TypeEngine

    from batchrepo.mapping import EntityInfo

DefaultKind = Literal["value", "function", "context", "sql", "sequence", "server", "autoincrement"]
"""What fills a column that a row leaves out: a Python value, a function without arguments, a function of SQLAlchemy's
execution context, a SQL expression in the statement, a sequence, the database's own default, its next number."""

PYTHON: frozenset[DefaultKind] = frozenset({"value", "function"})
"""The defaults that Python knows before anything is written."""


@dataclass(frozen=True, eq=False)
class WriteColumn:
    """One table column, by the name of its attribute.

    Attributes:
        name: of the attribute.
        column: in the table; its name may be another.
        default: what fills it on INSERT when a row leaves it out; None where that is NULL.
        make: of a default that Python knows: gives the value for one row.
        on_update: what SQLAlchemy sets it to on UPDATE when nobody else does.
        make_on_update: of an ``onupdate`` that Python knows: gives the value.
        updates_as_inserted: whether on UPDATE it gets a value of the same kind as on INSERT.
        refused: why no row may set it; None where rows may.
    """

    name: str
    column: sa.Column[Any]
    default: DefaultKind | None
    make: Callable[[], Any] | None
    on_update: DefaultKind | None
    make_on_update: Callable[[], Any] | None
    updates_as_inserted: bool
    refused: str | None

    @property
    def type(self) -> TypeEngine[Any]:
        """The SQLAlchemy type."""
        return self.column.type

    @property
    def nullable(self) -> bool:
        """Whether it may be NULL."""
        return bool(self.column.nullable)

    @property
    def primary_key(self) -> bool:
        """Whether it belongs to the primary key."""
        return self.column.primary_key

    @property
    def required(self) -> bool:
        """Whether each inserted row must have a value for it."""
        return self.default is None and not self.nullable

    @property
    def none_is_a_value(self) -> bool:
        """Whether None is sent as a value of its own, as JSON's null; elsewhere it asks for the default."""
        return bool(self.column.type.should_evaluate_none)

    def __repr__(self) -> str:
        return f"<WriteColumn {self.name}>"


class WriteColumns:
    """The columns of one entity as bulk writes see them. Made once for each entity by `write_columns`.

    Attributes:
        entity: the entity.
        table: the one table that its rows are in.
        columns: by attribute name, in the table's order; those that nobody may set included.
        version: the version column, if the mapper has one.
        stamps: values that every inserted row of this class has: of a subclass in its parent's table, its identity.
    """

    def __init__(self, entity: EntityInfo) -> None:
        mapper = entity.mapper
        self.entity = entity
        self.table: sa.Table = _table_of(entity)
        class_defaults = {
            column: value
            for _, column, value in getattr(mapper, "_insert_orm_defaults", {}).get(self.table, ())
        }
        found: dict[sa.Column[Any], WriteColumn] = {}
        for prop in mapper.column_attrs:
            column = prop.columns[0]
            if isinstance(column, sa.Column) and column.table is self.table:
                found[column] = _write_column(entity, prop.key, column, class_defaults)
        self.columns: Mapping[str, WriteColumn] = {
            found[column].name: found[column] for column in self.table.columns if column in found
        }
        version = mapper.version_id_col
        self.version: WriteColumn | None = found.get(cast("sa.Column[Any]", version))
        self.stamps: Mapping[str, Any] = _stamps(entity, found)

    @cached_property
    def key(self) -> tuple[WriteColumn, ...]:
        """The columns of the primary key."""
        return tuple(self.columns[column.name] for column in self.entity.key)

    @cached_property
    def required(self) -> frozenset[str]:
        """The columns that every inserted row must have."""
        return frozenset(
            name
            for name, column in self.columns.items()
            if column.required and name not in self.stamps and column is not self.generated_version
        )

    @cached_property
    def identities(self) -> frozenset[Any] | None:
        """Of a class with subclasses in its table: what its discriminator may be; None where there is none."""
        if self.entity.mapper.polymorphic_on is None:
            return None
        return frozenset(self.entity.mapper._acceptable_polymorphic_identities)

    @property
    def generated_version(self) -> WriteColumn | None:
        """The version column, where Python makes its values."""
        return self.version if self.entity.mapper.version_id_generator is not False else None

    @property
    def counts_versions(self) -> bool:
        """Whether versions are SQLAlchemy's own: 1, 2, 3, ..., so that the database can count on."""
        make: Any = self.entity.mapper.version_id_generator
        return getattr(make, "__module__", None) == "sqlalchemy.orm.mapper"

    def next_version(self, version: Any = None) -> Any:
        """The version that follows; of None the first. Only where `generated_version` is there."""
        make = cast("Callable[[Any], Any]", self.entity.mapper.version_id_generator)
        return make(version)

    def named(self, key: object, where: str) -> WriteColumn:
        """The column that a key of a row means, which rows may set.

        Args:
            key: the name of an attribute, or a mapped attribute.
            where: what it was given to, such as ``insert_many``, for messages.

        Raises:
            InvalidArgument: there is no such column, or no row may set it.
        """
        name = self._name(key, where)
        found = self.columns.get(name)
        if found is None:
            raise InvalidArgument(f"{where}: {self._why_not(name)}")
        if found.refused is not None:
            raise InvalidArgument(f"{where}: {found.refused}")
        return found

    def _name(self, key: object, where: str) -> str:
        if isinstance(key, str):
            return key
        if isinstance(key, QueryableAttribute):
            owner, name = attribute_owner(key, where, InvalidArgument)
            if owner in self.entity.ancestors:
                return name
            raise InvalidArgument(f"{where}: {owner.name}.{name} is not a column of {self.entity.name}.")
        raise InvalidArgument(
            f"{where}: rows have the names of attributes of {self.entity.name} as keys, or the attributes "
            f"themselves; got {shown(key)}."
        )

    def _why_not(self, name: str) -> str:
        entity = self.entity
        settable = [known for known, column in self.columns.items() if column.refused is None]
        if name in entity.relations:
            local = ", ".join(column.name for column in entity.relations[name].local)
            way = f"Set its columns ({local})" if local else "Write its rows themselves"
            return (
                f"{entity.name}.{name} is a relationship; rows have columns only. {way}, or use scope.add() "
                f"for entities with their relations."
            )
        if name in entity.mapper.synonyms:
            return f"{entity.name}.{name} is a synonym. Use {entity.mapper.synonyms[name].name!r}."
        if name in entity.columns or name in entity.expressions:
            return (
                f"{entity.name}.{name} is an expression and cannot be written.{did_you_mean(name, settable)}"
            )
        return f"{entity.name} has no column {name!r}.{did_you_mean(name, settable)}"


_known: WeakKeyDictionary[EntityInfo, WriteColumns] = WeakKeyDictionary()


def write_columns(entity: EntityInfo) -> WriteColumns:
    """The columns of an entity for bulk writes.

    Raises:
        InvalidArgument: its rows are not in one table, so that a bulk write could write parts of them only.
    """
    found = _known.get(entity)
    if found is None:
        found = _known[entity] = WriteColumns(entity)
    return found


_to_update: WeakKeyDictionary[EntityInfo, WriteColumns] = WeakKeyDictionary()


def columns_to_update(entity: EntityInfo) -> WriteColumns:
    """As `write_columns`, for rows that are there: they say their key, whoever has made it.

    Raises:
        InvalidArgument: its rows are not in one table.
    """
    found = _to_update.get(entity)
    if found is None:
        found = _to_update[entity] = WriteColumns(entity)
        found.columns = {
            name: replace(column, refused=None) if column.primary_key else column
            for name, column in found.columns.items()
        }
    return found


def _table_of(entity: EntityInfo) -> sa.Table:
    mapper = entity.mapper
    table = mapper.local_table
    if not isinstance(table, sa.Table):
        raise InvalidArgument(
            f"{entity.name} is mapped to {type(table).__name__}, not to a table: it can be read only."
        )
    if len(mapper.tables) > 1:
        names = ", ".join(str(part) for part in mapper.tables)
        raise InvalidArgument(
            f"The rows of {entity.name} are spread over {names} (joined-table inheritance). Bulk writes write one "
            f"table; use scope.add() and changes on entities, which SQLAlchemy puts into all of them."
        )
    return table


def _write_column(
    entity: EntityInfo, name: str, column: sa.Column[Any], class_defaults: Mapping[Any, Any]
) -> WriteColumn:
    default, make = _default_of(column.default)
    if default is None and column in class_defaults:
        value = class_defaults[column]
        default, make = "value", lambda: value
    if default is None and column.server_default is not None:
        default = "autoincrement" if column.identity is not None else "server"
    if default is None and column is column.table.autoincrement_column:
        default = "autoincrement"
    on_update, make_on_update = _default_of(column.onupdate)
    if on_update is None and column.server_onupdate is not None:
        on_update = "server"
    return WriteColumn(
        name,
        column,
        default,
        make,
        on_update,
        make_on_update,
        column.default is not None and make_on_update is not None and _same(column.default, column.onupdate),
        _refused(f"{entity.name}.{name}", column),
    )


def _same(default: Any, on_update: Any) -> bool:
    return bool(default.compare_argument(on_update._given_arg))


def _refused(name: str, column: sa.Column[Any]) -> str | None:
    if column.computed is not None:
        return f"{name} is computed by the database. Leave it out."
    if column.identity is not None and column.identity.always:
        return f"{name} is GENERATED ALWAYS AS IDENTITY: the database gives it. Leave it out."
    return None


def _default_of(default: Any) -> tuple[DefaultKind | None, Callable[[], Any] | None]:
    if default is None:
        return None, None
    if default.is_sequence:
        return "sequence", None
    if default.is_clause_element:
        return "sql", None
    if default.is_scalar:
        value = default.arg
        return "value", lambda: value
    if default.is_callable:
        function = default.arg
        if getattr(function, "__code__", None) in _WITHOUT_CONTEXT:
            return "function", lambda: function(None)
        return "context", None
    return "context", None  # a sentinel of insertmanyvalues, or what a later SQLAlchemy has


def _nothing() -> None: ...


_wrapped: tuple[Any, ...] = (sa.ColumnDefault(_nothing).arg, sa.ColumnDefault(dict).arg)
_WITHOUT_CONTEXT = frozenset(function.__code__ for function in _wrapped)
"""SQLAlchemy wraps functions without arguments, so that all take its context: in functions with this code."""


def _stamps(entity: EntityInfo, columns: Mapping[sa.Column[Any], WriteColumn]) -> dict[str, Any]:
    mapper = entity.mapper
    column = columns.get(cast("sa.Column[Any]", mapper.polymorphic_on))
    if column is None or mapper.polymorphic_identity is None:
        return {}
    return {column.name: mapper.polymorphic_identity}
