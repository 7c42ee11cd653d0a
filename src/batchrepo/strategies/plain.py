"""Whether what was read is a view's JSON already, so that nothing needs to be validated or converted.

A positive list: of Pydantic's own schema for the view, every part must be known to leave the values of its
column as they are, and every column must be known to give values of exactly that type. Whatever is not
surely so goes the long way through Pydantic, which costs time and is always right. What is taken on trust:
that the tables are as the mapping declares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from batchrepo.plan.pages import Page
from batchrepo.plan.pruning import Part
from batchrepo.plan.read import AggregateField, ColumnField, FetchedField, FlatField, Include, PageSpec
from batchrepo.plan.schemas import Definitions, Schema, is_node

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import Enum

    from sqlalchemy.types import TypeEngine

    from batchrepo.declare.computed import Aggregate
    from batchrepo.mapping import ColumnInfo
    from batchrepo.plan.read import Field, ReadPlan

_HARMLESS_CONFIG = {
    "title", "extra_fields_behavior", "from_attributes", "hide_input_in_errors", "loc_by_alias",
    "serialize_by_alias", "validate_by_alias", "validate_by_name", "validation_error_cause",
}  # fmt: skip
"""Settings of a model that change nothing about the JSON of valid values."""

_MODEL = {"cls", "schema", "config", "custom_init", "root_model", "frozen", "generic_origin"}
_MODEL_FIELDS = {"fields", "model_name", "computed_fields"}
_MODEL_FIELD = {"schema", "validation_alias", "serialization_alias", "frozen"}
_DEFAULT = {
    "schema",
    "default",
    "default_factory",
    "default_factory_takes_data",
    "copy_default",
    "validate_default",
}


def _is_text(kind: Any) -> bool:
    if isinstance(kind, sa.Uuid):
        return not kind.as_uuid
    return isinstance(kind, sa.String) and getattr(kind, "enum_class", None) is None


def _is_plain_enum(kind: Any, schema: Schema) -> bool:
    """An enum is written as its values."""
    members: type[Enum] = schema["cls"]
    same = isinstance(kind, sa.Enum) and kind.enum_class is members
    return same and all(type(member.value) in (str, int) for member in members)


_LEAVES: dict[str, Callable[[Any, Schema], bool]] = {
    "int": lambda kind, _: isinstance(kind, sa.Integer),
    "str": lambda kind, _: _is_text(kind),
    "bool": lambda kind, _: isinstance(kind, sa.Boolean),
    # Numeric(asdecimal=False) may give an int on SQLite.
    "float": lambda kind, _: isinstance(kind, sa.Float) and not kind.asdecimal,
    "decimal": lambda kind, _: isinstance(kind, sa.Numeric | sa.Float) and kind.asdecimal,
    "date": lambda kind, _: isinstance(kind, sa.Date),
    "datetime": lambda kind, _: isinstance(kind, sa.DateTime),
    "time": lambda kind, _: isinstance(kind, sa.Time),
    "uuid": lambda kind, _: isinstance(kind, sa.Uuid) and kind.as_uuid,
    "enum": _is_plain_enum,
}
"""For each plain type of Pydantic, the SQLAlchemy types whose values are written alike by both."""

_LEAF_SETTINGS: dict[str, set[str]] = {
    "date": {"microseconds_precision"},
    "datetime": {"microseconds_precision"},
    "time": {"microseconds_precision"},
    "enum": {"cls", "members", "sub_type", "missing"},
}
"""Parts of a plain type's schema that change nothing about valid values; no other type has any."""


@dataclass(frozen=True)
class Plain:
    """The dicts of a plan, keyed by output names, are the JSON of its views.

    Attributes:
        decimals: whether there are decimals among the values; PostgreSQL's NaN is one, which Pydantic refuses.
    """

    decimals: bool


def how_plain(plan: ReadPlan, schema: Schema) -> Plain | str:
    """Whether what a plan reads is the JSON of its views; if it is not surely so, why, naming view and field.

    Args:
        plan: what is read.
        schema: Pydantic's core schema for a list of the plan's view.
    """
    comparison = _Comparison(Definitions(schema))
    if comparison.list_of(plan, comparison.definitions.inner):
        return Plain(comparison.decimals)
    return (
        comparison.refusal
        or f"{_owner(plan)} has validators, serializers, computed fields or settings of its own"
    )


def _owner(plan: ReadPlan) -> str:
    return plan.view.__name__ if plan.view is not None else plan.entity.name


