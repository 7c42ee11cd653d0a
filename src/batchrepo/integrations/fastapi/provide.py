"""`Provide`: repositories and the scope as FastAPI dependencies.

The scope is opened when the first dependency of a request needs it, and closed by the middleware after the
response has been sent and its background tasks have run, so that streamed bodies and background tasks may read
too. Changes that nothing saved are an error when the endpoint has returned, so that a handler of the
application sees it.
"""

import inspect
from collections.abc import AsyncIterator, Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

from fastapi import BackgroundTasks, Depends, Request, Response
from fastapi.dependencies.utils import get_typed_signature
from fastapi.params import Depends as DependsMarker
from fastapi.requests import HTTPConnection

from batchrepo.errors import DeclarationError, InvalidArgument, ScopeError
from batchrepo.integrations.fastapi.middleware import InstalledScopes
from batchrepo.integrations.requests import RequestScopes, scopes_of
from batchrepo.repository import Repository
from batchrepo.scope import Scope

T = TypeVar("T")


async def request_scope(connection: HTTPConnection, response: Response, background: BackgroundTasks) -> Scope:
    """The scope that all of a request shares, as a FastAPI dependency.

    Raises:
        ScopeError: no Database is installed; the endpoint is not async; or it is a WebSocket.
    """
    scopes, request = _installed(connection)
    dependency = scopes.dependency if isinstance(scopes, InstalledScopes) else None
    if dependency is None:
        return await scopes.share()
    return await scopes.share(lambda: dependency.solve(request, response, background))


async def settled_scope(
    connection: HTTPConnection, response: Response, background: BackgroundTasks
) -> AsyncIterator[Scope]:
    """The same scope; its end, which comes before the response starts, refuses unsaved changes.

    Raises:
        UnsavedChanges: an entity was changed and nothing saved it.
    """
    scope = await request_scope(connection, response, background)
    yield scope
    scope.refuse_unsaved()


SettledScope = Annotated[Scope, Depends(settled_scope, scope="function")]
"""The scope of the request, for the dependencies of this module."""


def repository_on(scope: Scope, target: type[Any]) -> Any:
    """A repository on the scope of a request.

    Raises:
        ScopeError: the Database does not know it.
    """
    try:
        return target(scope)
    except InvalidArgument as error:
        # An InvalidArgument is the client's mistake; this one is the application's.
        raise ScopeError(str(error)) from error


class Provider(Generic[T]):
    """The dependency that gives a repository or the scope.

    Args:
        target: a repository class, or ``Scope``.
    """

    def __init__(self, target: type[T]) -> None:
        self._target = target

    async def __call__(self, scope: SettledScope) -> Any:
        """The repository on the scope of the request, or the scope itself."""
        return scope if self._target is Scope else repository_on(scope, self._target)


if TYPE_CHECKING:
    # Checkers see Provide[AlbumRepository] as AlbumRepository.
    Provide = Annotated[T, Depends()]
else:

    class Provide:
        """A FastAPI dependency: ``albums: Provide[AlbumRepository]``, ``scope: Provide[Scope]``.

        All that one request asks for share one scope: what one repository has read another one does not
        read again, and what they need at the same time is read in one batch. The application names its
        Database once, with ``install(app, database)``.

        The endpoint must be ``async def``. For an event loop of its own, a WebSocket or a job, use
        ``async with database.scope()``.

        Raises:
            DeclarationError: asked for something else than a repository or the scope.
        """

        def __class_getitem__(cls, target: type[Any]) -> Any:
            return Annotated[target, Depends(_provider(target))]


@cache
def _provider(target: Any) -> Provider[Any]:
    """One provider per class: FastAPI asks it once in a request, however many ask for it."""
    if isinstance(target, type) and (target is Scope or issubclass(target, Repository)):
        return Provider(target)
    shown = target.__name__ if isinstance(target, type) else target
    raise DeclarationError(
        f"Provide[{shown}] expects a Repository class or Scope. Declare one, such as class "
        f"AlbumRepository(Repository[Album]), name it in Database(..., repositories=[...]), and write "
        f"Provide[AlbumRepository]."
    )


def _installed(connection: HTTPConnection) -> tuple[RequestScopes, Request]:
    """The place for this request's scopes."""
    if not isinstance(connection, Request):
        raise ScopeError(
            "Provide was used for a WebSocket, which outlives any scope: what a scope has read once it does not "
            "read again. Open one per message: async with database.scope() as scope: ..."
        )
    scopes = scopes_of(connection.scope)
    if scopes is None:
        raise ScopeError(
            "Provide found no Database in this application. Call install(app, database), from "
            "batchrepo.integrations.fastapi, right after FastAPI(...)."
        )
    endpoint = connection.scope.get("endpoint")
    if endpoint is not None and not _is_async(endpoint) and _provides(endpoint):
        raise ScopeError(
            f"{getattr(endpoint, '__qualname__', endpoint)} is a plain function, which FastAPI runs in a thread "
            f"without an event loop; repositories need one. Write: async def {getattr(endpoint, '__name__', '...')}(...)"
        )
    return scopes, connection


def _is_async(endpoint: Callable[..., Any]) -> bool:
    call: Any = inspect.unwrap(endpoint)
    while isinstance(call, partial):
        call = call.func
    if not inspect.isroutine(call):
        call = type(call).__call__
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)


def _provides(endpoint: Callable[..., Any]) -> bool:
    """Whether a function asks for a provided object itself, not only through a dependency that is async."""
    return any(
        isinstance(marker, DependsMarker) and isinstance(marker.dependency, Provider)
        for parameter in get_typed_signature(endpoint).parameters.values()
        for marker in getattr(parameter.annotation, "__metadata__", ())
    )
