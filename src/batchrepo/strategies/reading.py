"""What all scopes of a Database share for reading: the catalog, plans, compiled plans, strategies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from batchrepo.declare.computed import Aggregate
from batchrepo.declare.criteria import Guards
from batchrepo.declare.cursors import CursorCodec, Purpose
from batchrepo.declare.orders import unique_order
from batchrepo.plan.cache import PlanCache
from batchrepo.plan.planner import Planner
from batchrepo.sql.identity import (
    conditions_digest,
    criteria_digest,
    identity_of,
    order_digest,
    order_identity,
)
from batchrepo.sql.keyset import Keyset, make_keyset
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.compile import CompiledPlan, compile_plan
from batchrepo.strategies.deliver import Delivery, field_name, output_name
from batchrepo.strategies.registered import strategies
from batchrepo.strategies.related_pages import RelatedPages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from batchrepo.declare.computed import Top
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import Catalog, RepositoryInfo
    from batchrepo.mapping import EntityInfo, RelationInfo

V = TypeVar("V", bound=BaseModel)

Names = Literal["field", "output"]
"""How the dicts of a read are keyed: by field names (to be validated), or by output names (for JSON)."""


@dataclass(frozen=True, eq=False)
class PagedOrder:
    """An order that pages are read by.

    Attributes:
        keyset: the order as the database sees it.
        digest: tells it from others, in cursors.
    """

    keyset: Keyset
    digest: bytes

    @cached_property
    def values(self) -> list[Any]:
        """What to select for cursors; always the same objects, so that statements are recognised."""
        return self.keyset.values


class Reading:
    """Shared by all scopes of a Database; made once, at start-up.

    Attributes:
        engine: reads go here.
        connection: where set, every scope reads on this connection (tests in an outer transaction).
        read_connections: how many connections one scope may use at once.
        catalog: the repositories.
        cursors: writes and reads the cursors of pages.
    """

    def __init__(
        self, engine: AsyncEngine, catalog: Catalog, read_connections: int, cursors: CursorCodec
    ) -> None:
        self.engine = engine
        self.connection: AsyncConnection | None = None
        self.read_connections = read_connections
        self.catalog = catalog
        self.cursors = cursors
        self.plans = PlanCache(catalog)
        self.strategies = {strategy.name: strategy for strategy in strategies()}
        self.planner = Planner(tuple(self.strategies.values()), catalog)
        self._criteria = catalog.criteria
        self._statements: dict[Any, Any] = {}
        self._deliveries: dict[Any, Delivery[Any]] = {}
        self._compiled: dict[Any, CompiledPlan] = {}
        self._lookups: dict[Top[Any], Lookup] = {}
        self._orders: dict[Any, PagedOrder] = {}
        self._texts: dict[Any, str] = {}
        self._related_pages: dict[Any, RelatedPages] = {}

    def guards(self, context: Any) -> Guards:
        """The row criteria for a scope. Scopes share statements unless criteria make SQL from the context."""
        guards = Guards(self._criteria, context)
        if not guards.per_scope:
            guards.statements = self._statements
        return guards

    def views(
        self,
        view: type[V],
        entity: EntityInfo,
        repository: RepositoryInfo | None = None,
        names: Names = "field",
    ) -> tuple[Delivery[V], CompiledPlan]:
        """How a view is read and delivered.

        Raises:
            DeclarationError: the view does not fit the entity.
        """
        plan = self.plans.plan(view, entity, repository)
        delivery = self._deliveries.get(plan)
        if delivery is None:
            delivery = self._deliveries[plan] = Delivery(view, plan)
        compiled = self._compiled.get((plan, names))
        if compiled is None:
            compiled = self._compiled[plan, names] = compile_plan(
                plan,
                guarded=lambda entity: any(ancestor in self._criteria for ancestor in entity.ancestors),
                name_of=field_name if names == "field" else output_name,
                paged=self.paged,
                cursors=names == "field",
            )
        return delivery, compiled

    def paged(self, entity: EntityInfo, order: Sequence[OrderTerm]) -> PagedOrder:
        """How pages of an entity's rows are read by an order; the primary key is appended.

        Raises:
            InvalidArgument: it sorts by a value that no cursor can carry.
        """
        identity = (entity, order_identity(order))
        found = self._orders.get(identity)
        if found is None:
            dialect = self.engine.dialect
            unique = unique_order(tuple(order), entity)
            found = PagedOrder(make_keyset(unique, dialect), order_digest(unique, dialect))
            self._orders[identity] = found
        return found

    def purpose(self, entity: EntityInfo, order: PagedOrder, where: Sequence[Any], guards: Guards) -> Purpose:
        """What cursors are made for: this order, these conditions, and the row criteria of this scope.

        Raises:
            MissingContext: the scope's context does not have what a criterion needs.
        """
        dialect = self.engine.dialect
        criteria = guards.digests.get(entity)
        if criteria is None:
            criteria = guards.digests[entity] = criteria_digest(entity, guards, dialect)
        return Purpose(order.digest, conditions_digest(where, dialect, self._texts), criteria)

    def related_pages(
        self,
        relation: RelationInfo,
        where: Sequence[Any],
        order: Sequence[OrderTerm],
        size: int,
        *,
        backward: bool,
    ) -> RelatedPages:
        """How pages of a relation are read; the same object for the same order, filter and size.

        Raises:
            InvalidArgument: the order sorts by a value that no cursor can carry.
        """
        identity = (relation, *map(identity_of, where), order_identity(order), size, backward)
        found = self._related_pages.get(identity)
        if found is None:
            paged = self.paged(relation.target, order)
            directed = paged.keyset.backward() if backward else paged.keyset
            conditions = tuple(where)
            found = self._related_pages[identity] = RelatedPages(
                relation,
                conditions,
                paged,
                size,
                backward,
                Lookup(relation.target, (), relation, conditions, directed.order_terms, size + 1),
                Aggregate("count", relation.attribute, None, conditions),
            )
        return found

    def lookup(self, computed: Top[Any]) -> Lookup:
        """The lookup of a ``top``, ``latest`` or ``earliest``."""
        found = self._lookups.get(computed)
        if found is None:
            relation = computed.relation
            found = self._lookups[computed] = Lookup(
                relation.target, (), relation, computed.where, computed.order, computed.first
            )
        return found
