"""Any valid document over a schema, with at most one bad argument: what look-ahead must follow.

A response key says which field it stands for and with which arguments, so that whatever is selected twice can be
merged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

from graphql import GraphQLField, GraphQLObjectType, GraphQLSchema, get_named_type
from hypothesis import strategies as st

SIZES = (0, 1, 2, 3, 5, 200)

BAD_SIZES = ("first: -1", "first: 2001", "last: -3", "first: 1, last: 1")
"""What no connection takes; an operation is refused for it."""

BAD_CURSORS = ('after: "nonsense"', 'before: ""')
"""What no connection takes; an error of its field."""


@dataclass
class Document:
    """A document.

    Attributes:
        text: of it.
        variables: values for its variables.
        refused: whether it asks for a page of no possible size.
    """

    text: str
    variables: dict[str, Any]
    refused: bool = False


class Place(NamedTuple):
    """Where in a document something is written.

    Attributes:
        depth: how many levels of rows may be below.
        fault: whether a bad argument may be written: only where it has one path.
        live: whether no directive leaves it out.
    """

    depth: int
    fault: bool
    live: bool

    def within(self, *, included: bool = True, rows: int = 0) -> Place:
        """A place inside of this one."""
        return Place(self.depth - rows, self.fault, self.live and included)


@dataclass
class Writer:
    """Writes one document.

    Attributes:
        draw: given by hypothesis.
        schema: the schema.
        keys: arguments for root fields of one row, by field.
        cursors: cursors for connections, by their type; ``pages``: those of the root field, which has another order.
        left: how many more fields with rows may be written.
    """

    draw: st.DrawFn
    schema: GraphQLSchema
    keys: Mapping[str, Sequence[str]]
    cursors: Mapping[str, Sequence[str]]
    left: int = 14
    faulty: bool = False
    refused: bool = False
    declared: dict[str, str] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    fragments: dict[str, tuple[str, str]] = field(default_factory=dict)

    def document(self) -> Document:
        body = self.selected(self.root, Place(depth=4, fault=True, live=True))
        declared = ", ".join(f"${name}: {kind}" for name, kind in self.declared.items())
        fragments = "".join(
            f"\nfragment {name} on {kind} {text}" for name, (kind, text) in self.fragments.items()
        )
        text = f"query{f'({declared})' if declared else ''} {body}{fragments}"
        return Document(text, self.values, self.refused)

    @property
    def root(self) -> GraphQLObjectType:
        assert self.schema.query_type is not None
        return self.schema.query_type

    def chance(self, one_in: int) -> bool:
        """Rarely true; hypothesis makes examples smaller towards false."""
        return self.draw(st.integers(1, one_in)) == one_in

    def selected(self, parent: GraphQLObjectType, place: Place) -> str:
        """A selection set of an object of a type."""
        fields = {
            name: found
            for name, found in parent.fields.items()
            if (place.depth > 0 or not isinstance(get_named_type(found.type), GraphQLObjectType))
            and (not found.args or "first" in found.args or name in self.keys)
        }
        chosen = self.draw(st.lists(st.sampled_from(sorted(fields)), min_size=1, max_size=4))
        if self.chance(2):
            chosen += [name for name in fields if name in ("edges", "node")]
        return f"{{ {' '.join(self.part(parent, name, place) for name in chosen)} }}"

    def part(self, parent: GraphQLObjectType, name: str, place: Place) -> str:
        """A field, by itself or in a fragment."""
        way = self.draw(st.integers(0, 9))
        if way < 7 or (way == 9 and parent is self.root):
            return self.one(parent, name, place)
        directive, included = self.directive()
        if way == 9:
            return f"...{self.fragment(parent, place.depth)}{directive}"
        within = f"{{ {self.one(parent, name, place.within(included=included))} __typename }}"
        return f"... {f'on {parent.name}' if way == 8 else ''}{directive} {within}"

    def fragment(self, parent: GraphQLObjectType, depth: int) -> str:
        """The name of a fragment, a new one or one that was spread before."""
        known = [name for name, (kind, _) in self.fragments.items() if kind == parent.name]
        if known and self.chance(2):
            return self.draw(st.sampled_from(known))
        text = self.selected(parent, Place(min(depth, 1), fault=False, live=True))
        name = f"F{len(self.fragments)}"
        self.fragments[name] = (parent.name, text)
        return name

    def one(self, parent: GraphQLObjectType, name: str, place: Place) -> str:
        """A field with its arguments, directive and selections."""
        found = parent.fields[name]
        target = get_named_type(found.type)
        directive, included = self.directive()
        place = place.within(included=included)
        arguments = self.arguments(parent, name, place) if found.args else ""
        key = f"_{crc32(arguments.encode()):x}" if arguments else ""
        alias = f"a{key}_{name}: " if key or self.chance(6) else ""
        text = f"{alias}{name}{f'({arguments})' if arguments else ''}{directive}"
        if not isinstance(target, GraphQLObjectType):
            return text
        rows = not target.name.endswith(("Connection", "Edge", "PageInfo"))
        self.left -= rows
        depth = place.depth if self.left > 0 else min(place.depth, 1)
        return f"{text} {self.selected(target, place._replace(depth=depth - rows))}"

    def arguments(self, parent: GraphQLObjectType, name: str, place: Place) -> str:
        """Arguments of a field."""
        found = parent.fields[name]
        if "first" not in found.args:
            return self.draw(st.sampled_from(self.keys[name]))
        if place.fault and not self.faulty and self.chance(4):
            self.faulty = True
            bad = self.draw(st.sampled_from(BAD_SIZES + BAD_CURSORS))
            self.refused = bad in BAD_SIZES and place.live
            return bad
        texts = self.cursors["pages" if parent is self.root and name == "pages" else _name(found)]
        size = self.draw(st.sampled_from(("", "first", "last")))
        bounds = self.draw(st.sampled_from(((), (), (), ("after",), ("before",), ("after", "before"))))
        wanted: dict[str, Any] = {size: self.draw(st.sampled_from(SIZES))} if size else {}
        wanted |= {bound: self.draw(st.sampled_from(texts)) for bound in bounds}
        return ", ".join(f"{key}: {self.value(value)}" for key, value in wanted.items())

    def value(self, value: Any) -> str:
        """A value, as a literal or as a variable: given, left to its default, or null."""
        literal = str(value) if isinstance(value, int) else f'"{value}"'
        kind = "Int" if isinstance(value, int) else "String"
        way = self.draw(st.sampled_from(("literal", "literal", "given", "default", "null")))
        if way == "literal":
            return literal
        name = f"v{len(self.declared)}"
        self.declared[name] = f"{kind} = {literal}" if way == "default" else kind
        if way != "default":
            self.values[name] = value if way == "given" else None
        return f"${name}"

    def directive(self) -> tuple[str, bool]:
        """Rarely one, with a literal or a variable; and whether it includes what it is on."""
        if not self.chance(8):
            return "", True
        name, answer = self.draw(st.sampled_from(("skip", "include"))), self.draw(st.booleans())
        included = answer if name == "include" else not answer
        if self.draw(st.booleans()):
            return f" @{name}(if: {str(answer).lower()})", included
        variable = f"v{len(self.declared)}"
        self.declared[variable] = "Boolean!"
        self.values[variable] = answer
        return f" @{name}(if: ${variable})", included


def _name(found: GraphQLField) -> str:
    return get_named_type(found.type).name


@st.composite
def documents(
    draw: st.DrawFn,
    schema: GraphQLSchema,
    keys: Mapping[str, Sequence[str]],
    cursors: Mapping[str, Sequence[str]],
) -> Document:
    """Documents with their variables."""
    return Writer(draw, schema, keys, cursors).document()
