"""The report of an operation in its answer, for those who may see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from strawberry.types import ExecutionContext

    from batchrepo.integrations.strawberry.passing.notes import Notes
    from batchrepo.scope import Scope

HEADER = "X-Batchrepo-Report"
"""The header that asks for the report."""

KEY = "batchrepo"
"""Under which name the report is in ``extensions`` of the answer, and is asked for in those of the request."""

OFF = {"why_not": "ScopeExtension(pass_through=False).", "places": [], "whole": []}
"""What the report says of the pass-through where it is turned off."""


class Reporting:
    """Decides who gets the report of an operation.

    Args:
        allowed: a function of the GraphQL context, or the same answer for everybody.
    """

    def __init__(self, allowed: bool | Callable[[Any], bool]) -> None:
        self._allowed = allowed

    def of(self, operation: ExecutionContext, scope: Scope, passed: Notes | None) -> dict[str, Any]:
        """What is added to the answer's extensions: the report of the scope and what passed through, or nothing."""
        if self._allowed is False or not _asked(operation):
            return {}
        allowed = self._allowed(operation.context) if callable(self._allowed) else self._allowed
        # Not just anything that is true: a function that is async by mistake gives a coroutine.
        if allowed is not True:
            return {}
        through = OFF if passed is None else passed.to_dict()
        return {KEY: {**scope.report().to_dict(), "pass_through": through}}


def _asked(operation: ExecutionContext) -> bool:
    if (operation.operation_extensions or {}).get(KEY) is True:
        return True
    given = operation.context
    request = given.get("request") if isinstance(given, dict) else getattr(given, "request", None)
    headers = getattr(request, "headers", None)
    return headers is not None and headers.get(HEADER) in ("1", "true")
