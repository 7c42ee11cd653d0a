"""Row criteria of entities that a flush writes: no row may be written that the scope does not see, nor become one.

- A new entity gets the values that ``match`` compares; one that has another value is refused.
- An entity that the scope has not read itself is looked up under the criteria before it is changed or deleted.
- What a ``predicate`` says is checked after the statements of the flush, inside its transaction.

What is refused fails the flush, and with it the transaction or savepoint.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from batchrepo.declare.stamps import HIDDEN, checked_conditions, stamps
from batchrepo.errors import ForbiddenWrite, RowError
from batchrepo.mapping import entity_info
from batchrepo.mapping.entity import key_of_state
from batchrepo.scope.looking_up import look_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import InstanceState, Session

    from batchrepo.declare.criteria import Guards
    from batchrepo.mapping import EntityInfo
    from batchrepo.scope.family import Family
    from batchrepo.scope.writes import ScopeWrites


class FlushCriteria:
    """Checks what a session flushes.

    The criteria are those of the scope that an entity came from: `scope.without` makes scopes with fewer.

    Args:
        scope: opened the transaction.
        family: it and the others that write in it.
    """

    def __init__(self, scope: ScopeWrites, family: Family) -> None:
        self._scope = scope
        self._family = family
        self._admitted: WeakKeyDictionary[InstanceState[Any], Guards] = WeakKeyDictionary()

    def admit(self, state: InstanceState[Any], guards: Guards) -> None:
        """An entity was added by a scope with these criteria."""
        self._admitted[state] = guards

    def _guards_of(self, state: InstanceState[Any]) -> tuple[Guards, bool]:
        """The criteria that hold for an entity, and whether it was read under them."""
        admitted = self._admitted.get(state)
        for scope in (self._scope, *self._family.members):
            if scope._peers.checked(state) and admitted in (None, scope.guards):
                return scope.guards, True
        return admitted or self._scope.guards, False

    def before(self, session: Session) -> None:
        """Stamp new entities; look up those that the scope has not read.

        Raises:
            ForbiddenWrite: an entity is not the scope's to write.
            MissingContext: the scope's context does not have what a criterion needs.
        """
        for state in session._new:
            entity = entity_info(state.mapper.class_)
            guards, _ = self._guards_of(state)
            for each in stamps(entity, guards) if guards.of(entity) else ():
                if state.dict.get(each.name) is None:
                    setattr(state.obj(), each.name, each.value)
        unread = [
            state
            for state in (*session.identity_map._modified, *session._deleted)
            if not self._guards_of(state)[1]
        ]
        for (entity, guards), states in self._by_entity(unread).items():
            _refuse_hidden(session, entity, states, guards, guards.conditions(entity))

    def after(self, session: Session, states: Iterable[InstanceState[Any]]) -> None:
        """Check what was written, before anything else can see it.

        Raises:
            ForbiddenWrite: an entity is now one that the scope may not see.
        """
        for (entity, guards), written in self._by_entity(states).items():
            wanted = stamps(entity, guards)
            against = [
                RowError(
                    at,
                    "forbidden",
                    each.refusal(entity, state.dict[each.name]),
                    key_of_state(state),
                    None,
                    (each.name,),
                )
                for at, state in enumerate(written)
                for each in wanted
                if each.name in state.dict and state.dict[each.name] != each.value
            ]
            if against:
                raise _forbidden(entity, against)
            conditions = checked_conditions(entity, guards)
            if conditions:
                _refuse_hidden(session, entity, written, guards, conditions)

    def _by_entity(
        self, states: Iterable[InstanceState[Any]]
    ) -> dict[tuple[EntityInfo, Guards], list[InstanceState[Any]]]:
        """Those that have criteria, by entity and criteria."""
        found: defaultdict[tuple[EntityInfo, Guards], list[InstanceState[Any]]] = defaultdict(list)
        for state in states:
            entity = entity_info(state.mapper.class_)
            guards, _ = self._guards_of(state)
            if guards.of(entity):
                found[entity, guards].append(state)
        return found


def _refuse_hidden(
    session: Session,
    entity: EntityInfo,
    states: Sequence[InstanceState[Any]],
    guards: Guards,
    conditions: Sequence[Any],
) -> None:
    keys = [key_of_state(state) for state in states]
    connection = session.connection()
    values = guards.values([entity])
    seen = look_up(connection.execute, connection.dialect, entity, keys, conditions=conditions, values=values)
    hidden = [RowError(at, "forbidden", HIDDEN, key) for at, key in enumerate(keys) if at not in seen]
    if hidden:
        raise _forbidden(entity, hidden)


def _forbidden(entity: EntityInfo, rows: Sequence[RowError]) -> ForbiddenWrite:
    said = " ".join(f"{entity.name} {row.key!r}: {row.message}" for row in rows[:5])
    return ForbiddenWrite(f"Nothing was written: {said}", entity.name, rows)
