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

    from batchrepo.sql.keys import Key


@dataclass(frozen=True, eq=False)
class Members:
    """How a statement is limited to rows with some keys.

    Attributes:
        conditions: go into WHERE.
        encode: the parameters for keys.
        limit: how many keys one statement can hold, or None.
    """

    conditions: tuple[ColumnElement[bool], ...]
    encode: Callable[[Sequence[Key]], Mapping[str, Any]]
    limit: int | None


def among(columns: Sequence[Any], dialect: Dialect) -> Members:
    """Rows whose `columns` equal one of the keys; a table of keys goes into a subquery, which every database takes."""
    own = [plain(column) for column in columns]
    found = key_dialect(dialect).filter(own)
    if found.table is None:
        return Members(found.conditions, found.encode, found.limit)
    one = own[0] if len(own) == 1 else sa.tuple_(*own)
    return Members((one.in_(sa.select(*found.table.columns)),), found.table.encode, found.limit)
