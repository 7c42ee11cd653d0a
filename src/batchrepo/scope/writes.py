"""What was loaded is forgotten when the session of a scope writes, or its transaction ends.

A scope remembers what it loaded. In a session that also writes, the remembered may be old: a row that
was missing exists now, a list has one more. Which keys a write changed is not asked: everything goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import ORMExecuteState


def forget_after_writes(session: AsyncSession, forget: Callable[[], None]) -> Callable[[], None]:
    """Call `forget` after each flush, commit, rollback, and statement that is no SELECT, of a session.

    Returns:
        A function that ends it.
    """

    def on_execute(execution: ORMExecuteState) -> Any:
        if execution.is_select or execution.is_column_load or execution.is_relationship_load:
            return None
        result = execution.invoke_statement()
        forget()
        return result

    def on_change(*_: object) -> None:
        forget()

    listeners: dict[str, Any] = {
        "do_orm_execute": on_execute,
        "after_flush": on_change,
        "after_commit": on_change,
        "after_soft_rollback": on_change,
    }
    target = session.sync_session
    for name, listener in listeners.items():
        event.listen(target, name, listener)

    def stop() -> None:
        for name, listener in listeners.items():
            event.remove(target, name, listener)

    return stop
