"""A flush, seen from outside: what is set while it is under way is not lost, and what it expired is read again.

SQLAlchemy takes everything that an entity has at the end of a flush for written. A flush of an asynchronous session
awaits; what another task sets meanwhile would be in the entity and never in the database.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.attributes import flag_modified, set_committed_value
from sqlalchemy.orm.collections import collection_adapter

from batchrepo.errors import RowError, StaleRows, TransactionError
from batchrepo.mapping import entity_info
from batchrepo.mapping.entity import key_of_identity
from batchrepo.scope.coherence import leading
from batchrepo.scope.looking_up import look_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import InstanceState, Session

    from batchrepo.mapping import EntityInfo


class Flushing:
    """One flush of a session.

    Attributes:
        states: of the entities that it wrote, when it has.
    """

    __slots__ = ("_before", "_elsewhere", "_late", "_session", "_versions", "states")

    def __init__(self, session: Session) -> None:
        changed: list[InstanceState[Any]] = [*session._new, *session.identity_map._modified]
        self._session = session
        self._before = {state: _pending(state) for state in changed}
        self._versions = {
            state: _version(state) for state in (*changed, *session._deleted) if _versioned(state)
        }
        self._late: list[tuple[InstanceState[Any], str]] = []
        self._elsewhere: list[tuple[InstanceState[Any], list[str]]] = []
        self.states: Sequence[InstanceState[Any]] = ()

    def written(self, flush_context: Any) -> None:
        """The statements have run. What entities have now that they had not before was set meanwhile.

        Raises:
            TransactionError: a collection was changed meanwhile; its changes cannot be kept apart.
        """
        self.states = [state for state, (deleted, _) in flush_context.states.items() if not deleted]
        for state in self.states:
            self._elsewhere.append((state, leading(state, state.committed_state)))
            before = self._before.get(state, {})
            for name, now in _pending(state).items():
                if name in before and _same(before[name], now):
                    continue
                if name not in before and _set_by_flush(state, name):
                    continue
                if isinstance(now, list):
                    entity = state.mapper.class_.__name__
                    raise TransactionError(
                        f"{entity}.{name} was changed by another task while it was being flushed. Entities of a "
                        f"transaction belong to the task that opened it: change them there, or after the flush."
                    )
                self._late.append((state, name))

    def stale(self, error: Exception) -> StaleRows:
        """The error for rows that were not as they had been read; it names those that can be found."""
        by_entity: defaultdict[EntityInfo, dict[Any, Any]] = defaultdict(dict)
        for state, version in self._versions.items():
            if state.key is not None:
                by_entity[entity_info(state.mapper.class_)][key_of_identity(state.key[1])] = version
        connection: Any = self._session.bind  # the flush has failed, so the session itself is of no use
        rows: list[RowError] = []
        for entity, versions in by_entity.items():
            version = entity.columns[version_name(entity)].attribute
            found = look_up(connection.execute, connection.dialect, entity, list(versions), [version])
            for at, (key, read) in enumerate(versions.items()):
                now = found.get(at)
                if now is None:
                    said = f"{entity.name} {key!r} was deleted by somebody else."
                    rows.append(RowError(len(rows), "not_found", said, key))
                elif now[0] != read:
                    said = f"{entity.name} {key!r} was read with version {read!r} and has {now[0]!r} now."
                    rows.append(RowError(len(rows), "stale", said, key))
        names = sorted({entity.name for entity in by_entity}) or ["rows"]
        what = " ".join(row.message for row in rows[:5]) or str(error)
        return StaleRows(
            f"Nothing was written: {what} Read them again, and decide again.", ", ".join(names), rows
        )

    def keep_late(self) -> None:
        """The flush is over: what was set meanwhile goes with the next one.

        A relation whose foreign key was changed by hand leads elsewhere now.
        """
        for state, names in self._elsewhere:
            still = [name for name in names if name not in state.committed_state]
            if still:
                state._expire_attributes(state.dict, still)
        for state, name in self._late:
            entity = state.obj()
            if entity is not None:
                flag_modified(entity, name)


def _versioned(state: InstanceState[Any]) -> bool:
    return state.mapper.version_id_col is not None


def _version(state: InstanceState[Any]) -> Any:
    name = version_name(entity_info(state.mapper.class_))
    return state.committed_state.get(name, state.dict.get(name))


def version_name(entity: EntityInfo) -> str:
    """The attribute that holds the version of an entity that has one."""
    column = entity.mapper.version_id_col
    assert column is not None
    return entity.mapper.get_property_by_column(column).key


def _pending(state: InstanceState[Any]) -> dict[str, Any]:
    """What is set and not flushed: values, and the members of collections."""
    values = state.dict
    pending = {}
    for name in state.committed_state:
        value: Any = values.get(name)
        relation = state.mapper.relationships.get(name)
        if value is not None and relation is not None and relation.uselist:
            value = list(collection_adapter(value))
        pending[name] = value
    return pending


def _same(before: Any, now: Any) -> bool:
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(a is b for a, b in zip(before, now, strict=True))
    return before is now


def _set_by_flush(state: InstanceState[Any], name: str) -> bool:
    """Whether a flush itself sets the attribute: foreign keys, from what relationships lead to."""
    prop = state.mapper.attrs.get(name)
    columns = getattr(prop, "columns", ())
    return not columns or any(getattr(column, "foreign_keys", ()) for column in columns)


def reload_expired(session: Session, states: Iterable[InstanceState[Any]]) -> None:
    """Read the columns that a flush has expired (``onupdate``, defaults of the server): a statement for each class."""
    groups: defaultdict[tuple[EntityInfo, tuple[str, ...]], list[InstanceState[Any]]] = defaultdict(list)
    for state in states:
        if state.expired_attributes and state.key is not None:
            entity = entity_info(state.mapper.class_)
            names = tuple(sorted(entity.row_names & state.expired_attributes))
            if names:
                groups[entity, names].append(state)
    for (entity, names), expired in groups.items():
        wanted = [entity.columns[name].attribute for name in names]
        keys = [key_of_identity(state.key[1]) for state in expired if state.key is not None]
        with session.no_autoflush:
            found = look_up(session.execute, session.connection().dialect, entity, keys, wanted)
        for at, values in found.items():
            reloaded = expired[at].obj()
            if reloaded is not None:
                for name, value in zip(names, values, strict=True):
                    set_committed_value(reloaded, name, value)
