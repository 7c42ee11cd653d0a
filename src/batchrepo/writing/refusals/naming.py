"""From an error of a database to the rows of the input that it is about, and to errors that name rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

import sqlalchemy as sa

from batchrepo.errors import BulkError, RowError, WriteError
from batchrepo.sql.keys import equals_as_python
from batchrepo.writing.refusals.driver_errors import read_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.exc import StatementError

    from batchrepo.mapping import EntityInfo
    from batchrepo.writing.refusals.driver_errors import DriverRefusal

R = TypeVar("R")
W = TypeVar("W", bound=WriteError)

MISSING: Any = object()
"""What a getter of values gives where a row has none for an attribute."""

_SHOWN = 5
"""How many refused rows the message of an error names; all of them are in its ``rows``."""


@dataclass(frozen=True, slots=True)
class Naming(Generic[R]):
    """From errors of a database to rows of the input."""

    entity: EntityInfo
    value: Callable[[R, str], Any]

    def read(self, error: StatementError) -> DriverRefusal:
        """What an error says of a row; an error that is about something else is raised."""
        refusal = read_refusal(error)
        if refusal is None:
            raise error
        return refusal

    def error_for(self, rows: Sequence[R], indexes: Sequence[int], error: StatementError) -> BulkError:
        """The error that names the refused rows of a part."""
        return refused(BulkError, self.entity.name, self.errors(rows, indexes, error))

    def unnamed(self, error: StatementError) -> BulkError:
        """The error where no row can be named."""
        message = self.say(self.read(error), ())
        name = self.entity.name
        found = BulkError(f"Rows of {name} were refused, and so none was written: {message}", name)
        found.__cause__ = error
        return found

    def errors(self, rows: Sequence[R], indexes: Sequence[int], error: StatementError) -> list[RowError]:
        """The rows of a part that an error is about, as far as it can be told."""
        refusal = self.read(error)
        columns = self.attributes(refusal)
        places = [0] if len(rows) == 1 else self.find(rows, refusal)
        return [
            RowError(
                indexes[at],
                refusal.kind,
                self.say(refusal, columns),
                key=self.key(rows[at]),
                constraint=self.constraint(refusal),
                columns=columns,
            )
            for at in places
        ]

    def find(self, rows: Sequence[R], refusal: DriverRefusal) -> list[int]:
        """The places in a part of the rows that are refused beyond doubt; none where that cannot be told."""
        if refusal.line is not None and refusal.line <= len(rows):
            return [refusal.line - 1]
        columns = self.attributes(refusal)
        if not columns:
            return []
        if refusal.kind == "not_null":
            if any(isinstance(self.entity.columns[name].type, sa.TypeDecorator) for name in columns):
                return []  # it may make a value of None, and None of a value
            return [at for at, row in enumerate(rows) if self.value(row, columns[0]) is None]
        if refusal.values is None or refusal.kind not in ("unique", "foreign_key"):
            return []
        if not all(equals_as_python(self.entity.columns[name].type) for name in columns):
            return []  # a row with another value may be the one
        found: list[int] = []
        for at, row in enumerate(rows):
            values = [self.value(row, name) for name in columns]
            if refusal.kind == "foreign_key" and None in values:
                continue  # it refers to nothing
            texts = [_as_postgres_writes(value) for value in values]
            if None in texts:
                return []  # it may be this one
            if ", ".join(text for text in texts if text is not None) == refusal.values:
                found.append(at)
        # Of several rows with one unique value the first may be good; a reference to nothing is wrong in each.
        return found if len(found) == 1 or refusal.kind == "foreign_key" else []

    def attributes(self, refusal: DriverRefusal) -> tuple[str, ...]:
        """The attributes of the columns that an error names; none where one of them is no attribute."""
        names = refusal.columns or _columns_of(self.entity, refusal.constraint)
        by_column = _attributes(self.entity)
        found = [by_column.get(name) for name in names]
        return () if None in found else tuple(name for name in found if name is not None)

    def constraint(self, refusal: DriverRefusal) -> str | None:
        """The constraint's name; SQLite does not say it where it says the columns."""
        if refusal.constraint is not None or refusal.kind != "unique":
            return refusal.constraint
        for known in _constraints(self.entity):
            if _is_unique(known) and {column.name for column in known.columns} == set(refusal.columns):
                return None if known.name is None else str(known.name)
        return None

    def key(self, row: R) -> Any:
        """The primary key of a row, as far as it has one."""
        values = tuple(self.value(row, name) for name in self.entity.key_names)
        if any(value is MISSING or value is None for value in values):
            return None
        return values[0] if len(values) == 1 else values

    def say(self, refusal: DriverRefusal, columns: tuple[str, ...]) -> str:
        """Why a row was refused, for people."""
        names = ", ".join(columns)
        match refusal.kind:
            case "unique":
                what = names or refusal.constraint
                return f"Another row has the same {what} already." if what else f"{refusal.text}."
            case "foreign_key":
                return self._say_reference(refusal, names)
            case "not_null":
                return f"{names or ', '.join(refusal.columns)} needs a value, and must not be NULL."
            case "check":
                return f"It breaks the check {refusal.constraint}." if refusal.constraint else refusal.text
            case "value":
                return f"A value does not fit into its column: {refusal.text}"
            case _:
                return refusal.text

    def _say_reference(self, refusal: DriverRefusal, names: str) -> str:
        own = {table.name for table in self.entity.mapper.tables}
        if refusal.table is None:
            return "It refers to a row that does not exist, or rows that exist refer to it."
        if refusal.table not in own:
            return f"Rows of {refusal.table} refer to it."
        return f"{names or refusal.constraint} refers to a row that does not exist."


