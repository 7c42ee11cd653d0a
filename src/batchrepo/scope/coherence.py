"""What a change makes stale in a scope: loaders, peers, attributes of entities. None of them answers with it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrepo.loading import BatchLoader
from batchrepo.mapping import entity_info
from batchrepo.sql.touched import tables_read, tables_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import InstanceState, Session

    from batchrepo.changes import Change
    from batchrepo.mapping import RelationInfo
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
        return not self.tables.isdisjoint(relation.target.mapper.tables) or relation.secondary in self.tables


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


def expire_written(session: Session, changes: Iterable[Change]) -> None:
    """Let the entities of a session forget the columns that a statement has changed beside it.

    Values that are changed on an entity, and not flushed yet, stay.
    """
    for change in changes:
        if change.operation == "insert":
            continue
        entity = entity_info(change.entity)
        if change.keys is None or len(change.keys) > len(session.identity_map):
            # Of many keys few have an entity here, so its entities are looked through, and not the keys.
            keys = None if change.keys is None else set(change.keys)
            states = [
                state
                for state in session.identity_map.all_states()
                if issubclass(state.class_, change.entity)
                and (keys is None or state.key is None or _key_of(state.key[1]) in keys)
            ]
        else:
            found = (
                session.identity_map.get(
                    entity.mapper.identity_key_from_primary_key(key if isinstance(key, tuple) else (key,))
                )
                for key in change.keys
            )
            states = [one._sa_instance_state for one in found if one is not None]
        for state in states:
            expire(state, change.columns)


def _key_of(identity: tuple[Any, ...]) -> Any:
    return identity[0] if len(identity) == 1 else identity


def expire(state: InstanceState[Any], names: frozenset[str] | None = None) -> None:
    """Let an entity forget loaded columns (all, or those named), so that they are read again when asked for."""
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
        state._expire_attributes(state.dict, stale)
