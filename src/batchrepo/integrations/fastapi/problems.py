"""Errors as problem details (RFC 9457), without a word about SQL or the inside of the application."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.websockets import WebSocket

from batchrepo.errors import BatchRepoError
from batchrepo.integrations.outcomes import outcome_of

if TYPE_CHECKING:
    from fastapi import Request, Response

MEDIA_TYPE = "application/problem+json"
"""The media type of problem details."""

logger = logging.getLogger("batchrepo")


class Problem(BaseModel):
    """The body of an error response, as RFC 9457 has it."""

    type: str = Field(description="What kind of problem; `about:blank` means: the status says it.")
    title: str = Field(description="The status, in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened, for people.")
    code: str = Field(description="What happened, for programs.")


async def answer_with_problem(request: Request | WebSocket, error: Exception) -> Response:
    """The response for an error of batchrepo.

    An error that is not the client's goes to the log ``batchrepo`` with its traceback, and to the client
    only if the application runs with ``debug=True``.
    """
    if not isinstance(error, BatchRepoError) or isinstance(request, WebSocket):
        raise error
    outcome = outcome_of(error)
    detail = outcome.detail
    if not outcome.expected:
        logger.error("%s %s failed: %s", request.method, request.url.path, error, exc_info=error)
        if request.app.debug:
            detail = str(error)
    problem = Problem(
        type="about:blank",
        title=HTTPStatus(outcome.status).phrase,
        status=outcome.status,
        detail=detail,
        code=outcome.code,
    )
    return JSONResponse(problem.model_dump(), status_code=outcome.status, media_type=MEDIA_TYPE)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of problem responses: ``@app.get(..., responses=problems(404))``."""
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
        }
        for status in statuses
    }
