"""What a change makes stale in a scope: loaders, peers, attributes of entities. None of them answers with it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.attributes import instance_state

from batchrepo.loading import BatchLoader
from batchrepo.mapping import entity_info
from batchrepo.mapping.entity import key_of_identity
from batchrepo.sql.touched import led_by, tables_read, tables_written

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy.orm import InstanceState, Session

    from batchrepo.changes import Change
    from batchrepo.mapping import RelationInfo
    from batchrepo.scope.peers import Peers
    from batchrepo.sql.touched import Tables


class Stale:
    """The tables that a scope has written to so far.

    Attributes:
        tables: in which rows were changed.
        everything: a statement was run of which nobody knows what it changed.
    """

    __slots__ = ("everything", "tables")

    def __init__(self) -> None:
        self.tables: Tables = frozenset()
        self.everything = False

    def note(self, changes: Sequence[Change]) -> Tables | None:
        """Remember what was written.

        Args:
            changes: none of them means: anything may have changed.

        Returns:
            The tables of these changes; None for any.
        """
        if not changes:
            self.everything = True
            return None
        written = tables_written(changes)
        self.tables |= written
        return written

    def relation(self, relation: RelationInfo) -> bool:
        """Whether what an entity has for a relation may be older than a write of the scope."""
        if self.everything:
            return True
        if not self.tables:
            return False
        if not self.tables.isdisjoint(relation.target.mapper.tables) or relation.secondary in self.tables:
            return True
        # Who leads somewhere else now still has what was loaded before.
        return not relation.many and not self.tables.isdisjoint(relation.parent.mapper.tables)


def depends(loader: BatchLoader[Any, Any], written: Tables | None) -> bool:
    """Whether values of a loader may have come from one of the tables; where it is not known, they may."""
    if written is None:
        return True
    seen: set[BatchLoader[Any, Any]] = {loader}
    pending = [loader]
    while pending:
        reads = pending.pop().reads
        if not reads:
            return True
        for read in reads:
            if isinstance(read, BatchLoader):
                if read not in seen:
                    seen.add(read)
                    pending.append(read)
                continue
            tables = tables_read(read)
            if tables is None or not tables.isdisjoint(written):
                return True
    return False


def outdate(session: Session, changes: Sequence[Change], peers: Peers, *, undone: bool = False) -> None:
    """Let the entities of a session forget what was changed beside it. Values that are set and not flushed yet stay.

    Args:
        session: its entities.
        changes: what was written; none of them means: anything may have been.
        peers: told which entities may have no row any more.
        undone: the changes were taken back.
    """
    if not changes:
        for state in session.identity_map.all_states():
            expire(state)
            peers.doubt(state)
        return
    for change in changes:
        for state in _states_of(session, change):
            if change.operation == "insert":
                if undone and change.keys is None:
                    peers.doubt(state)
                elif undone:
                    session._expunge_states([state])  # the next row may have its key
                continue
            gone = change.operation == "delete" and change.keys is not None and not undone
            if gone and not getattr(session, "read_only", False):
                # As SQLAlchemy's own bulk delete does; a rollback brings it back.
                session._remove_newly_deleted([state])
            else:
                expire(state, change.columns)
    if not undone:
        follow_keys(session, changes, peers)


def _states_of(session: Session, change: Change) -> list[InstanceState[Any]]:
    if change.keys is None or len(change.keys) > len(session.identity_map):
        # Of many keys few have an entity here, so its entities are looked through, and not the keys.
        keys = None if change.keys is None else set(change.keys)
        return [
            state
            for state in session.identity_map.all_states()
            if issubclass(state.class_, change.entity)
            and (keys is None or state.key is None or key_of_identity(state.key[1]) in keys)
        ]
    key_of = entity_info(change.entity).mapper.identity_key_from_primary_key
    found = (
        session.identity_map.get(key_of(key if isinstance(key, tuple) else (key,))) for key in change.keys
    )
    return [instance_state(one) for one in found if one is not None]


def follow_keys(session: Session, changes: Sequence[Change], peers: Peers) -> None:
    """Entities whose rows the database itself may have changed or deleted, since their foreign keys say so.

    Args:
        session: its entities.
        changes: what was written.
        peers: told which entities may have no row any more.
    """
    led = led_by(changes)
    if not led:
        return
    for state in session.identity_map.all_states():
        if state in session._deleted:
            continue
        for table in state.mapper.tables:
            columns = led.get(table)
            if columns is None:
                continue
            if not columns:
                peers.doubt(state)
                continue
            expire(state, frozenset(_names(state, columns)))


def _names(state: InstanceState[Any], columns: Iterable[Any]) -> Iterable[str]:
    for column in columns:
        if column in state.mapper._columntoproperty:
            yield state.mapper.get_property_by_column(column).key


def expire(state: InstanceState[Any], names: frozenset[str] | None = None) -> None:
    """Let an entity forget loaded columns (all, or those named), so that they are read again when asked for.

    Where a to-one relation leads with such a column, it is forgotten, too.
    """
    entity = entity_info(state.mapper.class_)
    key_names = entity.key_names
    stale = [
        name
        for name in entity.columns
        if name in state.dict
        and name not in state.committed_state
        and name not in key_names
        and (names is None or name in names)
    ]
    if stale:
        state._expire_attributes(state.dict, [*stale, *leading(state, stale)])


def leading(state: InstanceState[Any], names: Collection[str]) -> list[str]:
    """The to-one relations that an entity has loaded and that lead with one of these columns."""
    return [
        relation.name
        for relation in entity_info(state.mapper.class_).relations.values()
        if relation.name in state.dict
        and relation.name not in state.committed_state
        and not relation.many
        and relation.refused is None
        and any(column.name in names for column in relation.local)
    ]
