"""A batch of keys inside a statement whose text does not depend on the number of keys.

PostgreSQL takes arrays: ``column = ANY(:keys)`` for one column, a join on ``unnest(:keys_0, :keys_1)``
for several. SQLite takes one JSON text: ``column IN (SELECT value FROM json_each(:keys))``. Keys that
JSON cannot carry (bytes) fall back to an expanding ``IN``.

Rows are matched to keys by the value of the key columns where the database's equality is Python's
own, otherwise by the key's ordinal in the batch (case-insensitive text, CHAR, numeric).
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from batchrepo.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.sql.selectable import FromClause

KEYS = "batchrepo_keys"
"""What a batch is called in a statement, as a parameter (a composite key has one for each column) and as a table.

As all names that we put into statements, one that neither a user's table nor a parameter of his conditions has.
"""

Key = Any
"""A key: the value of the key column, or a tuple of values where there are several columns."""


@dataclass(frozen=True, eq=False)
class KeyTable:
    """The keys of a batch as a table expression.

    Attributes:
        source: goes into FROM.
        columns: one for each key column.
        ordinal: the position of a key in its batch.
        first_ordinal: 0 or 1, by database.
        encode: the parameters for a batch of keys.
    """

    source: FromClause
    columns: tuple[ColumnElement[Any], ...]
    ordinal: ColumnElement[Any]
    first_ordinal: int
    encode: Callable[[Sequence[Key]], Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class KeyFilter:
    """How a statement is limited to a batch of keys.

    Attributes:
        conditions: go into WHERE.
        match: expressions to select, which tell to which key a row belongs.
        first_ordinal: None where `match` are key values; otherwise `match` is one ordinal that starts here.
        encode: the parameters for a batch of keys.
        limit: how many keys one statement can hold, or None.
        table: the key table, where there is one.
    """

    conditions: tuple[ColumnElement[bool], ...]
    match: tuple[ColumnElement[Any], ...]
    first_ordinal: int | None
    encode: Callable[[Sequence[Key]], Mapping[str, Any]]
    limit: int | None = None
    table: KeyTable | None = None


class KeyDialect(ABC):
    """How one database takes a batch of keys."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    @abstractmethod
    def table(self, types: Sequence[TypeEngine[Any]]) -> KeyTable | None:
        """The keys as a table, or None where these types cannot travel so."""

    @abstractmethod
    def member(self, column: ColumnElement[Any]) -> KeyFilter | None:
        """``column`` is one of the keys, or None where its type cannot travel so."""

    def filter(self, columns: Sequence[ColumnElement[Any]]) -> KeyFilter:
        """Rows whose `columns` equal one of the keys."""
        exact = all(equals_as_python(column.type) for column in columns)
        if len(columns) == 1 and exact:
            found = self.member(columns[0])
            if found is not None:
                return found
        table = self.table([column.type for column in columns])
        if table is None:
            return self._expanding(columns)
        equal = tuple(column == key for column, key in zip(columns, table.columns, strict=True))
        match = tuple(columns) if exact else (table.ordinal,)
        return KeyFilter(equal, match, None if exact else table.first_ordinal, table.encode, table=table)

    def _expanding(self, columns: Sequence[ColumnElement[Any]]) -> KeyFilter:
        if len(columns) == 1:
            parameter = sa.bindparam(KEYS, expanding=True, type_=columns[0].type)
            return KeyFilter((columns[0].in_(parameter),), tuple(columns), None, _single, 10_000)
        condition = sa.tuple_(*columns).in_(sa.bindparam(KEYS, expanding=True))
        return KeyFilter(
            (condition,), tuple(columns), None, lambda keys: {KEYS: list(keys)}, 30_000 // len(columns)
        )


class PostgresKeys(KeyDialect):
    """Arrays."""

    def member(self, column: ColumnElement[Any]) -> KeyFilter:
        """``column = ANY(:keys)``."""
        parameter = sa.bindparam(KEYS, type_=postgresql.ARRAY(widened(column.type)))
        condition = column == sa.func.any(parameter)
        return KeyFilter((condition,), (column,), None, _single)

    def table(self, types: Sequence[TypeEngine[Any]]) -> KeyTable:
        """``unnest(:keys_0, ...) WITH ORDINALITY``."""
        items = [widened(kind) for kind in types]
        names = [f"{KEYS}_{i}" for i in range(len(items))]
        arrays = [
            sa.bindparam(name, type_=postgresql.ARRAY(item)) for name, item in zip(names, items, strict=True)
        ]
        columns = [sa.column(f"k{i}", item) for i, item in enumerate(items)]
        source = (
            sa.func.unnest(*arrays)
            .table_valued(*columns, with_ordinality="ordinal", name=KEYS)
            .render_derived(name=KEYS)
        )

        def encode(keys: Sequence[Key]) -> Mapping[str, Any]:
            if len(names) == 1:
                return {names[0]: list(keys)}
            return {name: [key[i] for key in keys] for i, name in enumerate(names)}

        return KeyTable(
            source, tuple(source.c[f"k{i}"] for i in range(len(items))), source.c.ordinal, 1, encode
        )


