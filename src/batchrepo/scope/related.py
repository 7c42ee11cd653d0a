"""What a relation or a computed attribute of an entity is: found by its loader, together with its peers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy.orm.attributes import instance_state

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.errors import InvalidArgument, LazyLoad, did_you_mean
from batchrepo.loading import MISSING
from batchrepo.mapping import entity_info
from batchrepo.mapping.entity import attribute_owner
from batchrepo.scope.lazy import set_loaded
from batchrepo.scope.loaders import NULL_KEY
from batchrepo.strategies.compile import lookup_of
from batchrepo.strategies.eager import trusts

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel
    from sqlalchemy.orm import InstanceState

    from batchrepo.changes import Change
    from batchrepo.loading import BatchLoader
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.scope.loaders import Loaders
    from batchrepo.scope.peers import FetchMode, Peers
    from batchrepo.scope.scope import Scope
    from batchrepo.sql.touched import Tables


def _same(key: Any) -> Any:
    return key


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be loaded for an entity.

    Attributes:
        what: identifies it, among all that a group of peers loads.
        description: the same in words, such as ``Album.tracks``.
        names: the entity's columns whose values are the key.
        loader: finds it by that key.
        relation: which is followed, if one is.
        as_key: makes the loader's key of the columns' values.
    """

    what: Any
    description: str
    names: Sequence[str]
    loader: BatchLoader[Any, Any]
    relation: RelationInfo | None = None
    as_key: Callable[[Any], Any] = _same


