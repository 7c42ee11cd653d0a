"""What a document asks for, counted without looking at the schema or at variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphql import GraphQLError
from graphql.language import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
)

from batchrepo.integrations.strawberry.limits.limits import MOST, SPLIT, exceeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql.language import DocumentNode, SelectionSetNode

    from batchrepo.integrations.strawberry.limits.limits import Limits


@dataclass(slots=True)
class Cost:
    """What an operation, a fragment or a part of one selects.

    Attributes:
        depth: levels of fields.
        wide: fields of the one object that it selects from.
        widest: the most fields of any object.
        fields: in all.
        aliases: fields with an alias.
    """

    depth: int = 0
    wide: int = 0
    widest: int = 0
    fields: int = 0
    aliases: int = 0

    def add(self, other: Cost) -> None:
        """Add what is selected of the same object."""
        self.depth = max(self.depth, other.depth)
        self.wide = min(self.wide + other.wide, MOST)
        self.widest = max(self.widest, other.widest)
        self.fields = min(self.fields + other.fields, MOST)
        self.aliases = min(self.aliases + other.aliases, MOST)


class Costs:
    """Counts the definitions of one document. Each fragment is counted once, however often it is spread.

    Args:
        document: it was parsed, and may be invalid.
    """

    def __init__(self, document: DocumentNode) -> None:
        self._definitions = [
            node
            for node in document.definitions
            if isinstance(node, OperationDefinitionNode | FragmentDefinitionNode)
        ]
        self._fragments = {
            node.name.value: node for node in self._definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._known: dict[str, Cost | None] = {}
        self._introspects = False

    def refused(self, limits: Limits) -> Iterator[GraphQLError]:
        """What of the document is too much, or not allowed.

        Fragments are looked at by themselves too: one that nothing spreads costs to validate all the same.
        """
        try:
            for node in self._definitions:
                cost = self._selected(node.selection_set)
                for error in limits.refuse(cost):
                    yield error
                    return
        except _NoEndError as error:
            # Validation finds it too, where there is any.
            yield exceeded("depth", None, limits.depth or MOST, str(error), SPLIT)
            return
        except RecursionError:
            what = "fragments are spread in fragments, too deeply to be followed"
            yield exceeded("depth", None, limits.depth or MOST, what, SPLIT)
            return
        if self._introspects and not limits.introspection:
            yield GraphQLError(
                "The schema cannot be read here: introspection is closed.",
                extensions={"code": "INTROSPECTION_CLOSED"},
            )

    def _selected(self, selected: SelectionSetNode | None) -> Cost:
        total = Cost()
        for selection in selected.selections if selected is not None else ():
            match selection:
                case FieldNode():
                    total.add(self._field(selection))
                case InlineFragmentNode():
                    total.add(self._selected(selection.selection_set))
                case FragmentSpreadNode(name=name) if name.value in self._fragments:
                    total.add(self._fragment(name.value))
        total.widest = max(total.widest, total.wide)
        return total

    def _field(self, node: FieldNode) -> Cost:
        cost = self._selected(node.selection_set) if node.selection_set is not None else Cost()
        cost.depth = min(cost.depth + 1, MOST)
        cost.wide = 1
        cost.fields = min(cost.fields + 1, MOST)
        cost.aliases = min(cost.aliases + (node.alias is not None), MOST)
        if node.name.value in ("__schema", "__type"):
            self._introspects = True
            cost.depth = 0
        return cost

    def _fragment(self, name: str) -> Cost:
        if name in self._known:
            known = self._known[name]
            if known is None:
                raise _NoEndError(f"fragment {name!r} contains itself, so that its depth has no end")
            return known
        self._known[name] = None
        found = self._known[name] = self._selected(self._fragments[name].selection_set)
        return found


class _NoEndError(Exception):
    """A fragment contains itself."""
