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

BEFORE = {"driver_path": False, "inline_lookups": 0}
"""SQLAlchemy executes every statement, and each lookup is one."""

WAYS: dict[str, dict[str, Any]] = {"before": BEFORE, "driver path": {"inline_lookups": 0}, "after": {}}
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

    async def rows(
        self, statement: Any, params: Any = None, *, cause: str, keys: int | None = None
    ) -> list[Any]:
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


async def _sections(db: Database, stack: AsyncExitStack) -> dict[str, Section]:
    for _ in range(4):
        await _find(db)
    asked = await _record(db)
    scope = await stack.enter_async_context(db.scope())
    posts = PostRepository(scope)
    delivery, whole, names = scope.reading.json(PostView, posts._entity, posts._info)
    assert names == "output"
    compiled = whole.for_rows(50)
    door = scope.door
    context: Any = _Context(scope, _Answering(door.dialect, asked))
    dicts = await complete(compiled, asked[0].rows, context)
    uses = [(compiled.root, asked[0].rows)]
    below = iter(asked[1:])
    for level in compiled.levels:
        for fetch in level.fetches:
            rows = next(below).rows
            uses += [(attach.child, rows) for attach in fetch.attaches if attach.child is not None]
    await stack.enter_async_context(door.hold())
    connection = await door._take()
    stack.push_async_callback(door._give, connection)
    adapter = connection.connection.dbapi_connection
    prepared = []
    for each in asked:
        compiled_sql = each.statement.compile(dialect=door.dialect)
        values = compiled_sql.construct_params(dict(each.params or {}))
        statement = await adapter._connection.prepare(str(compiled_sql))
        arguments = []
        for name in compiled_sql.positiontup or ():
            process = compiled_sql._bind_processors.get(name)
            arguments.append(process(values[name]) if process else values[name])
        prepared.append((statement, arguments))

    async def request() -> None:
        await _find(db)

    async def empty_scope() -> None:
        async with db.scope():
            pass

    async def checkout() -> None:
        async with db.scope() as own, own.door.hold():
            await own.door._give(await own.door._take())

    async def statements() -> None:
        async with db.scope() as own, own.door.hold():
            for each in asked:
                await own.door.rows(each.statement, each.params, cause=each.cause, keys=each.keys)

    async def driver() -> None:
        for statement, values in prepared:
            await statement.fetch(*values)

    async def lookup() -> None:
        cache = db.engine.sync_engine._compiled_cache
        for each in asked:
            each.statement._compile_w_cache(
                db.engine.dialect,
                compiled_cache=cache,
                column_keys=sorted(each.params or ()),
                for_executemany=False,
                schema_translate_map=None,
            )

    async def greenlets() -> None:
        for _ in asked:
            await greenlet_spawn(_hop)

    async def rows_to_dicts() -> None:
        for use, rows in uses:
            use.assemble(rows)

    async def below_the_root() -> None:
        await complete(compiled, asked[0].rows, context)

    async def validation() -> None:
        delivery.views(dicts)  # output names are field names in this view

    async def serialisation() -> None:
        delivery.json(dicts, by_alias=True)

    return {
        "request": request,
        "scope": empty_scope,
        "checkout": checkout,
        "statements": statements,
        "driver": driver,
        "lookup": lookup,
        "greenlets": greenlets,
        "rows": rows_to_dicts,
        "grouping": below_the_root,
        "validation": validation,
        "serialisation": serialisation,
    }


def _hop() -> None:
    """What waits in a greenlet: it goes to the event loop's side and comes back."""
    await_only(_nothing())


async def _nothing() -> None: ...


async def _settings_of_engines(dataset: Dataset, stack: AsyncExitStack) -> dict[str, Section]:
    """One statement with SQLAlchemy's own settings, and with those of a reading engine."""
    plain, reading = create_async_engine(dataset.url), reading_engine(dataset)
    statement = sa.select(sa.literal_column("1"))

    def section(engine: Any) -> Section:
        stack.push_async_callback(engine.dispose)

        async def one() -> None:
            async with engine.connect() as connection:
                await connection.execute(statement)

        return one

    return {"one: transaction": section(plain), "one: autocommit": section(reading)}
