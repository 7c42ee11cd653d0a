"""Sorts: by what outside callers may order a read, and how they say it: ``-released,title``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import UnaryExpression

from batchrepo.declare.operators import is_compound
from batchrepo.declare.orders import Ordering, OrderTerm
from batchrepo.declare.targets import Target, read_target
from batchrepo.errors import DeclarationError, InvalidSort, did_you_mean
from batchrepo.mapping.entity import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrepo.declare.computed import Computed
    from batchrepo.mapping import EntityInfo

Nulls = Literal["first", "last"]
"""Where rows without a value come."""

LONGEST_TEXT = 1_000
"""How many characters a sort may have."""


@dataclass(frozen=True, eq=False)
class Sort:
    """One attribute that callers may sort by.

    Attributes:
        name: the public one.
        target: its SQL.
        nulls: where rows without a value come in either direction, or None for the database's own habit.
    """

    name: str
    target: Target
    nulls: Nulls | None = None

    def term(self, *, descending: bool) -> OrderTerm:
        """The order by it."""
        return OrderTerm(self.target.expression, descending, self.nulls)


class Sorts:
    """All that callers of one repository may sort by.

    Args:
        owner: the repository's name, for messages.
        declared: in the order of the declaration.
    """

    def __init__(self, owner: str, declared: Sequence[Sort]) -> None:
        self.owner = owner
        self._by_name = {sort.name: sort for sort in declared}

    @property
    def names(self) -> tuple[str, ...]:
        """The public names, in the order of the declaration."""
        return tuple(self._by_name)

    @property
    def choices(self) -> tuple[str, ...]:
        """Each name with both directions: what one part of a sort may be."""
        return tuple(f"{sign}{name}" for name in self._by_name for sign in ("", "-"))

    def parse(self, text: str | Sequence[str]) -> tuple[OrderTerm, ...]:
        """Read ``-released,title``: by release, the newest first, then by title.

        Args:
            text: names separated by commas, or a sequence of names; a ``-`` before a name turns its direction round.

        Raises:
            InvalidSort: a name is not one of `names`, or is there twice.
        """
        terms: dict[str, OrderTerm] = {}
        for part in self._parts(text):
            name = part[1:] if part[:1] in ("-", "+") else part
            if name in terms:
                raise InvalidSort(
                    f"The sort names {name!r} twice; the second time decides nothing.", name=name
                )
            terms[name] = self._sort(name).term(descending=part.startswith("-"))
        return tuple(terms.values())

    def _parts(self, text: str | Sequence[str]) -> list[str]:
        parts = text.split(",") if isinstance(text, str) else text
        if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
            raise InvalidSort(f"A sort is a text such as {self._example()}; got {shown(text)}.")
        if sum(map(len, parts)) > LONGEST_TEXT:
            raise InvalidSort(f"A sort has at most {LONGEST_TEXT} characters; got {sum(map(len, parts))}.")
        if len(parts) == 1 and not parts[0].strip():
            return []
        return [part.strip() for part in parts]

    def _sort(self, name: str) -> Sort:
        sort = self._by_name.get(name)
        if sort is None:
            known = did_you_mean(name, self._by_name) or f" {self.owner}.sortable is empty."
            raise InvalidSort(f"{self.owner} cannot be sorted by {name[:100]!r}.{known}", name=name[:100])
        return sort

    def _example(self) -> str:
        return repr(f"-{self.names[0]}") if self._by_name else "'-title'"

    def __len__(self) -> int:
        return len(self._by_name)

    def __repr__(self) -> str:
        return f"<Sorts {', '.join(self.names) or 'nothing'}>"


def read_sorts(
    declared: Sequence[Any], owner: str, entity: EntityInfo, computed: Mapping[str, Computed[Any]]
) -> Sorts:
    """Read a ``sortable`` declaration.

    Args:
        declared: its elements.
        owner: the repository's name.
        entity: of the repository.
        computed: its computed attributes by name.

    Raises:
        DeclarationError: an element cannot be sorted by, has a direction, or the name of another.
    """
    where = f"{owner}.sortable"
    sorts: dict[str, Sort] = {}
    for element in declared:
        bare, nulls = _without_nulls(element, where)
        target = read_target(bare, where, entity, computed)
        if is_compound(target.type, target.python_type):
            raise DeclarationError(
                f"{where}: {target.name} has the type {target.type!r}, which has no order."
            )
        if target.name in sorts:
            raise DeclarationError(f"{where} has the name {target.name!r} twice.")
        sorts[target.name] = Sort(target.name, target, nulls)
    return Sorts(owner, list(sorts.values()))


def _without_nulls(element: Any, where: str) -> tuple[Any, Nulls | None]:
    """The attribute itself, and the place for NULLs that the declaration gives it."""
    found: Nulls | None = None
    while isinstance(element, Ordering | UnaryExpression):
        how = _how(element)
        if how in ("asc", "desc"):
            raise DeclarationError(
                f"{where}: {_text(element)} has a direction, which is the caller's to choose (-name is descending). "
                f"Leave it away; a place for NULLs may stay."
            )
        if how is None:
            break
        found = found or ("first" if how == "nulls_first" else "last")
        element = element.value if isinstance(element, Ordering) else _attribute_of(element.element)
    return element, found


def _how(element: Ordering | UnaryExpression[Any]) -> str | None:
    if isinstance(element, Ordering):
        return element.how
    modifiers: dict[Any, str] = {
        operators.asc_op: "asc",
        operators.desc_op: "desc",
        operators.nulls_first_op: "nulls_first",
        operators.nulls_last_op: "nulls_last",
    }
    return modifiers.get(element.modifier)


def _attribute_of(element: Any) -> Any:
    """The mapped attribute that an expression was made of, or the expression."""
    mapper = element._annotations.get("parententity")
    name = element._annotations.get("proxy_key")
    if mapper is None or name is None or mapper.is_aliased_class:
        return element
    attribute = getattr(mapper.class_, name, None)
    return attribute if isinstance(attribute, QueryableAttribute) else element


def _text(element: Any) -> str:
    return f"{element!s:.100}"
