"""Changes to entities where nothing would save them: found, named and refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import inspect

from batchrepo.errors import UnsavedChanges
from batchrepo.mapping import entity_info

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


def unsaved_changes(session: Session) -> list[str]:
    """Each entity of the session that was changed, added or deleted, with the attributes."""
    changed = [
        f"{_named(entity)} ({', '.join(_changed(entity))})"
        for entity in session.dirty
        if session.is_modified(entity)
    ]
    added = [f"a new {type(entity).__name__}" for entity in session.new]
    deleted = [f"{_named(entity)} (deleted)" for entity in session.deleted]
    return changed + added + deleted


def describe_unsaved(unsaved: Sequence[str]) -> str:
    """The message of `UnsavedChanges`."""
    more = f" and {len(unsaved) - 5} more" if len(unsaved) > 5 else ""
    return (
        f"Changed outside a transaction, where nothing saves it: {'; '.join(unsaved[:5])}{more}. Change entities "
        f"in a session of your own and read through db.scope(session=your_session)."
    )


def refuse_flush(session: Session) -> None:
    """For sessions in which nothing may be written, before a flush.

    Raises:
        UnsavedChanges: there is something to flush.
    """
    unsaved = unsaved_changes(session)
    if unsaved:
        raise UnsavedChanges(describe_unsaved(unsaved))


def _named(entity: Any) -> str:
    return f"{type(entity).__name__} {entity_info(type(entity)).key_of(entity)!r}"


def _changed(entity: Any) -> list[str]:
    return [attribute.key for attribute in inspect(entity).attrs if attribute.history.has_changes()]
