"""Rows with one of many keys, as a condition that UPDATE and DELETE can have: it adds nothing to their FROM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.sql.keys import key_dialect
from batchrepo.sql.tables import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.sql.keys import Key, KeyFilter


@dataclass(frozen=True, eq=False)
class Members:
    """How a statement is limited to rows with some keys.

    Attributes:
        conditions: go into WHERE.
        match: expressions to select, which tell to which key a row belongs; only for a SELECT.
        encode: the parameters for keys.
        limit: how many keys one statement can hold, or None.
        first_ordinal: None where `match` are key values; otherwise it is the ordinal of a key, from here.
    """

    conditions: tuple[ColumnElement[bool], ...]
    match: tuple[ColumnElement[Any], ...]
    encode: Callable[[Sequence[Key]], Mapping[str, Any]]
    limit: int | None
    first_ordinal: int | None

    def places(self, keys: Sequence[Key], rows: Sequence[Any]) -> set[int]:
        """The places of the keys for which rows of `match` came."""
        if self.first_ordinal is not None:
            return {int(row[0]) - self.first_ordinal for row in rows}
        found = {row[0] if len(self.match) == 1 else tuple(row) for row in rows}
        return {at for at, key in enumerate(keys) if key in found}


def members(columns: Sequence[Any], dialect: Dialect) -> Members:
    """Rows whose `columns` equal one of the keys, in a SELECT that has nothing else in its FROM."""
    return _of(_filter(columns, dialect))


def among(columns: Sequence[Any], dialect: Dialect) -> Members:
    """The same for UPDATE and DELETE: a table of keys goes into a subquery, which every database takes."""
    found = _filter(columns, dialect)
    if found.table is None:
        return _of(found)
    own = [plain(column) for column in columns]
    one = own[0] if len(own) == 1 else sa.tuple_(*own)
    condition = one.in_(sa.select(*found.table.columns))
    return Members((condition,), (), found.table.encode, found.limit, None)


def _filter(columns: Sequence[Any], dialect: Dialect) -> KeyFilter:
    return key_dialect(dialect).filter([plain(column) for column in columns])


def _of(found: KeyFilter) -> Members:
    return Members(found.conditions, found.match, found.encode, found.limit, found.first_ordinal)
