"""From what an endpoint that writes is to a route of FastAPI."""

from __future__ import annotations

from dataclasses import dataclass, field
from inspect import Parameter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Header, Request, Response

from batchrepo.integrations.fastapi.endpoints import parameters_by_name, signature
from batchrepo.integrations.fastapi.openapi import problems
from batchrepo.integrations.fastapi.parameters import query
from batchrepo.integrations.fastapi.provide import repository_on
from batchrepo.integrations.fastapi.strict import check_query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from fastapi import APIRouter

    from batchrepo.repository import Repository
    from batchrepo.scope import Scope

DRY_RUN = "dry_run"
"""The parameter with which everything is done, and taken back."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to write.

    Attributes:
        request: the request.
        rows: the repository, on the request's scope.
        given: parameters of the query by the names that clients write, and the rest by the arguments'.
    """

    request: Request
    rows: Repository[Any]
    given: Mapping[str, Any]

    @property
    def dry_run(self) -> bool:
        """Whether it is only to be tried."""
        return bool(self.given.get(DRY_RUN))

    def header(self, name: str) -> list[str]:
        """The values of a header."""
        return self.request.headers.getlist(name)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered.

    Attributes:
        body: JSON; None for an answer without.
        status: where it is another than the endpoint's usual one.
        headers: more headers.
    """

    body: bytes | None = None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Action:
    """An endpoint that writes.

    Attributes:
        method: of HTTP.
        path: below the prefix of the resource.
        name: of the operation, for whoever generates a client.
        summary: what it is, in a line.
        description: more about it.
        model: what the body of the answer is, for OpenAPI; None for an answer without.
        parameters: what it takes.
        answer: does it.
        status: of the answer.
        responses: more about the answers, for OpenAPI.
        problems: the statuses of its errors.
    """

    method: str
    path: str
    name: str
    summary: str
    description: str
    model: Any
    parameters: Sequence[Parameter]
    answer: Callable[[Asked], Awaitable[Reply]]
    status: int = 200
    responses: Mapping[int | str, dict[str, Any]] = field(default_factory=dict)
    problems: Sequence[int] = ()


def add_action(router: APIRouter, repository: type[Repository[Any]], action: Action) -> None:
    """Add the route of an endpoint that writes."""
    known = parameters_by_name(f"{router.prefix}{action.path}", action.parameters)
    names = {parameter.name: name for name, parameter in known.items()}

    async def call(_request: Request, _response: Response, _scope: Scope, **arguments: Any) -> Response:
        check_query(_request, known, None)
        given = {names.get(argument, argument): value for argument, value in arguments.items()}
        reply = await action.answer(Asked(_request, repository_on(_scope, repository), given))
        media_type = None if reply.body is None else "application/json"
        response = Response(reply.body, reply.status or action.status, dict(reply.headers), media_type)
        # What dependencies put on the response that FastAPI would have made.
        response.raw_headers.extend(_response.raw_headers)
        return response

    call.__name__ = call.__qualname__ = action.name
    call.__signature__ = signature(action.parameters)  # type: ignore[attr-defined]
    router.add_api_route(
        endpoint=call,
        path=action.path,
        name=action.name,
        methods=[action.method],
        status_code=action.status,
        operation_id=action.name,
        summary=action.summary,
        description=action.description,
        response_model=action.model,
        response_description="The answer." if action.model is not None else "It is done.",
        responses={**action.responses, **problems(*sorted({*action.problems, 422}))},
    )


def dry_run_parameter() -> Parameter:
    """Whether everything is only to be tried."""
    told = "Do everything, answer as usual, and take it back."
    return query(DRY_RUN, bool, told, examples=[True])


def header_parameter(name: str, description: str, **more: Any) -> Parameter:
    """A header of the request, for OpenAPI: it is read from the request, where it may stand several times."""
    annotation = Annotated[str | None, Header(alias=name, description=description, **more)]
    argument = f"header_{name.replace('-', '_').lower()}"
    return Parameter(argument, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
