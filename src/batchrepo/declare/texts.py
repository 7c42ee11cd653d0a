"""Conditions on texts that mean the same in every database: what is looked for is taken literally.

``LIKE`` would take ``%`` and ``_`` for wildcards, so they are escaped. In SQLite it also takes ``a`` for ``A``;
there ``GLOB`` does not, and an index serves it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.operators import custom_op
from sqlalchemy.sql.visitors import InternalTraversal

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnElement

_ESCAPE = "/"
_LIKE_SPECIAL = re.compile(r"[%_/]")
_GLOB_SPECIAL = re.compile(r"[*?\[]")
_GLOB = custom_op("GLOB", is_comparison=True, return_type=sa.Boolean())


def text_contains(expression: Any, text: str) -> ColumnElement[bool]:
    """Whether a text has another one in it, letter for letter."""
    return _ByDatabase(_like(expression, f"%{_escaped(text)}%"), _glob(expression, f"*{_in_glob(text)}*"))


def text_contains_any_case(expression: Any, text: str) -> ColumnElement[bool]:
    """The same, where a small letter and its capital are one (in SQLite: those of ASCII)."""
    pattern = sa.literal(f"%{_escaped(text)}%", sa.Text())
    return expression.ilike(pattern, escape=_ESCAPE)  # type: ignore[no-any-return]


def text_starts_with(expression: Any, text: str) -> ColumnElement[bool]:
    """Whether a text begins with another one, letter for letter."""
    return _ByDatabase(_like(expression, f"{_escaped(text)}%"), _glob(expression, f"{_in_glob(text)}*"))


def _like(expression: Any, pattern: str) -> Any:
    # The pattern has a plain type, since a type decorator of the column would convert it like a value.
    return expression.like(sa.literal(pattern, sa.Text()), escape=_ESCAPE)


def _glob(expression: Any, pattern: str) -> Any:
    return _GLOB(expression, sa.literal(pattern, sa.Text()))


def _escaped(text: str) -> str:
    return _LIKE_SPECIAL.sub(rf"{_ESCAPE}\g<0>", text)


def _in_glob(text: str) -> str:
    return _GLOB_SPECIAL.sub(r"[\g<0>]", text)


class _ByDatabase(sa.ColumnElement[bool]):
    """A condition that SQLite has in a form of its own."""

    inherit_cache = True
    type = sa.Boolean()
    _traverse_internals = [  # noqa: RUF012  SQLAlchemy's own way to say what an element is made of
        ("general", InternalTraversal.dp_clauseelement),
        ("sqlite", InternalTraversal.dp_clauseelement),
    ]

    def __init__(self, general: Any, sqlite: Any) -> None:
        self.general = general
        self.sqlite = sqlite

    @property
    def _from_objects(self) -> Any:
        return self.general._from_objects

    def self_group(self, against: Any = None) -> Any:
        return Grouping(self)


@compiles(_ByDatabase)
def _general(element: _ByDatabase, compiler: Any, **options: Any) -> str:
    return compiler.process(element.general, **options)  # type: ignore[no-any-return]


@compiles(_ByDatabase, "sqlite")
def _in_sqlite(element: _ByDatabase, compiler: Any, **options: Any) -> str:
    return compiler.process(element.sqlite, **options)  # type: ignore[no-any-return]
