"""Every error of an application as problem details (RFC 9457); its own handlers come first."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.encoders import jsonable_encoder
from fastapi.exception_handlers import http_exception_handler, request_validation_exception_handler
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.websockets import WebSocket

from batchrepo.errors import BatchRepoError
from batchrepo.integrations.outcomes import outcome_of
from batchrepo.integrations.problems import (
    MEDIA_TYPE,
    InvalidParameter,
    Problem,
    phrase,
    problem,
    problem_of,
)
from batchrepo.integrations.requests import scopes_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI, Request

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
_SHOWN = 200


def answer_with_problems(app: FastAPI, *, every: bool) -> None:
    """Answer errors of batchrepo with problems, or `every` error; but for those that the application handles."""
    handlers = app.exception_handlers
    handlers.setdefault(BatchRepoError, answer_error)
    if not every:
        return
    # FastAPI names its own handlers like an application's; a handler of the application is another function.
    if handlers[HTTPException] is http_exception_handler:
        handlers[HTTPException] = answer_http_exception
    if handlers[RequestValidationError] is request_validation_exception_handler:
        handlers[RequestValidationError] = answer_invalid_request
    # Of these two names for one thing Starlette takes the later.
    if Exception not in handlers and 500 not in handlers:
        handlers[Exception] = answer_unexpected
    handlers.setdefault(SQLAlchemyError, answer_database_error)


async def answer_error(request: Request | WebSocket, error: Exception) -> Response:
    """The response for an error of batchrepo; one that is the server's is told only if ``debug=True``."""
    if isinstance(request, WebSocket):
        raise error
    return _response(*problem_of(error, _named(request), debug=request.app.debug))


async def answer_database_error(request: Request | WebSocket, error: Exception) -> Response:
    """The response for an error of SQLAlchemy that is no fault of the server; others are raised again.

    It is a row that the database refuses, or another transaction in the way.
    """
    general = request.app.exception_handlers.get(Exception) or request.app.exception_handlers.get(500)
    if isinstance(request, WebSocket) or outcome_of(error).status == 500 or general is not answer_unexpected:
        raise error
    return _response(*problem_of(error, _named(request), debug=request.app.debug))


async def answer_unexpected(request: Request, error: Exception) -> Response:
    """The response for any other error. Starlette raises it again behind this, so that the server logs it.

    With ``debug=True`` Starlette shows the traceback instead.
    """
    outcome, headers = problem_of(error, _named(request), log=False)
    response = _response(outcome, headers)
    scopes = scopes_of(request.scope)
    if scopes is not None:
        # This response starts outside of our middleware.
        response.raw_headers = await scopes.complete(response.raw_headers)
    return response


async def answer_http_exception(request: Request | WebSocket, error: Any) -> Response:
    """The response for an ``HTTPException``: the application's, or the router's 404 and 405."""
    status: int = error.status_code
    if status < 400:
        return await http_exception_handler(request, error)  # type: ignore[arg-type]
    headers = dict(error.headers or {})
    detail, more = phrase(status), {}
    if isinstance(error.detail, str):
        detail = error.detail
    elif error.detail is not None:
        more["info"] = jsonable_encoder(error.detail)
    if status == 404 and detail == phrase(404):
        detail = f"There is nothing at {request.url.path}."
    elif status == 405 and not isinstance(request, WebSocket) and (allowed := _allowed(request)):
        headers["Allow"] = allowed
        detail = f"{request.url.path} does not take {request.method}, but: {allowed}."
    return _response(problem(status, _code(status), detail, **more), headers)


async def answer_invalid_request(_request: Request, error: Any) -> Response:
    """The response for a request with parameters or a body that are not as the endpoint wants them."""
    errors = [_invalid(mistake) for mistake in error.errors()]
    told = "; ".join(f"{each.name or each.place}: {each.detail}" for each in errors[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return _response(problem(422, "INVALID_REQUEST", told + more, errors=errors), {})


def _response(told: Problem, headers: Mapping[str, str]) -> Response:
    return Response(told.body, told.status, headers, MEDIA_TYPE)


def _named(request: Request) -> str:
    return f"{request.method} {request.url.path}"


def _code(status: int) -> str:
    try:
        return HTTPStatus(status).name
    except ValueError:
        return f"HTTP_{status}"


def _allowed(request: Request) -> str:
    """The methods of a path, from all routes that have it: each of them knows only its own.

    Empty where the answer came from further in, so that the routes here do not know.
    """
    asked = {key: request.scope.get(key) for key in ("path", "root_path", "headers", "app")}

    def takes(method: str) -> bool:
        probe = {**asked, "type": "http", "method": method}
        return any(route.matches(probe)[0] is Match.FULL for route in request.app.router.routes)

    return "" if takes(request.method) else ", ".join(method for method in _METHODS if takes(method))


def _invalid(mistake: Mapping[str, Any]) -> InvalidParameter:
    place, *path = mistake["loc"]
    found: dict[str, Any] = {"in": str(place), "name": ".".join(map(str, path)), "detail": mistake["msg"]}
    if mistake["type"] == "json_invalid":
        found |= {"name": "", "detail": f"{mistake['msg']} at {path[0]}: {mistake['ctx']['error']}"}
    elif mistake["type"] != "missing" and place not in ("header", "cookie"):  # which may hold credentials
        found["value"] = _shown(mistake["input"])
    return InvalidParameter.model_validate(found)


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
