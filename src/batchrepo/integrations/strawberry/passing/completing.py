"""Functions from rows to parts of the answer, generated for each selection: the parts, and what makes functions of them.

A function knows nothing of errors. Where a value does not fit, or a row lacks one, it raises whatever comes: the executor
then visits the fields, which has the error in its place or loads what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from batchrepo.integrations.strawberry.passing.leaves import NAMES, Unfit, completion, plain_test

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType

    from graphql import GraphQLOutputType

SOURCES = 500
"""How many shapes of objects are kept compiled. Equal shapes of different documents are one."""


@dataclass(frozen=True, eq=False)
class Constant:
    """``__typename``."""

    key: str
    text: str


@dataclass(frozen=True, eq=False)
class Leaf:
    """A value of a row or of a page.

    Attributes:
        key: in the answer, as for all parts.
        name: in the row.
        kind: its type.
        read: makes the value of the whole row, where it is no value of it.
    """

    key: str
    name: str
    kind: GraphQLOutputType
    read: Callable[[dict[str, Any]], Any] | None = None


@dataclass(frozen=True, eq=False)
class Itself:
    """The row, which is the object of the answer already."""

    key: str


@dataclass(frozen=True, eq=False)
class One:
    """An object of a to-one relation."""

    key: str
    name: str
    optional: bool
    below: Parts


@dataclass(frozen=True, eq=False)
class Many:
    """A list of objects."""

    key: str
    name: str
    optional: bool
    below: Parts


@dataclass(frozen=True, eq=False)
class Page:
    """A connection."""

    key: str
    name: str
    optional: bool
    below: Parts


@dataclass(frozen=True, eq=False)
class Whole:
    """What belongs to the same row or page, one level deeper in the answer, such as ``pageInfo``."""

    key: str
    below: Parts


@dataclass(frozen=True, eq=False)
class Edges:
    """The rows of a page, each with its cursor."""

    key: str
    below: Parts


@dataclass(frozen=True, eq=False)
class Cursor:
    """The cursor of an edge."""

    key: str
    kind: GraphQLOutputType


Part: TypeAlias = Constant | Leaf | Itself | One | Many | Page | Whole | Edges | Cursor
"""What an object of the answer has under one key."""

Parts: TypeAlias = "Sequence[Part]"
"""An object of the answer: its keys in their order."""

Completer: TypeAlias = "Callable[[Any], dict[str, Any]]"
"""From a row or a page to the object of the answer."""


def unfit() -> Any:
    """There is no value where there must be one."""
    raise Unfit


def make_completer(parts: Parts, arguments: str = "r") -> Completer:
    """A function from rows to objects of the answer.

    Args:
        parts: of the objects.
        arguments: what the function is given: a row, or a row, the cursors of its page and its place there.
    """
    # Names that differ from document to document are values, not source: so equal shapes are compiled once.
    names: dict[str, Any] = {**NAMES, "unfit": unfit}
    items = ", ".join(f"{part.key!r}: {_expression(part, names)}" for part in parts)
    made: Completer = eval(_compiled(f"lambda {arguments}: {{{items}}}"), names)  # noqa: S307
    return made


@lru_cache(SOURCES)
def _compiled(source: str) -> CodeType:
    # Only repr()s of strings, expressions from here and names made here go into the source.
    return compile(source, "<pass-through>", "eval")


def _expression(part: Part, names: dict[str, Any]) -> str:
    match part:
        case Constant(text=text):
            return repr(text)
        case Leaf(name=name, kind=kind, read=read):
            value = f"r[{_named(names, name)}]" if read is None else f"{_named(names, read)}(r)"
            return _leaf(value, kind, names)
        case Cursor(kind=kind):
            return _leaf("c[i]", kind, names)
        case Itself():
            return "r"
        case Whole(below=below):
            return f"{_named(names, make_completer(below))}(r)"
        case Edges(below=below):
            edge = _named(names, make_completer(below, "r, c, i"))
            if any(isinstance(each, Cursor) for each in below):
                return f"[{edge}(o, c, i) for c in (r['cursors'],) for i, o in enumerate(r['items'])]"
            return f"[{edge}(o, None, None) for o in r['items']]"
        case One(below=below) | Page(below=below):
            found = f"{_named(names, make_completer(below))}(v)"
        case Many(below=below):
            found = f"[{_named(names, make_completer(below))}(o) for o in v]"
    missing = "None" if part.optional else "unfit()"
    return f"{found} if (v := r[{_named(names, part.name)}]) is not None else {missing}"


def _leaf(value: str, kind: GraphQLOutputType, names: dict[str, Any]) -> str:
    complete, plain = _named(names, completion(kind)), plain_test(kind, value)
    return f"{complete}({value})" if plain is None else f"(v if {plain} else {complete}(v))"


def _named(names: dict[str, Any], value: Any) -> str:
    name = f"n{len(names)}"
    names[name] = value
    return name
