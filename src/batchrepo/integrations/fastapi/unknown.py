"""Refusing query parameters that nobody looks at, which are typing errors: the answer would not be what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import params, routing
from fastapi.dependencies.utils import get_flat_params

from batchrepo.errors import InvalidArgument, did_you_mean
from batchrepo.integrations.fastapi.middleware import InstalledScopes
from batchrepo.integrations.requests import scopes_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from fastapi import Request


def refuse_unknown(request: Request, known: Collection[str]) -> None:
    """Refuse query parameters that neither the endpoint takes nor a dependency.

    Args:
        request: the request.
        known: what the endpoint takes.

    Raises:
        InvalidArgument: there is one; the message has the nearest that exist.
    """
    unknown = [name for name in request.query_params if name not in known]
    if not unknown:
        return
    others = {name for dependant in _dependants(request) for name in _query_names(dependant)}
    for name in unknown:
        if name not in others:
            raise InvalidArgument(
                f"{request.url.path} takes no parameter {name[:100]!r}.{did_you_mean(name[:100], known)}"
            )


def _dependants(request: Request) -> Iterator[Any]:
    """What FastAPI solves for a request: what the route needs, and what finds the context of its scope."""
    scopes = scopes_of(request.scope)
    if isinstance(scopes, InstalledScopes) and scopes.dependency is not None:
        yield scopes.dependency.dependant
    route = request.scope["route"]
    yield route.dependant
    # Since FastAPI 0.162 the dependencies of an included router are not the route's.
    every = getattr(routing, "iter_route_contexts", None)
    for context in every(request.app.router.routes) if every is not None else ():
        if context.original_route is route:
            yield context.dependant


def _query_names(dependant: Any) -> Iterator[str]:
    for field in get_flat_params(dependant):
        if isinstance(field.field_info, params.Query):
            yield field.alias
