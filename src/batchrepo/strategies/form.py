"""How the JSON of a plan's rows looks to one kind of reader: its names, their order, and how values are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from batchrepo.plan.naming import field_name, output_name
from batchrepo.sql.json.encoders import encoder_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.engine import Dialect
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.types import TypeEngine

    from batchrepo.plan.read import Field, ReadPlan
    from batchrepo.sql.json.encoders import Encoder


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
        """As Pydantic writes them, unless the plan has leaf types."""
        return encoder_of(kind, dialect, plan.leaf_of(field))
