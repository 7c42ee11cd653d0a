"""What all scopes of a Database share for reading: the catalog, plans, compiled plans, strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel

from batchrepo.declare.criteria import Guards
from batchrepo.plan.cache import PlanCache
from batchrepo.plan.planner import Planner
from batchrepo.sql.rows import Lookup
from batchrepo.strategies.compile import CompiledPlan, compile_plan
from batchrepo.strategies.deliver import Delivery, field_name, output_name
from batchrepo.strategies.registered import strategies

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

    from batchrepo.declare.computed import Top
    from batchrepo.declare.repository_info import Catalog, RepositoryInfo
    from batchrepo.mapping import EntityInfo

V = TypeVar("V", bound=BaseModel)

Names = Literal["field", "output"]
"""How the dicts of a read are keyed: by field names (to be validated), or by output names (for JSON)."""


class Reading:
    """Shared by all scopes of a Database; made once, at start-up.

    Attributes:
        engine: reads go here.
        connection: where set, every scope reads on this connection (tests in an outer transaction).
        read_connections: how many connections one scope may use at once.
        catalog: the repositories.
    """

    def __init__(self, engine: AsyncEngine, catalog: Catalog, read_connections: int) -> None:
        self.engine = engine
        self.connection: AsyncConnection | None = None
        self.read_connections = read_connections
        self.catalog = catalog
        self.plans = PlanCache(catalog)
        self.strategies = {strategy.name: strategy for strategy in strategies()}
        self.planner = Planner(tuple(self.strategies.values()), catalog)
        self._criteria = catalog.criteria
        self._statements: dict[Any, Any] = {}
        self._deliveries: dict[Any, Delivery[Any]] = {}
        self._compiled: dict[Any, CompiledPlan] = {}
        self._lookups: dict[Top[Any], Lookup] = {}

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
            )
        return delivery, compiled

    def lookup(self, computed: Top[Any]) -> Lookup:
        """The lookup of a ``top``, ``latest`` or ``earliest``."""
        found = self._lookups.get(computed)
        if found is None:
            relation = computed.relation
            found = self._lookups[computed] = Lookup(
                relation.target, (), relation, computed.where, computed.order, computed.first
            )
        return found
