"""Root fields whose whole part of the answer is what one statement writes.

The database writes the rows with the keys of the answer, in its order, and with values in the form that the types of GraphQL
give them. What it cannot write exactly is read as rows, and the types say what they have to say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from weakref import WeakKeyDictionary, WeakValueDictionary

from graphql import OperationType

from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.passing.completing import (
    Constant,
    Edges,
    Itself,
    Leaf,
    Many,
    One,
    Page,
    Whole,
    make_completer,
)
from batchrepo.integrations.strawberry.passing.covering import GlobalIdOf, cover, is_connection
from batchrepo.integrations.strawberry.passing.forms import form_of
from batchrepo.integrations.strawberry.query.lookahead import lookahead_of
from batchrepo.integrations.strawberry.query.planning import ConnectionSelection
from batchrepo.plan.forms import Form
from batchrepo.plan.read import AggregateField, ColumnField, FlatField, Include, ReadPlan
from batchrepo.strategies.single import pays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graphql import GraphQLObjectType
    from graphql.language import FieldNode

    from batchrepo.integrations.strawberry.passing.completing import Completer, Part, Parts
    from batchrepo.integrations.strawberry.passing.executor import Passing
    from batchrepo.integrations.strawberry.query.planning import Planning
    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.integrations.strawberry.roots.fields import RootField
    from batchrepo.declare.orders import OrderTerm
    from batchrepo.plan.pages import PageRequest
    from batchrepo.plan.read import Field
    from batchrepo.repository.planned import Planned
    from batchrepo.scope import Scope
    from batchrepo.strategies.reading import Reading

How: TypeAlias = Literal["single", "batched"] | None
"""How rows are read that pass: by one statement, as rows, or as it pays."""


class Completed:
    """A part of the answer, in place of objects that the executor would visit."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@dataclass(frozen=True, eq=False)
class Answer:
    """How a root field is answered by one statement.

    Attributes:
        plan: what is read, under the keys of the answer; None where it is not for one statement.
        complete: makes the part of the answer of a page with completed rows; None for lists.
        total: whether the page needs a total.
        why_not: why there is no plan.
        asked: whether one statement was asked for by name.
    """

    plan: ReadPlan | None = None
    complete: Completer | None = None
    total: bool = False
    why_not: str | None = None
    asked: bool = False

    def pays(self, scope: Scope, where: Sequence[Any], rows: int) -> bool:
        """Whether it is worth it for at most so many rows that meet conditions."""
        return self.asked or pays(scope, scope.reading.conditions(where), rows)

    async def rows(
        self, reads: Planned, where: Sequence[Any], order: tuple[OrderTerm, ...] | None, limit: int
    ) -> Completed | None:
        """The list of the answer; None where rows have to be read."""
        assert self.plan is not None
        found = await reads.decoded(self.plan, where, order, limit)
        return None if found is None else Completed(found)

    async def page(
        self,
        reads: Planned,
        where: Sequence[Any],
        order: tuple[OrderTerm, ...] | None,
        request: PageRequest,
    ) -> Completed | None:
        """The page of the answer; None as `rows`."""
        assert self.plan is not None
        assert self.complete is not None
        found = await reads.decoded_page(self.plan, where, order, request)
        if found is None:
            return None
        try:
            return Completed(self.complete(found))
        except Exception:  # noqa: BLE001  the executor meets it again, in its place
            return None


class Inexact(Exception):
    """A part of the answer that a database cannot write; the text says which and why."""


def answer_of(root: RootField, info: ResolveInfo, target: GraphQLObjectType) -> Answer | None:
    """How a root field is answered by one statement.

    Args:
        root: the field.
        info: of the field.
        target: the type of its objects, or its `Connection`.

    Returns:
        None where it is read as rows.
    """
    operation = running(info.field_name)
    executor: Passing | None = operation.kept.get(EXECUTOR)
    notes = operation.passed
    if executor is None or notes is None or not operation.look_ahead:
        return None
    nodes, asked = info.field_nodes, operation.strategy
    key = ("whole", asked, id(target), *map(id, nodes))
    found = lookahead_of(operation.scope.reading).remembered(
        info,
        key,
        (target, [nodes]),
        operation.scope,
        lambda planning: _answer(planning, target, nodes, asked),
        deep=True,
    )
    refusal = why_not_root(root, info, executor) or found.why_not
    path = ".".join(step for step in info.path.as_list() if isinstance(step, str))
    notes.whole(path, refusal)
    return None if refusal is not None else found


EXECUTOR = "executor"
"""Where an operation keeps its executor."""


