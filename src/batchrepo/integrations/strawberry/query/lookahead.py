"""Look-ahead remembered: the plans of selections, by the fields of a document and the variables that they use."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from graphql.language import FieldNode, FragmentSpreadNode, VariableNode

from batchrepo.bounded import Bounded
from batchrepo.integrations.strawberry.operation.scopes import running
from batchrepo.integrations.strawberry.query.arguments import NOTHING, Arguments, read_arguments
from batchrepo.integrations.strawberry.query.planning import ConnectionSelection, Planning
from batchrepo.integrations.strawberry.query.remembered import Remembered
from batchrepo.integrations.strawberry.query.selections import Selections
from batchrepo.plan.read import Include

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from graphql import GraphQLObjectType
    from graphql.language import Node, OperationDefinitionNode

    from batchrepo.integrations.strawberry.query.selections import ResolveInfo
    from batchrepo.plan.read import ReadPlan
    from batchrepo.scope import Scope
    from batchrepo.strategies.reading import Reading

V = TypeVar("V")

VALUES = 64
"""How many plans, or other things that are made, are remembered for one place, each for other values of variables."""

PLACES = 256
"""How many places of one document are remembered. With ``@include`` a field can be many: one for each of its parts
that are left out, alone or together."""

PLANS = 2_000
"""How many of them are remembered for all documents; the oldest goes first."""

LONGEST = 2_000
"""Characters and values in the variables that a plan is remembered for; with longer ones it is made each time."""

_Found: TypeAlias = "tuple[ReadPlan, ConnectionSelection | None]"


class Lookahead:
    """Plans for what queries select, made once for each place in a document, as long as somebody keeps the document."""

    def __init__(self) -> None:
        # Plans hold parts of a document, but never the operation, which would keep itself alive then.
        self._operations: Remembered[OperationDefinitionNode, Bounded[Any, _Place]] = Remembered()
        self._oldest: deque[tuple[ref[_Place], Any]] = deque()
        self._flat: WeakValueDictionary[Any, ReadPlan] = WeakValueDictionary()

    def of_objects(
        self, info: ResolveInfo, target: GraphQLObjectType, nodes: Sequence[FieldNode]
    ) -> ReadPlan:
        """What is read for the objects that a field leads to.

        Args:
            info: of any field of the operation.
            target: the type of the objects.
            nodes: the field.
        """
        return self.of_several(info, target, [nodes])

    def of_several(
        self,
        info: ResolveInfo,
        target: GraphQLObjectType,
        groups: Sequence[Sequence[FieldNode]],
        *,
        deep: bool = False,
    ) -> ReadPlan:
        """As `of_objects`, for objects that several fields lead to, which are then read together.

        Args:
            info: as for `of_objects`.
            target: as for `of_objects`.
            groups: the fields.
            deep: with all that is below them, also where the operation does without look-ahead: of rows that are gone
                afterwards.
        """
        plan, _ = self._planned(info, target, groups, connection=False, deep=deep)
        return plan

    def of_connection(
        self, info: ResolveInfo, target: GraphQLObjectType, nodes: Sequence[FieldNode]
    ) -> tuple[ReadPlan, ConnectionSelection]:
        """What is read for the rows of a connection, and what else of it is selected."""
        plan, selected = self._planned(info, target, [nodes], connection=True)
        assert selected is not None
        return plan, selected

    def arguments(self, info: ResolveInfo, given: dict[str, Any], repository: type[Any]) -> Arguments:
        """The arguments of the field that is resolved: the same object for all of its parents, which share a batch.

        Raises:
            InvalidArgument: one cannot be used.
        """
        if not given:
            return NOTHING
        operation = running(info.field_name)
        key = ("arguments", id(info.parent_type), id(info.field_nodes[0]))
        found: Arguments | None = operation.kept.get(key)
        if found is None:
            field = info.parent_type.fields[info.field_name]
            found = operation.kept[key] = read_arguments(field, given, repository, operation.scope)
        return found

    def _planned(
        self,
        info: ResolveInfo,
        target: GraphQLObjectType,
        groups: Sequence[Sequence[FieldNode]],
        *,
        connection: bool,
        deep: bool = False,
    ) -> _Found:
        operation = running(info.field_name)
        deep = deep or operation.look_ahead
        key = (deep, id(target), *(tuple(map(id, nodes)) for nodes in groups))
        known: _Found | None = operation.kept.get(key)
        if known is not None:
            return known

        def plan(planning: Planning) -> _Found:
            if not connection:
                return self._shared(planning.plan(target, groups)), None
            selected = ConnectionSelection(planning.selections, target, groups[0])
            return planning.plan(selected.node_type, selected.nodes), selected

        found = operation.kept[key] = self.remembered(
            info, key, (target, groups), operation.scope, plan, deep=deep
        )
        return found

    def remembered(
        self,
        info: ResolveInfo,
        key: tuple[Any, ...],
        parts: tuple[GraphQLObjectType, Sequence[Sequence[FieldNode]]],
        scope: Scope,
        make: Callable[[Planning], V],
        *,
        deep: bool,
    ) -> V:
        """What is made of a place in a document: once for the values of the variables that are used below it.

        Args:
            info: of any field of the operation.
            key: of the place and of what is made.
            parts: the type of the objects that the fields of the place lead to, and the fields.
            scope: where the operation reads.
            make: makes it, by a planning of the operation.
            deep: as in `Planning`.
        """
        places = self._operations.get(info.operation)
        if places is None:
            places = self._operations[info.operation] = Bounded(PLACES)
        place = places.get(key)
        if place is None:
            place = places[key] = _Place(info, *parts)
        values = place.values(info)
        found: V | None = place.made.get(values) if values is not None else None
        if found is None:
            planning = Planning(Selections(info), scope, deep=deep)
            found = make(planning)
            if values is not None and not planning.scoped:
                self._keep(place, values, found)
        return found

    def _keep(self, place: _Place, values: Any, found: Any) -> None:
        place.made[values] = found
        self._oldest.append((ref(place), values))
        while len(self._oldest) > PLANS:
            oldest, of_values = self._oldest.popleft()
            forgetting = oldest()
            if forgetting is not None:
                forgetting.made.pop(of_values)

    def _shared(self, plan: ReadPlan) -> ReadPlan:
        """One plan for all places that read the same columns: what is loaded by one plan is one batch."""
        if any(isinstance(field, Include) for field in plan.fields):
            return plan  # its relations are put where this place looks for them
        # Fields are those of the types' members, and live as long as the plan.
        same = (plan.entity, *((field.name, id(field)) for field in plan.fields))
        return self._flat.setdefault(same, plan)


class _Place:
    """A field of a document, or several that are answered together.

    Attributes:
        made: what was made of it, by the values of the variables that are used below it.
    """

    def __init__(
        self, info: ResolveInfo, target: GraphQLObjectType, groups: Sequence[Sequence[FieldNode]]
    ) -> None:
        self.made: Bounded[Any, Any] = Bounded(VALUES)
        nodes = tuple(node for group in groups for node in group)
        # What is referenced keeps its identity, by which the place is found.
        self._parts = (target, info.fragments, nodes)
        self._variables = tuple(sorted(_variables_below(info, nodes)))

    def values(self, info: ResolveInfo) -> tuple[Any, ...] | None:
        """The values that decide about the plan; None where they cannot be compared."""
        if not self._variables:
            return ()
        variables: Any = info.variable_values
        coerced = getattr(variables, "coerced", variables)
        given = [coerced.get(name, _Place) for name in self._variables]
        if _length(given) > LONGEST:
            return None
        values = tuple(map(_frozen, given))
        try:
            hash(values)
        except TypeError:
            return None
        return values


def _frozen(value: Any) -> Any:
    # What is equal need not be the same: 1, 1.0 and True, or an empty list and an empty object.
    if isinstance(value, dict):
        return dict, tuple((key, _frozen(item)) for key, item in value.items())
    return (list, tuple(map(_frozen, value))) if isinstance(value, list) else (type(value), value)


def _length(given: list[Any]) -> int:
    """How much clients have sent in variables, as far as it is not too much."""
    found, pending = 0, list(given)
    while pending and found <= LONGEST:
        value = pending.pop()
        found += 1
        if isinstance(value, dict):
            pending += (*value, *value.values())
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str | bytes):
            found += len(value)
        elif isinstance(value, int):
            found += value.bit_length() // 8
    return found


def _variables_below(info: ResolveInfo, nodes: Sequence[FieldNode]) -> set[str]:
    """The variables in everything that fields select; not those in their own arguments."""
    found: set[str] = set()
    seen: set[str] = set()
    pending: list[Any] = [node.selection_set for node in nodes]
    while pending:
        node = pending.pop()
        if isinstance(node, VariableNode):
            found.add(node.name.value)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            pending.append(info.fragments[node.name.value])
        pending += _parts(node)
    return found


def _parts(node: Node | None) -> Iterator[Any]:
    for key in node.keys if node is not None else ():
        value = getattr(node, key, None)
        if isinstance(value, tuple | list):
            yield from value
        elif hasattr(value, "keys") and not isinstance(value, str):
            yield value


_known: WeakKeyDictionary[Reading, Lookahead] = WeakKeyDictionary()


def lookahead_of(reading: Reading) -> Lookahead:
    """The look-ahead of a Database."""
    found = _known.get(reading)
    if found is None:
        found = _known[reading] = Lookahead()
    return found


def nodes_at(info: ResolveInfo) -> tuple[GraphQLObjectType, list[FieldNode]]:
    """The type of the object whose field is resolved, and the fields of the document that lead to the object."""
    selections = Selections(info)
    nodes: list[FieldNode] = []
    path = info.path.prev
    steps: list[tuple[str, Any]] = []
    while path is not None:
        if isinstance(path.key, str):
            steps.append((path.key, path.typename))
        path = path.prev
    for key, typename in reversed(steps):
        # The type of the object that has the field, which may be one of several that an interface stands for.
        parent: Any = info.schema.get_type(typename)
        groups = selections.by_key(parent, nodes) if nodes else selections.roots(parent)
        nodes = groups[key]
    return info.parent_type, nodes
