"""Database: engines, repositories and views, checked when it is made; it opens scopes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import time
from typing import TYPE_CHECKING, Any, TypeVar

from batchrepo.declare.cursors import CursorCodec
from batchrepo.declare.repository_info import Catalog, RepositoryInfo, read_repository
from batchrepo.errors import BatchRepoError, DeclarationError, InvalidArgument
from batchrepo.events import EventLog, announce
from batchrepo.executing import Health, check, describe, dispose
from batchrepo.mapping.entity import shown
from batchrepo.repository import Repository
from batchrepo.repository.arguments import is_plain_function
from batchrepo.routing import (
    Consistency,
    ConsistencyToken,
    HealthChecks,
    ReadYourWrites,
    Route,
    Router,
    TokenCodec,
    check_policy,
    primary_endpoint,
    replica_endpoints,
    status_of,
    surround,
)
from batchrepo.scope import Scope
from batchrepo.scope.family import Family
from batchrepo.scope.peers import PEERS, FetchMode
from batchrepo.scope.running import run_again
from batchrepo.strategies.explaining import explain_view
from batchrepo.strategies.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from pydantic import BaseModel
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

    from batchrepo.changes import Changes
    from batchrepo.events import Event
    from batchrepo.executing import Isolation
    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.routing import DatabaseStatus, Replica, RoutingPolicy
    from batchrepo.strategies.explaining import Explanation

DEFAULT_POLICY = ReadYourWrites()
"""Users see what they have written."""

DEFAULT_CHECKS = HealthChecks()
"""A look at each server about every second."""

T = TypeVar("T")


class Database:
    """A database with its repositories and views.

    Args:
        primary: an async URL such as ``sqlite+aiosqlite:///shop.db`` or ``postgresql+asyncpg://...``, for which
            an engine with sensible settings is made; or an engine of yours, which stays yours to dispose of.
        repositories: the repository classes.
        views: Pydantic models to plan and check now, so that a mistake in one is found at start-up.
        resources: shared objects, such as an HTTP client, that batched functions find as ``scope.resources``.
        mode: what scopes do when an entity is asked for something that was not read with it.
        read_connections: how many connections one scope may use at once outside a transaction.
        max_statements: how many statements one scope may run, or None.
        secret: signs the cursors of pages, so that nobody can make one up: a text or bytes, the same in every
            process. Of a list the first one signs and all are accepted, so that a secret can be replaced.
        driver_path: with asyncpg, statements that are run again go to the driver as they were compiled, which costs
            less; rows and errors are the same. Where SQLAlchemy has more to do (listeners to statements,
            logging, execution options, a transaction) it executes them in any case; False: always.
        inline_lookups: where at most so many rows lead to another one by its key, such as a post to its author, the
            statement that reads the former reads a few columns of the latter too (300 is a good number); the answer is
            the same. 0: each relation costs a statement of its own.
        replicas: servers that follow the primary and answer reads: URLs, engines, or ``Replica(url, weight=2)``.
        routing: which of them answers a read; a scope may have another policy.
        health: how they are looked after in the background.
        token_seconds: how long a consistency token holds. Replicas that are further behind than that are not read
            from by ``ReadYourWrites``.
        pool: settings of the engines that replace those chosen for the dialect, by keyword.

    Raises:
        DeclarationError: a repository, a view or the URL is wrong; the message names class and attribute.
    """

    def __init__(
        self,
        primary: str | URL | AsyncEngine,
        *,
        replicas: Iterable[str | URL | AsyncEngine | Replica] = (),
        routing: RoutingPolicy = DEFAULT_POLICY,
        health: HealthChecks = DEFAULT_CHECKS,
        token_seconds: float = 60.0,
        repositories: Iterable[type[Repository[Any]]] = (),
        views: Iterable[type[BaseModel]] = (),
        resources: Mapping[str, Any] | None = None,
        mode: FetchMode = PEERS,
        read_connections: int = 4,
        max_statements: int | None = None,
        secret: str | bytes | Sequence[str | bytes] | None = None,
        driver_path: bool = True,
        inline_lookups: int = 0,
        **pool: Any,
    ) -> None:
        declared = _listed("repositories", repositories, "[AlbumRepository]")
        catalog = Catalog([_read(repository) for repository in declared])
        if not _is_number(read_connections, 1):
            raise DeclarationError(f"read_connections= expects 1 or more; got {read_connections!r}.")
        if not _is_number(inline_lookups, 0):
            raise DeclarationError(f"inline_lookups= expects 0 or more; got {inline_lookups!r}.")
        _check_settings(mode, max_statements, DeclarationError)
        check_policy(routing, DeclarationError)
        if not isinstance(health, HealthChecks):
            raise DeclarationError(f"health= expects HealthChecks(interval=1.0); got {health!r:.200}.")
        cursors = CursorCodec(secret)
        endpoint = primary_endpoint(primary, pool, driver_path=driver_path)
        self.engine = endpoint.engine
        self.routing = routing
        self.tokens = TokenCodec(cursors.secrets, _seconds(token_seconds))
        self._router = Router(
            endpoint,
            replica_endpoints(
                _listed("replicas", replicas, "[url]"), endpoint, pool, driver_path=driver_path
            ),
            self.tokens,
            health,
            lambda event: announce(event, tuple(self._listeners)),
        )
        self._reading = Reading(
            endpoint.reading, catalog, read_connections, cursors, endpoint.driver_path, inline_lookups
        )
        self.resources: dict[str, Any] = dict(resources or {})
        self.mode = mode
        self.max_statements = max_statements
        self._listeners: list[Callable[[Event], None]] = []
        for view in _listed("views", views, "[AlbumView]"):
            self._reading.plans.fitting(view)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.dispose()

    async def dispose(self) -> None:
        """End what runs in the background, and close all connections of engines that this Database made."""
        await self._router.aclose()
        owned = [endpoint.engine.sync_engine for endpoint in self._router.endpoints if endpoint.owned]
        await asyncio.gather(*map(dispose, owned))

    def scope(
        self,
        context: Any = None,
        *,
        session: AsyncSession | None = None,
        snapshot: bool = False,
        mode: FetchMode | None = None,
        max_statements: int | None = None,
        manual: bool = False,
        routing: RoutingPolicy | None = None,
        token: ConsistencyToken | Consistency | str | None = None,
    ) -> Scope:
        """A scope for one request or job: ``async with db.scope() as scope``.

        Args:
            context: what row criteria see.
            session: an AsyncSession of yours: the scope reads on its connection and inside its transaction,
                and its entities belong to it.
            snapshot: all reads of the scope see one state of the database; they then run one by one.
            mode: another fetch mode than the Database's.
            max_statements: another budget than the Database's.
            manual: nothing is loaded until ``scope.scheduler.flush()``, for tests of batching.
            routing: another policy than the Database's.
            token: what the scope must be able to see: the `consistency_token` of an earlier scope, or its text. One
                that has expired is left out. Or the `Consistency` that several scopes share, as those of one request
                do, so that each sees what any of them has written.

        Raises:
            InvalidArgument: the arguments contradict each other, or one is of another kind.
            InvalidToken: the text is no token of this Database.
        """
        _check_settings(mode or self.mode, max_statements, InvalidArgument)
        if session is not None and snapshot:
            raise InvalidArgument(
                "snapshot=True has no meaning with session=: the session's transaction decides what is seen."
            )
        events = EventLog(listeners=tuple(self._listeners))
        family = Family(token if isinstance(token, Consistency) else Consistency(self.tokens.given(token)))
        policy = self.routing
        if routing is not None:
            check_policy(routing, InvalidArgument)
            policy = routing
        return Scope(
            self._reading,
            self._reading.guards(context),
            Route(self._router, policy, family.consistency, events),
            context=context,
            resources=self.resources,
            session=session,
            snapshot=snapshot,
            mode=mode or self.mode,
            max_statements=max_statements if max_statements is not None else self.max_statements,
            events=events,
            manual=manual,
            family=family,
        )

    async def run(
        self,
        function: Callable[[Scope], Awaitable[T]],
        *,
        context: Any = None,
        isolation: Isolation | None = None,
        retries: int = 3,
        backoff: float = 0.02,
    ) -> T:
        """Run a function in a transaction of a fresh scope; again, where the transaction collided with another one.

        A serialisation failure and a deadlock are answers of a database under load, not mistakes: whoever gets one
        is to begin anew. So the function may run several times, and should do nothing that a rollback does not undo;
        what is to happen once belongs into ``transaction.after_commit``.

        Args:
            function: takes the scope, which is in a transaction.
            context: of the scope.
            isolation: of the transaction, such as ``"SERIALIZABLE"``.
            retries: how many more times to try.
            backoff: seconds before the first new attempt; doubled for each further one, and varied at random.

        Returns:
            What the function gives, after the commit.
        """
        if not _is_number(retries, 0):
            raise InvalidArgument(f"retries= expects a number of 0 or more; got {retries!r}.")
        return await run_again(
            lambda: self.scope(context), function, isolation=isolation, retries=retries, backoff=backoff
        )

    def on_event(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event of every scope that is opened from now on.

        What it raises fails whatever caused the event.

        Returns:
            A function that ends it; calling it again does nothing.

        Raises:
            InvalidArgument: it is no function, or one that nobody would await.
        """
        if not is_plain_function(listener):
            raise InvalidArgument(f"on_event() expects a plain function of one event; got {shown(listener)}.")
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._listeners.remove(listener)

        self._listeners.append(listener)
        return end

    def on_commit(self, callback: Callable[[Changes], object]) -> Callable[[], None]:
        """Call a function after each commit of a scope, before the code that wrote goes on: for caches, an outbox, audit.

        What it raises is reported, as an event and in the log, and undoes nothing.

        Args:
            callback: takes the `Changes`; may be async.

        Returns:
            A function that ends it; calling it again does nothing.

        Raises:
            InvalidArgument: it cannot be called.
        """
        if not callable(callback):
            raise InvalidArgument(f"on_commit() expects a function of the Changes; got {shown(callback)}.")
        registered = self._reading.on_commit

        def called(changes: Changes) -> object:
            return callback(changes)

        called.__qualname__ = getattr(callback, "__qualname__", repr(callback))
        registered.append(called)

        def end() -> None:
            if called in registered:
                registered.remove(called)

        return end

    async def consistency_token(self) -> ConsistencyToken:
        """What has been written until now, by anybody: for writes beside scopes, such as a job's or `run`'s.

        It asks the primary for its position.
        """
        events = EventLog(listeners=tuple(self._listeners))
        return ConsistencyToken(await self._router.primary_position(events), time())

    def sharing(self, consistency: Consistency) -> AbstractContextManager[None]:
        """Let all scopes that are opened inside see what any of them writes, as those of one request do.

        Args:
            consistency: what they must have seen so far; it is told of what they write.
        """
        return surround(self._router, consistency)

    def status(self) -> DatabaseStatus:
        """The servers at this moment: which are up, how far behind, how used. Asks nobody; prints as a table."""
        return status_of(self._router)

    @property
    def engines(self) -> tuple[AsyncEngine, ...]:
        """The engines of all servers: the primary's, then the replicas'."""
        return tuple(endpoint.engine for endpoint in self._router.endpoints)

    @property
    def routed(self) -> bool:
        """Whether there are replicas."""
        return bool(self._router.replicas)

    async def health(self, timeout: float = 2.0) -> Health:  # noqa: ASYNC109  it is reported, not raised
        """Whether the primary answers within `timeout` seconds, its version, and the state of its pool.

        Replicas are asked all the time; `status` says how they are.
        """
        return await check(self._reading.engine, timeout=timeout)

    def explain(
        self,
        view: type[BaseModel],
        repository: type[Repository[Any]] | None = None,
        *,
        strategy: str | None = None,
        fields: str | Fieldset | None = None,
    ) -> Explanation:
        """How a view is read: its tree, the strategy and why, and the SQL. Prints as text.

        Args:
            view: the view.
            repository: whose entity it shows; needed where it fits several.
            strategy: explain this strategy instead of the planner's choice.
            fields: only these fields of the view, as in ``find_json(View, fields=...)``.
        """
        info = self._repository_for(view, repository)
        return explain_view(self._reading, view, info, strategy, fields)

    @property
    def reading(self) -> Reading:
        """Plans, strategies and settings that all scopes share."""
        return self._reading

    def _repository_for(
        self, view: type[BaseModel], repository: type[Repository[Any]] | None
    ) -> RepositoryInfo:
        catalog = self._reading.catalog
        if repository is not None:
            found = catalog.by_class.get(repository)
            if found is None:
                raise InvalidArgument(f"{repository.__name__} is not registered with this Database.")
            return found
        fitting = self._reading.plans.fitting(view)
        if len({info.entity for info in fitting}) > 1:
            names = ", ".join(info.name for info in fitting)
            raise InvalidArgument(f"{view.__name__} fits several repositories ({names}): name one.")
        return fitting[0]

    def __repr__(self) -> str:
        engine = describe(self._reading.engine, driver_path=self._reading.driver_path is not None)
        replicas = f", {len(self._router.replicas)} replicas" if self._router.replicas else ""
        return f"<Database {engine}{replicas}, {len(self._reading.catalog.by_class)} repositories>"


def _is_number(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise DeclarationError(f"token_seconds= expects seconds, more than 0; got {value!r}.")
    return float(value)


def _check_settings(mode: Any, max_statements: Any, error: type[BatchRepoError]) -> None:
    if not isinstance(mode, FetchMode):
        raise error(f"mode= expects PEERS, ONE, RAISE, WARN or a FetchMode of your own; got {shown(mode)}.")
    if max_statements is not None and not _is_number(max_statements, 0):
        raise error(f"max_statements= expects a number of 0 or more, or None; got {max_statements!r}.")


def _listed(name: str, given: Any, example: str) -> list[Any]:
    if isinstance(given, str | type) or not isinstance(given, Iterable):
        raise DeclarationError(f"{name}= expects a list, such as {example}; got {shown(given)}.")
    return list(given)


def _read(repository: Any) -> RepositoryInfo:
    if not (isinstance(repository, type) and issubclass(repository, Repository)):
        raise DeclarationError(f"repositories= expects Repository classes; got {shown(repository)}.")
    return read_repository(repository, Repository)
