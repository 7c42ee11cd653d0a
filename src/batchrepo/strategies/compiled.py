"""A compiled plan: what the batched strategy fetches on each level, and what goes where.

Level 0 is the root. The fetches of one level need nothing but the rows of the level above, so that
each level costs one statement for each different lookup, however many rows and branches ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrepo.declare.computed import Aggregate, Fetched
    from batchrepo.mapping import ColumnInfo
    from batchrepo.plan.read import ReadPlan
    from batchrepo.sql.rows import Lookup
    from batchrepo.strategies.assemble import Assembler
    from batchrepo.strategies.included_pages import PagedInclude, PageTotal


@dataclass(eq=False)
class Source:
    """The columns that one statement selects. Several uses may add theirs."""

    columns: list[Any] = field(default_factory=list)
    _places: dict[Any, int] = field(default_factory=dict)

    def place(self, expression: Any, column: ColumnInfo | None) -> int:
        """The position of a column in the rows, added if it is not there yet."""
        identity = column.name if column is not None else id(expression)
        found = self._places.get(identity)
        if found is None:
            found = self._places[identity] = len(self.columns)
            self.columns.append(expression)
        return found


@dataclass(eq=False)
class Use:
    """One place of the plan: turns rows of its source into dicts."""

    plan: ReadPlan
    source: Source
    assemble: Assembler


@dataclass(eq=False)
class Attach:
    """Where fetched values go: into ``dicts[name]`` of the parent use, by the parent's key.

    Attributes:
        parent: the use whose dicts are completed.
        name: the key of the dict.
        key: takes a row of the parent, gives the key of the lookup.
        plain: the key is one value, not a tuple.
        child: makes the dicts that are attached (None for aggregates and fetched values).
        kind: a list, one row or None, a page, or a value (an aggregate, a fetched value).
        index: position of an aggregate in its statement's rows.
        default: the value where there is none.
        required: there must be one; the text says for which field.
        paged: how rows become pages, where they do.
    """

    parent: Use
    name: str
    key: Callable[[Sequence[Any]], Any]
    plain: bool
    child: Use | None
    kind: Literal["many", "one", "page", "value"]
    index: int = 0
    default: Any = None
    required: str | None = None
    paged: PagedInclude | None = None


@dataclass(eq=False)
class Fetch:
    """One statement of a level: rows for a batch of keys."""

    lookup: Lookup
    source: Source
    attaches: list[Attach] = field(default_factory=list)

    @property
    def by_key(self) -> bool:
        """Whether it looks rows up by primary key: these are remembered for the rest of the read."""
        return self.lookup.relation is None


@dataclass(eq=False)
class AggregateFetch:
    """One statement of a level: aggregates over one relation for a batch of keys."""

    lookup: Lookup
    aggregates: list[Aggregate[Any]] = field(default_factory=list)
    attaches: list[Attach] = field(default_factory=list)

    def place(self, aggregate: Aggregate[Any]) -> int:
        """The position of an aggregate in the rows, added if it is not there yet."""
        # By identity: the equality of two aggregates is a SQL condition.
        for i, known in enumerate(self.aggregates):
            if known is aggregate:
                return i
        self.aggregates.append(aggregate)
        return len(self.aggregates) - 1


@dataclass(eq=False)
class ServiceFetch:
    """Values of a batched function for a batch of keys."""

    fetched: Fetched[Any]
    attaches: list[Attach] = field(default_factory=list)


@dataclass(eq=False)
class Level:
    """Everything that can be fetched at once."""

    fetches: list[Fetch] = field(default_factory=list)
    aggregates: list[AggregateFetch] = field(default_factory=list)
    services: list[ServiceFetch] = field(default_factory=list)
    answered: list[Attach] = field(default_factory=list)


@dataclass(eq=False)
class Flattened:
    """A value that lies `depth` dicts deep in its field, each dict with one item, until all is read."""

    use: Use
    name: str
    depth: int

    def unwrap(self, dicts: Sequence[dict[str, Any]]) -> None:
        """Put the value itself in its place."""
        for item in dicts:
            value = item[self.name]
            for _ in range(self.depth):
                if value is None:
                    break
                (value,) = value.values()
            item[self.name] = value


@dataclass(eq=False)
class CompiledPlan:
    """A plan ready to run.

    Attributes:
        plan: where it came from.
        root: turns the rows of the root statement into dicts; its source says what to select.
        levels: below the root, from the top.
        flattened: what to unwrap when everything is read.
        totals: what to put into pages when everything is read, and in which use's dicts they are.
        weights: of the relations that can be read inside of statements: for each row of the root so many lookups,
            from the lightest.
        inlined: the fields that are.
    """

    plan: ReadPlan
    root: Use
    levels: list[Level]
    flattened: list[Flattened]
    totals: list[tuple[Use, PageTotal]]
    weights: tuple[int, ...] = ()
    inlined: tuple[str, ...] = ()
    _lookups: int = 0
    _heavier: Callable[[int], CompiledPlan] | None = None
    _variants: dict[int, CompiledPlan] = field(default_factory=dict)

    def for_rows(self, most: int | None) -> CompiledPlan:
        """The plan for at most so many rows of the root (None for any number): the fewer, the fewer statements."""
        if not self.weights or most is None or most * self.weights[0] > self._lookups:
            return self
        heaviest = max(weight for weight in self.weights if most * weight <= self._lookups)
        found = self._variants.get(heaviest)
        if found is None:
            assert self._heavier is not None
            found = self._variants[heaviest] = self._heavier(heaviest)
        return found
