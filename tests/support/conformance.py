"""Requests that schemathesis makes from an application's OpenAPI description, within it and beside it."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
"""What must hold of every answer."""


def cases_of(app: FastAPI) -> tuple[list[Any], list[Any]]:
    """The parameters ``operation, mode`` of a test: operations with right requests, and those with wrong ones."""
    schema = schemathesis.openapi.from_dict(app.openapi())
    operations = [result.ok() for result in schema.get_all_operations()]
    right, wrong = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
    return (
        [pytest.param(each, right, id=f"{right} {each.label}") for each in operations],
        [
            pytest.param(each, wrong, id=f"{wrong} {each.label}")
            for each in operations
            if _takes_anything(each)
        ],
    )


def check(operation: Any, mode: Any, address: str, *, examples: int) -> None:
    """Send requests of one operation; every answer is one that OpenAPI describes, and no error of the server.

    Args:
        operation: from `cases_of`.
        mode: requests as described, or others.
        address: of the application.
        examples: how many requests, the same in every run.
    """

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        case.call_and_validate(base_url=address, checks=list(CHECKS))

    holds()


def _takes_anything(operation: Any) -> bool:
    """Whether there is something to get wrong."""
    raw = operation.definition.raw
    return bool(raw.get("parameters") or raw.get("requestBody"))
