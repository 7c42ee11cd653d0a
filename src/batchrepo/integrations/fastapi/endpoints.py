"""From what an endpoint of a resource is to a route of FastAPI."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Response

from batchrepo.errors import DeclarationError
from batchrepo.integrations.fastapi.openapi import PARTIAL, problems
from batchrepo.integrations.fastapi.parameters import injected, name_in_query
from batchrepo.integrations.fastapi.provide import repository_on, request_scope
from batchrepo.integrations.fastapi.responses import json_response
from batchrepo.integrations.fastapi.strict import check_query
from batchrepo.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from fastapi import APIRouter

    from batchrepo.integrations.fastapi.selection import Selection
    from batchrepo.plan.pages import JsonNumberedPage, JsonPage
    from batchrepo.repository import Repository


_HEADERS = {
    "ETag": {
        "description": "Send it as `If-None-Match` with the next request.",
        "schema": {"type": "string"},
    },
    "Cache-Control": {"description": "Who may keep the answer.", "schema": {"type": "string"}},
}
_LINK = {"description": "The pages beside this one (RFC 8288).", "schema": {"type": "string"}}
_KNOWN = {"description": "What the client has is still right.", "headers": _HEADERS}


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that reads.

    Attributes:
        path: below the prefix of the resource.
        name: of the operation, for whoever generates a client.
        summary: what it is, in a line.
        description: more about it.
        model: what the body is, for OpenAPI; nothing is validated by it.
        parameters: what it takes.
        answer: makes the reply from the repository and what was given: parameters of the query by the names
            that clients write, of the path by the arguments'.
        problems: the statuses of its errors.
        paged: whether the reply is a page, with links to those beside it.
        selection: what clients may filter by, to help one who wrote something else.
    """

    path: str
    name: str
    summary: str
    description: str
    model: Any
    parameters: Sequence[Parameter]
    answer: Callable[[Repository[Any], Mapping[str, Any]], Awaitable[JsonPage | JsonNumberedPage | bytes]]
    problems: Sequence[int] = ()
    paged: bool = False
    selection: Selection | None = None


@dataclass(frozen=True)
class Caching:
    """What the answers of a resource say to caches; as the arguments of `json_response`."""

    cache_control: str | None
    vary: Sequence[str]


def parameters_by_name(place: str, parameters: Sequence[Parameter]) -> dict[str, Parameter]:
    """The parameters of the query, by the names that clients write.

    Raises:
        DeclarationError: two have the same; `place` is the endpoint's path, for the message.
    """
    queried = [(name, parameter) for parameter in parameters if (name := name_in_query(parameter))]
    known = dict(queried)
    if len(known) < len(queried):
        twice = next(name for name, parameter in queried if known[name] is not parameter)
        raise DeclarationError(
            f"{place} would take two parameters of the name {twice!r}. Leave one of them out: the operation, the filter, "
            f"or the key's column in a resource of its own."
        )
    return known


def signature(parameters: Sequence[Parameter]) -> Signature:
    """The signature of an endpoint that takes the request, the response of dependencies, the scope, and `parameters`."""
    return Signature(
        [
            injected("_request", Request),
            injected("_response", Response),
            # Not Provide[repository]: a resource changes nothing that its end would have to look for.
            injected("_scope", Annotated[Scope, Depends(request_scope)]),
            *parameters,
        ]
    )


def add_endpoint(
    router: APIRouter, repository: type[Repository[Any]], endpoint: Endpoint, caching: Caching
) -> None:
    """Add the route of an endpoint, and the same for ``HEAD``."""
    known = parameters_by_name(f"{router.prefix}{endpoint.path}", endpoint.parameters)
    names = {parameter.name: name for name, parameter in known.items()}

    async def call(_request: Request, _response: Response, _scope: Scope, **arguments: Any) -> Response:
        check_query(_request, known, endpoint.selection)
        given = {names.get(argument, argument): value for argument, value in arguments.items()}
        reply = await endpoint.answer(repository_on(_scope, repository), given)
        response = json_response(_request, reply, cache_control=caching.cache_control, vary=caching.vary)
        # What dependencies put on the response that FastAPI would have made.
        response.raw_headers.extend(_response.raw_headers)
        return response

    call.__name__ = call.__qualname__ = endpoint.name
    call.__signature__ = signature(endpoint.parameters)  # type: ignore[attr-defined]
    shared: dict[str, Any] = {"endpoint": call, "path": endpoint.path, "name": endpoint.name}
    router.add_api_route(
        **shared,
        methods=["GET"],
        operation_id=endpoint.name,
        summary=endpoint.summary,
        description=endpoint.description,
        response_model=endpoint.model,
        openapi_extra={PARTIAL: True} if "fields" in known else None,
        response_description="The answer.",
        responses={
            200: {"headers": {**_HEADERS, "Link": _LINK} if endpoint.paged else _HEADERS},
            304: _KNOWN,
            **problems(*endpoint.problems, 422),
        },
    )
    router.add_api_route(**shared, methods=["HEAD"], include_in_schema=False, response_model=None)
