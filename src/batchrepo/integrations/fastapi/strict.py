"""Refusing query parameters that nobody looks at: typing errors, whose answer would not be what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import params, routing
from fastapi.dependencies.utils import get_flat_params

from batchrepo.errors import InvalidArgument, did_you_mean
from batchrepo.integrations.fastapi.middleware import InstalledScopes
from batchrepo.integrations.fastapi.parameters import takes_many
from batchrepo.integrations.requests import scopes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from inspect import Parameter

    from fastapi import Request

    from batchrepo.integrations.fastapi.selection import Selection


def check_query(request: Request, parameters: Mapping[str, Parameter], selection: Selection | None) -> None:
    """Refuse query parameters that neither the endpoint takes nor a dependency, or that are there too often.

    Args:
        request: the request.
        parameters: what the endpoint takes, by the names that clients write.
        selection: what may be filtered by.

    Raises:
        InvalidArgument: there is one; the message has the nearest that exist.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    unknown = [name for name in given if name not in parameters]
    if unknown:
        others = {name for dependant in _dependants(request) for name in _query_names(dependant)}
        for name in unknown:
            if name not in others:
                raise InvalidArgument(_told(request.url.path, name[:100], parameters, selection))
    if len(set(given)) < len(given):
        for name, parameter in parameters.items():
            if (times := given.count(name)) > 1 and not takes_many(parameter):
                raise InvalidArgument(f"{request.url.path} takes {name!r} once; it is there {times} times.")


def _told(path: str, name: str, known: Iterable[str], selection: Selection | None) -> str:
    filters = selection.of_attribute(name) if selection is not None else []
    nearest = f" There are: {', '.join(filters)}." if filters else did_you_mean(name, known)
    return f"{path} takes no parameter {name!r}.{nearest}"


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
