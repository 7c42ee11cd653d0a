"""Peers: entities that came from one result, and how a relation asked of one is loaded for the others.

A loop that awaits ``related`` for one entity after the other gives a loader one key at a time. The first
entity that is asked therefore brings the keys of its living peers along.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet, ref

from sqlalchemy.orm.attributes import instance_state

from batchrepo.errors import LazyLoad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import InstanceState

    from batchrepo.scope.loaders import Loaders

PEER_LIMIT = 10_000
"""At most so many entities are peers of each other."""


class BatchRepoWarning(UserWarning):
    """Something works, but not as well as it could."""


class PeerGroup:
    """Entities that came from one result. It keeps neither them nor their loaders alive.

    Attributes:
        size: how many they were.
        loaded: what was loaded for all of them already.
        writes: how many writes there had been in the scope when `loaded` was begun.
    """

    __slots__ = ("_loaders", "_states", "loaded", "size", "writes")

    def __init__(self, states: Sequence[InstanceState[Any]], loaders: Loaders | None) -> None:
        self._states = tuple(map(ref, states))
        self._loaders = ref(loaders) if loaders is not None else None
        self.size = len(states)
        self.loaded: set[Any] = set()
        self.writes = 0

    @property
    def loaders(self) -> Loaders | None:
        """The loaders that remember what belongs to these entities, if they still exist."""
        return self._loaders() if self._loaders is not None else None

    def living(self) -> list[InstanceState[Any]]:
        """The states of those that still exist."""
        return [state for one in self._states if (state := one()) is not None and state.obj() is not None]


class Peers:
    """Which entities of a scope are peers.

    Args:
        shared: whether somebody else reads into the session of the entities too.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._writes = 0

    @cached_property
    def _groups(self) -> WeakKeyDictionary[InstanceState[Any], PeerGroup]:
        return WeakKeyDictionary()

    @cached_property
    def _unchecked(self) -> WeakSet[InstanceState[Any]]:
        return WeakSet()

    @cached_property
    def _doubted(self) -> WeakSet[InstanceState[Any]]:
        return WeakSet()

    def register(
        self,
        entities: Sequence[Any],
        loaders: Loaders | None = None,
        *,
        checked: bool = True,
        found: bool = True,
    ) -> None:
        """The entities of one result become peers; an entity stays with the larger of two groups.

        Args:
            entities: each once.
            loaders: remember what is loaded for them; default: those of the scope.
            checked: whether they are rows of a statement with the scope's row criteria.
            found: whether they are rows of a statement at all, and not what an entity had already.
        """
        for start in range(0, len(entities), PEER_LIMIT):
            states = [instance_state(entity) for entity in entities[start : start + PEER_LIMIT]]
            group = PeerGroup(states, loaders)
            for state in states:
                if found and self._doubted:
                    self._doubted.discard(state)
                known = self._groups.get(state)
                if not checked and known is None:
                    self._unchecked.add(state)
                elif checked and self._unchecked:
                    self._unchecked.discard(state)
                if known is None or known.size <= group.size:
                    self._groups[state] = group

    def register_loaded(self, entities: Sequence[Any]) -> None:
        """Make entities peers, and those that were loaded with them (by joins or select-in loads) too."""
        seen: set[int] = set()
        level = list(entities)
        checked = found = True
        while level:
            fresh = [entity for entity in {id(e): e for e in level}.values() if id(entity) not in seen]
            seen.update(map(id, fresh))
            self.register(fresh, checked=checked, found=found)
            found = False
            # What an entity has may be of an earlier statement, of whomever.
            checked = not self._shared
            by_relation: dict[Any, list[Any]] = {}
            for entity in fresh:
                state = instance_state(entity)
                for prop in state.mapper.relationships:
                    value = state.dict.get(prop.key)
                    if value is not None:
                        children = list(value) if prop.uselist else [value]
                        by_relation.setdefault(prop, []).extend(children)
            level = [child for children in by_relation.values() for child in children]

    def group(self, state: InstanceState[Any]) -> PeerGroup | None:
        """The group of an entity, or None for an entity that this scope did not read."""
        return self._groups.get(state)

    def checked(self, state: InstanceState[Any]) -> bool:
        """Whether a statement with the scope's row criteria gave the entity."""
        return state in self._groups and state not in self._unchecked

    def uncheck(self, state: InstanceState[Any]) -> None:
        """The entity may not meet the row criteria any more: it is read again before it is given to anybody."""
        self._unchecked.add(state)

    def doubt(self, state: InstanceState[Any]) -> None:
        """The entity may have no row any more: it is read again before it is given to anybody."""
        self._doubted.add(state)

    def doubted(self, state: InstanceState[Any]) -> bool:
        """Whether no statement has found the entity since it was doubted."""
        return state in self._doubted

    def companions(self, state: InstanceState[Any], what: Any) -> Sequence[InstanceState[Any]]:
        """The living peers for which `what` has not been loaded yet. Asking marks it as loaded."""
        group = self._groups.get(state)
        if group is None:
            return ()
        if group.writes != self._writes:
            group.loaded.clear()
            group.writes = self._writes
        if what in group.loaded:
            return ()
        group.loaded.add(what)
        return [peer for peer in group.living() if peer is not state]

    def forget_loaded(self) -> None:
        """What was loaded for the groups is old; the next one that is asked loads it for all again."""
        self._writes += 1

    def not_loaded(self, state: InstanceState[Any], what: Any) -> None:
        """Loading `what` for a group failed: the next one that is asked tries for all again."""
        group = self._groups.get(state)
        if group is not None:
            group.loaded.discard(what)


