"""The scope of the operation that runs."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchrepo.errors import ScopeError

if TYPE_CHECKING:
    import strawberry

    from batchrepo.scope import Scope


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation that runs.

    Attributes:
        scope: where it reads.
        look_ahead: whether all that it selects is read by one plan, or each relation when it is asked for.
    """

    scope: Scope
    look_ahead: bool


# Not in the GraphQL context: the operations of a batched request run side by side with one context.
current_operation: ContextVar[Operation | None] = ContextVar("batchrepo_operation", default=None)


def scope_of(info: strawberry.Info[Any, Any]) -> Scope:
    """The scope of the operation that a resolver runs in.

    Args:
        info: the resolver's ``info``.

    Raises:
        ScopeError: the schema has no `ScopeExtension`.
    """
    return running(info.field_name).scope


def running(asking: str) -> Operation:
    """The operation that runs.

    Args:
        asking: the name of the field that asks, for the message.

    Raises:
        ScopeError: the schema has no `ScopeExtension`.
    """
    operation = current_operation.get()
    if operation is None:
        raise ScopeError(
            f"{asking} asked for the scope, but its schema opens none. Write "
            f"strawberry.Schema(..., extensions=[lambda: ScopeExtension(database)])."
        )
    return operation