class SqliteKeys(KeyDialect):
    """One JSON text."""

    def member(self, column: ColumnElement[Any]) -> KeyFilter | None:
        """``column IN (SELECT value FROM json_each(:keys))``."""
        if _is_binary(column.type):
            return None
        source = sa.func.json_each(sa.bindparam(KEYS, type_=sa.Text())).table_valued("value", name=KEYS)
        encode_item = self._encoder(column.type)

        def encode(keys: Sequence[Key]) -> Mapping[str, Any]:
            return {KEYS: _to_json([encode_item(key) for key in keys])}

        return KeyFilter((column.in_(sa.select(source.c.value)),), (column,), None, encode)

    def table(self, types: Sequence[TypeEngine[Any]]) -> KeyTable | None:
        """``json_each(:keys)``, each value an array."""
        if any(_is_binary(kind) for kind in types):
            return None
        source = sa.func.json_each(sa.bindparam(KEYS, type_=sa.Text())).table_valued(
            "key", "value", name=KEYS
        )
        encoders = [self._encoder(kind) for kind in types]
        columns = tuple(
            sa.type_coerce(sa.func.json_extract(source.c.value, sa.literal_column(f"'$[{i}]'")), kind)
            for i, kind in enumerate(types)
        )

        def encode(keys: Sequence[Key]) -> Mapping[str, Any]:
            if len(encoders) == 1:
                return {KEYS: _to_json([[encoders[0](key)] for key in keys])}
            rows = [[item(value) for item, value in zip(encoders, key, strict=True)] for key in keys]
            return {KEYS: _to_json(rows)}

        return KeyTable(source, columns, source.c.key, 0, encode)

    def _encoder(self, kind: TypeEngine[Any]) -> Callable[[Any], Any]:
        processor = kind.dialect_impl(self.dialect).bind_processor(self.dialect)
        return processor if processor is not None else _same


class PlainKeys(KeyDialect):
    """Any other database: an expanding IN."""

    def member(self, column: ColumnElement[Any]) -> KeyFilter:
        """``column IN (...)``, one parameter for each key."""
        return self._expanding([column])

    def table(self, types: Sequence[TypeEngine[Any]]) -> KeyTable | None:
        """None: there is no portable one."""
        return None


class OneKey(PlainKeys):
    """A batch of one key, whose values are parameters: PostgreSQL keeps its plan, where for an array it would plan anew.

    Only for columns whose equality is Python's.
    """

    def filter(self, columns: Sequence[ColumnElement[Any]]) -> KeyFilter:
        """Rows whose `columns` equal the key."""
        names = [f"{KEYS}_{i}" for i in range(len(columns))]
        equal = tuple(
            column == sa.bindparam(name, type_=widened(column.type))
            for column, name in zip(columns, names, strict=True)
        )

        def encode(keys: Sequence[Key]) -> Mapping[str, Any]:
            (key,) = keys
            return dict(zip(names, key if len(names) > 1 else (key,), strict=True))

        return KeyFilter(equal, tuple(columns), None, encode)


def key_dialect(dialect: Dialect) -> KeyDialect:
    """How `dialect` takes a batch of keys."""
    kinds: dict[str, type[KeyDialect]] = {"postgresql": PostgresKeys, "sqlite": SqliteKeys}
    return kinds.get(dialect.name, PlainKeys)(dialect)


def equals_as_python(kind: TypeEngine[Any]) -> bool:
    """Whether two values of this type are equal in the database exactly when they are in Python."""
    if isinstance(kind, TypeDecorator | sa.CHAR):
        return False
    if isinstance(kind, sa.Enum):
        return True
    if isinstance(kind, sa.String):
        return kind.collation is None and kind.__class__.__visit_name__.lower() != "citext"
    if isinstance(kind, sa.DateTime | sa.Time):
        # SQLite drops time zones, and a value with one never equals a value without.
        return not kind.timezone
    if isinstance(kind, sa.Uuid):
        return kind.as_uuid  # as texts, one UUID has several spellings
    return isinstance(kind, sa.Integer | sa.Boolean | sa.Date | sa.LargeBinary)


class _BpChar(UserDefinedType[str]):
    """CHAR of any length: a cast to CHAR(n) would cut longer keys into wrong matches."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "BPCHAR"


def widened(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type for an array of keys: wide enough that no key is cut, rounded or refused by a cast."""
    if isinstance(kind, sa.Enum | TypeDecorator):
        return kind
    if isinstance(kind, sa.Integer):
        return sa.BigInteger()
    if isinstance(kind, sa.CHAR):
        return _BpChar()
    if isinstance(kind, sa.String) and kind.__class__.__visit_name__.lower() != "citext":
        return sa.Text()
    if isinstance(kind, sa.Numeric) and not isinstance(kind, sa.Float):
        return sa.Numeric() if kind.asdecimal else sa.Numeric(asdecimal=False)
    return kind


def _is_binary(kind: TypeEngine[Any]) -> bool:
    plain = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    return isinstance(plain, sa.LargeBinary)


def _single(keys: Sequence[Key]) -> Mapping[str, Any]:
    return {KEYS: list(keys)}


def _same(value: Any) -> Any:
    return value


def _to_json(value: Any) -> str:
    try:
        return json.dumps(value)
    except TypeError as error:
        raise InvalidArgument(
            f"A key cannot be sent to SQLite: {error}. Keys seen: {value!r:.200}."
        ) from error
