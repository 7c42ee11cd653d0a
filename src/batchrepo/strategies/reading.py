"""What all scopes of a Database share for reading: the catalog, plans, compiled plans, strategies."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from batchrepo.bounded import Bounded
from batchrepo.declare.computed import Aggregate
from batchrepo.declare.criteria import STATEMENTS, Guards
from batchrepo.declare.cursors import CursorCodec, Purpose, digest
from batchrepo.declare.orders import unique_order
from batchrepo.errors import StrategyRefused
from batchrepo.plan.cache import PlanCache
from batchrepo.plan.fieldsets import Fieldset, read_fields
from batchrepo.plan.naming import field_name, output_name
from batchrepo.plan.narrowing import narrow
from batchrepo.plan.planner import Planner
from batchrepo.sql.identity import (
    criteria_digest,
    identity_of,
    order_digest,
    order_identity,
)
from batchrepo.sql.keyset import Keyset, make_keyset
from batchrepo.sql.parameters import Conditions, Shapes
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.compile import compile_plan
from batchrepo.strategies.deliver import Delivery
from batchrepo.strategies.inline import Inlining
from batchrepo.strategies.registered import strategies
from batchrepo.strategies.related_pages import RelatedPages
from batchrepo.strategies.single import SingleStrategy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from batchrepo.changes import Changes
    from batchrepo.declare.computed import Top
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.declare.repository_info import Catalog, RepositoryInfo
    from batchrepo.executing import DriverPath
    from batchrepo.mapping import EntityInfo, RelationInfo
    from batchrepo.plan.planner import Choice, Output
    from batchrepo.plan.read import ReadPlan
    from batchrepo.strategies.compiled import CompiledPlan

V = TypeVar("V", bound=BaseModel)

Names = Literal["field", "output", "plain"]
"""How the dicts of a read are keyed: by field names, to be validated; by output names, to be the JSON as they are;
or by field names, to be the JSON as they are."""

NARROWED_VIEWS = 512
"""How many pairs of a view and a fieldset are remembered, with their plans."""

ORDERS = 1_024
"""How many orders of pages, and how many shapes of conditions, are remembered."""

_NO_CRITERIA = digest()
"""The digest of row criteria where there are none."""


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


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A view, or a part of one, as it is read and delivered.

    Attributes:
        delivery: how its rows are delivered.
        compiled: its compiled plan for each way to key dicts, made at first use.
    """

    delivery: Delivery[Any]
    compiled: dict[Names, CompiledPlan] = field(default_factory=dict)


