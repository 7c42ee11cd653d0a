"""Reads by condition: entities, views, JSON, counts and streams of one repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel

from batchrepo.declare.orders import parse_order, total_order
from batchrepo.errors import InvalidArgument, LazyLoad
from batchrepo.mapping.entity import attribute_owner
from batchrepo.plan.naming import field_name, output_name
from batchrepo.sql.select import select_rows
from batchrepo.strategies.batched import complete, holding
from batchrepo.strategies.eager import complete_entities, joinable, related, trusts
from batchrepo.strategies.entities import find_entities
from batchrepo.strategies.form import DecodedForm, ViewForm
from batchrepo.strategies.root import find_rows
from batchrepo.strategies.single import array_of, find_texts, pays
from batchrepo.strategies.totals import count_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import RepositoryInfo
    from batchrepo.mapping import RelationInfo
    from batchrepo.plan.fieldsets import Fieldset
    from batchrepo.plan.read import ReadPlan
    from batchrepo.scope import Scope
    from batchrepo.strategies.compiled import CompiledPlan
    from batchrepo.strategies.entities import Lock
    from batchrepo.strategies.reading import Names

E = TypeVar("E")
V = TypeVar("V", bound=BaseModel)


class Finder(Generic[E]):
    """Reads the rows of one repository in one scope."""

    def __init__(self, scope: Scope, info: RepositoryInfo) -> None:
        self.scope = scope
        self.info = info
        self.entity = info.entity
        self._cause = f"find {info.entity.name}"

    @property
    def key_order(self) -> tuple[OrderTerm, ...]:
        """The order by the primary key."""
        return total_order((), self.entity)

    async def entities(
        self,
        where: Sequence[Any],
        order_by: Any,
        limit: int | None,
        include: Sequence[Any],
        *,
        offset: int | None = None,
        verb: str = "find",
        lock: Lock | None = None,
    ) -> list[E]:
        """Entities, with the relations that are asked for or have an eager policy; `verb` is for the report."""
        _check_limit(limit)
        joined, others = self.eager(include)
        if lock is not None:  # the other side of a join would be locked too
            joined, others = [], [*joined, *others]
        rows = await find_entities(
            self.entity,
            self.scope,
            where=where,
            order=self._order(order_by),
            limit=limit,
            offset=offset,
            joined=joined,
            lock=lock,
            cause=f"{verb} {self.entity.name}",
        )
        await self.finish(rows, joined, others)
        return rows

    async def finish(
        self, rows: Sequence[Any], joined: Sequence[RelationInfo], others: Sequence[RelationInfo]
    ) -> None:
        """Load the relations of entities that were not joined, and let the entities be peers."""
        for relation in others:
            await related(relation, rows, self.scope)
        if joined or others:
            self.scope.peers.register_loaded(rows)
        else:
            self.scope.peers.register(rows)

    async def views(
        self,
        view: type[V],
        where: Sequence[Any],
        order_by: Any,
        limit: int | None,
        strategy: str | None,
        *,
        offset: int | None = None,
    ) -> list[V]:
        """Views, by the strategy that the planner chooses."""
        delivery, compiled = self.scope.reading.views(view, self.entity, self.info)
        if self.scope.reading.choose_for_views(delivery, strategy).strategy == "single":
            texts = await self.texts(delivery.plan, where, order_by, limit, DecodedForm(), offset, strategy)
            if texts is not None:
                return delivery.decoded(array_of(texts))
            strategy = "batched"
        return delivery.views(await self.dicts(compiled, where, order_by, limit, strategy, "field", offset))

    async def json(
        self,
        view: type[BaseModel],
        where: Sequence[Any],
        order_by: Any,
        limit: int | None,
        by_alias: bool,
        strategy: str | None,
        fields: str | Fieldset | None,
        *,
        offset: int | None = None,
    ) -> bytes:
        """The JSON array of the views, with all their fields or some."""
        delivery, compiled, names = self.scope.reading.json(
            view, self.entity, self.info, fields=fields, by_alias=by_alias
        )
        if self.scope.reading.choose_for_json(delivery, strategy).strategy == "single":
            form = ViewForm(by_alias)
            texts = await self.texts(delivery.plan, where, order_by, limit, form, offset, strategy)
            if texts is not None:
                return array_of(texts)
            strategy = "batched"
        dicts = await self.dicts(compiled, where, order_by, limit, strategy, names, offset)
        return delivery.json(dicts, by_alias=by_alias)

    async def texts(
        self,
        plan: ReadPlan,
        where: Sequence[Any],
        order_by: Any,
        limit: int | None,
        form: ViewForm,
        offset: int | None,
        strategy: str | None,
    ) -> list[str] | None:
        """The rows as texts; None where the batched strategy has to read them."""
        _check_limit(limit)
        where = self.scope.reading.conditions(where)
        if strategy is None and not pays(plan, self.scope, where, limit):
            return None
        return await find_texts(
            plan,
            self.scope,
            form=form,
            where=where,
            order=self._order(order_by),
            limit=limit,
            offset=offset,
            cause=self._cause,
        )

    async def count(self, where: Sequence[Any]) -> int:
        """How many rows meet the conditions."""
        return await count_rows(self.entity, where, self.scope)

    async def exists(self, where: Sequence[Any]) -> bool:
        """Whether any row meets the conditions."""
        inner, guarded = select_rows(self.entity, [sa.literal(1)], self.scope.guards, where=where)
        values = self.scope.guards.values(guarded)
        statement = sa.select(inner.exists())
        (row,) = await self.scope.door.rows(statement, values, cause=f"exists {self.entity.name}")
        return bool(row[0])

    async def dicts(
        self,
        compiled: CompiledPlan,
        where: Sequence[Any],
        order_by: Any,
        limit: int | None,
        strategy: str | None,
        names: Names,
        offset: int | None = None,
    ) -> list[dict[str, Any]]:
        """The rows as dicts of the plan, whose keys are `names`."""
        _check_limit(limit)
        order = self._order(order_by)
        choice = self.scope.reading.planner.choose(compiled.plan, "views", strategy)
        if choice.strategy == "eager":
            return await self._eager_dicts(compiled.plan, where, order, limit, names, offset)
        compiled = compiled.for_rows(limit)
        async with holding(compiled.plan, self.scope):
            rows = await find_rows(
                self.entity,
                compiled.root.source.columns,
                self.scope,
                where=where,
                order=order,
                limit=limit,
                offset=offset,
                cause=self._cause,
            )
            return await complete(compiled, rows, self.scope)

    async def _eager_dicts(
        self,
        plan: ReadPlan,
        where: Sequence[Any],
        order: Any,
        limit: int | None,
        names: Names,
        offset: int | None,
    ) -> list[dict[str, Any]]:
        async with holding(plan, self.scope):
            rows = await find_entities(
                self.entity,
                self.scope,
                where=where,
                order=order,
                limit=limit,
                offset=offset,
                joined=joinable(plan, self.scope),
                cause=self._cause,
            )
            return await self.entity_dicts(plan, rows, names)

    async def entity_dicts(self, plan: ReadPlan, rows: Sequence[Any], names: Names) -> list[dict[str, Any]]:
        """The dicts of a plan for entities that were read."""
        name_of = output_name if names == "output" else field_name
        return await complete_entities(plan, rows, self.scope, name_of)

    def order_terms(self, order_by: Any) -> tuple[OrderTerm, ...]:
        """The caller's order, or the repository's."""
        return self.info.default_order if order_by is None else parse_order(order_by)

    def _order(self, order_by: Any) -> tuple[OrderTerm, ...]:
        """The caller's order as it is, or the repository's with the primary key appended."""
        terms = self.order_terms(order_by)
        return terms if order_by is not None or not terms else total_order(terms, self.entity)

    def eager(self, include: Sequence[Any]) -> tuple[list[RelationInfo], list[RelationInfo]]:
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
