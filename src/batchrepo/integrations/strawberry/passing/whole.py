"""Root fields whose whole part of the answer is what one statement writes.

The database writes the rows with the keys of the answer, in its order, and with values as the types of GraphQL write them.
What it cannot write exactly is read as rows, and the types say what they have to say.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

from graphql import OperationType

from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.passing.completing import Edges, Itself, Whole, make_completer
from batchrepo.integrations.strawberry.passing.covering import cover, is_connection
from batchrepo.integrations.strawberry.passing.writing import Unwritable, WrittenPlans
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from batchrepo.integrations.strawberry.query.planning import ConnectionSelection
from batchrepo.strategies.single import pays, pays_by_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLObjectType
    from graphql.language import FieldNode

    from batchrepo.declare.orders import OrderTerm
    from batchrepo.integrations.strawberry.passing.completing import Completer, Part, Parts
    from batchrepo.integrations.strawberry.passing.executor import Passing
    from batchrepo.integrations.strawberry.query.planning import Planning
    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.roots.fields import RootField
    from batchrepo.plan.pages import PageRequest
    from batchrepo.plan.read import ReadPlan
    from batchrepo.repository.planned import Planned
    from batchrepo.strategies.reading import Reading

How: TypeAlias = Literal["single", "batched"] | None
"""How rows are read whose answer passes as a whole: by one statement, as rows, or as it pays."""

EXECUTOR = "executor"
"""Where an operation keeps its executor."""


class Completed:
    """A part of the answer, in place of objects that the executor would visit."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True, eq=False)
class Answer:
    """How the whole answer of a root field is read by one statement. Each of its methods gives None where rows must be.

    Attributes:
        plan: what is read, under the keys of the answer.
        complete: makes the answer of a page whose rows are completed; None for lists and single rows.
        total: whether a page needs the total.
        asked: whether one statement was asked for by name, so that nobody looks at what it costs.
    """

    plan: ReadPlan
    complete: Completer | None = None
    total: bool = False
    asked: bool = False

    async def rows(
        self,
        info: ResolveInfo,
        reads: Planned,
        where: Sequence[Any],
        order: tuple[OrderTerm, ...] | None,
        limit: int,
    ) -> Completed | None:
        """The list of the answer; the arguments are those of `Planned.rows`."""
        where = reads.scope.reading.conditions(where)
        if not self.asked and not pays(self.plan, reads.scope, where, limit):
            _tell(info, COSTS)
            return None
        found = await reads.decoded(self.plan, where, order, limit)
        if found is None:
            _tell(info, UNFIT)
            return None
        return Completed(found)

    async def page(
        self,
        info: ResolveInfo,
        reads: Planned,
        where: Sequence[Any],
        order: tuple[OrderTerm, ...] | None,
        request: PageRequest,
    ) -> Completed | None:
        """The page of the answer; the arguments are those of `Planned.page`."""
        assert self.complete is not None
        where = reads.scope.reading.conditions(where)
        if not self.asked and not pays(self.plan, reads.scope, where, request.size):
            _tell(info, COSTS)
            return None
        found = await reads.decoded_page(self.plan, where, order, request)
        if found is not None:
            with suppress(Exception):  # whatever it is: the executor meets it again, in its place
                return Completed(self.complete(found))
        _tell(info, UNFIT)
        return None

    async def by_key(self, info: ResolveInfo, reads: Planned, key: Any) -> Completed | None:
        """The object of the answer, if there is a row with a primary key."""
        if not self.asked and not pays_by_keys(self.plan, reads.scope, 1):
            _tell(info, COSTS)
            return None
        found = await reads.decoded_by_key(self.plan, key)
        if found is None:
            _tell(info, UNFIT)
            return None
        return Completed(found)


COSTS = "There may be many rows, or its conditions hold in one scope: rows are read sooner."
UNFIT = "A value has no exact JSON, or a row is not there."


def _tell(info: ResolveInfo, why_not: str) -> None:
    """Say in the report why rows are read after all."""
    operation = running(info.field_name)
    if operation.passed is not None:
        operation.passed.whole(info.path, why_not)


