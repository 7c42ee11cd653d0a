"""What OpenAPI says of an application, beside what FastAPI finds out by itself: problems, and partial answers."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError

from batchrepo.integrations.fastapi.problems import answer_invalid_request
from batchrepo.integrations.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

_REF = "#/components/schemas/{model}"
_PROBLEM = "ProblemDetails"
_CONTENT = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=_PROBLEM)}}}
_FASTAPIS = ("HTTPValidationError", "ValidationError")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of problem responses: ``@app.get(..., responses=problems(404))``.

    The application must be an installed one: ``install`` adds the schema that they refer to.
    """
    return {status: {"description": HTTPStatus(status).phrase, "content": _CONTENT} for status in statuses}


def describe(app: FastAPI) -> None:
    """Let an application's OpenAPI say which errors are problems, and where `fields` makes an answer partial."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        known = app.openapi_schema
        schema = make()
        if schema is not known:
            _describe_problems(
                schema, app.exception_handlers.get(RequestValidationError) is answer_invalid_request
            )
            _describe_partial(schema)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _describe_problems(schema: dict[str, Any], ours: bool) -> None:
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    theirs = {"schema": {"$ref": _REF.format(model=_FASTAPIS[0])}}
    if ours:
        for operation in _operations(schema):
            invalid = operation.get("responses", {}).get("422", {})
            if invalid.get("content") == {"application/json": theirs}:
                invalid |= {
                    "description": "The request is not as the endpoint wants it.",
                    "content": _CONTENT,
                }
        for name in _FASTAPIS:
            if f'"{_REF.format(model=name)}"' not in json.dumps(schema):
                schemas.pop(name, None)
    own = Problem.model_json_schema(ref_template=_REF)
    for name, definition in {_PROBLEM: own, **own.pop("$defs")}.items():
        schemas.setdefault(name, definition)


PARTIAL = "x-batchrepo-partial"
"""Marks an operation that has the parameter `fields`; it is not in the finished schema."""


def _describe_partial(schema: dict[str, Any]) -> None:
    """Give each marked operation two answers: the whole, and the one with only some fields."""
    schemas = schema["components"]["schemas"]
    for operation in _operations(schema):
        if operation.pop(PARTIAL, False):
            content = operation["responses"]["200"]["content"]["application/json"]
            content["schema"] = {"anyOf": [content["schema"], _partial(content["schema"], schemas)]}


def _partial(node: Any, schemas: dict[str, Any]) -> Any:
    """A copy of a schema in which no model needs all of its fields; the envelope of a page is whole."""
    if isinstance(node, list):
        return [_partial(item, schemas) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {**node, "$ref": _partial_ref(node["$ref"], schemas)}
    return {
        name: {field: _partial(inner, schemas) for field, inner in value.items()}
        if name == "properties"
        else (value if name in _VALUES else _partial(value, schemas))
        for name, value in node.items()
        if name not in _ONLY_WHOLE
    }


_ONLY_WHOLE = ("required", "discriminator")
_VALUES = ("default", "const", "enum", "examples", "example")


def _partial_ref(ref: str, schemas: dict[str, Any]) -> str:
    model = ref.rpartition("/")[2]
    whole = schemas[model]
    if "properties" not in whole:
        return ref
    title = whole.get("title", model)
    is_page = title.startswith(("Page[", "NumberedPage["))
    name = model.replace("Page_", "Page_Partial", 1) if is_page else f"Partial{model}"
    if name not in schemas:
        schemas[name] = {}  # which ends the way through models that contain themselves
        partial = _partial(whole, schemas)
        partial["title"] = title.replace("Page[", "Page[Partial", 1) if is_page else f"Partial{title}"
        if is_page:
            partial["required"] = whole["required"]
        schemas[name] = partial
    return _REF.format(model=name)


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operations in schema.get("paths", {}).values():
        yield from (each for each in operations.values() if isinstance(each, dict))
