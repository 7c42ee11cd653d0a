"""Entities on their way into the session of a transaction, with what they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.attributes import instance_state

from batchrepo.errors import TransactionError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session


def take_part(entity: Any, session: Session, others: Collection[Session]) -> None:
    """Let an entity, and what it leads to, live in a session.

    ``Session.add`` alone refuses what lives in another one: entities that the scope has read before the transaction.

    Args:
        entity: new, or read before.
        session: of the transaction.
        others: sessions of the scope, from which entities may be taken.

    Raises:
        TransactionError: the entity, or one that a new entity leads to, was read again inside the transaction.
    """
    root = instance_state(entity)
    reached = [(root, root)]
    seen = {root}
    while reached:
        state, parent = reached.pop()
        home = state.session
        if home is not None and home is not session and home in others:
            if state.key is not None and session.identity_map.get(state.key) is not None:
                if state is root or parent.key is None:
                    name = state.mapper.class_.__name__
                    raise TransactionError(
                        f"This {name} was read before the transaction, and {name} {state.key[1]!r} was read again inside "
                        f"it: they are two objects for one row. Use the one that was read inside."
                    )
                continue  # what it leads to stays where it is
            home._expunge_states([state])
            if state.key is not None:
                session._update_impl(state)
        for _, _, child, _ in state.mapper.cascade_iterator("save-update", state):
            if child not in seen:
                seen.add(child)
                reached.append((child, state))
    if all(state.session is None or state.session is session for state in seen):
        session.add(entity)
        return
    for state in seen:  # some stay elsewhere, where add() would not leave them
        if state.key is None and state.session is None:
            session._save_impl(state)
