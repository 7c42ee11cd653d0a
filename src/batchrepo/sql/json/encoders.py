"""How values of a type are written as JSON by a database: exactly as Pydantic writes what SQLAlchemy reads of them.

A positive list, for each database. An encoder makes a text of an expression that is not NULL; where single values have
no exact text (PostgreSQL's infinite dates, what somebody else put into SQLite's texts), the text is `INEXACT`, and who
reads it has to read the rows in another way.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa

from batchrepo.sql.json.postgresql import postgresql_encoder
from batchrepo.sql.json.sqlite import sqlite_encoder
from batchrepo.sql.json.texts import inexact, written

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

Encoder: TypeAlias = "Callable[[Any], ColumnElement[str]]"
"""From an expression that is not NULL to the text of its JSON."""

DATABASES = {"postgresql": postgresql_encoder, "sqlite": sqlite_encoder}
"""By dialect, what finds the encoder of a type."""


def encoder_of(kind: TypeEngine[Any], dialect: Dialect) -> Encoder | None:
    """How values of a SQLAlchemy type are written, or None where nobody knows an exact way."""
    declared = declared_type(kind, dialect)
    if not type(declared).__module__.startswith("sqlalchemy."):
        return None
    find = DATABASES.get(dialect.name)
    if find is None:
        return None
    return _of_members(declared, dialect) if isinstance(declared, sa.Enum) else find(declared, dialect)


def declared_type(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """What a type is on a database."""
    return kind._variant_mapping.get(dialect.name, kind)


def finite(encode: Encoder, dialect: Dialect) -> Encoder:
    """The same encoder, where numbers that JSON does not have are not exact instead of null."""

    def encoded(value: Any) -> ColumnElement[str]:
        text = encode(value)
        return sa.case((text == written("null"), inexact(dialect)), else_=text)

    return encoded


def _of_members(kind: sa.Enum, dialect: Dialect) -> Encoder | None:
    """Each member has its text; of a value that is none, SQLAlchemy has something to say."""
    members = kind.enum_class
    if members is None:
        values: dict[str, Any] = {name: name for name in kind.enums}
    elif kind.values_callable is not None:
        return None
    else:
        values = {name: members[name].value for name in kind.enums}
    if not all(type(value) in (str, int) for value in values.values()):
        return None
    texts = {name: written(json.dumps(value, ensure_ascii=False)) for name, value in values.items()}

    def encode(value: Any) -> ColumnElement[str]:
        stored = sa.cast(value, sa.Text())
        found = [(stored == written(name), text) for name, text in texts.items()]
        return sa.case(*found, else_=inexact(dialect))

    return encode
