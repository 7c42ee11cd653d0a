"""Scope: one request or one job. It owns the scheduler, the way to the database, the session and the report."""

from __future__ import annotations

import contextvars
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, overload

from pydantic import BaseModel
from sqlalchemy import event, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import instance_state

from batchrepo.declare.computed import Aggregate, Computed, Expression, Fetched, Top
from batchrepo.errors import InvalidArgument, LazyLoad, NestedScope, ScopeClosed, UnsavedChanges, did_you_mean
from batchrepo.events import EventLog
from batchrepo.executing import JoinedDoor, PinnedDoor, PooledDoor, ReadSession
from batchrepo.lazy import answer_lazy_loads, set_loaded
from batchrepo.loaders import Loaders
from batchrepo.loading import MISSING, Batched, Scheduler
from batchrepo.mapping import entity_info
from batchrepo.mapping.entity import attribute_owner
from batchrepo.peers import FetchMode, Peers
from batchrepo.report import Report
from batchrepo.sql.rows import Lookup
from batchrepo.sql.select import guard_statement
from batchrepo.strategies.compile import lookup_of
from batchrepo.strategies.entities import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from sqlalchemy.orm import InstanceState, QueryableAttribute
    from sqlalchemy.sql.selectable import Select

    from batchrepo.declare.criteria import Criterion, Guards
    from batchrepo.executing import Door
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.reading import Reading

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V", bound=BaseModel)

_current: ContextVar[Scope | None] = ContextVar("batchrepo_scope", default=None)


