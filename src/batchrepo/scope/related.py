"""What a relation or a computed attribute of an entity is: found by its loader, together with its peers."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import BaseModel
    from sqlalchemy.orm import InstanceState

    from batchrepo.loading import BatchLoader
    from batchrepo.mapping import RelationInfo
    from batchrepo.scope.loaders import Loaders
    from batchrepo.scope.peers import FetchMode, Peers
    from batchrepo.scope.scope import Scope


class Related:
    """Answers ``scope.related`` and the lazy loads of a scope's entities."""

    def __init__(self, scope: Scope, loaders: Loaders, peers: Peers) -> None:
        self._scope = scope
        self._loaders = loaders
        self._peers = peers

    async def load(self, entity: Any, attribute: Any, view: type[BaseModel] | None, mode: FetchMode) -> Any:
        """As `Scope.related`."""
        state = _state_of(entity)
        if isinstance(attribute, Computed):
            return await self._computed(state, attribute, view, mode)
        relation = _relation(state, attribute)
        if view is not None:
            delivery, compiled = self._scope.reading.views(view, relation.target)
            loader = self._loaders.view(lookup_of(relation), compiled, delivery)
            names = relation_names(relation)
            found = await self._with_peers(state, names, loader, mode, (relation, view), relation)
            return (found or []) if relation.many else (found[0] if found else None)
        if relation.name in state.dict:
            return state.dict[relation.name]
        value = await self.load_relation(state, relation, mode)
        if state.session is self._scope.session.sync_session:
            set_loaded(state, relation.name, value)
        return value

    def is_known(self, state: InstanceState[Any]) -> bool:
        """Whether this scope read the entity."""
        return not self._scope.closed and self._peers.group(state) is not None

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
        if self._scope.reading.catalog.policy(relation) == "forbid":
            raise LazyLoad(f"{relation} has the policy 'forbid' and may not be loaded.")
        loader = self._loaders.relation(relation)
        mode = mode or self._scope.mode
        found = await self._with_peers(state, relation_names(relation), loader, mode, relation, relation)
        if relation.many:
            return list(found or ())
        return found

    async def load_columns(self, state: InstanceState[Any], names: Sequence[str]) -> bool:
        """Load deferred columns for an entity and its peers of the same class. False if the row is gone."""
        entity = entity_info(state.mapper.class_)
        loader = self._loaders.attributes(entity, names)
        what = (entity, tuple(names))
        description = f"{entity.name}.{', '.join(names)}"
        others = self._scope.mode.companions(self._peers, state, what, description)
        states = [state, *(other for other in others if other.mapper is state.mapper)]
        entities = [(one, found) for one in states if (found := one.obj()) is not None]
        rows = await loader.load_many([entity.key_of(found) for _, found in entities])
        for (one, _), row in zip(entities, rows, strict=True):
            if row is not None:
                for name, value in zip(names, row, strict=True):
                    set_loaded(one, name, value)
        return rows[0] is not None

    async def _computed(
        self,
        state: InstanceState[Any],
        computed: Computed[Any],
        view: type[BaseModel] | None,
        mode: FetchMode,
    ) -> Any:
        entity = entity_info(state.mapper.class_)
        owner = computed.entity()
        if owner is not None and owner not in entity.ancestors:
            raise InvalidArgument(f"{computed} is computed for {owner.name}, not for {entity.name}.")
        match computed:
            case Expression():
                loader = self._loaders.expression(entity, computed)
                return await self._with_peers(state, entity.key_names, loader, mode, computed)
            case Fetched():
                loader = self._loaders.batched(computed.source)
                return await self._with_peers(state, (computed.key,), loader, mode, computed)
            case Aggregate() | Top():
                names = tuple(column.name for column in computed.relation.local)
                loader = self._over_relation(computed, view)
                what = (computed, view)
                found = await self._with_peers(
                    state, names, loader, mode, what, computed.relation, str(computed)
                )
                if isinstance(computed, Aggregate):
                    return computed.empty if found is None else found
                if view is not None and computed.single:
                    return found[0] if found else None
                return found if computed.single else list(found or ())
        raise InvalidArgument(f"{computed!r} cannot be loaded.")

    def _over_relation(
        self, computed: Aggregate[Any] | Top[Any], view: type[BaseModel] | None
    ) -> BatchLoader[Any, Any]:
        if view is None:
            return self._loaders.computed(computed)
        if isinstance(computed, Aggregate):
            raise InvalidArgument(f"{computed} is a value, which no view can show.")
        delivery, compiled = self._scope.reading.views(view, computed.relation.target)
        return self._loaders.view(self._scope.reading.lookup(computed), compiled, delivery)

    async def _with_peers(
        self,
        state: InstanceState[Any],
        names: Sequence[str],
        loader: BatchLoader[Any, Any],
        mode: FetchMode,
        what: Any,
        relation: RelationInfo | None = None,
        description: str | None = None,
    ) -> Any:
        """Load by the values of an entity's columns, in one batch with its companions.

        Args:
            state: of the entity that was asked.
            names: the columns whose values are the key.
            loader: finds values by that key.
            mode: chooses the companions.
            what: identifies what is loaded, among all that a group of peers loads.
            relation: which is followed, if one is.
            description: of `what`, for messages; default: its text.

        Returns:
            The value; None where a part of the key is NULL and therefore equals nothing.
        """
        plain = relation is None or relation.remote is not None
        if any(name not in state.dict for name in names) and state.has_identity:
            await self.load_columns(state, [name for name in names if name not in state.dict])
        try:
            key = _key(state.dict, names)
        except KeyError as error:
            raise InvalidArgument(
                f"{state.mapper.class_.__name__} has no value for {error.args[0]!r}, which the lookup needs. "
                f"Is it an entity that was read from the database?"
            ) from None
        if _is_null(key):
            if plain:
                return None
            key = NULL_KEY if key is None else key
        cached = loader.peek(key)
        if cached is not MISSING:
            return cached
        keys: dict[Any, None] = {key: None}
        for other in mode.companions(self._peers, state, what, description or str(relation or what)):
            values = other.dict
            if all(name in values for name in names):
                other_key = _key(values, names)
                if not (plain and _is_null(other_key)):
                    keys[NULL_KEY if other_key is None else other_key] = None
        if len(keys) == 1:
            return await loader.load(key)
        try:
            return (await loader.load_many(list(keys)))[0]
        except BaseException:
            self._peers.not_loaded(state, what)
            raise


def relation_names(relation: RelationInfo) -> tuple[str, ...]:
    """The parent's columns whose values are the key of a relation's loader, in its order."""
    if relation.key_order is not None:
        return tuple(relation.local[i].name for i in relation.key_order)
    return tuple(column.name for column in relation.local)


def _relation(state: InstanceState[Any], attribute: Any) -> RelationInfo:
    owner, name = attribute_owner(attribute)
    entity = entity_info(state.mapper.class_)
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


def _is_null(key: Any) -> bool:
    return key is None or (type(key) is tuple and None in key)


def _state_of(entity: Any) -> InstanceState[Any]:
    try:
        return instance_state(entity)
    except AttributeError:
        raise InvalidArgument(
            f"Expected an entity (an instance of a mapped class); got {type(entity).__name__}."
        ) from None