class Related:
    """Answers ``scope.related`` and the lazy loads of a scope's entities."""

    def __init__(self, scope: Scope, loaders: Loaders, peers: Peers) -> None:
        self._scope = scope
        self._loaders = loaders
        self._peers = peers

    async def load(self, entity: Any, attribute: Any, view: type[BaseModel] | None, mode: FetchMode) -> Any:
        """As `Scope.related`."""
        state = _state_of(entity)
        await self._scope.flush_pending()
        if isinstance(attribute, Computed):
            return await self.computed(state, attribute, view, mode)
        relation = self.relation_of_entity(entity_info(state.mapper.class_), attribute)
        loaders = self.loaders_of(state)
        if view is not None:
            delivery, compiled = self._scope.reading.views(view, relation.target)
            if relation.key_order is not None:
                loader = loaders.view_by_key(relation.target, compiled, delivery)
            else:
                loader = loaders.view(lookup_of(relation), compiled, delivery)
            names = relation_names(relation)
            wanted = Wanted((relation, view), str(relation), names, loader, relation)
            found = await self.with_peers(state, wanted, mode)
            if relation.many:
                return found or []
            return found if relation.key_order is not None or found is None else (found or [None])[0]
        if relation.name in state.dict and (
            relation.name in state.committed_state or trusts(relation, self._scope)
        ):
            return state.dict[relation.name]
        value = await self.load_relation(state, relation, mode)
        if state.session is self._scope.session.sync_session:
            set_loaded(state, relation.name, value)
        return value

    def relation_asked(self, entity: Any, attribute: Any) -> tuple[InstanceState[Any], RelationInfo]:
        """The state of an entity, and the relation that was asked of it.

        Raises:
            InvalidArgument: it is no entity, or the attribute no relationship of it.
            LazyLoad: the relation's policy forbids loading.
        """
        state = _state_of(entity)
        return state, self.relation_of_entity(entity_info(state.mapper.class_), attribute)

    def relation_of_entity(self, entity: EntityInfo, attribute: Any) -> RelationInfo:
        """The relation that an attribute is, for an entity.

        Raises:
            InvalidArgument: the attribute is no relationship of the entity.
            LazyLoad: the relation's policy forbids loading.
        """
        relation = _relation(entity, attribute)
        self._refuse_forbidden(relation)
        return relation

    def is_known(self, state: InstanceState[Any]) -> bool:
        """Whether this scope answers for the entity: it read it, or it lives in a session of the scope.

        Raises:
            ScopeClosed: the entity lives in a session of the scope, which is about to be closed: SQLAlchemy
                must not take a connection for it any more.
        """
        if self._scope.owns(state.session):
            self._scope.check_open()
            return True
        return not self._scope.closed and self._peers.group(state) is not None

    def wrote(self, changes: Sequence[Change]) -> None:
        """Rows were written: what may have come from them is read again. No changes: any rows may have been."""
        self._scope.wrote(changes)

    def wrote_beside(self, changes: Sequence[Change]) -> None:
        """As `wrote`, by a statement of the user's own. What he does in a session of his own is his."""
        if self._scope.joined:
            self._scope.wrote(changes)
        else:
            self._scope.wrote_beside(changes)

    def forget_all(self) -> None:
        """Whatever was loaded may be old."""
        self._scope.undone(())

    def forget(self, written: Tables | None) -> None:
        """What came from these tables may be old; None for all of them."""
        self._loaders.forget(written)
        self._peers.forget_loaded()

    def may_be_hidden(self, state: InstanceState[Any]) -> bool:
        """Whether an entity of the session has criteria, and no statement with them gave it."""
        return bool(self._scope.guards.of(entity_info(state.mapper.class_))) and not self._peers.checked(
            state
        )

    def relation_of(self, state: InstanceState[Any], name: str) -> RelationInfo:
        """The relation of an entity's class."""
        return entity_info(state.mapper.class_).relations[name]

    async def load_relation(
        self, state: InstanceState[Any], relation: RelationInfo, mode: FetchMode | None = None
    ) -> Any:
        """Load a relation for an entity, and with it for its peers as the fetch mode says.

        Raises:
            LazyLoad: the relation's policy or the fetch mode forbids it.
        """
        self._refuse_forbidden(relation)
        loader = self.loaders_of(state).relation(relation)
        wanted = Wanted(relation, str(relation), relation_names(relation), loader, relation)
        found = await self.with_peers(state, wanted, mode or self._scope.mode)
        if relation.many:
            return list(found or ())
        return found

    async def load_columns(self, state: InstanceState[Any], names: Sequence[str]) -> bool:
        """Load deferred columns for an entity and its peers that lack them. False if the row is gone."""
        entity = entity_info(state.mapper.class_)
        names = [name for name in names if name in entity.columns]
        if not names:
            return True
        loader = self.loaders_of(state).attributes(entity, names)
        what = (entity, tuple(names))
        description = f"{entity.name}.{', '.join(names)}"
        others = self._scope.mode.companions(self._peers, state, what, description)
        lacking = (
            other
            for other in others
            if other.mapper is state.mapper and any(name not in other.dict for name in names)
        )
        entities = [(one, found) for one in (state, *lacking) if (found := one.obj()) is not None]
        try:
            rows = await loader.load_many([entity.key_of(found) for _, found in entities])
        finally:
            # What failed, and what expires, is loaded for all again.
            self._peers.not_loaded(state, what)
        for (one, _), row in zip(entities, rows, strict=True):
            if row is not None:
                for name, value in zip(names, row, strict=True):
                    set_loaded(one, name, value)
        return rows[0] is not None

    async def computed(
        self,
        state: InstanceState[Any],
        computed: Computed[Any],
        view: type[BaseModel] | None,
        mode: FetchMode,
    ) -> Any:
        """The value of a computed attribute for an entity."""
        entity = entity_info(state.mapper.class_)
        owner = computed.entity()
        if owner is not None and owner not in entity.ancestors:
            raise InvalidArgument(f"{computed} is computed for {owner.name}, not for {entity.name}.")
        loaders = self.loaders_of(state)
        match computed:
            case Expression():
                loader = loaders.expression(entity, computed)
                wanted = Wanted(computed, str(computed), entity.key_names, loader)
                return await self.with_peers(state, wanted, mode)
            case Fetched():
                loader = loaders.batched(computed.source)
                wanted = Wanted(computed, str(computed), (computed.key,), loader)
                return await self.with_peers(state, wanted, mode)
            case Aggregate(relation=relation):
                if view is not None:
                    raise InvalidArgument(f"{computed} is a value, which no view can show.")
                loader = loaders.aggregates(relation)
                names = relation_names(relation, by_key=False)
                wanted = Wanted(computed, str(computed), names, loader, relation, lambda key: (computed, key))
                found = await self.with_peers(state, wanted, mode)
                return computed.empty if found is None else found
            case Top(relation=relation):
                names = relation_names(relation, by_key=False)
                loader = loaders.top(computed) if view is None else self._view_loader(loaders, computed, view)
                wanted = Wanted((computed, view), str(computed), names, loader, relation)
                found = await self.with_peers(state, wanted, mode)
                if view is not None and computed.single:
                    return found[0] if found else None
                return found if computed.single else list(found or ())
        raise InvalidArgument(f"{computed!r} cannot be loaded.")

    def _view_loader(
        self, loaders: Loaders, computed: Top[Any], view: type[BaseModel]
    ) -> BatchLoader[Any, Any]:
        delivery, compiled = self._scope.reading.views(view, computed.relation.target)
        return loaders.view(self._scope.reading.lookup(computed), compiled, delivery)

    def loaders_of(self, state: InstanceState[Any]) -> Loaders:
        """The loaders that remember for this entity: the scope's, or those of a chunk of a stream."""
        group = self._peers.group(state)
        loaders = group.loaders if group is not None else None
        return loaders if loaders is not None else self._loaders  # new ones are empty, and empty is false

    def _refuse_forbidden(self, relation: RelationInfo) -> None:
        if self._scope.reading.catalog.policy(relation) == "forbid":
            raise LazyLoad(f"{relation} has the policy 'forbid' and may not be loaded.")

    async def with_peers(self, state: InstanceState[Any], wanted: Wanted, mode: FetchMode) -> Any:
        """Load something for an entity, in one batch with the companions that the fetch mode chooses.

        Returns:
            The value; None where a part of the key is NULL and therefore equals nothing.
        """
        names, loader, as_key = wanted.names, wanted.loader, wanted.as_key
        plain = wanted.relation is None or wanted.relation.remote is not None
        if any(name not in state.dict for name in names) and state.has_identity:
            await self.load_columns(state, [name for name in names if name not in state.dict])
        try:
            key = _key(state.dict, names)
        except KeyError as error:
            raise InvalidArgument(
                f"{state.mapper.class_.__name__} has no value for {error.args[0]!r}, which the lookup needs. "
                f"Is it an entity that was read from the database?"
            ) from None
        if plain and _is_null(key):
            return None
        key = as_key(loadable(key))
        cached = loader.peek(key)
        if cached is not MISSING:
            return cached
        others: dict[Any, None] = {}
        for other in mode.companions(self._peers, state, wanted.what, wanted.description):
            values = other.dict
            if all(name in values for name in names):
                other_key = _key(values, names)
                if not (plain and _is_null(other_key)):
                    others[as_key(loadable(other_key))] = None
        others.pop(key, None)
        found = loader.load(key)
        if not others:
            return await found
        along = loader.load_many(others)
        along.add_done_callback(partial(self._ended, state, wanted))
        try:
            return await found
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError):
                along.cancel()
            self._peers.not_loaded(state, wanted.what)
            raise

    def _ended(self, state: InstanceState[Any], wanted: Wanted, along: Future[Any]) -> None:
        # A failure of the others is none of this caller's; to ask for it is to take notice of it.
        if along.cancelled() or along.exception() is not None:
            self._peers.not_loaded(state, wanted.what)


