"""Reading rows by their keys, batched with concurrent callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, overload

from pydantic import BaseModel

from batchrepo.errors import NotFound, StrategyRefused
from batchrepo.loading import awaited, lazily
from batchrepo.mapping.keys import key_values
from batchrepo.repository.arguments import ForUpdate, check_many, check_view, lock_of, lookup_columns
from batchrepo.repository.parts import RepositoryParts
from batchrepo.repository.rows_asked import Row, RowsByKey
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.entities import lock_by_keys
from batchrepo.strategies.form import ViewForm
from batchrepo.strategies.single import array_of, exact_of, pays_by_keys

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence

    from sqlalchemy.orm import QueryableAttribute

    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.strategies.deliver import Delivery
    from batchrepo.strategies.entities import Lock

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)
C = TypeVar("C")


class ReadsByKey(RepositoryParts[E]):
    """Rows by primary key, or by any columns."""

    @overload
    def get(self, key: Any, *, for_update: ForUpdate = False) -> Coroutine[Any, Any, E]: ...
    @overload
    def get(self, key: Any, view: type[V]) -> Coroutine[Any, Any, V]: ...
    @awaited
    def get(
        self, key: Any, view: type[V] | None = None, *, for_update: ForUpdate = False
    ) -> Coroutine[Any, Any, E | V]:
        """The row with this primary key; batched with concurrent calls.

        Await it, or give many of them to ``asyncio.gather``, which makes no task for any of them.

        Args:
            key: the primary key; for a composite one a tuple in its columns' order.
            view: gives a view instead of the entity.
            for_update: read the row anew and lock it until the transaction ends: True waits for others who have
                locked it, ``"nowait"`` raises, ``"skip_locked"`` takes it for absent. SQLite locks nothing: its
                transactions write one after the other anyway.

        Raises:
            NotFound: there is no such row (that this scope may see).
            InvalidArgument: the key has the wrong shape or type.
            TransactionError: ``for_update`` without a transaction.
            RowsLocked: others have locked the row, with ``"nowait"``.
        """
        if for_update is not False:
            return self._get_locked(key, view, for_update)
        return lazily(self._rows(view), key, Row)

    @overload
    def get_or_none(self, key: Any) -> Coroutine[Any, Any, E | None]: ...
    @overload
    def get_or_none(self, key: Any, view: type[V]) -> Coroutine[Any, Any, V | None]: ...
    @awaited
    def get_or_none(self, key: Any, view: type[V] | None = None) -> Coroutine[Any, Any, E | V | None]:
        """As `get`, but None where there is no such row."""
        return lazily(self._rows(view), key)

    @overload
    async def get_many(self, keys: Iterable[Any], *, for_update: ForUpdate = False) -> list[E]: ...
    @overload
    async def get_many(self, keys: Iterable[Any], view: type[V]) -> list[V]: ...
    async def get_many(
        self, keys: Iterable[Any], view: type[V] | None = None, *, for_update: ForUpdate = False
    ) -> list[E] | list[V]:
        """The rows with these primary keys, in the order of the keys, duplicates included.

        Args:
            keys: the primary keys.
            view: gives views instead of entities.
            for_update: as for `get`; all rows are locked by one statement.

        Raises:
            NotFound: some keys have no row; it names them all.
            InvalidArgument: a key has the wrong shape or type.
            TransactionError, RowsLocked: as `get`.
        """
        asked = check_many(keys)
        checked = self._checked(asked)
        lock = lock_of(for_update, self.scope, view)
        found = await (self._by_keys(checked, view) if lock is None else self._locked(checked, lock))
        self._refuse_missing(checked, asked, found)
        return found

    @overload
    async def get_many_or_none(self, keys: Iterable[Any]) -> list[E | None]: ...
    @overload
    async def get_many_or_none(self, keys: Iterable[Any], view: type[V]) -> list[V | None]: ...
    async def get_many_or_none(
        self, keys: Iterable[Any], view: type[V] | None = None
    ) -> list[E | None] | list[V | None]:
        """As `get_many`, with None for each key that has no row."""
        return await self._by_keys(self._checked(check_many(keys)), view)

    async def get_json(
        self,
        key: Any,
        view: type[BaseModel],
        *,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
        strategy: str | None = None,
    ) -> bytes:
        """As `get` with a view, but the JSON object, as bytes.

        Args:
            key: the primary key; for a composite one a tuple in its columns' order.
            view: what is read.
            fields: only these fields of the view, as in `find_json`.
            by_alias: whether fields have their (serialization) aliases as names.
            strategy: "batched" or "single" instead of the planner's choice.

        Raises:
            NotFound: there is no such row (that this scope may see).
            InvalidArgument: the key has the wrong shape or type.
            InvalidFields: the view does not have one of the fields.
            StrategyRefused: the strategy that was asked for cannot give it.
        """
        found = await self.get_many_json([key], view, fields=fields, by_alias=by_alias, strategy=strategy)
        return found[1:-1]

    async def get_many_json(
        self,
        keys: Iterable[Any],
        view: type[BaseModel],
        *,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
        strategy: str | None = None,
    ) -> bytes:
        """As `get_many` with a view, but the JSON array, as bytes; the arguments are those of `get_json`.

        PostgreSQL writes it itself where it could for `find_json`, of up to 1,000 keys; one statement for all concurrent
        calls. Else, where a key has no row, what belongs to the rows of the others is not read.

        Raises:
            NotFound: some keys have no row; it names them all.
            InvalidArgument: a key has the wrong shape or type.
            InvalidFields: the view does not have one of the fields.
            StrategyRefused: the strategy that was asked for cannot give it.
        """
        asked = check_many(keys)
        checked = self._checked(asked)
        delivery, compiled, _ = self.scope.reading.json(
            check_view(view), self._entity, self._info, fields=fields, by_alias=by_alias
        )
        if self._by_one_statement(delivery, len(checked), strategy):
            of_one = self.scope.loaders.texts_of_all(delivery.plan, ViewForm(by_alias))
            texts = await of_one.load(tuple(checked))
            self._refuse_missing(checked, asked, texts)
            if exact_of(texts) is not None:
                return array_of(texts)
        of_all = self.scope.loaders.dicts_of_all(self._entity, compiled)
        found = await of_all.load(tuple(checked)) if checked else []
        self._refuse_missing(checked, asked, found)
        return delivery.json(found, by_alias=by_alias)

    @overload
    async def find_by(
        self, columns: QueryableAttribute[Any] | tuple[QueryableAttribute[Any], ...], key: Any
    ) -> list[E]: ...
    @overload
    async def find_by(
        self, columns: QueryableAttribute[Any] | tuple[QueryableAttribute[Any], ...], key: Any, view: type[V]
    ) -> list[V]: ...
    async def find_by(self, columns: Any, key: Any, view: type[V] | None = None) -> list[E] | list[V]:
        """The rows whose columns equal a key; batched with concurrent calls.

        Args:
            columns: one column or a tuple of columns, unique or not: ``Album.title``.
            key: the value, or a tuple of values. A None in it equals no row.
            view: gives views instead of entities.

        Returns:
            The rows in the order of the primary key.
        """
        (rows,) = await self.find_by_many(columns, [key], view)
        return rows

    @overload
    async def find_by_many(self, columns: Any, keys: Iterable[Any], view: None = None) -> list[list[E]]: ...
    @overload
    async def find_by_many(self, columns: Any, keys: Iterable[Any], view: type[V]) -> list[list[V]]: ...
    async def find_by_many(
        self, columns: Any, keys: Iterable[Any], view: type[V] | None = None
    ) -> list[list[E]] | list[list[V]]:
        """As `find_by` for many keys: a list of rows for each, in the order of the keys."""
        infos = lookup_columns(self._entity, columns)
        values = [key_values(self._entity.name, infos, key) for key in check_many(keys)]
        complete = [all(part is not None for part in value) for value in values]
        present = [value for value, whole in zip(values, complete, strict=True) if whole]
        checked = self._checked([value[0] for value in present] if len(infos) == 1 else present, infos)
        found = iter(await self._column_loader(infos, view).load_many(checked))
        return [list(next(found)) if whole else [] for whole in complete]

    def _rows(self, view: type[BaseModel] | None) -> RowsByKey:
        try:
            found = self._rows_by_key.get(view)
        except TypeError:
            return RowsByKey(self, view)  # no view at all, of which it will tell whoever awaits it
        if found is None:
            found = self._rows_by_key[view] = RowsByKey(self, view)
        return found

    async def _get_locked(self, key: Any, view: type[BaseModel] | None, for_update: ForUpdate) -> Any:
        lock = lock_of(for_update, self.scope, view)
        assert lock is not None
        (locked,) = await self._locked([key], lock)
        self._refuse_missing([key], [key], [locked])
        return locked

    async def _locked(self, keys: Sequence[Any], lock: Lock) -> list[Any]:
        distinct = list(dict.fromkeys(self._checked(keys)))
        found = await lock_by_keys(self._entity, distinct, lock, self.scope) if distinct else {}
        self.scope.peers.register(list(found.values()))
        return [found.get(key) for key in self._checked(keys)]

    async def _by_keys(self, checked: list[Any], view: type[BaseModel] | None) -> list[Any]:
        if view is not None:
            return await self._view_loader(view).load_many(checked)  # type: ignore[no-any-return]
        found: list[Any] = await self.scope.loaders.entity(self._entity).load_many(checked)
        return found

    def _by_one_statement(self, delivery: Delivery[Any], keys: int, asked: str | None) -> bool:
        """Whether a database writes the JSON of the rows with so many keys.

        Raises:
            StrategyRefused: the strategy that is asked for cannot read rows by key.
        """
        if asked == "eager":
            raise StrategyRefused(
                f"The strategy {asked!r} does not read {self._entity.name} by key. "
                f"Expected 'batched', 'single', or None for AUTO."
            )
        if self.scope.reading.choose_for_json(delivery, asked).strategy != "single":
            return False
        return keys > 0 and (asked is not None or pays_by_keys(delivery.plan, self.scope, keys))

    def _refuse_missing(self, checked: Sequence[Any], asked: Sequence[Any], found: Sequence[Any]) -> None:
        if all(found):  # nearly always, and at once: no view is compared with anything
            return
        missing = {key: given for key, given, row in zip(checked, asked, found, strict=True) if row is None}
        if missing:
            raise NotFound(self._entity.name, list(missing.values()))

    def _view_loader(self, view: type[BaseModel]) -> Any:
        check_view(view)
        delivery, compiled = self.scope.reading.views(view, self._entity, self._info)
        return self.scope.loaders.view_by_key(self._entity, compiled, delivery)

    def _column_loader(self, columns: Sequence[Any], view: type[BaseModel] | None) -> Any:
        if view is None:
            return self.scope.loaders.columns(self._entity, columns)
        check_view(view)
        delivery, compiled = self.scope.reading.views(view, self._entity, self._info)
        lookup = Lookup(self._entity, columns=tuple(columns), order=self._finder.key_order)
        return self.scope.loaders.view(lookup, compiled, delivery)
