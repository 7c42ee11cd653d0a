"""The driver path: a statement that is run again goes to asyncpg as it was compiled, past SQLAlchemy's execution.

SQLAlchemy looks for the compiled form of a statement at every execution, and makes a context, a cursor and a result
for it: more than a third of what a small page costs. Here the second execution is watched. What SQLAlchemy made
there (the text, the processors of parameters and rows) is kept with the statement, and from the third one on is all
that is needed. Connections come from SQLAlchemy's pool as before, prepared statements are those of its adapter, and
its own code handles every error.

What SQLAlchemy does besides (listeners, logging, options, transactions) is not imitated: where there is any of it,
the statement is SQLAlchemy's. `refusal` and `statement_refusal` say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import CacheStats
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.util import greenlet_spawn

from batchrepo.bounded import Bounded
from batchrepo.executing.meter import listeners_of_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Executable
    from sqlalchemy.engine import CursorResult, Engine

KEPT = 1_024
"""How many statements are kept for one Database."""

HARMLESS = frozenset({"isolation_level", "logging_token"})
"""Execution options that change neither a statement nor its rows."""

_CACHED = (CacheStats.CACHE_HIT, CacheStats.CACHE_MISS)

_EVENTS = (
    *("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute"),
    *("begin", "commit", "rollback"),
)
"""Events of a connection that do not happen on the driver path."""


class DriverPath:
    """The statements of one engine that have been seen often enough to go to its driver.

    Safe to share between scopes and event loops: nothing in it belongs to a connection.
    """

    __slots__ = ("_kept", "_seen")

    def __init__(self) -> None:
        self._seen: WeakSet[Executable] = WeakSet()
        # By id, with the statement in the value: what is kept refers to its statement, so that weak keys would
        # never let go.
        self._kept: Bounded[int, KeptStatement] = Bounded(KEPT)

    @classmethod
    def of(cls, engine: Engine) -> DriverPath | None:
        """The driver path of an engine, or None where its driver has none."""
        return cls() if engine.dialect.driver == "asyncpg" else None

    def find(self, statement: Executable) -> KeptStatement | None:
        """What is known of a statement, or None if it is to be executed by SQLAlchemy."""
        kept = self._kept.get(id(statement))
        return kept if kept is not None and kept.statement is statement else None

    def learn(self, statement: Executable, result: CursorResult[Any]) -> None:
        """Watch an execution by SQLAlchemy; at the second one of the same object it is kept.

        Statements that are built for one call would be kept for nothing.
        """
        if not isinstance(statement, SelectBase):
            return
        if statement not in self._seen:
            self._seen.add(statement)
        elif statement_refusal(result) is None:
            self._kept[id(statement)] = KeptStatement(statement, result)

    def __repr__(self) -> str:
        return f"<DriverPath {len(self._kept)} statements>"


class KeptStatement:
    """A statement in the form that the driver takes, made of an execution by SQLAlchemy.

    Attributes:
        statement: as it was built.
        sql: as it is sent.
    """

    __slots__ = (
        "_compiled",
        "_extracted",
        "_keys",
        "_options",
        "_processors",
        "_to_rows",
        "_unnamed",
        "_values",
        "sql",
        "statement",
    )

    def __init__(self, statement: Executable, result: CursorResult[Any]) -> None:
        context: Any = result.context
        compiled = context.compiled
        self.statement = statement
        self.sql: str = context.statement
        self._compiled = compiled
        self._extracted = context.extracted_parameters
        self._options = context.execution_options
        # What `_raw_all_tuples` applies to the rows of a cursor; it depends on nothing of this one result.
        self._to_rows: Callable[[Sequence[Any]], Sequence[Any]] = result._row_getter[2]  # type: ignore[assignment]
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        values = compiled.construct_params(
            extracted_parameters=self._extracted, escape_names=False, _check=False
        )
        self._keys = tuple(binds[name].key for name in compiled.positiontup)
        self._values = {bind.key: values[name] for name, bind in binds.items() if not bind.required}
        # SQLAlchemy takes values for these by the names that they have in the text as well.
        self._unnamed = frozenset(name for name, bind in binds.items() if name != bind.key)
        self._processors = tuple(
            (place, compiled._bind_processors[name])
            for place, name in enumerate(compiled.positiontup)
            if name in compiled._bind_processors
        )

    def arguments(self, params: Mapping[str, Any]) -> Sequence[Any] | None:
        """The values to send, in their order; None if SQLAlchemy has something to say about the parameters."""
        if not self._unnamed.isdisjoint(params):
            return None
        values = {**self._values, **params}
        try:
            found = [values[key] for key in self._keys]
            for place, process in self._processors:
                found[place] = process(found[place])
        except Exception:  # noqa: BLE001 - SQLAlchemy meets it again, and says it as it does
            return None
        return found

    async def fetch(
        self, connection: Connection, params: Mapping[str, Any], arguments: Sequence[Any]
    ) -> list[tuple[Any, ...]]:
        """All rows, as `CursorResult._raw_all_tuples` has them.

        Args:
            connection: without a transaction, and without a reason against it in `refusal`.
            params: the parameters by name, as they were given.
            arguments: the same as they are sent.

        Raises:
            sqlalchemy.exc.DBAPIError: as `Connection.execute`; a connection that is lost, or whose statement was
                cancelled, is invalidated likewise.
        """
        adapter: Any = connection.connection.dbapi_connection
        dialect: Any = connection.dialect
        records: Sequence[Any] = ()
        try:
            async with adapter._execute_mutex:
                try:
                    prepared, _ = await adapter._prepare(self.sql, dialect._invalidate_schema_cache_asof)
                    records = await prepared.fetch(*arguments)
                except Exception as error:  # noqa: BLE001 - it raises, the driver's errors as those of DBAPI
                    adapter._handle_exception(error)
        except BaseException as error:  # noqa: BLE001 - it raises: a cancellation ends the connection as well
            await greenlet_spawn(self._fail, connection, params, error)
        rows = self._to_rows(records)
        return rows if type(rows) is list else list(rows)

    def _fail(self, connection: Connection, params: Mapping[str, Any], error: BaseException) -> NoReturn:
        """Raise what SQLAlchemy raises for this error, and do to the connection what it does."""
        context: Any = connection.dialect.execution_ctx_cls._init_compiled(
            connection.dialect,
            connection,
            connection.connection,
            self._options,
            self._compiled,
            [dict(params)] if params else [],
            self.statement,
            self._extracted,
        )
        try:
            raise error  # noqa: TRY301 - SQLAlchemy takes the traceback of what is being handled
        except BaseException as raised:  # noqa: BLE001 - it raises
            connection._handle_dbapi_exception(
                raised, context.statement, context.parameters[0], context.cursor, context
            )


def refusal(source: Engine | Connection) -> str | None:
    """Why nothing takes the driver path on an engine, or on a connection of its pool; None if it may now."""
    dialect: Any = source.dialect
    if dialect.driver != "asyncpg":
        return f"the driver is {dialect.name}+{dialect.driver}"
    if isinstance(source, Connection):
        adapter: Any = source.connection.dbapi_connection
        if not adapter.autocommit:
            return "SQLAlchemy begins a transaction first"
        logged, has_events = source._echo, source._has_events or source.engine._has_events
    else:
        logged, has_events = source._should_log_info(), source._has_events
    if logged:
        return "statements are logged"
    options = source._execution_options
    if options and not HARMLESS.issuperset(options):
        return f"execution options are set: {', '.join(sorted(set(options) - HARMLESS))}"
    if has_events:
        ours = listeners_of_ours(source)
        for name in _EVENTS:
            if len(getattr(source.dispatch, name)) > (name in ours):
                return f"somebody listens to {name}"
    if dialect._has_events and dialect.dispatch.do_execute:
        return "somebody listens to do_execute"
    return None


def statement_refusal(result: CursorResult[Any]) -> str | None:
    """Why a statement that SQLAlchemy has executed cannot take the driver path; None if it can."""
    context: Any = result.context
    compiled = context.compiled
    reasons = (
        (not compiled.positional, "its parameters go by name"),
        (not result.returns_rows or context.is_crud, "it does not only read"),
        (compiled.insert_prefetch or compiled.update_prefetch, "it has defaults, which Python makes"),
        (context.cache_hit not in _CACHED, "SQLAlchemy compiles it anew each time"),
        (compiled.literal_execute_params or compiled.post_compile_params, "its text depends on the values"),
        (compiled.schema_translate_map, "its schema depends on the connection"),
        (not HARMLESS.issuperset(context.execution_options), "it has execution options"),
        (any(bind.callable for bind in compiled.bind_names), "it has a value that is made at execution"),
        (context._is_server_side, "its rows are not read at once"),
        (result._row_logging_fn is not None, "its rows are logged"),
    )
    return next((reason for refused, reason in reasons if refused), None)
