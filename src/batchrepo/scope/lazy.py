"""Lazy loads of a scope's entities, answered by its loaders.

``await album.awaitable_attrs.tracks`` makes SQLAlchemy emit a lazy load inside a greenlet. A session
event sees it first: it waits for the scope's loader, in whose batch it takes part, and hands the result
back as if the statement had run. Touched outside a greenlet, where nothing can wait, it is an error that
says what to write instead.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import event
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.util.concurrency import await_only, in_greenlet

from batchrepo.errors import LazyLoad
from batchrepo.executing import ReadSession, note_read
from batchrepo.scope.session_changes import run_statement
from batchrepo.scope.unsaved import refuse_flush
from batchrepo.strategies.entities import OURS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import InstanceState, ORMExecuteState, Session

    from batchrepo.changes import Change
    from batchrepo.mapping import RelationInfo


class LazyLoads(Protocol):
    """What answering lazy loads needs of a scope."""

    def is_known(self, state: InstanceState[Any]) -> bool:
        """Whether this scope read the entity."""
        ...

    def relation_of(self, state: InstanceState[Any], name: str) -> RelationInfo:
        """The relation of an entity's class."""
        ...

    async def load_relation(self, state: InstanceState[Any], relation: RelationInfo) -> Any:
        """Load a relation for an entity (and its peers)."""
        ...

    def wrote(self, changes: Sequence[Change]) -> None:
        """Forget what rows that were written make stale; no changes mean that any may have been."""
        ...

    def wrote_beside(self, changes: Sequence[Change]) -> None:
        """As `wrote`; the entities of the session do not know of it."""
        ...

    def forget_all(self) -> None:
        """Forget everything: a transaction ended."""
        ...

    async def load_columns(self, state: InstanceState[Any], names: Sequence[str]) -> bool:
        """Load deferred or expired columns for an entity (and its peers). False if the row is gone."""
        ...


class ScopeSession(ReadSession):
    """The session in which a scope's entities live. Its lazy loads go to the scope; nothing is flushed in it."""

    lazy_loads: LazyLoads | None = None
    read_only = True
    shares = False  # its connection with statements of the scope

    def exclusively(self) -> AbstractContextManager[None]:
        """The connection's turn, where it is shared."""
        return nullcontext()

    @property
    def at_work(self) -> bool:
        """Whether the running code has that turn."""
        return False


def open_session(bind: Any, lazy_loads: LazyLoads) -> AsyncSession:
    """A session of a scope's own, whose lazy loads are answered."""
    session = AsyncSession(bind, sync_session_class=ScopeSession, autoflush=False, expire_on_commit=False)
    own = session.sync_session
    assert isinstance(own, ScopeSession)
    own.lazy_loads = lazy_loads
    return session


def join_session(session: AsyncSession, lazy_loads: LazyLoads) -> Callable[[], None]:
    """Answer the lazy loads in a user's session until the returned function is called."""

    def on_execute(execution: ORMExecuteState) -> Any:
        return _answer(execution, lazy_loads)

    target = session.sync_session
    event.listen(target, "do_orm_execute", on_execute)
    return lambda: event.remove(target, "do_orm_execute", on_execute)


# Once for the class: to listen to each session would cost more than opening it.
@event.listens_for(ScopeSession, "do_orm_execute")
def _on_execute(execution: ORMExecuteState) -> Any:
    session = execution.session
    if not isinstance(session, ScopeSession) or session.lazy_loads is None:
        return None
    loads = execution.is_select or execution.is_column_load or execution.is_relationship_load
    if not loads:
        with session.exclusively():
            return run_statement(execution, session.lazy_loads)
    if session.at_work:
        return None  # part of a statement that has the connection: it cannot wait for others
    answer = _answer(execution, session.lazy_loads)
    if answer is not None or not session.shares:
        return answer
    with session.exclusively():
        return execution.invoke_statement()


@event.listens_for(ScopeSession, "before_flush")
def _before_flush(session: Session, *_: object) -> None:
    if getattr(session, "read_only", True):
        refuse_flush(session)


def _answer(execution: ORMExecuteState, lazy_loads: LazyLoads) -> Any:
    if execution.execution_options.get(OURS) or execution.session._flushing:
        # A user's flush reads what it needs to write, all of it, and cannot wait for other statements.
        return None
    if execution.is_select:
        note_read(execution.statement)  # what a batched function runs by itself
    if execution.is_relationship_load:
        return _relationship(execution, lazy_loads)
    if execution.is_column_load:
        return _columns(execution, lazy_loads)
    return None


def _relationship(execution: ORMExecuteState, scope: LazyLoads) -> Any:
    state = execution.lazy_loaded_from
    path: Any = execution.loader_strategy_path
    if state is None or path is None or not scope.is_known(state):
        return None
    relation = scope.relation_of(state, path[-1].key)
    if relation.refused is not None:
        return None
    if relation.prop.lazy in ("raise", "raise_on_sql"):
        raise LazyLoad(
            f"{relation} was touched, but its mapping says lazy={relation.prop.lazy!r}. Name it in a view or in "
            f"include=, or ask for it with scope.related()."
        )
    _must_wait(state, relation.name, is_relation=True)
    value = await_only(scope.load_relation(state, relation))
    found = value if relation.many else ([] if value is None else [value])
    return _result(relation.target.cls, found)


def _columns(execution: ORMExecuteState, scope: LazyLoads) -> Any:
    state: InstanceState[Any] | None = execution.load_options._refresh_state
    options: Any = execution._orm_compile_options()
    names = options._only_load_props
    if state is None or not names or not scope.is_known(state):
        return None
    _must_wait(state, *sorted(name for name in names if name in state.mapper.columns))
    found = await_only(scope.load_columns(state, sorted(names)))
    return _result(state.mapper.class_, [state.obj()] if found else [])


def _must_wait(state: InstanceState[Any], *names: str, is_relation: bool = False) -> None:
    if in_greenlet():
        return
    cls, name = state.mapper.class_.__name__, names[0]
    if len(names) > 1:
        raise LazyLoad(
            f"A column of {cls} was touched that has expired (one of {', '.join(names)}), and reading "
            f"it again needs to wait for the database. Write `await {cls.lower()}.awaitable_attrs.{name}`, which reads "
            f"them all."
        )
    related = f"`await scope.related({cls.lower()}, {cls}.{name})`, or " if is_relation else ""
    raise LazyLoad(
        f"{cls}.{name} was touched, but it was not read with its {cls}, and reading it needs to wait for the "
        f"database. Write {related}`await {cls.lower()}.awaitable_attrs.{name}`, or name it in a view."
    )


def _result(cls: type[Any], entities: Sequence[Any]) -> IteratorResult[Any]:
    return IteratorResult(SimpleResultMetaData([cls.__name__]), iter([(entity,) for entity in entities]))


def set_loaded(state: InstanceState[Any], name: str, value: Any) -> None:
    """Put a loaded value on an entity, as SQLAlchemy's own loading would."""
    entity = state.obj()
    if entity is not None and name not in state.dict:
        set_committed_value(entity, name, value)
