"""The parts of one request, each as a function that does this part alone, with what a real request recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import await_only, greenlet_spawn

from batchrepo import Database
from batchrepo.executing.door import Door
from batchrepo.strategies.batched import complete
from benchmarks.data import Dataset
from benchmarks.engines import reading_engine
from benchmarks.workloads.nested_list.ours import NEWEST, AuthorRepository, PostRepository
from benchmarks.workloads.nested_list.views import PostView

Section = Callable[[], Awaitable[Any]]
"""Does one part of one request."""

BEFORE = {"driver_path": False}
"""SQLAlchemy executes every statement."""

WAYS: dict[str, dict[str, Any]] = {"before": BEFORE, "driver path": {}, "inline": {"inline_lookups": 300}}
"""What is compared: settings of the Database."""


@dataclass(frozen=True)
class Asked:
    """One statement of the request, as the door was asked for it, and its rows."""

    statement: Any
    params: Any
    cause: str
    keys: int | None
    rows: list[tuple[Any, ...]] = field(default_factory=list)


class _Answering:
    """A door that gives recorded rows, for the work beside statements."""

    parallel = 1

    def __init__(self, dialect: Any, asked: Sequence[Asked]) -> None:
        self.dialect = dialect
        self._rows = {(each.statement, each.keys): each.rows for each in asked}

    async def rows(self, statement: Any, _: Any = None, *, keys: int | None = None, **__: Any) -> list[Any]:
        return list(self._rows[statement, keys])

    def hold(self) -> Any:
        return nullcontext()


class _Context:
    """What strategies need of a scope."""

    def __init__(self, scope: Any, door: Any) -> None:
        self.reading, self.guards, self.door = scope.reading, scope.guards, door


async def _find(db: Database) -> bytes:
    async with db.scope() as scope:
        return await PostRepository(scope).find_json(PostView, order_by=NEWEST, limit=50, strategy="batched")


async def _record(db: Database) -> list[Asked]:
    """The statements of one request."""
    asked: list[Asked] = []
    real = Door.rows

    async def rows(
        self: Door, statement: Any, params: Any = None, *, cause: str, keys: int | None = None
    ) -> Any:
        # In the order in which they begin, should they run side by side.
        asked.append(each := Asked(statement, params, cause, keys))
        each.rows.extend(await real(self, statement, params, cause=cause, keys=keys))
        return list(each.rows)

    Door.rows = rows  # type: ignore[method-assign]
    try:
        await _find(db)
    finally:
        Door.rows = real  # type: ignore[method-assign]
    return asked


@asynccontextmanager
async def opened(dataset: Dataset) -> AsyncIterator[dict[str, Section]]:
    """All sections by name; those of one way begin with its name."""
    async with AsyncExitStack() as stack:
        sections: dict[str, Section] = {}
        for way, settings in WAYS.items():
            db = await stack.enter_async_context(
                Database(
                    dataset.url,
                    repositories=[PostRepository, AuthorRepository],
                    views=[PostView],
                    **settings,
                )
            )
            made = await _sections(db, stack)
            sections |= {f"{way}: {name}": section for name, section in made.items()}
        return_ = await _settings_of_engines(dataset, stack)
        yield sections | return_


class _Parts:
    """The parts of a request to one Database, which has answered a few of them.

    Args:
        db: as one way sets it.
        scope: open, and held: for what needs a scope or a connection that is there.
        asked: the statements of a request.
    """

    def __init__(self, db: Database, scope: Any, asked: Sequence[Asked]) -> None:
        posts = PostRepository(scope)
        self.db = db
        self.asked = asked
        self.rows = asked[0].rows
        self.delivery, whole, names = scope.reading.json(PostView, posts._entity, posts._info)
        assert names == "output"
        self.compiled = whole.for_rows(50)
        self.context: Any = _Context(scope, _Answering(scope.door.dialect, asked))
        self.dicts: list[dict[str, Any]] = []
        self.prepared: list[tuple[Any, list[Any]]] = []
        below = iter(asked[1:])
        self.uses = [(self.compiled.root, self.rows)]
        for level in self.compiled.levels:
            for fetch in level.fetches:
                rows = next(below).rows
                self.uses += [(attach.child, rows) for attach in fetch.attaches]

    async def prepare(self, connection: Any) -> None:
        """Make what the parts start from: the statements as asyncpg takes them, and the dicts of the answer."""
        self.dicts = await complete(self.compiled, self.rows, self.context)
        dialect = self.context.door.dialect
        for each in self.asked:
            compiled: Any = each.statement.compile(dialect=dialect)
            values = compiled.construct_params(dict(each.params or {}))
            processors = compiled._bind_processors
            arguments = [
                processors[name](values[name]) if name in processors else values[name]
                for name in compiled.positiontup or ()
            ]
            statement = await connection.connection.dbapi_connection._connection.prepare(str(compiled))
            self.prepared.append((statement, arguments))

    async def request(self) -> None:
        await _find(self.db)

    async def scope(self) -> None:
        async with self.db.scope():
            pass

    async def checkout(self) -> None:
        async with self.db.scope() as own, own.door.hold():
            await own.door._give(await own.door._take())

    async def statements(self) -> None:
        async with self.db.scope() as own, own.door.hold():
            for each in self.asked:
                await own.door.rows(each.statement, each.params, cause=each.cause, keys=each.keys)

    async def driver(self) -> None:
        for statement, values in self.prepared:
            await statement.fetch(*values)

    async def lookup(self) -> None:
        engine: Any = self.db.engine.sync_engine
        for each in self.asked:
            each.statement._compile_w_cache(
                engine.dialect,
                compiled_cache=engine._compiled_cache,
                column_keys=sorted(each.params or ()),
                for_executemany=False,
                schema_translate_map=None,
            )

    async def greenlets(self) -> None:
        for _ in self.asked:
            await greenlet_spawn(_hop)

    async def rows_to_dicts(self) -> None:
        for use, rows in self.uses:
            use.assemble(rows)

    async def grouping(self) -> None:
        await complete(self.compiled, self.rows, self.context)

    async def validation(self) -> None:
        self.delivery.views(self.dicts)  # output names are field names in this view

    async def serialisation(self) -> None:
        self.delivery.json(self.dicts, by_alias=True)


async def _sections(db: Database, stack: AsyncExitStack) -> dict[str, Section]:
    for _ in range(4):
        await _find(db)
    asked = await _record(db)
    scope = await stack.enter_async_context(db.scope())
    await stack.enter_async_context(scope.door.hold())
    connection = await scope.door._take()
    stack.push_async_callback(scope.door._give, connection)
    parts = _Parts(db, scope, asked)
    await parts.prepare(connection)
    return {
        "request": parts.request,
        "scope": parts.scope,
        "checkout": parts.checkout,
        "statements": parts.statements,
        "driver": parts.driver,
        "lookup": parts.lookup,
        "greenlets": parts.greenlets,
        "rows": parts.rows_to_dicts,
        "grouping": parts.grouping,
        "validation": parts.validation,
        "serialisation": parts.serialisation,
    }


def _hop() -> None:
    """What waits in a greenlet: it goes to the event loop's side and comes back."""
    await_only(_nothing())


async def _nothing() -> None: ...


async def _settings_of_engines(dataset: Dataset, stack: AsyncExitStack) -> dict[str, Section]:
    """One statement with SQLAlchemy's own settings, and with those of a reading engine."""
    plain, reading = create_async_engine(dataset.url), reading_engine(dataset)
    statement = sa.text("SELECT 1")

    def section(engine: Any) -> Section:
        stack.push_async_callback(engine.dispose)

        async def one() -> None:
            async with engine.connect() as connection:
                await connection.execute(statement)

        return one

    return {"one: transaction": section(plain), "one: autocommit": section(reading)}
