"""The scope of the operation that runs."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from batchrepo.errors import ScopeError

if TYPE_CHECKING:
    import strawberry

    from batchrepo.scope import Scope

# Not in the GraphQL context: the operations of a batched request run side by side with one context.
current_scope: ContextVar[Scope | None] = ContextVar("batchrepocurrent_scope", default=None)


def scope_of(info: strawberry.Info[Any, Any]) -> Scope:
    """The scope of the operation that a resolver runs in.

    Args:
        info: the resolver's ``info``.

    Raises:
        ScopeError: the schema has no `ScopeExtension`.
    """
    return operation_scope(info.field_name)


def operation_scope(asking: str) -> Scope:
    """The scope of the operation that runs.

    Args:
        asking: the name of the field that asks, for the message.

    Raises:
        ScopeError: the schema has no `ScopeExtension`.
    """
    scope = current_scope.get()
    if scope is None:
        raise ScopeError(
            f"{asking} asked for the scope, but its schema opens none. Write "
            f"strawberry.Schema(..., extensions=[lambda: ScopeExtension(database)])."
        )
    return scope
