"""SQL that is written out, in which row criteria cannot be put."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.errors import UnguardedStatement

if TYPE_CHECKING:
    from batchrepo.declare.criteria import Guards

_ONE_VALUE = re.compile(r"\*|[\w.]+|'[^']*'")
"""Literal SQL that can neither read a table nor change what stands beside it: a star, a name, a number, a text."""

_SUBQUERY = re.compile(r"\b(select|table)\b", re.IGNORECASE)
"""What literal SQL must have in it to read a table."""


def refuse_literal(node: Any, guards: Guards, *, condition: bool) -> None:
    """Refuse SQL that is written out, as far as it could read a table or undo a condition beside it."""
    if isinstance(node, sa.TextClause):
        written = node.text
    elif isinstance(node, sa.ColumnClause) and node.is_literal:
        written = node.name
        condition = condition and not _ONE_VALUE.fullmatch(written)
    elif isinstance(node, sa.TextualSelect):
        written, condition = str(node), True
    else:
        return
    if condition or _SUBQUERY.search(written):
        _refuse_written(written, guards)


def refuse_literal_parts(select: Any, guards: Guards) -> None:
    """The same for what a SELECT has before or behind it, which is not visited as a part of it."""
    for part, *_ in (*select._prefixes, *select._suffixes):
        _refuse_written(str(part), guards)


def _refuse_written(written: str, guards: Guards) -> None:
    names = ", ".join(sorted(entity.name for entity in guards.criteria if guards.of(entity)))
    if names:
        raise UnguardedStatement(
            f"There is text in the statement ({written[:60]!r}), on which row criteria of {names} cannot be put. "
            f"Write it with mapped classes, or run it with scope.fetch(..., unfiltered='why this is safe')."
        )
