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

    def parts(self, schema: Schema, *, below_fields: bool = True) -> Iterator[Schema]:
        """A schema and everything in it that has a type: schemas, serializations, functions; references followed.

        Args:
            schema: where to start.
            below_fields: whether to go into the fields of models, dataclasses and typed dicts.
        """
        followed: set[str] = set()
        pending: list[Any] = [schema]
        while pending:
            node = pending.pop()
            if isinstance(node, list | tuple):
                pending += node
            if not isinstance(node, Mapping):
                continue
            kind = node.get("type")
            if not isinstance(kind, str):  # schemas by name
                pending += node.values()
                continue
            yield node
            ref = node.get("schema_ref")
            if ref in self._by_ref and ref not in followed:
                followed.add(ref)
                pending.append(self._by_ref[ref])
            if below_fields or kind not in _WITH_FIELDS:
                pending += [value for key, value in node.items() if key not in _VALUES]

    def around(self, inner: Schema) -> Schema:
        """A schema whose parts refer to the same definitions, with those that it needs."""
        refs = dict.fromkeys(part.get("schema_ref") for part in self.parts(inner))
        needed = [self._by_ref[ref] for ref in refs if ref in self._by_ref]
        return {"type": "definitions", "schema": inner, "definitions": needed} if needed else inner


def is_node(schema: Schema, kind: str, settings: set[str]) -> bool:
    """Whether a schema is of this kind and has no settings but these."""
    return schema["type"] == kind and schema.keys() <= ANYWHERE | settings


_VALUES = {"metadata", "config", "cls", "default", "expected", "members"}
"""Keys whose values are no schemas, though they may look like some."""

_WITH_FIELDS = {"model-fields", "dataclass-args", "typed-dict", "arguments", "arguments-v3"}
"""Nodes whose parts see each other and nothing around them."""
