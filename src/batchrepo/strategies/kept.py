"""Statements that are built once for all conditions of one shape, and given the values of each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from batchrepo.sql.select import check_own_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from batchrepo.mapping import EntityInfo
    from batchrepo.sql.parameters import Conditions
    from batchrepo.strategies.context import ReadContext

T = TypeVar("T")


def kept(
    context: ReadContext,
    entity: EntityInfo,
    identity: tuple[Hashable, ...],
    where: Conditions,
    build: Callable[[Sequence[Any]], T],
    *references: Any,
) -> tuple[T, Mapping[str, Any]]:
    """What `build` makes of conditions: the same object for conditions that differ in their values only.

    It is remembered among the statements of the scope's row criteria, which are a part of it too.

    Args:
        context: the scope.
        entity: whose rows the conditions are on.
        identity: all else that decides about it, as a key.
        where: conditions of the caller.
        build: makes a statement, and whatever goes with it, of conditions.
        references: objects whose ids are in `identity`; they are kept alive, so that their ids stay theirs.

    Returns:
        What was built, and the values to give it, by name.

    Raises:
        InvalidArgument: a condition compares columns of another entity.
    """
    guards = context.guards
    # Criteria that make their SQL anew in each scope: what is kept would hardly be asked for again.
    conditions = where.placed if not where or not guards.per_scope else None
    if conditions is None:
        return build(where), {}
    key = (*identity, entity, where.shape)
    found = guards.statements.get(key)
    if found is None:
        check_own_columns(entity, where)  # which names them as they were written
        found = guards.statements[key] = (build(conditions), references)
    return found[0], where.values
