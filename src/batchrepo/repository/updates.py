"""Updating and deleting many rows, and inserting below a parent."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import sqlalchemy as sa
from pydantic import BaseModel

from batchrepo.errors import InvalidArgument
from batchrepo.mapping.entity import shown
from batchrepo.repository.arguments import check_conditions, check_view
from batchrepo.repository.by_key import ReadsByKey
from batchrepo.writing.insert.insert_from import insert_from, parent_relation
from batchrepo.writing.rows.columns import columns_to_update, write_columns
from batchrepo.writing.rows.duplicates import check_policy
from batchrepo.writing.running import CHUNK, LIST_CHUNK, BulkRun, Options, check_options
from batchrepo.writing.update.by_condition import delete_where, update_where
from batchrepo.writing.update.deleting import Deletes, marks_of, refuse_partial_delete
from batchrepo.writing.update.update_many import Updates, UpdateTerms, check_absent
from batchrepo.writing.update.versions import Versions, check_versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from batchrepo.declare.elements import Condition
    from batchrepo.writing.refusals.applying import OnError
    from batchrepo.writing.results import BulkProgress, BulkResult
    from batchrepo.writing.rows.intake import RowSource
    from batchrepo.writing.update.update_many import Absent
    from batchrepo.writing.update.versions import Check

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)

_NOTHING: Any = object()


class UpdatesAndDeletes(ReadsByKey[E]):
    """Rows that are there: updated, deleted, and given children."""

    @overload
    async def update_many(
        self,
        rows: RowSource,
        /,
        *,
        returning: type[V],
        missing: Literal["error", "keep"] = "error",
        absent: Absent = "error",
        versions: Check = "checked",
        duplicates: Literal["error", "last"] = "error",
        on_error: OnError = "raise",
        commit_every: int | None = None,
        progress: Callable[[BulkProgress], None] | None = None,
        method: str | None = None,
    ) -> BulkResult[V]: ...
    @overload
    async def update_many(
        self,
        rows: RowSource,
        /,
        *,
        returning: Literal["keys"] | None = None,
        missing: Literal["error", "keep"] = "error",
        absent: Absent = "error",
        versions: Check = "checked",
        duplicates: Literal["error", "last"] = "error",
        on_error: OnError = "raise",
        commit_every: int | None = None,
        progress: Callable[[BulkProgress], None] | None = None,
        method: str | None = None,
    ) -> BulkResult[Any]: ...
    @overload
    async def update_many(self, *where: Condition, set: Mapping[Any, Any]) -> BulkResult[Any]: ...
    async def update_many(
        self,
        *rows: Any,
        set: Any = _NOTHING,  # noqa: A002  the word that SQL has for it
        returning: Any = None,
        missing: Any = "error",
        absent: Any = "error",
        versions: Any = "checked",
        duplicates: Any = "error",
        on_error: Any = "raise",
        commit_every: int | None = None,
        progress: Any = None,
        method: str | None = None,
    ) -> BulkResult[Any]:
        """Update many rows: each by its key with values of its own, or all that meet conditions with one SET.

        ``update_many([{"id": 1, "title": "A"}, {"id": 2, "title": "B"}])``, or
        ``update_many(Album.price > 10, set={Album.price: Album.price * 0.9})``.

        Rows that the scope may not see are not touched. Columns with ``onupdate`` are set as SQLAlchemy does, and
        a version column is compared and moved on.

        Args:
            rows: dicts, Pydantic models, dataclasses or entities, each with its primary key and what is to be set; or,
                with ``set=``, the conditions: at least one, and ``sa.true()`` for all rows.
            set: values or SQL expressions by column, for all rows that meet the conditions.
            returning: what comes back, in the order of the input: nothing, ``"keys"``, or a view.
            missing: rows with unequal keys are an error, or (``"keep"``) what a row leaves out stays as it is.
            absent: a key without a row is an error, or ignored.
            versions: where the entity has a version column, rows must say the version that they were read with, and
                are refused where it is not the row's any more; ``"unchecked"`` overwrites what others have changed.
            duplicates: rows with one key are an error, or the last one wins, column by column.
            on_error: a refused row fails the whole call, or is left out and returned in ``errors``.
            commit_every: commit after so many rows, outside of a transaction.
            progress: called after each chunk.
            method: a way to write instead of the fastest.

        Raises:
            BulkError: rows were refused by the database, are there twice, or have no row; it names them.
            ForbiddenWrite: rows would be out of the scope's sight.
            InvalidArgument: the arguments contradict each other, or rows have columns that cannot be set.
            StaleRows: rows have another version than the one they were read with; it names them.
        """
        name = f"update_many of {self._entity.name}"
        columns = columns_to_update(self._entity)
        check_versions(versions)
        if set is not _NOTHING:
            _check_where(rows, name)
            _refuse_options(
                name,
                returning=(returning, None),
                missing=(missing, "error"),
                absent=(absent, "error"),
                versions=(versions, "checked"),
                duplicates=(duplicates, "error"),
                on_error=(on_error, "raise"),
                commit_every=(commit_every, None),
                progress=(progress, None),
                method=(method, None),
            )
            return await self._counted(
                update_where(self.scope, columns, rows, set, Versions(columns, "unchecked"))
            )
        (given,) = _one(rows, name)
        check_absent(absent, name)
        check_policy(duplicates)
        if missing not in ("error", "keep"):
            raise InvalidArgument(f'{name}: missing= expects "error" or "keep"; got {missing!r:.100}.')
        options = Options(
            returning is not None,
            "default" if missing == "keep" else "error",
            on_error,
            commit_every,
            progress,
            method,
        )
        check_options(name, options)
        terms = UpdateTerms(absent, versions, duplicates)
        writer = Updates(columns, options, terms, several=_is_long(given))
        run = BulkRun(
            self.scope,
            self.scope.events,
            columns,
            "update_many",
            options,
            writer,
            self._views_for(returning, name),
            whole=duplicates == "last",
        )
        return await run.run(given)

    @overload
    async def delete_many(
        self,
        keys: Iterable[Any] | AsyncIterable[Any],
        /,
        *,
        absent: Absent = "ignore",
        on_error: OnError = "raise",
        soft: bool = True,
    ) -> BulkResult[Any]: ...
    @overload
    async def delete_many(self, *where: Condition, soft: bool = True) -> BulkResult[Any]: ...
    async def delete_many(
        self,
        *keys: Any,
        absent: Any = "ignore",
        on_error: Any = "raise",
        soft: bool = True,
    ) -> BulkResult[Any]:
        """Delete many rows: by key, or all that meet conditions.

        ``delete_many([1, 2, 3])``, or ``delete_many(Album.price == 0)``. Rows that the scope may not see are not
        touched. Where the repository declares ``soft_delete(...)``, rows are marked instead. The database deletes by
        itself: cascades of its foreign keys happen, those of SQLAlchemy's relationships do not.

        Args:
            keys: primary keys, from any iterable; or conditions: at least one, and ``sa.true()`` for all rows.
            absent: a key without a row is ignored, since what was to be gone is gone, or an error.
            on_error: a row that the database refuses to delete fails the whole call, or is returned in ``errors``.
            soft: False deletes rows for good in spite of a declared soft delete.

        Raises:
            BulkError: keys have no row where that is an error, or other rows refer to one; it names them.
            InvalidArgument: the arguments contradict each other, or the rows are in several tables.
        """
        name = f"delete_many of {self._entity.name}"
        declared = self.scope.reading.catalog.soft_delete(self._entity) if soft else None
        if declared is None:
            refuse_partial_delete(self._entity)
        columns = columns_to_update(self._entity)
        marks = marks_of(columns, declared)
        if len(keys) == 1 and _is_many(keys[0]):
            check_absent(absent, name)
            check_options(name, Options(on_error=on_error))
            return await self._counted(Deletes(columns, marks, absent, on_error).run(keys[0], self.scope))
        _check_where(keys, name)
        _refuse_options(name, absent=(absent, "ignore"), on_error=(on_error, "raise"))
        return await self._counted(delete_where(self.scope, columns, keys, marks))

    @overload
    async def insert_from(
        self, parent: Any, key: Any, row: Any, *where: Condition, returning: type[V]
    ) -> V: ...
    @overload
    async def insert_from(
        self, parent: Any, key: Any, row: Any, *where: Condition, returning: None = None
    ) -> Any: ...
    async def insert_from(
        self, parent: Any, key: Any, row: Any, *where: Any, returning: type[BaseModel] | None = None
    ) -> Any:
        """Insert one row below a parent, in one statement that does nothing where the parent may not be seen.

        ``messages.insert_from(Message.conversation, conversation_id, {"text": "Hello"})``: the foreign key comes from
        the parent's row, which must meet the scope's row criteria and the conditions.

        Args:
            parent: the relationship to it, such as ``Message.conversation``.
            key: of the parent.
            row: a dict, model, dataclass or entity, without the columns of the relationship.
            where: what else must hold of the parent, such as ``Conversation.closed.is_(False)``.
            returning: a view to read the new row by.

        Returns:
            The primary key of the new row, or the view.

        Raises:
            BulkError: the database refused the row, or values are missing.
            ForbiddenWrite: the row itself is not this scope's to write.
            InvalidArgument: `parent` is no relationship to one parent by its key.
            NotFound: there is no such parent that the scope may see.
        """
        relation = parent_relation(self._entity, parent)
        check_conditions(where)
        view = None if returning is None else check_view(returning)
        async with self.scope.writing():
            made = await insert_from(self.scope, write_columns(self._entity), relation, key, row, where)
            if view is None:
                return made
            return await self.get(made, view)

    async def _counted(self, work: Awaitable[BulkResult[Any]]) -> BulkResult[Any]:
        events = self.scope.events
        before = events.statement_count
        return replace(await work, statements=events.statement_count - before)

    def _views_for(self, returning: Any, name: str) -> Any:
        if returning is None or returning == "keys":
            return None
        if not (isinstance(returning, type) and issubclass(returning, BaseModel)):
            raise InvalidArgument(
                f'{name}: returning= expects "keys", a view or None; got {shown(returning)}.'
            )
        view = check_view(returning)

        async def read(keys: Sequence[Any]) -> Sequence[Any]:
            return await self.get_many(keys, view)

        return read


def _refuse_options(name: str, **options: tuple[Any, Any]) -> None:
    """Refuse options of rows beside conditions; each is given with its default."""
    for option, (value, default) in options.items():
        if value != default:
            raise InvalidArgument(
                f"{name}: {option}= goes with rows or keys, not with conditions. Leave it out."
            )


def _is_many(value: Any) -> bool:
    """Whether it is keys or rows, and no condition."""
    if isinstance(value, str | bytes | Mapping | sa.ClauseElement) or hasattr(value, "__clause_element__"):
        return False
    return isinstance(value, Iterable | AsyncIterable)


def _is_long(rows: Any) -> bool:
    """Whether they may come in more than one chunk."""
    if isinstance(rows, list | tuple):
        return len(rows) > LIST_CHUNK
    return not isinstance(rows, Sized) or len(rows) > CHUNK


def _one(rows: Sequence[Any], name: str) -> Sequence[Any]:
    if len(rows) != 1 or not _is_many(rows[0]):
        got = ", ".join(map(shown, rows)) or "nothing"
        raise InvalidArgument(
            f"{name} expects rows, such as [{{...}}, {{...}}], or conditions with set={{...}}; got {got}."
        )
    return rows


def _check_where(where: Sequence[Any], name: str) -> None:
    if not where:
        raise InvalidArgument(f"{name} expects a condition. To write all rows, say so: sqlalchemy.true().")
    check_conditions(where)