def relation_names(relation: RelationInfo, *, by_key: bool = True) -> tuple[str, ...]:
    """The parent's columns whose values are the key of a relation's loader, in its order.

    Args:
        relation: which is followed.
        by_key: the loader looks up by the target's primary key where the relation allows it.
    """
    if by_key and relation.key_order is not None:
        return tuple(relation.local[i].name for i in relation.key_order)
    return tuple(column.name for column in relation.local)


def _relation(entity: EntityInfo, attribute: Any) -> RelationInfo:
    owner, name = attribute_owner(attribute)
    if owner not in entity.ancestors:
        raise InvalidArgument(
            f"{owner.name}.{name} was asked of {entity.name}. Expected a relationship of {entity.name}."
            f"{did_you_mean(name, entity.relations)}"
        )
    relation = entity.relations.get(name)
    if relation is None:
        raise InvalidArgument(
            f"{owner.name}.{name} is a column, not a relationship.{did_you_mean(name, entity.relations)}"
        )
    if relation.refused:
        raise InvalidArgument(f"{relation.refused}.")
    return relation


def _key(values: dict[str, Any], names: Sequence[str]) -> Any:
    return values[names[0]] if len(names) == 1 else tuple(values[name] for name in names)


def loadable(key: Any) -> Any:
    """A relation's key as its loader takes it."""
    return NULL_KEY if key is None else key


def key_of(relation: RelationInfo, values: Sequence[Any]) -> Any:
    """The loader's key for the values of a relation's local columns; None where they equal nothing.

    Args:
        relation: which is followed.
        values: of its local columns, in the loader's order.
    """
    if relation.remote is not None and None in values:
        return None
    return loadable(values[0] if len(values) == 1 else tuple(values))


def _is_null(key: Any) -> bool:
    return key is None or (type(key) is tuple and None in key)


def _state_of(entity: Any) -> InstanceState[Any]:
    try:
        return instance_state(entity)
    except AttributeError:
        raise InvalidArgument(
            f"Expected an entity (an instance of a mapped class); got {type(entity).__name__}."
        ) from None