def answer_of(root: RootField, info: ResolveInfo, target: GraphQLObjectType) -> Answer | None:
    """How a root field is answered by one statement.

    Args:
        root: the field.
        info: of the field.
        target: the type of its objects, or its `Connection`.

    Returns:
        None where its objects are read as rows; the report says why.
    """
    operation = running(info.field_name)
    executor: Passing | None = operation.kept.get(EXECUTOR)
    if executor is None or operation.passed is None or not operation.look_ahead:
        return None
    found: Answer | str | None = why_not_root(root, info, executor)
    if found is None:
        nodes, asked = info.field_nodes, operation.strategy
        found = lookahead_of(operation.scope.reading).remembered(
            info,
            ("whole", asked, id(target), *map(id, nodes)),
            (target, [nodes]),
            operation.scope,
            lambda planning: _answer(planning, target, nodes, asked),
            deep=True,
        )
    if isinstance(found, Answer):
        operation.passed.whole(info.path, None)
        return found
    operation.passed.whole(info.path, found)
    return None


def why_not_root(root: RootField, info: ResolveInfo, executor: Passing) -> str | None:
    """What about a root field and its operation lets nobody answer it as a whole."""
    if executor.why_not is not None:
        return executor.why_not
    if executor.in_parts:
        return "The schema's config lets answers come in parts."
    if info.operation.operation is not OperationType.QUERY:
        return "It is no field of a query."
    if root.extensions:
        return f"{root.where} has permissions or extensions of its own."
    if any(fragment.variable_definitions for fragment in info.fragments.values()):
        return "A fragment has arguments."
    return None


def _answer(
    planning: Planning, target: GraphQLObjectType, nodes: Sequence[FieldNode], asked: How
) -> Answer | str:
    """How one statement answers, or why none does."""
    if asked == "batched":
        return 'ScopeExtension(strategy="batched").'
    covered = cover(planning, target, nodes)
    if covered.complete is None:
        path, reason = next(iter(covered.why_not.items()))
        return f"{path}: {reason}".removeprefix(": ")
    plans = _written_plans_of(planning.scope.reading)
    by_name = asked is not None
    try:
        if is_connection(target):
            selected = ConnectionSelection(planning.selections, target, nodes)
            parts, rows = _split(covered.parts)
            plan = plans.plan(planning.plan(selected.node_type, selected.nodes), rows, "edges.node.")
            found = Answer(plan, make_completer(parts), selected.total, by_name)
        else:
            found = Answer(plans.plan(planning.plan(target, [nodes]), covered.parts, ""), asked=by_name)
    except Unwritable as error:
        return str(error)
    return _why_not(planning, found.plan, asked) or found


def _split(parts: Parts) -> tuple[list[Part], Parts]:
    """The parts of a page whose rows are completed, and those of its rows.

    Raises:
        Unwritable: it has its rows not at all, or in several forms.
    """
    rows: list[Parts] = []

    def completed(part: Part) -> Part:
        if not isinstance(part, Whole):
            return part
        rows.append(part.below)
        return Itself(part.key)

    of_page = [
        Edges(part.key, [completed(each) for each in part.below]) if isinstance(part, Edges) else part
        for part in parts
    ]
    if len(rows) != 1:
        raise Unwritable("Rows are selected more than once." if rows else "No rows are selected.")
    return of_page, rows[0]


def _why_not(planning: Planning, plan: ReadPlan, asked: How) -> str | None:
    planner = planning.scope.reading.planner
    if asked == "single":
        return planner.strategies["single"].why_not(plan, "json", planner.catalog)
    if planning.scoped:
        return "Filters of the application's own make conditions for one scope, and statements for one."
    if planning.filtered:
        return (
            "Relations are filtered or sorted by arguments: each of them would have a statement of its own."
        )
    choice = planner.choose(plan, "json")
    return None if choice.strategy == "single" else dict(choice.refusals)["single"]


_written_plans: WeakKeyDictionary[Reading, WrittenPlans] = WeakKeyDictionary()


def _written_plans_of(reading: Reading) -> WrittenPlans:
    found = _written_plans.get(reading)
    if found is None:
        found = _written_plans[reading] = WrittenPlans()
    return found
