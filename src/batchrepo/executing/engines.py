"""Engines with a preset for each database: pool, pragmas, names, isolation.

A preset is a starting point that holds for a web service; every value can be overridden by name.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool, StaticPool

from batchrepo.errors import DeclarationError, did_you_mean
from batchrepo.executing.direct import refusal
from batchrepo.executing.pinging import ping_after, pings_after
from batchrepo.executing.pooler import POOLERS, driver_arguments, pooler_of, put_behind

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Driver(NamedTuple):
    """What we know about a driver: its package, and the extra of ours that installs it."""

    package: str
    extra: str


_DRIVERS = {
    "sqlite+aiosqlite": _Driver("aiosqlite", "sqlite"),
    "postgresql+asyncpg": _Driver("asyncpg", "postgres"),
    "postgresql+psycopg": _Driver("psycopg", "psycopg"),
    "postgresql+psycopg_async": _Driver("psycopg", "psycopg"),
}

_ASYNC_URLS = {
    "sqlite": "sqlite+aiosqlite://",
    "postgresql": "postgresql+asyncpg:// or postgresql+psycopg://",
    "postgres": "postgresql+asyncpg:// or postgresql+psycopg://",
}


@dataclass(frozen=True)
class PoolOptions:
    """How an engine keeps connections. None means: the preset of the database.

    =================== ============= =============
    option              PostgreSQL    SQLite file
    =================== ============= =============
    pool_size           10            5
    max_overflow        10            5
    pool_timeout        10            30
    pool_recycle        1800          never
    pool_pre_ping       2 s           no
    pool_use_lifo       yes           yes
    application_name    "batchrepo"
    pooler              none
    prepared_statements yes
    busy_timeout                      30
    journal_mode                      "WAL"
    synchronous                       "NORMAL"
    foreign_keys                      yes
    =================== ============= =============

    With ``pooler="pgbouncer"``, ``prepared_statements`` is no.

    SQLite in memory has one connection that all share (``StaticPool``); of the pool options none apply.

    Attributes:
        pool_size: connections that are kept open.
        max_overflow: further connections that may be opened under load. Four worker processes with
            10 + 10 stay below the 100 connections that PostgreSQL allows by default.
        pool_timeout: seconds to wait for a connection before ``DatabaseUnavailable``.
        pool_recycle: seconds after which a connection is replaced; -1 for never.
        pool_pre_ping: whether a connection is tried when it is taken from the pool: True at every
            checkout, a number after so many idle seconds, False never.
        pool_use_lifo: whether the connection used last is used next, so that the others can age out.
        application_name: how PostgreSQL shows the connections in ``pg_stat_activity``.
        pooler: ``"pgbouncer"`` where PgBouncer in transaction mode stands in front of PostgreSQL.
        prepared_statements: whether the driver prepares statements on PostgreSQL and runs them again by name. Behind
            PgBouncer that needs version 1.21 or later, with ``max_prepared_statements`` above 0.
        busy_timeout: seconds that SQLite waits for a lock of another process.
        journal_mode: SQLite's journal mode; an empty text leaves the file as it is.
        synchronous: SQLite's ``synchronous`` pragma; an empty text leaves SQLite's default.
        foreign_keys: whether SQLite enforces foreign keys.
        connect_args: further arguments of the driver's ``connect``.
        engine_args: further arguments of SQLAlchemy's ``create_async_engine``, such as ``echo``.
    """

    pool_size: int | None = None
    max_overflow: int | None = None
    pool_timeout: float | None = None
    pool_recycle: int | None = None
    pool_pre_ping: bool | float | None = None
    pool_use_lifo: bool | None = None
    application_name: str | None = None
    pooler: str | None = None
    prepared_statements: bool | None = None
    busy_timeout: float | None = None
    journal_mode: str | None = None
    synchronous: str | None = None
    foreign_keys: bool | None = None
    connect_args: Mapping[str, Any] = field(default_factory=dict)
    engine_args: Mapping[str, Any] = field(default_factory=dict)

    def over(self, preset: PoolOptions) -> PoolOptions:
        """These options, with the preset's value wherever this one has None."""
        chosen = {
            name: getattr(preset, name) if value is None else value
            for name, value in ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        }
        return PoolOptions(**chosen)


