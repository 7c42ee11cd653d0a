"""What OpenAPI says of an application's problems."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError

from batchrepo.integrations.fastapi.problems import answer_invalid_request
from batchrepo.integrations.problems import MEDIA_TYPE, Problem

if TYPE_CHECKING:
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


def describe_problems(app: FastAPI) -> None:
    """Add the schema of problems to an application's OpenAPI, and say where FastAPI answers with one."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        known = app.openapi_schema
        schema = make()
        if schema is not known:
            _describe(schema, app.exception_handlers.get(RequestValidationError) is answer_invalid_request)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _describe(schema: dict[str, Any], ours: bool) -> None:
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    theirs = {"schema": {"$ref": _REF.format(model=_FASTAPIS[0])}}
    if ours:
        for operations in schema.get("paths", {}).values():
            for operation in operations.values():
                invalid = operation.get("responses", {}).get("422", {}) if isinstance(operation, dict) else {}
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
