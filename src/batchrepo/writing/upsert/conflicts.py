"""By what an upsert tells that a row is there already: a unique constraint or index that the schema really has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import QueryableAttribute

from batchrepo.errors import InvalidArgument
from batchrepo.mapping.entity import attribute_owner, shown
from batchrepo.sql.tables import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.writing.rows.columns import WriteColumn, WriteColumns

Columns = QueryableAttribute[Any] | Sequence[QueryableAttribute[Any]]
"""One attribute of an entity, or several."""

Updated = Literal["all", "nothing"] | Columns
"""What an upsert does with a row that is there: set what the input has, leave it, or set some columns."""


@dataclass(frozen=True, slots=True)
class Target:
    """A unique constraint or index.

    Attributes:
        columns: whose values together no two rows may share.
        where: the predicate of a partial index.
        nulls_are_equal: whether two rows that both have NULL there are the same.
        is_key: whether it is the primary key.
    """

    columns: tuple[WriteColumn, ...]
    where: ColumnElement[bool] | None = None
    nulls_are_equal: bool = False
    is_key: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes."""
        return tuple(column.name for column in self.columns)

    def __str__(self) -> str:
        names = ", ".join(self.names)
        return f"({names})" + (" where " + _text(self.where) if self.where is not None else "")


def target_of(columns: WriteColumns, on: Any, where: Any, dialect: Dialect) -> Target:
    """The constraint or index that ``on=`` means.

    Args:
        columns: of the entity.
        on: an attribute, several, or None for the primary key.
        where: the predicate of a partial index, or None.
        dialect: of the database; a partial index may be one on one database only.

    Raises:
        InvalidArgument: the table has no such constraint; it names those that it has.
    """
    known = list(_targets(columns, dialect))
    entity = columns.entity
    if on is None and where is None:
        return known[0]
    names = _names(columns, on)
    same = [target for target in known if set(target.names) == set(names)]
    fitting = [target for target in same if _same_predicate(target.where, where, columns.table)]
    if fitting:
        return fitting[0]
    partial = [target for target in same if target.where is not None]
    if partial and where is None:
        raise InvalidArgument(
            f"upsert_many of {entity.name}: the unique index on ({', '.join(names)}) holds for some rows only. Say "
            f"which: where={_text(partial[0].where)}."
        )
    listed = "; ".join(map(str, known))
    given = f" where {_text(plain(where))}" if where is not None else ""
    raise InvalidArgument(
        f"upsert_many of {entity.name}: no unique constraint or index on ({', '.join(names)}){given} tells which row "
        f"is there already. The table {columns.table.name} has: {listed}."
    )


def updated_names(columns: WriteColumns, update: Any, target: Target) -> tuple[str, ...] | None:
    """The attributes that ``update=`` names; None for all that a row has.

    Raises:
        InvalidArgument: it is nothing of the kind, or names what an upsert may not change.
    """
    if update == "all":
        return None
    if isinstance(update, str) and update == "nothing":
        return ()
    if isinstance(update, str) or not isinstance(update, tuple | list | set | frozenset):
        update = (update,)
    where = f"upsert_many of {columns.entity.name}: update="
    names = []
    for attribute in update:
        column = columns.named(attribute, where)
        if column.name in target.names or column.primary_key:
            raise InvalidArgument(f"{where} names {column.name}, by which rows are told apart. Leave it out.")
        if column is columns.version:
            raise InvalidArgument(f"{where} names {column.name}, the version, which every update counts on.")
        names.append(column.name)
    return tuple(names)


def _names(columns: WriteColumns, on: Any) -> tuple[str, ...]:
    entity = columns.entity
    given = on if isinstance(on, tuple | list) else (on,)
    if on is None:
        return entity.key_names
    where = f"upsert_many of {entity.name}: on="
    names = []
    for attribute in given:
        if isinstance(attribute, str):
            name = attribute
        else:
            owner, name = attribute_owner(attribute, where, InvalidArgument)
            if owner not in entity.ancestors:
                raise InvalidArgument(f"{where} names {owner.name}.{name}, which is not of {entity.name}.")
        if name not in columns.columns:
            raise InvalidArgument(f"{where} names {shown(attribute)}, which is no column of its table.")
        names.append(name)
    if not names:
        raise InvalidArgument(f"{where} names no column.")
    return tuple(names)


def _targets(columns: WriteColumns, dialect: Dialect) -> Iterator[Target]:
    by_column = {column.column: column for column in columns.columns.values()}

    def known(members: Sequence[Any]) -> tuple[WriteColumn, ...] | None:
        found = tuple(by_column[column] for column in members if column in by_column)
        return found if found and len(found) == len(members) else None

    yield Target(columns.key, is_key=True)
    for constraint in sorted(columns.table.constraints, key=lambda each: str(each.name)):
        if isinstance(constraint, sa.UniqueConstraint) and not constraint.deferrable:
            found = known(list(constraint.columns))
            if found is not None:
                yield Target(found, nulls_are_equal=_nulls_are_equal(constraint, dialect))
    for index in sorted(columns.table.indexes, key=lambda each: str(each.name)):
        found = known(list(index.expressions)) if index.unique else None
        if found is not None:
            where: Any = index.dialect_options[dialect.name].get("where")
            yield Target(found, where, _nulls_are_equal(index, dialect))


def _nulls_are_equal(constraint: Any, dialect: Dialect) -> bool:
    if dialect.name != "postgresql":
        return False
    return bool(constraint.dialect_options["postgresql"].get("nulls_not_distinct"))


def _same_predicate(known: Any, given: Any, table: sa.Table) -> bool:
    if known is None or given is None:
        return known is None and given is None
    given = plain(given)
    return bool(known.compare(given)) or _text(known, table) == _text(given, table)


def _text(condition: Any, table: sa.Table | None = None) -> str:
    text = " ".join(str(condition.compile(compile_kwargs={"literal_binds": True})).split())
    return text if table is None else text.replace(f"{table.name}.", "").strip("()")