def why_not_root(root: RootField, info: ResolveInfo, executor: Passing) -> str | None:
    """What about a root field and its operation keeps it from being answered as a whole."""
    if executor.why_not is not None:
        return executor.why_not
    if executor.in_parts:
        return "The schema's config lets answers come in parts."
    if info.operation.operation is not OperationType.QUERY:
        return "It is no query."
    if root.extensions:
        return f"{root.where} has permissions or extensions."
    if any(fragment.variable_definitions for fragment in info.fragments.values()):
        return "A fragment has arguments."
    return None


def _answer(
    planning: Planning, target: GraphQLObjectType, nodes: Sequence[FieldNode], asked: How
) -> Answer:
    if asked == "batched":
        return Answer(why_not='ScopeExtension(strategy="batched").')
    covered = cover(planning, target, nodes)
    if covered.complete is None:
        path, reason = next(iter(covered.why_not.items()))
        return Answer(why_not=f"{path}: {reason}".removeprefix(": "))
    try:
        if not is_connection(target):
            plan = _plan(planning.plan(target, [nodes]), covered.parts, "")
            found = Answer(plan, asked=asked is not None)
        else:
            found = _of_page(planning, target, nodes, covered.parts, asked)
    except Inexact as inexact:
        return Answer(why_not=str(inexact))
    refusal = _why_not(planning, found.plan, asked)
    return found if refusal is None else Answer(why_not=refusal)


def _of_page(
    planning: Planning, target: GraphQLObjectType, nodes: Sequence[FieldNode], parts: Parts, asked: How
) -> Answer:
    selected = ConnectionSelection(planning.selections, target, nodes)
    found: list[Parts] = []
    shown = [_completed(part, found) for part in parts]
    if len(found) != 1:
        raise Inexact("Its rows are not selected once.")
    plan = _plan(planning.plan(selected.node_type, selected.nodes), found[0], "edges.node.")
    return Answer(plan, make_completer(shown), selected.total, asked=asked is not None)


def _completed(part: Part, nodes: list[Parts]) -> Part:
    """A part of a page whose rows are completed; their parts go to `nodes`."""
    if not isinstance(part, Edges):
        return part
    below: list[Part] = []
    for each in part.below:
        if isinstance(each, Whole):
            nodes.append(each.below)
            below.append(Itself(each.key))
        else:
            below.append(each)
    return Edges(part.key, below)


def _why_not(planning: Planning, plan: ReadPlan | None, asked: How) -> str | None:
    assert plan is not None
    if planning.scoped:
        return "A filter of the application's own makes conditions for one scope."
    planner = planning.scope.reading.planner
    if asked == "single":
        return planner.strategies["single"].why_not(plan, "json", planner.catalog)
    choice = planner.choose(plan, "json")
    return None if choice.strategy == "single" else dict(choice.refusals).get("single", choice.reason)


# --- the plan -----------------------------------------------------------------------------------------

def _plan(read: ReadPlan, parts: Parts, path: str) -> ReadPlan:
    """What is read under the keys of the answer: the same as a plan reads for its rows.

    Raises:
        Inexact: a part of the answer is more than a value of a row.
    """
    by_name = {field.name: field for field in read.fields}
    fields: list[Field] = []
    forms: dict[str, Form] = {}
    for part in parts:
        where = f"{path}{part.key}"
        field, form = _field(read, part, by_name, where)
        fields.append(field)
        if form is not None:
            forms[field.name] = form
    return ReadPlan(read.entity, tuple(fields), None, forms)


def _field(
    read: ReadPlan, part: Part, by_name: dict[str, Field], where: str
) -> tuple[Field, Form | None]:
    match part:
        case Constant(key=key, text=text):
            column = read.entity.key[0]
            return ColumnField(key, column.attribute, column), Form("Constant", text=text)
        case Leaf(key=key, read=GlobalIdOf(names=(name,), type_name=type_name)):
            return replace(by_name[name], name=key), Form("GlobalID", required=True, text=type_name)
        case Leaf(key=key, name=name, kind=kind, read=None):
            found = by_name[name]
            form = form_of(kind, found)
            if form is None or isinstance(found, Include):
                raise Inexact(f"{where}: only {kind} itself knows what it makes of the values.")
            return replace(found, name=key), form
        case (One(key=key, name=name, optional=optional, below=below)) | Many(
            key=key, name=name, optional=optional, below=below
        ):
            include = by_name[name]
            assert isinstance(include, Include)
            plan = _plan(include.plan, below, f"{where}.")
            required = isinstance(part, One) and not optional
            return replace(include, name=key, plan=plan, required=required), None
        case Page():
            raise Inexact(f"{where}: the cursors of pages inside of rows are not made by a database.")
    raise Inexact(f"{where}: an id of several columns is not made by a database.")