class Scope:
    """One request or one job: opened with ``async with db.scope() as scope``.

    Everything read in a scope shares its loaders: a row is read once, lookups are batched, and calls may
    be made by any number of concurrent tasks. After its end the entities are detached and every use of
    the scope is an error.

    Attributes:
        context: what row criteria see, such as the user or tenant.
        resources: shared objects of the application, such as an HTTP client, as given to the Database.
        events: everything that happened.
    """

    def __init__(
        self,
        reading: Reading,
        guards: Guards,
        *,
        context: Any,
        resources: Mapping[str, Any],
        session: AsyncSession | None,
        snapshot: bool,
        mode: FetchMode,
        max_statements: int | None,
        events: EventLog,
        manual: bool,
    ) -> None:
        self.context = context
        self.resources = resources
        self.events = events
        self.guards = guards
        self.mode = mode
        self._reading = reading
        self._joined = session
        self._snapshot = snapshot
        self._max_statements = max_statements
        self._manual = manual
        self._peers = Peers()
        self._parent: Scope | None = None
        self._state = "new"

    # --- life -----------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._state != "new":
            raise ScopeClosed("A scope is opened once. Call db.scope() for another one.")
        self._parent = _current.get()
        self._refuse_other_context()
        self._door = self._make_door()
        self._session = self._make_session()
        _current.set(self)
        self._scheduler = Scheduler(
            manual=self._manual, events=self.events, context=contextvars.copy_context()
        )
        self._loaders = Loaders(self, self._scheduler, self._peers)
        self._stop_listening = answer_lazy_loads(self._session, self)
        if self._joined is None:
            event.listen(self._session.sync_session, "before_flush", _refuse_flush)
        self._state = "open"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._state = "closed"
        _current.set(self._parent)
        unsaved = _unsaved(self._session.sync_session) if self._joined is None else []
        try:
            await self._scheduler.aclose()
        finally:
            try:
                await self._door.aclose()
            finally:
                self._stop_listening()
                if self._joined is None:
                    self._session.expunge_all()
                    await self._session.close()
        if unsaved and error is None:
            raise UnsavedChanges(_unsaved_message(unsaved))

    @property
    def closed(self) -> bool:
        """Whether the scope has ended."""
        return self._state == "closed"

    def check_open(self) -> None:
        """Raise unless the scope is open.

        Raises:
            ScopeClosed: it has ended, or was never opened.
        """
        if self._state == "open":
            return
        if self._state == "new":
            raise ScopeClosed("This scope is not open yet. Use it inside: async with db.scope() as scope: ...")
        raise ScopeClosed(
            "This scope has ended. What it read stays usable as far as it was loaded; open another scope to read more."
        )

    def _refuse_other_context(self) -> None:
        outer = self._parent
        if outer is None or outer.closed or outer._reading is not self._reading:
            return
        if outer.context != self.context:
            raise NestedScope(
                f"A scope with context={self.context!r} was opened inside one with context={outer.context!r}. "
                f"Use the outer scope, or scope.without(criterion, reason=...) to see more rows."
            )

    def _make_door(self) -> Door:
        engine, budget = self._reading.engine, self._max_statements
        if self._joined is not None:
            return JoinedDoor(self._joined, self.events, max_statements=budget)
        if self._reading.connection is not None:
            return PinnedDoor(self._reading.connection, self.events, snapshot=False, max_statements=budget)
        if self._snapshot:
            return PinnedDoor(engine, self.events, snapshot=True, max_statements=budget)
        return PooledDoor(
            engine, self.events, read_connections=self._reading.read_connections, max_statements=budget
        )

    def _make_session(self) -> AsyncSession:
        if self._joined is not None:
            return self._joined
        bind: Any = self._reading.connection or self._reading.engine
        return AsyncSession(bind, sync_session_class=ReadSession, autoflush=False, expire_on_commit=False)

    # --- what strategies need -------------------------------------------------------------------

    @property
    def door(self) -> Any:
        """The way to the database."""
        self.check_open()
        return self._door

    @property
    def session(self) -> AsyncSession:
        """The SQLAlchemy session in which this scope's entities live: the way out.

        Statements that you run in it are yours: row criteria are not put on them.
        """
        self.check_open()
        return self._session

    @property
    def loaders(self) -> Loaders:
        """The loaders of this scope."""
        self.check_open()
        return self._loaders

    @property
    def scheduler(self) -> Scheduler:
        """Decides when loaders go out; with ``db.scope(manual=True)`` a test does."""
        self.check_open()
        return self._scheduler

    @property
    def reading(self) -> Reading:
        """Plans, strategies and settings of the Database."""
        return self._reading

    @property
    def peers(self) -> Peers:
        """Which entities came from one result."""
        return self._peers

    async def load_fetched(self, fetched: Fetched[Any], keys: Sequence[Any]) -> Sequence[Any]:
        """The values of a batched function, in the order of the keys."""
        return await self.loaders.batched(fetched.source).load_many(keys)

    # --- reading --------------------------------------------------------------------------------

    @overload
    async def related(self, entity: Any, attribute: Computed[T], *, mode: FetchMode | None = None) -> T: ...
    @overload
    async def related(
        self, entity: Any, attribute: QueryableAttribute[T], *, mode: FetchMode | None = None
    ) -> T: ...
    @overload
    async def related(
        self,
        entity: Any,
        attribute: QueryableAttribute[list[Any]],
        view: type[V],
        *,
        mode: FetchMode | None = None,
    ) -> list[V]: ...
    @overload
    async def related(
        self, entity: Any, attribute: QueryableAttribute[Any], view: type[V], *, mode: FetchMode | None = None
    ) -> V | None: ...
    @overload
    async def related(
        self, entity: Any, attribute: Computed[list[Any]], view: type[V], *, mode: FetchMode | None = None
    ) -> list[V]: ...
    @overload
    async def related(
        self, entity: Any, attribute: Computed[Any], view: type[V], *, mode: FetchMode | None = None
    ) -> V | None: ...
    async def related(
        self, entity: Any, attribute: Any, view: type[V] | None = None, *, mode: FetchMode | None = None
    ) -> Any:
        """What a relation or a computed attribute of an entity is.

        Concurrent calls share one batch, and so do the calls of a loop: the first one loads it for all
        entities that came from the same result.

        Args:
            entity: an entity that this scope read.
            attribute: a relationship, such as ``Album.tracks``, or a computed attribute, such as
                ``AlbumRepository.duration``.
            view: gives views instead of entities.
            mode: another fetch mode than the scope's, for this call.

        Returns:
            A list for a to-many relation, an entity (or view) or None for a to-one relation, the value
            of a computed attribute.

        Raises:
            InvalidArgument: the attribute does not belong to the entity.
            LazyLoad: the fetch mode, or the relation's policy, forbids loading.
            ScopeClosed: the scope has ended.
        """
        self.check_open()
        state = _state_of(entity)
        if isinstance(attribute, Computed):
            return await self._related_computed(state, attribute, view, mode or self.mode)
        relation = self._relation(state, attribute)
        if view is not None:
            delivery, compiled = self._reading.views(view, relation.target)
            loader = self.loaders.view(lookup_of(relation), compiled, delivery)
            found = await self._for_peers(
                state, relation, (relation, view), _names(relation), loader, mode or self.mode, str(relation)
            )
            return (found or []) if relation.many else (found[0] if found else None)
        if relation.name in state.dict:
            return state.dict[relation.name]
        value = await self.load_relation(state, relation, mode)
        if state.session is self._session.sync_session:
            set_loaded(state, relation.name, value)
        return value

    async def load(self, source: Batched[K, T], key: K) -> T:
        """The value of a batched function for one key, batched with concurrent calls."""
        return await self.loaders.batched(source).load(key)  # type: ignore[no-any-return]

    async def load_many(self, source: Batched[K, T], keys: Iterable[K]) -> list[T]:
        """The values of a batched function, in the order of the keys."""
        return await self.loaders.batched(source).load_many(list(keys))

    async def fetch(self, statement: Select[T], *, unfiltered: str | None = None) -> list[T]:  # type: ignore[type-var]
        """Run a ``select`` of your own, with the row criteria put on it.

        Args:
            statement: a select of mapped classes or their columns. Of one entity or column: a list of it;
                of several: a list of tuples.
            unfiltered: why it is safe to run it without the row criteria.

        Raises:
            UnguardedStatement: criteria exist that cannot be put on it.
        """
        self.check_open()
        entities: Sequence[EntityInfo] = ()
        guarded: Any = statement
        if unfiltered is None:
            guarded, entities = guard_statement(statement, self.guards)
        guarded = guarded.execution_options(**{OURS: True})
        rows = await self.door.entities(
            self.session, guarded, self.guards.values(entities), cause="fetch", keys=None
        )
        if len(statement.column_descriptions) == 1:
            values = [row[0] for row in rows]
            if inspect(statement.column_descriptions[0]["type"], raiseerr=False) is not None:
                self._peers.register(values)
            return values
        return rows  # type: ignore[no-any-return]

    def without(self, *criteria: Criterion, reason: str) -> Scope:
        """Another scope, inside this one, in which some row criteria do not hold.

        Args:
            criteria: the objects that a repository declares.
            reason: why; it is kept in the report.
        """
        self.check_open()
        if not reason.strip():
            raise InvalidArgument("scope.without() needs a reason, for whoever reads the report.")
        inner = Scope(
            self._reading,
            self.guards.without(criteria),
            context=self.context,
            resources=self.resources,
            session=self._joined,
            snapshot=self._snapshot,
            mode=self.mode,
            max_statements=self._max_statements,
            events=self.events,
            manual=self._manual,
        )
        return inner

    def report(self) -> Report:
        """What this scope did: rounds, batches and statements with their causes. Prints as a tree."""
        return Report(self.events)

    # --- lazy loads and peers -------------------------------------------------------------------

    def is_known(self, state: InstanceState[Any]) -> bool:
        """Whether this scope read the entity."""
        return self._state == "open" and self._peers.group(state) is not None

    def relation_of(self, state: InstanceState[Any], name: str) -> RelationInfo:
        """The relation of an entity's class."""
        return entity_info(state.mapper.class_).relations[name]

    async def load_relation(
        self, state: InstanceState[Any], relation: RelationInfo, mode: FetchMode | None = None
    ) -> Any:
        """Load a relation for an entity, and with it for its peers as the fetch mode says."""
        if self._reading.catalog.policy(relation) == "forbid":
            raise LazyLoad(f"{relation} has the policy 'forbid' and may not be loaded.")
        loader = self.loaders.relation(relation)
        found = await self._for_peers(
            state, relation, relation, _names(relation), loader, mode or self.mode, str(relation)
        )
        if found is None:
            return [] if relation.many else None
        return list(found) if relation.many else found

    async def load_columns(self, state: InstanceState[Any], names: Sequence[str]) -> bool:
        """Load deferred columns for an entity and its peers of the same class."""
        entity = entity_info(state.mapper.class_)
        loader = self.loaders.attributes(entity, names)
        what = (entity, tuple(names))
        others = self.mode.companions(self._peers, state, what, f"{entity.name}.{', '.join(names)}")
        states = [state, *(s for s in others if s.mapper is state.mapper)]
        values = await loader.load_many([entity.key_of(s.obj()) for s in states if s.obj() is not None])
        for one, row in zip(states, values, strict=False):
            for name, value in zip(names, row or (), strict=False):
                if one is state or name not in one.dict:
                    set_loaded(one, name, value)
        return values[0] is not None

    async def _related_computed(
        self, state: InstanceState[Any], computed: Computed[Any], view: type[BaseModel] | None, mode: FetchMode
    ) -> Any:
        entity = entity_info(state.mapper.class_)
        owner = computed.entity()
        if owner is not None and owner not in entity.ancestors:
            raise InvalidArgument(f"{computed} is computed for {owner.name}, not for {entity.name}.")
        match computed:
            case Expression():
                loader = self.loaders.expression(entity, computed)
                return await self._for_peers(
                    state, None, computed, entity.key_names, loader, mode, str(computed)
                )
            case Fetched():
                loader = self.loaders.batched(computed.source)
                return await self._for_peers(state, None, computed, (computed.key,), loader, mode, str(computed))
            case Top() if view is not None:
                delivery, compiled = self._reading.views(view, computed.relation.target)
                lookup = self._reading.lookup(computed)
                loader = self.loaders.view(lookup, compiled, delivery)
                found = await self._for_peers(
                    state, computed.relation, (computed, view), _names(computed.relation), loader, mode, str(computed)
                )
                return (found[0] if found else None) if computed.single else (found or [])
            case Aggregate() | Top():
                loader = self.loaders.computed(computed)
                names = tuple(column.name for column in computed.relation.local)
                found = await self._for_peers(
                    state, computed.relation, computed, names, loader, mode, str(computed)
                )
                if isinstance(computed, Aggregate):
                    return computed.empty if found is None else found
                return found if computed.single else list(found or [])
        raise InvalidArgument(f"{computed!r} cannot be loaded.")

    async def _for_peers(
        self,
        state: InstanceState[Any],
        relation: RelationInfo | None,
        what: Any,
        names: Sequence[str],
        loader: Any,
        mode: FetchMode,
        description: str,
    ) -> Any:
        """Load by the values of an entity's columns, in one batch with its companions."""
        keyless = relation is None or relation.remote is not None
        key = await self._key(state, names)
        if keyless and _is_null(key):
            return None
        cached = loader.peek(key)
        if cached is not MISSING:
            return cached
        others = mode.companions(self._peers, state, what, description)
        keys = {key: None}
        for other in others:
            values = other.dict
            if all(name in values for name in names):
                other_key = values[names[0]] if len(names) == 1 else tuple(values[name] for name in names)
                if not (keyless and _is_null(other_key)):
                    keys[other_key] = None
        if len(keys) == 1:
            return await loader.load(key)
        return (await loader.load_many(list(keys)))[0]

    async def _key(self, state: InstanceState[Any], names: Sequence[str]) -> Any:
        values = state.dict
        missing = [name for name in names if name not in values]
        if missing and state.has_identity:
            await self.load_columns(state, missing)
        try:
            return values[names[0]] if len(names) == 1 else tuple(values[name] for name in names)
        except KeyError as error:
            raise InvalidArgument(
                f"{state.mapper.class_.__name__} has no value for {error.args[0]!r}, which the lookup needs. "
                f"Is it an entity that was read from the database?"
            ) from None

    def _relation(self, state: InstanceState[Any], attribute: Any) -> RelationInfo:
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

    @cached_property
    def _label(self) -> str:
        return f"{self.context!r}" if self.context is not None else "no context"

    def __repr__(self) -> str:
        if self._state != "open":
            return f"<Scope {self._state}>"
        return f"<Scope {len(self._loaders)} loaders, {self._scheduler.pending} pending, {self._label}>"