POSTGRESQL_PRESET = PoolOptions(
    pool_size=10,
    max_overflow=10,
    pool_timeout=10,
    pool_recycle=1800,
    pool_pre_ping=2.0,
    pool_use_lifo=True,
    application_name="batchrepo",
    prepared_statements=True,
)
"""The preset for PostgreSQL, by whatever driver."""

PGBOUNCER_PRESET = dataclasses.replace(POSTGRESQL_PRESET, prepared_statements=False)
"""The preset for PostgreSQL behind PgBouncer in transaction mode, of any version."""

SQLITE_PRESET = PoolOptions(
    pool_size=5,
    max_overflow=5,
    pool_timeout=30,
    pool_recycle=-1,
    pool_pre_ping=False,
    pool_use_lifo=True,
    busy_timeout=30,
    journal_mode="WAL",
    synchronous="NORMAL",
    foreign_keys=True,
)
"""The preset for SQLite; in memory, the pool's values do not apply."""


def make_engine(url: str | URL, options: PoolOptions | None = None, **overrides: Any) -> AsyncEngine:
    """An engine for reading, by the preset of its database.

    Statements are autocommitted (no BEGIN and no ROLLBACK is sent for a read); whoever needs a
    transaction sets the isolation level on its connection.

    Args:
        url: the database, with an asynchronous driver, such as ``postgresql+asyncpg://user@host/name``.
        options: options that differ from the preset.
        **overrides: single options of ``PoolOptions`` by name; they win over ``options``.

    Raises:
        DeclarationError: the database or driver is not supported or not installed, or an option does
            not exist.
    """
    parsed = _checked_url(url)
    chosen = _chosen(parsed, options, overrides)
    arguments = _engine_arguments(parsed, chosen)
    arguments.setdefault("isolation_level", "AUTOCOMMIT")
    # Nothing that this engine hands out is ever inside a transaction when it comes back, except where
    # a door began one and ended it itself: a ROLLBACK on return would be work for nothing.
    arguments.setdefault("skip_autocommit_rollback", True)
    engine = create_async_engine(parsed, **arguments)
    _set_pragmas(engine, parsed, chosen)
    if chosen.pooler is not None and parsed.get_backend_name() == "postgresql":
        put_behind(engine.sync_engine, chosen.pooler)
    if chosen.pool_pre_ping is not None and not isinstance(chosen.pool_pre_ping, bool):
        ping_after(engine.sync_engine, chosen.pool_pre_ping)
    return engine


def read_engine(engine: AsyncEngine) -> AsyncEngine:
    """The reading side of an engine that the user made: same pool, statements autocommitted."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def describe(engine: AsyncEngine, *, driver_path: bool = False) -> str:
    """One line about an engine, without address or password.

    Such as ``postgresql+asyncpg, pool 10+10, pre-ping after 2 s idle, recycle 1800 s``.

    Args:
        engine: the engine.
        driver_path: say too whether statements may take the driver path now, or why they do not.
    """
    pool = engine.sync_engine.pool
    parts = [f"{engine.dialect.name}+{engine.dialect.driver}"]
    pooler = pooler_of(engine.sync_engine)
    if pooler is not None:
        parts.append(f"through {pooler}")
    if isinstance(pool, StaticPool):
        parts.append("one shared connection")
    elif isinstance(pool, QueuePool):
        overflow = pool._max_overflow
        parts.append(f"pool {pool.size()}+{overflow if overflow >= 0 else 'any'}")
    else:
        parts.append(type(pool).__name__)
    idle = pings_after(pool)
    if pool._pre_ping:
        parts.append("pre-ping")
    elif idle is not None:
        parts.append(f"pre-ping after {idle:g} s idle")
    if pool._recycle >= 0:
        parts.append(f"recycle {pool._recycle} s")
    if driver_path:
        reason = refusal(engine.sync_engine)
        parts.append("driver path" if reason is None else f"no driver path ({reason})")
    return ", ".join(parts)


def is_memory(url: URL) -> bool:
    """Whether a SQLite URL names a database in memory, in any of the spellings."""
    database = url.database or ""
    return (
        database in {"", ":memory:"}
        or database.startswith("file::memory:")
        or url.query.get("mode") == "memory"
        or "mode=memory" in database
    )


def _checked_url(url: str | URL) -> URL:
    """The URL, if we support it; otherwise an error that says which one to use."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        # The text is not shown: it may hold a password.
        msg = (
            "The database URL cannot be read. Expected dialect+driver://user:password@host/name, such as "
            "postgresql+asyncpg://app@localhost/shop or sqlite+aiosqlite:///shop.db."
        )
        raise DeclarationError(msg) from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        backend = parsed.get_backend_name()
        shown = parsed.render_as_string(hide_password=True)
        if backend in _ASYNC_URLS:
            msg = f"{shown} does not name an asynchronous driver. Use {_ASYNC_URLS[backend]} instead."
        else:
            msg = f"{shown}: {backend} is not supported. Use {', '.join(sorted(_DRIVERS))}."
        raise DeclarationError(msg)
    try:
        parsed.get_dialect().import_dbapi()
    except (ImportError, NoSuchModuleError) as error:
        msg = (
            f"{parsed.drivername} needs the package {driver.package}, which is not installed: "
            f"pip install 'batchrepo[{driver.extra}]'"
        )
        raise DeclarationError(msg) from error
    return parsed


