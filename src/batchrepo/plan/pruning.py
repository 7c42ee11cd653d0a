"""Cutting Pydantic's core schema of a view down to some of its fields.

What is left has the very validators, constraints, serializers and aliases that these fields have in the view,
so that their JSON is the same. That holds only where no part looks at a field that was cut away: a validator of
the model, a computed field, a serializer that is a method. A view with such a part is read whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.plan.schemas import is_node

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from batchrepo.plan.schemas import Definitions, Schema


class Part:
    """Stands for a view of which only some fields are read: what Pydantic validates and serializes instead of it."""

    __slots__ = ("__dict__", "__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")


_MODEL = {"cls", "schema", "config", "custom_init", "root_model", "frozen", "generic_origin", "strict"}
_MODEL_FIELDS = {"fields", "model_name", "computed_fields", "strict", "extra_behavior"}


def why_whole(
    schema: Schema, view: type[Any], wanted: Collection[str], definitions: Definitions
) -> str | None:
    """Why a view cannot be cut down to some of its fields; None if it can.

    Args:
        schema: where its model is expected.
        view: the model.
        wanted: the names of the fields and computed fields that are asked for.
        definitions: what the schema refers to.
    """
    schema = definitions.resolved(schema)
    if schema["type"] != "model" or schema["cls"] is not view:
        return f"what is around {view.__name__}, such as a validator, may look at all of its fields"
    return _why_model_whole(schema, view) or _why_fields_whole(schema, view, wanted, definitions)


def _why_model_whole(schema: Schema, view: type[Any]) -> str | None:
    """What of the model itself may look at all of its fields."""
    if "serialization" in schema:
        return f"a serializer of {view.__name__} may look at all of its fields"
    if schema.get("post_init") or schema.get("custom_init"):
        return f"{view.__name__} has code or private attributes that are initialised with all of its fields"
    inner = schema["schema"]
    if inner["type"].startswith("function-"):
        return f"a validator of {view.__name__} may look at all of its fields"
    if not is_node(schema, "model", _MODEL) or not is_node(inner, "model-fields", _MODEL_FIELDS):
        return f"the schema of {view.__name__} has parts that are not known to leave its other fields alone"
    return None


def _why_fields_whole(
    schema: Schema, view: type[Any], wanted: Collection[str], definitions: Definitions
) -> str | None:
    """Which of the wanted fields may look at others."""
    inner = schema["schema"]
    for name in wanted:
        if name not in inner["fields"]:
            return f"{view.__name__}.{name} is computed from its other fields"
        reason = _why_not_alone(inner["fields"][name], definitions)
        if reason is not None:
            return f"{reason} of {view.__name__}.{name} may look at its other fields"
    return None


def _why_not_alone(field: Schema, definitions: Definitions) -> str | None:
    """What of a field may look at the fields beside it; None if nothing does."""
    for part in definitions.parts(field, below_fields=False):
        if part["type"] == "with-info":
            return "a validator"
        if part.get("is_field_serializer"):
            return "a serializer"
        if part.get("default_factory_takes_data"):
            return "the default"
    return None


def with_fields(schema: Schema, fields: Mapping[str, Schema], definitions: Definitions) -> Schema:
    """The schema of a view that `why_whole` lets through, with these fields only.

    Args:
        schema: of the view.
        fields: the schemas of the values of the fields that stay, by name.
        definitions: what the schema refers to.
    """
    schema = definitions.resolved(schema)
    inner = schema["schema"]
    left = {
        name: {**field, "schema": fields[name]} for name, field in inner["fields"].items() if name in fields
    }
    # Pydantic takes validators that it has made already from the class itself; `Part` has none.
    unnamed = {key: value for key, value in schema.items() if key not in ("ref", "generic_origin")}
    return {**unnamed, "cls": Part, "schema": {**inner, "fields": left, "computed_fields": []}}


_AROUND: dict[str, set[str]] = {
    "nullable": {"schema", "strict"},
    "default": {
        "schema", "default", "default_factory", "default_factory_takes_data", "copy_default", "validate_default",
        "strict",
    },
    "list": {"items_schema", "min_length", "max_length", "fail_fast", "strict"},
    "tuple": {"items_schema", "variadic_item_index", "min_length", "max_length", "fail_fast", "strict"},
}  # fmt: skip
"""Nodes that may stand around a view without looking into it. Not sets: they compare views."""


def inside(schema: Schema, change: Callable[[Schema], Schema], definitions: Definitions) -> Schema:
    """The schema of a field's value, with the view in it changed.

    Args:
        schema: the view, or lists and the like around it.
        change: takes the schema of the view, or of what stands there instead.
        definitions: what the schema refers to.
    """
    resolved = definitions.resolved(schema)
    settings = _AROUND.get(resolved["type"])
    if settings is None or not is_node(resolved, resolved["type"], settings):
        return change(schema)
    if resolved["type"] == "tuple":
        if len(resolved["items_schema"]) > 1:
            return change(schema)
        item = inside(resolved["items_schema"][0], change, definitions)
        changed: dict[str, Any] = {"items_schema": [item]}
    else:
        key = "items_schema" if resolved["type"] == "list" else "schema"
        changed = {key: inside(resolved[key], change, definitions)}
    return {**{key: value for key, value in resolved.items() if key != "ref"}, **changed}
