"""What a session wrote: its flushes and statements as changes.

SQLAlchemy tells at the end of a flush which entities it wrote. Of a statement of the user's own (``update(Album)``)
the entity is known and its rows are not; of literal SQL nothing is.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import event

from batchrepo.changes import Change
from batchrepo.mapping.entity import key_of_state

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import InstanceState, ORMExecuteState, Session

    from batchrepo.changes import Operation


class Writes(Protocol):
    """Who wants to know what a session wrote."""

    def wrote(self, changes: Sequence[Change]) -> None:
        """Rows were written; no changes mean that nobody knows which."""
        ...

    def wrote_beside(self, changes: Sequence[Change]) -> None:
        """As `wrote`; the entities of the session do not know of it."""
        ...

    def forget_all(self) -> None:
        """A transaction ended: others' changes are seen now, and one's own may be gone."""
        ...


def changes_of_flush(flush_context: Any) -> list[Change]:
    """The changes of a flush that is about to end: one for each class, operation and set of attributes."""
    keys: defaultdict[tuple[type[Any], Operation, frozenset[str] | None], list[Any]] = defaultdict(list)
    states: dict[InstanceState[Any], tuple[bool, bool]] = flush_context.states
    for state, (deleted, listed_only) in states.items():
        if listed_only:
            continue
        if state.key is None:
            operation: Operation = "insert"
        else:
            operation = "delete" if deleted else "update"
        columns = frozenset(state.committed_state) if operation == "update" else None
        if operation == "update" and not columns:
            continue
        keys[state.mapper.class_, operation, columns].append(key_of_state(state))
    return [
        Change(entity, operation, tuple(found), columns)
        for (entity, operation, columns), found in keys.items()
    ]


def changes_of_statement(execution: ORMExecuteState) -> list[Change]:
    """The changes of a statement that a user ran in a session; none where they cannot be told."""
    mapper = execution.bind_mapper
    if mapper is None or not (execution.is_insert or execution.is_update or execution.is_delete):
        return []
    operation: Operation = "insert" if execution.is_insert else "update" if execution.is_update else "delete"
    if execution.is_insert and getattr(execution.statement, "_post_values_clause", None) is not None:
        operation = "update"  # an upsert may have changed rows that were there
    return [Change(mapper.class_, operation)]


def run_statement(execution: ORMExecuteState, writes: Writes) -> Any:
    """Run a statement that is no SELECT, and say what it wrote."""
    changes = changes_of_statement(execution)
    result = execution.invoke_statement()
    if _entities_know(execution):
        writes.wrote(changes)
    else:
        writes.wrote_beside(changes)
    return result


def _entities_know(execution: ORMExecuteState) -> bool:
    """Whether SQLAlchemy tells the session's entities what a statement changed, or it changed nothing of them."""
    if execution.is_update or execution.is_delete:
        return execution.execution_options.get("synchronize_session", "auto") is not False
    if execution.is_insert:
        return getattr(execution.statement, "_post_values_clause", None) is None
    # Literal SQL that only reads may well write, in a function; entities are rarely what it writes.
    return str(getattr(execution.statement, "text", "")).lstrip().upper().startswith("SELECT")


def note_writes(session: AsyncSession, writes: Writes) -> Callable[[], None]:
    """Say what a user's session writes: with each flush, each statement that is no SELECT, and each rollback.

    Returns:
        A function that ends it.
    """

    def on_execute(execution: ORMExecuteState) -> Any:
        if execution.is_select or execution.is_column_load or execution.is_relationship_load:
            return None
        return run_statement(execution, writes)

    def on_flush(_: Session, flush_context: Any) -> None:
        writes.wrote(changes_of_flush(flush_context))

    def on_end(*_: object) -> None:
        writes.forget_all()

    listeners: dict[str, Any] = {
        "do_orm_execute": on_execute,
        "after_flush": on_flush,
        "after_commit": on_end,
        "after_soft_rollback": on_end,
    }
    target = session.sync_session
    for name, listener in listeners.items():
        event.listen(target, name, listener)

    def stop() -> None:
        for name, listener in listeners.items():
            event.remove(target, name, listener)

    return stop