def _chosen(url: URL, options: PoolOptions | None, overrides: Mapping[str, Any]) -> PoolOptions:
    """Preset, options and overrides put together."""
    names = [f.name for f in dataclasses.fields(PoolOptions)]
    for name in overrides:
        if name not in names:
            msg = (
                f"PoolOptions has no option {name!r}.{did_you_mean(name, names)} "
                f"Arguments of create_async_engine go into engine_args, those of the driver into connect_args."
            )
            raise DeclarationError(msg)
    given = dataclasses.replace(options or PoolOptions(), **overrides)
    if given.pooler is not None and given.pooler not in POOLERS:
        msg = (
            f"pooler= expects {' or '.join(map(repr, POOLERS))}, or None; got {given.pooler!r}. "
            f"It is for PgBouncer in transaction mode; in session mode leave it out."
        )
        raise DeclarationError(msg)
    if url.get_backend_name() == "sqlite":
        return given.over(SQLITE_PRESET)
    return given.over(POSTGRESQL_PRESET if given.pooler is None else PGBOUNCER_PRESET)


def _engine_arguments(url: URL, options: PoolOptions) -> dict[str, Any]:
    """The arguments of ``create_async_engine``."""
    connect_args: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    if url.get_backend_name() == "sqlite":
        connect_args["timeout"] = options.busy_timeout
    elif options.application_name and "application_name" not in url.query:
        if url.get_driver_name() == "asyncpg":
            connect_args["server_settings"] = {"application_name": options.application_name}
        else:
            connect_args["application_name"] = options.application_name
    if url.get_backend_name() == "postgresql":
        asked = driver_arguments(
            url.get_driver_name(),
            pooler=options.pooler,
            prepared_statements=options.prepared_statements is not False,
        )
        connect_args |= {name: value for name, value in asked.items() if name not in url.query}
    if url.get_backend_name() == "sqlite" and is_memory(url):
        arguments["poolclass"] = StaticPool
    else:
        arguments |= {
            "pool_size": options.pool_size,
            "max_overflow": options.max_overflow,
            "pool_timeout": options.pool_timeout,
            "pool_recycle": options.pool_recycle,
            "pool_pre_ping": options.pool_pre_ping is True,
            "pool_use_lifo": options.pool_use_lifo,
        }
    settings = {**connect_args.get("server_settings", {}), **options.connect_args.get("server_settings", {})}
    connect_args |= options.connect_args
    if settings:
        connect_args["server_settings"] = settings
    return {**arguments, "connect_args": connect_args, **options.engine_args}


def _set_pragmas(engine: AsyncEngine, url: URL, options: PoolOptions) -> None:
    """Set the pragmas on every new connection of a SQLite engine."""
    if url.get_backend_name() != "sqlite":
        return
    pragmas = []
    if options.foreign_keys is not None:
        pragmas.append(f"PRAGMA foreign_keys = {'ON' if options.foreign_keys else 'OFF'}")
    read_only = url.query.get("mode") == "ro" or "immutable" in url.query
    if not is_memory(url):
        # The journal mode is a property of the file: a read-only connection cannot change it.
        if options.journal_mode and not read_only:
            pragmas.append(f"PRAGMA journal_mode = {options.journal_mode}")
        if options.synchronous:
            pragmas.append(f"PRAGMA synchronous = {options.synchronous}")

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(pragma)
        cursor.close()