class Reading:
    """Shared by all scopes of a Database; made once, at start-up.

    Attributes:
        engine: reads go here.
        connection: where set, every scope reads on this connection (tests in an outer transaction).
        read_connections: how many connections one scope may use at once.
        catalog: the repositories.
        cursors: writes and reads the cursors of pages.
        driver_path: the statements that need no execution by SQLAlchemy; None where it executes all.
        inlining: which relations are read inside of statements, where few rows are asked for.
        on_commit: functions of `Changes` that run after each commit.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        catalog: Catalog,
        read_connections: int,
        cursors: CursorCodec,
        driver_path: DriverPath | None = None,
        inline_lookups: int = 0,
    ) -> None:
        self.engine = engine
        self.connection: AsyncConnection | None = None
        self.read_connections = read_connections
        self.catalog = catalog
        self.cursors = cursors
        self.driver_path = driver_path
        self.on_commit: list[Callable[[Changes], object]] = []
        self.inlining = Inlining(
            inline_lookups,
            engine.dialect.name == "postgresql",
            lambda relation: catalog.policy(relation) is None,
        )
        self.plans = PlanCache(catalog)
        self.strategies = {strategy.name: strategy for strategy in strategies(engine.dialect)}
        self.planner = Planner(tuple(self.strategies.values()), catalog)
        self._criteria = catalog.criteria
        self._prepared: dict[ReadPlan, _Prepared] = {}
        self._lookups: dict[Top[Any], Lookup] = {}
        # What is above grows with what the application declares; what is below, with what clients ask for.
        self._narrowed: Bounded[tuple[ReadPlan, Fieldset, bool], _Prepared] = Bounded(NARROWED_VIEWS)
        self._compiled: Bounded[ReadPlan, CompiledPlan] = Bounded(NARROWED_VIEWS)
        self._statements: Bounded[Any, Any] = Bounded(STATEMENTS)
        self._orders: Bounded[Any, PagedOrder] = Bounded(ORDERS)
        self._shapes = Shapes(engine.dialect, ORDERS)
        self._related_pages: Bounded[Any, RelatedPages] = Bounded(ORDERS)

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
        *,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
    ) -> tuple[Delivery[V], CompiledPlan]:
        """How a view is read and delivered.

        Args:
            view: a Pydantic model.
            entity: whose rows it shows.
            repository: the one whose computed attributes win.
            names: how dicts are keyed.
            fields: only these fields are read, and delivered as JSON; None for all.
            by_alias: whether `fields` has their (serialization) aliases as names.

        Raises:
            DeclarationError: the view does not fit the entity.
            InvalidFields: the view does not have one of the fields.
        """
        plan = self.plans.plan(view, entity, repository)
        prepared = self._prepared.get(plan)
        if prepared is None:
            prepared = self._prepared[plan] = _Prepared(Delivery(view, plan))
        fieldset = read_fields(fields)
        if fieldset is not None:
            prepared = self._narrowed_to(fieldset, prepared.delivery, by_alias)
        compiled = prepared.compiled.get(names)
        if compiled is None:
            compiled = prepared.compiled[names] = compile_plan(
                prepared.delivery.plan,
                guarded=self.guarded,
                name_of=output_name if names == "output" else field_name,
                paged=self.paged,
                cursors=names == "field",
                inlining=self.inlining,
            )
        return prepared.delivery, compiled

    def compiled(self, plan: ReadPlan) -> CompiledPlan:
        """How a plan that no view stands for is read; its dicts are keyed by field names."""
        found = self._compiled.get(plan)
        if found is None:
            found = self._compiled[plan] = compile_plan(
                plan,
                guarded=self.guarded,
                name_of=field_name,
                paged=self.paged,
                cursors=True,
                inlining=self.inlining,
            )
        return found

    def guarded(self, entity: EntityInfo) -> bool:
        """Whether an entity has row criteria, so that even a key must be looked up."""
        return any(ancestor in self._criteria for ancestor in entity.ancestors)

    def json(
        self,
        view: type[V],
        entity: EntityInfo,
        repository: RepositoryInfo | None = None,
        *,
        fields: str | Fieldset | None = None,
        by_alias: bool = True,
    ) -> tuple[Delivery[V], CompiledPlan, Names]:
        """How a view, or the `fields` of it, is read and delivered as JSON; as `views`, and how dicts are keyed."""
        fieldset = read_fields(fields)
        delivery, compiled = self.views(view, entity, repository, fields=fieldset, by_alias=by_alias)
        if not delivery.plain:
            return delivery, compiled, "field"
        names: Names = "output" if by_alias else "plain"
        _, compiled = self.views(view, entity, repository, names, fields=fieldset, by_alias=by_alias)
        return delivery, compiled, names

    def choose_for_views(self, delivery: Delivery[Any], asked: str | None = None) -> Choice:
        """The strategy for views; the arguments and errors are those of `choose_for_json`."""
        return self._choose(delivery, "plain views", asked)

    def choose_for_json(self, delivery: Delivery[Any], asked: str | None = None) -> Choice:
        """The strategy for the JSON of a view; one that makes JSON itself is only offered what is plain.

        Raises:
            InvalidArgument: there is no strategy with the name that is asked for.
            StrategyRefused: the strategy that was asked for cannot run the plan.
        """
        return self._choose(delivery, "json", asked)

    def _choose(self, delivery: Delivery[Any], output: Output, asked: str | None) -> Choice:
        why_not = delivery.why_not_plain
        if why_not is None:
            return self.planner.choose(delivery.plan, output, asked)
        if asked == SingleStrategy.name:
            raise StrategyRefused(f"The strategy {asked!r} cannot run {delivery.plan!r}: {why_not}.")
        return self.planner.choose(delivery.plan, "views", asked)

    def _narrowed_to(self, fieldset: Fieldset, delivery: Delivery[Any], by_alias: bool) -> _Prepared:
        key = (delivery.plan, fieldset, by_alias)
        found = self._narrowed.get(key)
        if found is None:
            narrowed = narrow(delivery.plan, delivery.schema, fieldset, by_alias=by_alias)
            found = _Prepared(Delivery(delivery.view, narrowed.plan, narrowed))
            self._narrowed[key] = found
        return found

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
        criteria = guards.digests.get(entity) if guards.criteria else _NO_CRITERIA
        if criteria is None:
            criteria = guards.digests[entity] = criteria_digest(entity, guards, self.engine.dialect)
        return Purpose(order.digest, self.conditions(where).digest, criteria)

    def conditions(self, where: Sequence[Any]) -> Conditions:
        """Conditions of a caller, looked at once for all that is done with them."""
        return self._shapes.of(where)

    def related_pages(
        self,
        relation: RelationInfo,
        where: Sequence[Any],
        order: Sequence[OrderTerm],
        size: int,
        *,
        backward: bool,
        alike: bool = False,
        probes: bool = True,
    ) -> RelatedPages:
        """How pages of a relation are read; the same object for the same arguments, which are those of `RelatedPages`.

        Raises:
            InvalidArgument: the order sorts by a value that no cursor can carry.
        """
        identity = (relation, *map(identity_of, where), order_identity(order), size, backward, alike, probes)
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
                alike,
                probes,
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
