"""Writing many rows: insert, upsert, update and delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from pydantic import BaseModel

from batchrepo.errors import InvalidArgument, did_you_mean
from batchrepo.mapping.entity import shown
from batchrepo.repository.arguments import check_progress
from batchrepo.repository.by_key import ReadsByKey
from batchrepo.writing.insert.insert_many import Inserts
from batchrepo.writing.rows.columns import write_columns
from batchrepo.writing.rows.duplicates import check_policy
from batchrepo.writing.rows.intake import length_of
from batchrepo.writing.running import LIST_CHUNK, BulkRun, Options, check_options
from batchrepo.writing.update.update_many import Updates, UpdateTerms
from batchrepo.writing.upsert.conflicts import target_of, updated_names
from batchrepo.writing.upsert.upsert_many import Terms, Upserts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sqlalchemy.engine import Dialect
    from sqlalchemy.orm import QueryableAttribute

    from batchrepo.declare.criteria import Guards
    from batchrepo.declare.elements import Condition
    from batchrepo.writing.choosing import Method
    from batchrepo.writing.refusals.applying import OnError
    from batchrepo.writing.results import BulkProgress, BulkResult
    from batchrepo.writing.rows.columns import WriteColumns
    from batchrepo.writing.rows.duplicates import Policy
    from batchrepo.writing.rows.intake import Missing, RowSource
    from batchrepo.writing.running import ChunkWriter
    from batchrepo.writing.upsert.conflicts import Columns, Updated

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)


class Writes(ReadsByKey[E]):
    """Rows written in bulk."""

    @overload
    async def insert_many(
        self,
        rows: RowSource,
        *,
        returning: Literal["keys"] | None = None,
        missing: Missing = "error",
        on_error: OnError = "raise",
        commit_every: int | None = None,
        progress: Callable[[BulkProgress], object] | None = None,
        method: Method | None = None,
    ) -> BulkResult[Any]: ...
    @overload
    async def insert_many(
        self,
        rows: RowSource,
        *,
        returning: type[V],
        missing: Missing = "error",
        on_error: OnError = "raise",
        commit_every: int | None = None,
        progress: Callable[[BulkProgress], object] | None = None,
        method: Method | None = None,
    ) -> BulkResult[V]: ...
    async def insert_many(
        self,
        rows: RowSource,
        *,
        returning: Any = None,
        missing: Missing = "error",
        on_error: OnError = "raise",
        commit_every: int | None = None,
        progress: Callable[[BulkProgress], object] | None = None,
        method: Method | None = None,
    ) -> BulkResult[Any]:
        """Insert rows, in few statements.

        What a row leaves out is filled as SQLAlchemy fills it for an entity: by the column's default, the database's
        own, or NULL. None in a column that has a default asks for the default, too.

        Args:
            rows: dicts (by attribute name or attribute), Pydantic models (their set fields), dataclasses or entities;
                from a list, an iterator or an async iterator of any length.
            returning: ``"keys"`` for primary keys, or a view; in the order of the input.
            missing: what to do where rows have not the same keys: refuse them (``"error"``), or leave what a row leaves
                out to its default (``"default"``).
            on_error: refuse everything for one wrong row (``"raise"``), or write the good rows and return the others
                (``"collect"``).
            commit_every: commit after so many rows; otherwise all rows are one transaction.
            progress: called after each chunk.
            method: a way to write; default: the fastest that is possible, see `explain_write`.

        Raises:
            BulkError: rows were refused; it names them. Nothing was written, except what ``commit_every`` committed:
                ``error.resume`` says how many rows.
            ForbiddenWrite: rows would be out of the scope's sight.
            InvalidArgument: a row has a column that cannot be written, or an argument is wrong.
        """
        call = self._call("insert_many", returning, missing, on_error, commit_every, progress, method)
        return await self._run(call, rows, Inserts(call.columns, call.options))

    @overload
    async def upsert_many(
        self,
        rows: RowSource,
        *,
        on: Columns | None = None,
        where: Condition | None = None,
        update: Updated = "all",
        duplicates: Policy = "error",
        returning: Literal["keys"] | None = None,
        missing: Missing = "error",
        on_error: OnError = "raise",
        commit_every: int | None = None,
        progress: Callable[[BulkProgress], object] | None = None,
        method: Method | None = None,
    ) -> BulkResult[Any]: ...
    @overload
    async def upsert_many(
        self,
        rows: RowSource,
        *,
        on: Columns | None = None,
        where: Condition | None = None,
        update: Updated = "all",
        duplicates: Policy = "error",
        returning: type[V],
        missing: Missing = "error",
        on_error: OnError = "raise",
        commit_every: int | None = None,
        progress: Callable[[BulkProgress], object] | None = None,
        method: Method | None = None,
    ) -> BulkResult[V]: ...
    async def upsert_many(
        self,
        rows: RowSource,
        *,
        on: Columns | None = None,
        where: Condition | None = None,
        update: Updated = "all",
        duplicates: Policy = "error",
        returning: Any = None,
        missing: Missing = "error",
        on_error: OnError = "raise",
        commit_every: int | None = None,
        progress: Callable[[BulkProgress], object] | None = None,
        method: Method | None = None,
    ) -> BulkResult[Any]:
        """Insert rows, or update those that are there already, in few statements that are safe beside others.

        Columns that the rows do not have are never overwritten. ``onupdate`` columns and the version are set as by any
        update; where rows say which version they are of, it must be the table's still.

        Args:
            rows: as for `insert_many`.
            on: by which columns a row is told: one or several of a unique constraint or index. Default: the primary key.
            where: of a partial unique index: its condition.
            update: what is set in a row that is there: all that the new row has (``"all"``), some columns, or
                ``"nothing"``.
            duplicates: what to do where the input has a row twice: refuse it (``"error"``), or let the last one win,
                column by column (``"last"``).
            returning: as for `insert_many`; of rows that were there, too, also where nothing was updated.
            missing: as for `insert_many`; columns that a row leaves out keep their values in a row that is there.
            on_error: as for `insert_many`.
            commit_every: as for `insert_many`.
            progress: as for `insert_many`.
            method: as for `insert_many`.

        Raises:
            BulkError: rows were refused; it names them.
            ForbiddenWrite: rows are there already, or would be, that this scope may not see.
            InvalidArgument: `on` is no unique constraint or index of the table; it names those that are.
            StaleRows: rows are of another version than the table's; it names them.
        """
        call = self._call("upsert_many", returning, missing, on_error, commit_every, progress, method)
        terms = self._terms(call, on, where, update, duplicates)
        # A row that is left alone cannot be replaced by a later chunk.
        whole = duplicates == "last" and terms.updated == ()
        several = not (length_of(rows) or LIST_CHUNK + 1) <= LIST_CHUNK
        upserts = Upserts(call.columns, call.options, terms, several=several)
        return await self._run(call, rows, upserts, whole=whole)

    def explain_write(
        self,
        operation: Literal["insert", "upsert", "update", "delete"],
        rows: int = 2,
        *,
        columns: Sequence[QueryableAttribute[Any] | str] | None = None,
        on: Columns | None = None,
        where: Condition | None = None,
        update: Updated = "all",
        returning: Any = None,
        method: Method | None = None,
    ) -> str:
        """Which way a bulk write would go, and why; nothing is run.

        Args:
            operation: what is done with the rows.
            rows: how many rows.
            columns: that the rows have. Default: all that the database does not fill by itself.
            on: as for `upsert_many`.
            where: as for `upsert_many`.
            update: as for `upsert_many`.
            returning: as for `insert_many`.
            method: a way to write, to see whether it is possible.

        Raises:
            InvalidArgument: the way that is asked for is not possible.
        """
        if operation not in ("insert", "upsert", "update", "delete"):
            raise InvalidArgument(
                f"explain_write: no operation {operation!r:.100}. It explains insert, upsert, update and delete."
            )
        if operation == "delete":
            return f"delete of {rows} rows of {self._entity.name}: one statement, its keys one parameter"
        call = self._call(f"{operation}_many", returning, "error", "raise", None, None, method)
        names = _names(
            call.columns, columns, keyed=operation == "update" or (operation == "upsert" and on is None)
        )
        place = _Place(self.scope.guards, self.scope.reading.engine.dialect)
        chooser: Inserts | Upserts | Updates
        if operation == "insert":
            chooser = Inserts(call.columns, call.options)
        elif operation == "upsert":
            terms = self._terms(call, on, where, update, "error")
            chooser = Upserts(call.columns, call.options, terms, several=False)
        else:
            chooser = Updates(call.columns, call.options, UpdateTerms(versions="unchecked"), several=False)
        choice = chooser.choice(names, rows, place)
        return f"{operation} of {rows} rows of {self._entity.name} ({', '.join(names)})\n{choice}"

    def _terms(self, call: _Call, on: Any, where: Any, update: Any, duplicates: Any) -> Terms:
        check_policy(duplicates)
        target = target_of(call.columns, on, where, self.scope.reading.engine.dialect)
        return Terms(target, updated_names(call.columns, update, target), duplicates)

    def _call(
        self,
        where: str,
        returning: Any,
        missing: Missing,
        on_error: OnError,
        commit_every: int | None,
        progress: Callable[[BulkProgress], object] | None,
        method: Method | None,
    ) -> _Call:
        view = None
        if returning is not None and returning != "keys":
            if not (isinstance(returning, type) and issubclass(returning, BaseModel)):
                near = did_you_mean(returning, ["keys"]) if isinstance(returning, str) else ""
                raise InvalidArgument(
                    f'{where}: returning= expects "keys" or a view (a Pydantic model); got {shown(returning)}.{near}'
                )
            view = returning
        check_progress(progress)
        options = Options(returning is not None, missing, on_error, commit_every, progress, method)
        check_options(where, options)
        return _Call(where, write_columns(self._entity), options, view)

    async def _run(
        self, call: _Call, rows: RowSource, writer: ChunkWriter, *, whole: bool = False
    ) -> BulkResult[Any]:
        run = BulkRun(
            self.scope,
            self.scope.events,
            call.columns,
            call.where,
            call.options,
            writer,
            None if call.view is None else self._views(call.view),
            whole=whole,
        )
        return await run.run(rows)

    def _views(self, view: type[V]) -> Callable[[Sequence[Any]], Awaitable[Sequence[V]]]:
        async def read(keys: Sequence[Any]) -> Sequence[V]:
            return await self.get_many(keys, view)

        return read


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, checked."""

    where: str
    columns: WriteColumns
    options: Options
    view: type[BaseModel] | None


@dataclass(frozen=True, slots=True)
class _Place:
    """What a choice needs to know of the place where it would be made."""

    guards: Guards
    dialect: Dialect


def _names(columns: WriteColumns, given: Sequence[Any] | None, *, keyed: bool) -> tuple[str, ...]:
    """The attributes of rows to explain, in the table's order."""
    if given is not None:
        wanted = {columns.named(each, "explain_write").name for each in given}
    else:
        wanted = {
            name
            for name, column in columns.columns.items()
            if column.refused is None and column.default not in ("autoincrement", "server", "sql", "sequence")
        }
        if keyed:
            wanted.update(column.name for column in columns.key)
    return tuple(name for name in columns.columns if name in wanted)