def current_scope() -> Scope | None:
    """The innermost open scope of the running task, or None."""
    scope = _current.get()
    return scope if scope is not None and not scope.closed else None


def _names(relation: RelationInfo) -> tuple[str, ...]:
    if relation.key_order is not None:
        return tuple(relation.local[i].name for i in relation.key_order)
    return tuple(column.name for column in relation.local)


def _is_null(key: Any) -> bool:
    return key is None or (type(key) is tuple and None in key)


def _state_of(entity: Any) -> InstanceState[Any]:
    try:
        return instance_state(entity)
    except AttributeError:
        raise InvalidArgument(
            f"Expected an entity (an instance of a mapped class); got {type(entity).__name__}."
        ) from None


def _unsaved(session: Session) -> list[tuple[str, str]]:
    changed = [
        (f"{type(entity).__name__} {entity_info(type(entity)).key_of(entity)!r}", ", ".join(_changed(entity)))
        for entity in session.dirty
        if session.is_modified(entity)
    ]
    added = [(f"a new {type(entity).__name__}", "all") for entity in session.new]
    deleted = [(f"{type(entity).__name__}", "deleted") for entity in session.deleted]
    return changed + added + deleted


def _changed(entity: Any) -> list[str]:
    state = inspect(entity)
    return [attribute.key for attribute in state.attrs if attribute.history.has_changes()]


def _unsaved_message(unsaved: Sequence[tuple[str, str]]) -> str:
    what = "; ".join(f"{entity} ({attributes})" for entity, attributes in unsaved[:5])
    more = f" and {len(unsaved) - 5} more" if len(unsaved) > 5 else ""
    return (
        f"Changed outside a transaction, where nothing saves it: {what}{more}. Change entities in a session of "
        f"your own and read through db.scope(session=your_session)."
    )


def _refuse_flush(session: Session, *_: object) -> None:
    unsaved = _unsaved(session)
    if unsaved:
        raise UnsavedChanges(_unsaved_message(unsaved))
