"""How the JSON of a plan's rows looks to one kind of reader: its names, their order, and how values are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from batchrepo.plan.naming import field_name, output_name
from batchrepo.sql.json.encoders import declared_type, encoder_of, finite
from batchrepo.sql.json.texts import as_object, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

    from batchrepo.plan.read import Field, Include, ReadPlan
    from batchrepo.sql.json.encoders import Encoder


@dataclass(frozen=True)
class PageTexts:
    """The texts that a page is made of.

    Attributes:
        items: the list of its rows.
        has_next: a truth.
        has_previous: a truth.
        start_cursor: of the first row, or null.
        end_cursor: of the last row, or null.
        total: how many rows there are on all pages, or None where that is not asked.
    """

    items: ColumnElement[str]
    has_next: ColumnElement[str]
    has_previous: ColumnElement[str]
    start_cursor: ColumnElement[str]
    end_cursor: ColumnElement[str]
    total: ColumnElement[str] | None


class Form(Protocol):
    """Decides about the objects of the JSON. Two that are equal, and have equal hashes, share statements."""

    def items(
        self, plan: ReadPlan, texts: Mapping[str, ColumnElement[str]]
    ) -> Iterator[tuple[str, ColumnElement[str]]]:
        """The names and texts of a row's object, in order.

        Args:
            plan: of the row.
            texts: what was made of each of its fields, by the field's name.
        """
        ...

    def encoder(
        self, plan: ReadPlan, field: Field, kind: TypeEngine[Any], dialect: Dialect
    ) -> Encoder | None:
        """How the values of a field are written, or None where nobody knows an exact way.

        Args:
            plan: which has the field.
            field: a column, a column along relations, or an aggregate.
            kind: the type of what is read.
            dialect: of the database.
        """
        ...

    def page(self, include: Include, page: PageTexts) -> ColumnElement[str]:
        """The text of a page."""
        ...


@dataclass(frozen=True)
class ViewForm:
    """The JSON of Pydantic models.

    Attributes:
        by_alias: whether fields have their (serialization) aliases as names.
    """

    by_alias: bool = True

    def items(
        self, plan: ReadPlan, texts: Mapping[str, ColumnElement[str]]
    ) -> Iterator[tuple[str, ColumnElement[str]]]:
        """All fields under their names."""
        name_of = output_name if self.by_alias else field_name
        for field in plan.fields:
            yield name_of(plan, field.name), texts[field.name]

    def encoder(
        self, plan: ReadPlan, field: Field, kind: TypeEngine[Any], dialect: Dialect
    ) -> Encoder | None:
        """As Pydantic writes them."""
        return encoder_of(kind, dialect)

    def page(self, include: Include, page: PageTexts) -> ColumnElement[str]:
        """What `Page` has."""
        null = written("null")
        return as_object(
            {
                "items": page.items,
                "has_next": page.has_next,
                "has_previous": page.has_previous,
                "start_cursor": page.start_cursor,
                "end_cursor": page.end_cursor,
                "total": null if page.total is None else page.total,
                "total_is": null if page.total is None else written('"exact"'),
            }.items()
        )


@dataclass(frozen=True)
class DecodedForm(ViewForm):
    """What Pydantic makes the same views of as of the rows: JSON by the names of the fields."""

    by_alias: bool = False

    def encoder(
        self, plan: ReadPlan, field: Field, kind: TypeEngine[Any], dialect: Dialect
    ) -> Encoder | None:
        """Not times with a zone: what is decoded has an object for UTC that is not the driver's."""
        declared = declared_type(kind, dialect)
        if isinstance(declared, sa.DateTime) and declared.timezone:
            return None
        encode = encoder_of(kind, dialect)
        return finite(encode, dialect) if encode is not None and isinstance(declared, sa.Float) else encode
