"""Statements that are built once for all conditions of one shape, and given the values of each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from batchrepo.sql.parameters import Conditions
    from batchrepo.strategies.context import ReadContext

T = TypeVar("T")


def kept(
    context: ReadContext,
    identity: tuple[Hashable, ...],
    where: Conditions,
    build: Callable[[Sequence[Any]], T],
    *references: Any,
) -> tuple[T, Mapping[str, Any]]:
    """What `build` makes of conditions: the same object for conditions that differ in their values only.

    It is remembered among the statements of the scope's row criteria, which are a part of it too.

    Args:
        context: the scope.
        identity: all else that decides about it, as a key.
        where: conditions of the caller.
        build: makes a statement, and whatever goes with it, of conditions.
        references: objects whose ids are in `identity`; they are kept alive, so that their ids stay theirs.

    Returns:
        What was built, and the values to give it, by name.
    """
    guards = context.guards
    # Criteria that make their SQL anew in each scope: what is kept would hardly be asked for again.
    conditions = where.placed if not where or not guards.per_scope else None
    if conditions is None:
        return build(where), {}
    key = (*identity, where.shape)
    found = guards.statements.get(key)
    if found is None:
        found = guards.statements[key] = (build(conditions), references)
    return found[0], where.values