def refused(kind: type[W], entity: str, rows: Iterable[RowError], what: str = "were refused") -> W:
    """An error that names rows, its message the first few of them.

    Args:
        kind: the class of the error.
        entity: the entity's name.
        rows: the rows, in the order of the input.
        what: what happened to them.
    """
    named = tuple(rows)
    count = f"{len(named)} row{'' if len(named) == 1 else 's'}"
    was = what.replace("were ", "was ", 1).replace("are ", "is ", 1) if len(named) == 1 else what
    lines = [
        f"row {row.index}{'' if row.key is None else f' (key {row.key!r:.100})'}: {row.message}"
        for row in named[:_SHOWN]
    ]
    more = f" And {len(named) - _SHOWN} more." if len(named) > _SHOWN else ""
    return kind(
        f"{count} of {entity} {was}, and so nothing was written. {' '.join(lines)}{more}", entity, named
    )


def _attributes(entity: EntityInfo) -> dict[str, str]:
    """Attribute names by the names of the columns in the tables."""
    found: dict[str, str] = {}
    for prop in entity.mapper.column_attrs:
        for column in prop.columns:
            if isinstance(column, sa.Column):
                found.setdefault(column.name, prop.key)
    return found


def _columns_of(entity: EntityInfo, constraint: str | None) -> tuple[str, ...]:
    """The columns of a constraint or index, by its name."""
    if constraint is not None:
        for known in _constraints(entity):
            if known.name == constraint:
                return tuple(column.name for column in known.columns)
    return ()


def _constraints(entity: EntityInfo) -> Iterator[Any]:
    """Everything in the schema that has columns and may refuse a row."""
    for table in entity.mapper.tables:
        if isinstance(table, sa.Table):
            yield from (each for each in table.constraints if hasattr(each, "columns"))
            yield from table.indexes


def _is_unique(constraint: Any) -> bool:
    return isinstance(constraint, sa.UniqueConstraint | sa.PrimaryKeyConstraint) or bool(
        isinstance(constraint, sa.Index) and constraint.unique
    )


def _as_postgres_writes(value: Any) -> str | None:
    """A value as PostgreSQL writes it into an error, or None where that depends on settings or on the column."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "t" if value else "f"
    return str(value) if type(value) in (int, str, UUID) else None