class _Comparison:
    """Compares a plan with a schema, part by part; notes whether decimals are among the parts, and what is not plain."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self.decimals = False
        self.refusal: str | None = None

    def list_of(self, plan: ReadPlan, schema: Schema) -> bool:
        schema = self.definitions.resolved(schema)
        return is_node(schema, "list", {"items_schema"}) and self.model(plan, schema["items_schema"])

    def model(self, plan: ReadPlan, schema: Schema) -> bool:
        schema = self.definitions.resolved(schema)
        if not is_node(schema, "model", _MODEL) or schema["cls"] not in (plan.view, Part):
            return False
        if schema.get("custom_init") or schema.get("root_model"):
            return False
        config: Mapping[str, Any] = schema.get("config", {})
        if not set(config) <= _HARMLESS_CONFIG or config.get("extra_fields_behavior") == "allow":
            return False
        inner = schema["schema"]
        if not is_node(inner, "model-fields", _MODEL_FIELDS) or inner.get("computed_fields"):
            return False
        fields: Mapping[str, Schema] = inner["fields"]
        names = [schema.get("serialization_alias", name) for name, schema in fields.items()]
        if [field.name for field in plan.fields] != list(fields) or len(set(names)) < len(names):
            return False
        for field in plan.fields:
            if not self._field(field, fields[field.name]):
                # The innermost one, which was seen first.
                self.refusal = self.refusal or f"{_owner(plan)}.{field.name} {_why(field)}"
                return False
        return True

    def _field(self, field: Field, schema: Schema) -> bool:
        if not is_node(schema, "model-field", _MODEL_FIELD):
            return False
        schema = self.definitions.resolved(schema["schema"])
        if is_node(schema, "default", _DEFAULT):
            schema = self.definitions.resolved(schema["schema"])
        nullable = is_node(schema, "nullable", {"schema"})
        if nullable:
            schema = self.definitions.resolved(schema["schema"])
        match field:
            case Include(page=PageSpec()):
                return self._page(field, schema)
            case Include(many=True):
                return self.list_of(field.plan, schema)
            case Include():
                return self.model(field.plan, schema)
            case ColumnField(column=column) | FlatField(column=column):
                return column is not None and self._column(column, schema, nullable=nullable)
            case AggregateField():
                return self._aggregate(field.aggregate, schema, nullable=nullable)
            case FetchedField():
                return False

    def _page(self, include: Include, schema: Schema) -> bool:
        """A page is a plain model of ours, maybe with narrowed items; its items are what counts."""
        if not is_node(schema, "model", _MODEL):
            return False
        if schema["cls"] is not Part and schema["cls"].__pydantic_generic_metadata__["origin"] is not Page:
            return False
        items = schema["schema"]["fields"]["items"]
        return self.list_of(include.plan, items["schema"])

    def _column(self, column: ColumnInfo, schema: Schema, *, nullable: bool) -> bool:
        # Of expressions, SQLAlchemy knows the type less surely: a sum of integers may come as a Decimal.
        if not column.is_table_column or (column.nullable and not nullable):
            return False
        self.decimals = self.decimals or schema["type"] == "decimal"
        return _is_leaf_for(column.type, schema)

    def _aggregate(self, aggregate: Aggregate[Any], schema: Schema, *, nullable: bool) -> bool:
        if aggregate.empty is None and not nullable:
            return False
        match aggregate.function:
            case "count":
                return _is_leaf(schema, "int")
            case "exists":
                return _is_leaf(schema, "bool")
            case "average":
                return _is_leaf(schema, "float")
            case "total":  # of no rows it is 0, which as a float is written 0.0
                return _is_leaf(schema, "int") and _is_leaf_for(aggregate.column.type, schema)
            case "minimum" | "maximum":
                name = getattr(aggregate.column, "key", None)
                column = aggregate.relation.target.columns.get(name) if isinstance(name, str) else None
                return column is not None and self._column(column, schema, nullable=True)


def _why(field: Field) -> str:
    match field:
        case ColumnField(column=column) if column is None or not column.is_table_column:
            return "is an expression, whose type is not surely known"
        case ColumnField(column=column) | FlatField(column=column) if column is not None:
            return f"is not written as its column of type {column.type!r} is read"
        case AggregateField(aggregate=aggregate):
            return f"is not written as its {aggregate.function} is read"
        case FetchedField():
            return "has its values from a function"
    return "has a view with validators, serializers, computed fields or settings of its own"


def _is_leaf(schema: Schema, kind: str) -> bool:
    """Whether a schema is a plain type without constraints."""
    if not is_node(schema, kind, _LEAF_SETTINGS.get(kind, set())):
        return False
    return bool(schema.get("microseconds_precision", "truncate") == "truncate")


def _is_leaf_for(kind: TypeEngine[Any], schema: Schema) -> bool:
    """Whether a schema is a plain type that values of a SQLAlchemy type have, on every database."""
    name = schema["type"]
    fits = _LEAVES.get(name)
    return (
        fits is not None
        and _is_leaf(schema, name)
        and all(
            type(variant).__module__.startswith("sqlalchemy.") and fits(variant, schema)
            for variant in (kind, *kind._variant_mapping.values())
        )
    )