class FetchMode:
    """What happens when an entity is asked for something that was not read with it.

    The modes that exist are `PEERS`, `ONE`, `RAISE` and `WARN`; one of your own overrides one method.
    """

    name = "own"

    def companions(
        self, peers: Peers, state: InstanceState[Any], what: Any, description: str
    ) -> Sequence[InstanceState[Any]]:
        """The other entities for which to load it in the same batch.

        Args:
            peers: of the scope.
            state: of the entity that was asked.
            what: identifies what was asked for.
            description: the same in words, such as ``Album.tracks``.

        Raises:
            LazyLoad: the mode forbids loading.
        """
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<FetchMode {self.name}>"


class _PeersMode(FetchMode):
    name = "peers"

    def companions(
        self, peers: Peers, state: InstanceState[Any], what: Any, description: str
    ) -> Sequence[InstanceState[Any]]:
        return peers.companions(state, what)


class _OneMode(FetchMode):
    name = "one"

    def companions(
        self, peers: Peers, state: InstanceState[Any], what: Any, description: str
    ) -> Sequence[InstanceState[Any]]:
        return ()


class _RaiseMode(FetchMode):
    name = "raise"

    def companions(
        self, peers: Peers, state: InstanceState[Any], what: Any, description: str
    ) -> Sequence[InstanceState[Any]]:
        raise LazyLoad(
            f"{description} was not read with its entity, and this scope has the fetch mode 'raise'. "
            f"Name it in a view, or in include= where the entity is read."
        )


class _WarnMode(FetchMode):
    name = "warn"

    def companions(
        self, peers: Peers, state: InstanceState[Any], what: Any, description: str
    ) -> Sequence[InstanceState[Any]]:
        found = peers.companions(state, what)
        warnings.warn(
            f"{description} was not read with its entity and is loaded now, with {len(found)} peers.",
            BatchRepoWarning,
            stacklevel=4,
        )
        return found


PEERS: FetchMode = _PeersMode()
"""Load it for the entity and all its living peers at once (the default)."""

ONE: FetchMode = _OneMode()
"""Load it for the entity alone (still batched with concurrent callers)."""

RAISE: FetchMode = _RaiseMode()
"""Load nothing: raise LazyLoad."""

WARN: FetchMode = _WarnMode()
"""As `PEERS`, with a warning: to find what a view should name."""
