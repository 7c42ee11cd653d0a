"""Reads by condition: entities, views, JSON, counts and streams of one repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel

from batchrepo.declare.orders import parse_order, total_order
from batchrepo.errors import InvalidArgument, LazyLoad
from batchrepo.mapping.entity import attribute_owner
from batchrepo.sql.guarding import guard_all
from batchrepo.sql.select import check_own_columns, select_rows
from batchrepo.strategies.batched import complete, holding
from batchrepo.strategies.deliver import field_name, output_name
from batchrepo.strategies.eager import complete_entities, joinable, related, trusts
from batchrepo.strategies.entities import find_entities
from batchrepo.strategies.root import find_rows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from sqlalchemy.sql.elements import ColumnElement

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.scope import Scope
    from batchrepo.strategies.reading import Names

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)


class Finder(Generic[E]):
    """Reads the rows of one repository in one scope."""

    def __init__(self, scope: Scope, info: RepositoryInfo) -> None:
        self.scope = scope
        self.info = info
        self.entity = info.entity
        self.key_order = total_order((), info.entity)
        self._cause = f"find {info.entity.name}"

    async def entities(
        self,
        where: Sequence[Any],
        order_by: Any,
        limit: int | None,
        include: Sequence[Any],
        *,
        verb: str = "find",
    ) -> list[E]:
        """Entities, with the relations that are asked for or have an eager policy; `verb` is for the report."""
        _check_limit(limit)
        joined, others = self._eager(include)
        rows = await find_entities(
            self.entity,
            self.scope,
            where=where,
            order=self._order(order_by),
            limit=limit,
            joined=joined,
            cause=f"{verb} {self.entity.name}",
        )
        for relation in others:
            await related(relation, rows, self.scope)
        if joined or others:
            self.scope.peers.register_loaded(rows)
        else:
            self.scope.peers.register(rows)
        return rows

    async def views(
        self, view: type[V], where: Sequence[Any], order_by: Any, limit: int | None, strategy: str | None
    ) -> list[V]:
        """Views, by the strategy that the planner chooses."""
        delivery, _ = self.scope.reading.views(view, self.entity, self.info)
        return delivery.views(await self._dicts(view, where, order_by, limit, strategy, "field"))

    async def json(
        self,
        view: type[BaseModel],
        where: Sequence[Any],
        order_by: Any,
        limit: int | None,
        by_alias: bool,
        strategy: str | None,
    ) -> bytes:
        """The JSON array of the views."""
        delivery, _ = self.scope.reading.views(view, self.entity, self.info)
        names: Names = "output" if delivery.plain and by_alias else "field"
        dicts = await self._dicts(view, where, order_by, limit, strategy, names)
        return delivery.json(dicts, by_alias=by_alias)

    async def count(self, where: Sequence[ColumnElement[bool]]) -> int:
        """How many rows meet the conditions."""
        (row,) = await self._run(*self._counting(where), f"count {self.entity.name}")
        return int(row[0])

    async def exists(self, where: Sequence[ColumnElement[bool]]) -> bool:
        """Whether any row meets the conditions."""
        inner, guarded = select_rows(self.entity, [sa.literal(1)], self.scope.guards, where=where)
        (row,) = await self._run(sa.select(inner.exists()), guarded, f"exists {self.entity.name}")
        return bool(row[0])

    async def stream(
        self,
        view: type[BaseModel] | None,
        where: Sequence[Any],
        chunk_size: int,
        progress: Callable[[int], None] | None,
    ) -> AsyncIterator[Any]:
        """Rows in the order of the primary key, chunk by chunk."""
        if chunk_size < 1:
            raise InvalidArgument(f"chunk_size must be 1 or more, got {chunk_size}.")
        key = [column.attribute for column in self.entity.key]
        done = 0
        behind: tuple[Any, ...] = ()
        row: Any = None
        while True:
            if view is None:
                # Loaders of its own, so that what is loaded for a chunk goes with it.
                loaders = self.scope.loaders.for_chunk()
                rows = await self.entities((*where, *behind), self.key_order, chunk_size, (), verb="stream")
                self.scope.peers.register(rows, loaders)
                keys = [self.entity.key_of(entity) for entity in rows]
            else:
                rows, keys = await self._chunk(view, (*where, *behind), chunk_size)
            for row in rows:
                yield row
            done += len(rows)
            if progress is not None and rows:
                progress(done)
            if len(rows) < chunk_size:
                return
            last = keys[-1] if isinstance(keys[-1], tuple) else (keys[-1],)
            behind = (_behind(key, last),)
            # Nothing of this chunk may live on while the next one is read.
            row = None
            del rows, keys

    async def _chunk(
        self, view: type[BaseModel], where: Sequence[Any], size: int
    ) -> tuple[list[Any], list[Any]]:
        delivery, compiled = self.scope.reading.views(view, self.entity, self.info)
        columns = compiled.root.source.columns
        key = [column.attribute for column in self.entity.key]
        async with holding(compiled.plan, self.scope):
            rows = await find_rows(
                self.entity,
                [*columns, *key],
                self.scope,
                where=where,
                order=self.key_order,
                limit=size,
                cause=f"stream {self.entity.name}",
            )
            dicts = await complete(compiled, rows, self.scope)
        return delivery.views(dicts), [tuple(row[len(columns) :]) for row in rows]

    async def _dicts(
        self,
        view: type[BaseModel],
        where: Sequence[Any],
        order_by: Any,
        limit: int | None,
        strategy: str | None,
        names: Names,
    ) -> list[dict[str, Any]]:
        _check_limit(limit)
        reading = self.scope.reading
        _, compiled = reading.views(view, self.entity, self.info, names)
        order = self._order(order_by)
        choice = reading.planner.choose(compiled.plan, "views", strategy)
        if choice.strategy == "eager":
            return await self._eager_dicts(compiled.plan, where, order, limit, names)
        async with holding(compiled.plan, self.scope):
            rows = await find_rows(
                self.entity,
                compiled.root.source.columns,
                self.scope,
                where=where,
                order=order,
                limit=limit,
                cause=self._cause,
            )
            return await complete(compiled, rows, self.scope)

    async def _eager_dicts(
        self, plan: Any, where: Sequence[Any], order: Any, limit: int | None, names: Names
    ) -> list[dict[str, Any]]:
        async with holding(plan, self.scope):
            rows = await find_entities(
                self.entity,
                self.scope,
                where=where,
                order=order,
                limit=limit,
                joined=joinable(plan, self.scope),
                cause=f"find {self.entity.name}",
            )
            name_of = field_name if names == "field" else output_name
            return await complete_entities(plan, rows, self.scope, name_of)

    async def _run(self, statement: Any, guarded: Sequence[EntityInfo], cause: str) -> list[tuple[Any, ...]]:
        values = self.scope.guards.values(guarded)
        return await self.scope.door.rows(statement, values, cause=cause)  # type: ignore[no-any-return]

    def _counting(self, where: Sequence[ColumnElement[bool]]) -> tuple[Any, Sequence[EntityInfo]]:
        guards = self.scope.guards
        check_own_columns(self.entity, where)
        conditions, reached = guard_all(where, guards)
        statement = (
            sa.select(sa.func.count())
            .select_from(self.entity.cls)
            .where(*conditions, *guards.conditions(self.entity))
        )
        return statement, (self.entity, *reached)

    def _order(self, order_by: Any) -> tuple[OrderTerm, ...]:
        """The caller's order as it is, or the repository's with the primary key appended."""
        if order_by is not None:
            return parse_order(order_by)
        return total_order(self.info.default_order, self.entity) if self.info.default_order else ()

    def _eager(self, include: Sequence[Any]) -> tuple[list[RelationInfo], list[RelationInfo]]:
        """The relations to join, and those to load with one more statement each."""
        joined: list[RelationInfo] = []
        others: list[RelationInfo] = []
        for attribute in include:
            owner, name = attribute_owner(attribute)
            relation = self.entity.relations.get(name)
            if relation is None or owner not in self.entity.ancestors:
                raise InvalidArgument(
                    f"include= names {owner.name}.{name}, which is not a relationship of {self.entity.name}."
                )
            if relation.refused:
                raise InvalidArgument(f"include= names a relation that cannot be loaded: {relation.refused}.")
            policy = self.scope.reading.catalog.policy(relation)
            if policy == "forbid":
                raise LazyLoad(f"{relation} has the policy 'forbid' and may not be loaded.")
            by_join = policy == "join" or (policy != "select_in" and relation.key_order is not None)
            (joined if by_join else others).append(relation)
        for relation in self.entity.relations.values():
            policy = self.scope.reading.catalog.policy(relation)
            if relation in joined or relation in others or relation.refused:
                continue
            if policy == "join":
                joined.append(relation)
            elif policy == "select_in" or (policy is None and relation.name in self.entity.eager_in_mapper):
                others.append(relation)
        # A join leaves an entity's attribute as it is, if somebody else has loaded it.
        others += [relation for relation in joined if not trusts(relation, self.scope)]
        return [relation for relation in joined if relation not in others], others


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 0:
        raise InvalidArgument(f"limit must be 0 or more, or None; got {limit}.")


def _behind(columns: Sequence[Any], last: Sequence[Any]) -> ColumnElement[bool]:
    if len(columns) == 1:
        return columns[0] > last[0]  # type: ignore[no-any-return]
    return sa.tuple_(*columns) > sa.tuple_(
        *(sa.literal(value, column.type) for column, value in zip(columns, last, strict=True))
    )
