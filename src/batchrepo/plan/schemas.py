"""Pydantic's core schemas: what a view's validators and serializers are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
"""A node of a core schema."""

ANYWHERE = {"type", "ref", "metadata"}
"""Keys of any node that change nothing about validation or serialization."""


class Definitions:
    """What parts of a schema refer to by name.

    Attributes:
        inner: the schema itself.
    """

    def __init__(self, schema: Schema) -> None:
        self.inner = schema
        self._by_ref: dict[str, Schema] = {}
        if schema["type"] == "definitions":
            self.inner = schema["schema"]
            self._by_ref = {definition["ref"]: definition for definition in schema["definitions"]}

    def resolved(self, schema: Schema) -> Schema:
        """The node that a reference stands for; any other node as it is."""
        while is_node(schema, "definition-ref", {"schema_ref"}) and schema["schema_ref"] in self._by_ref:
            schema = self._by_ref[schema["schema_ref"]]
        return schema

    def around(self, inner: Schema) -> Schema:
        """A schema whose parts refer to the same definitions, with those that it needs."""
        needed: dict[str, Schema] = {}
        pending = [inner]
        while pending:
            for node in nodes(pending.pop()):
                ref = node["schema_ref"] if node["type"] == "definition-ref" else None
                if ref in self._by_ref and ref not in needed:
                    needed[ref] = self._by_ref[ref]
                    pending.append(needed[ref])
        if not needed:
            return inner
        return {"type": "definitions", "schema": inner, "definitions": list(needed.values())}


def is_node(schema: Schema, kind: str, settings: set[str]) -> bool:
    """Whether a schema is of this kind and has no settings but these."""
    return schema["type"] == kind and schema.keys() <= ANYWHERE | settings


_VALUES = {"metadata", "config", "cls", "default", "expected", "members"}
"""Keys whose values are no schemas, though they may look like some."""


def nodes(schema: Schema, *, below_fields: bool = True) -> Iterator[Schema]:
    """A schema and everything in it that has a type: schemas, serializations, functions. References are not followed.

    Args:
        schema: where to start.
        below_fields: whether to go into the fields of models, dataclasses and typed dicts.
    """
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            if isinstance(node.get("type"), str):
                yield node
                if not below_fields and node["type"] in _WITH_FIELDS:
                    continue
            pending += [value for key, value in node.items() if key not in _VALUES]
        elif isinstance(node, list | tuple):
            pending += node


_WITH_FIELDS = {"model-fields", "dataclass-args", "typed-dict", "arguments", "arguments-v3"}
"""Nodes whose parts see each other and nothing around them."""
