"""Finding the context of a request's scope with a FastAPI dependency.

Which dependency finds the context is said once, for the application; `Provide` is written in many routes,
often before the application exists. So the dependency cannot be a part of the routes' own trees, and is
solved here, with the functions that FastAPI itself uses.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, Request, Response
from fastapi.dependencies.utils import get_dependant, solve_dependencies
from fastapi.exceptions import RequestValidationError


class ContextDependency:
    """A dependency of the application that finds the context.

    Args:
        dependency: whatever FastAPI's ``Depends`` takes: a function, async or not, with or without
            ``yield``, that has dependencies of its own.

    Attributes:
        dependant: what FastAPI makes of it.
    """

    def __init__(self, dependency: Callable[..., Any]) -> None:
        async def needs(context: Annotated[Any, Depends(dependency)]) -> None: ...

        # A mistake in its signature is found now, when the application is put together.
        self.dependant = get_dependant(path="", call=needs)

    async def solve(self, request: Request, response: Response, background: BackgroundTasks) -> Any:
        """The context of a request.

        Args:
            request: the request, within FastAPI's handling of a route.
            response: takes the headers and cookies that the dependency sets.
            background: takes the tasks that the dependency adds.

        Raises:
            RequestValidationError: a header, cookie or query parameter that it needs is missing or wrong.
        """
        solved = await solve_dependencies(
            request=request,
            dependant=self.dependant,
            background_tasks=background,
            response=response,
            dependency_overrides_provider=request.scope.get("app"),
            async_exit_stack=request.scope["fastapi_inner_astack"],
            embed_body_fields=False,
        )
        if solved.errors:
            raise RequestValidationError(solved.errors)
        return solved.values["context"]
