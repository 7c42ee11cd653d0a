"""Putting texts together inside of a statement.

Not the database's own JSON functions: PostgreSQL's objects take 50 pairs at most and put spaces into lists, SQLite's
lose what is JSON and what is a text on their way through a sub-select, and both write some values otherwise than
Pydantic. Concatenated texts have none of that, and are faster.
"""

from __future__ import annotations

import json
from sqlite3 import sqlite_version_info
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import InternalTraversal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.compiler import SQLCompiler
    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.sql.statement import Statement

INEXACT = "\x01"
"""Stands in a text for what the database cannot write exactly. JSON has no such character, so that it is surely found."""

MOST = 50
"""How many texts are concatenated at once: PostgreSQL's functions take 100, and SQLite's expressions have a depth."""


class Concatenated(FunctionElement[str]):
    """Texts one behind the other; none of them may be NULL."""

    type = sa.Text()
    inherit_cache = True
    name = "batchrepo_concatenated"


@compiles(Concatenated)
def _with_operator(element: Concatenated, compiler: SQLCompiler, **options: Any) -> str:
    parts = (compiler.process(part, **options) for part in element.clauses)
    return f"({' || '.join(parts)})"


@compiles(Concatenated, "postgresql")
def _with_function(element: Concatenated, compiler: SQLCompiler, **options: Any) -> str:
    parts = (compiler.process(part, **options) for part in element.clauses)
    return f"concat({', '.join(parts)})"


class Written(sa.ColumnElement[str]):
    """A text that stands in the statement as it is.

    Not a literal column: that is SQL written by hand for whoever judges whether a statement only reads, and a field may be
    called ``for``.
    """

    __visit_name__ = "batchrepo_written"
    _traverse_internals = [("text", InternalTraversal.dp_string)]  # noqa: RUF012 - SQLAlchemy's own spelling
    inherit_cache = True

    type = sa.Text()

    def __init__(self, text: str) -> None:
        self.text = text


@compiles(Written)
def _as_it_is(element: Written, compiler: SQLCompiler, **_: Any) -> str:
    return compiler.render_literal_value(element.text, element.type)


def written(text: str) -> ColumnElement[str]:
    """A text that stands in the statement as it is."""
    return Written(text)


def concatenated(parts: Iterable[str | ColumnElement[str]]) -> ColumnElement[str]:
    """Texts one behind the other, those that are known beforehand joined already."""
    merged: list[Any] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        else:
            merged.append(part)
    return _in_groups([written(part) if isinstance(part, str) else part for part in merged])


def _in_groups(parts: Sequence[ColumnElement[str]]) -> ColumnElement[str]:
    if len(parts) == 1:
        return parts[0]
    if len(parts) <= MOST:
        return Concatenated(*parts)
    return _in_groups([_in_groups(parts[start : start + MOST]) for start in range(0, len(parts), MOST)])


def as_object(items: Iterable[tuple[str, ColumnElement[str]]]) -> ColumnElement[str]:
    """A JSON object of names and the texts of their values."""
    parts: list[str | ColumnElement[str]] = []
    for name, value in items:
        parts += [f"{',' if parts else '{'}{json.dumps(name, ensure_ascii=False)}:", value]
    return concatenated([*parts, "}"] if parts else ["{}"])


def where_null(value: Any, instead: ColumnElement[str], text: ColumnElement[str]) -> ColumnElement[str]:
    """The text of a value, and another one where it is NULL."""
    return sa.case((value.is_(None), instead), else_=text)


def inexact(dialect: Dialect) -> ColumnElement[str]:
    """`INEXACT` as an expression."""
    code = sa.literal_column(str(ord(INEXACT)), sa.Integer())
    made: ColumnElement[str] = (sa.func.char if dialect.name == "sqlite" else sa.func.chr)(
        code, type_=sa.Text()
    )
    return made


def joined_texts(
    keys: Sequence[Any],
    text: ColumnElement[str],
    place: ColumnElement[Any],
    source: Any,
    dialect: Dialect,
    facts: Sequence[Any] = (),
) -> Statement:
    """Select for each different key the texts of its rows, in the order of `place`, with commas between them.

    Args:
        keys: labelled; the texts have the label ``text``.
        text: of one row.
        place: orders the rows of a key.
        source: where the rows are.
        dialect: of the database.
        facts: labelled; the greatest of each is selected besides.
    """
    function = sa.func.group_concat if dialect.name == "sqlite" else sa.func.string_agg
    joined: Any = function(text, written(","), type_=sa.Text())
    if dialect.name != "sqlite" or sqlite_version_info >= _ORDERED:
        ordered = joined.aggregate_order_by(place).label("text")
        greatest = [sa.func.max(fact.element).label(fact.name) for fact in facts]
        rows = sa.select(*keys, ordered, *greatest).select_from(source)
        return rows.group_by(*(key.element for key in keys))
    # Only a window has an order there, and gives its text for each row; all of a key are equal.
    partition = [key.element for key in keys]
    whole = joined.over(partition_by=partition, order_by=place, rows=(None, None)).label("text")
    of_rows = sa.select(*keys, whole, *facts).select_from(source).subquery("batchrepo_texts")
    grouped = [of_rows.c[key.name] for key in keys]
    joins = [sa.func.max(of_rows.c[name]).label(name) for name in ("text", *(fact.name for fact in facts))]
    return sa.select(*grouped, *joins).group_by(*grouped)


_ORDERED = (3, 44)
"""From this version on aggregates of SQLite have an order."""
