"""Random orders of items: any mix of columns, expressions, computed attributes and columns of related rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st

from batchrepo import column
from tests.paging.models import Item, ItemRepository, Maker
from tests.paging.rows import REQUIRED

COLUMNS = (
    *("rank", "title", "number", "note", "code", "ratio", "single", "share", "price", "plain_price", "cents"),
    *("flag", "day", "moment", "zoned", "utc", "hour", "zoned_hour", "span", "token", "token_text", "raw"),
    *("shade", "word", "named_shade"),
)
"""The names of the columns of `Item` that random rows fill."""


@dataclass(frozen=True)
class Sorted:
    """What may be sorted by: how it is written, and which columns of `Item` it looks at."""

    name: str
    make: Callable[[str], Any]
    columns: tuple[str, ...]

    def __repr__(self) -> str:
        return self.name


def _plain(name: str) -> Sorted:
    return Sorted(name, lambda _: getattr(Item, name), (name,))


def _binary(dialect: str) -> Any:
    return sa.collate(Item.note, "C" if dialect == "postgresql" else "BINARY")


def _without_case(dialect: str) -> Any:
    return sa.collate(Item.note, "POSIX" if dialect == "postgresql" else "NOCASE")


OWN = tuple(map(_plain, COLUMNS))

EXPRESSIONS = (
    Sorted("lower(note)", lambda _: sa.func.lower(Item.note), ("note",)),
    Sorted("length(note)", lambda _: sa.func.length(Item.note), ("note",)),
    Sorted("coalesce(number, rank)", lambda _: sa.func.coalesce(Item.number, Item.rank), ("number", "rank")),
    Sorted("-rank", lambda _: -Item.rank, ("rank",)),
    Sorted("note || title", lambda _: Item.note + Item.title, ("note", "title")),
    Sorted("title > 'b'", lambda _: Item.title > "b", ("title",)),
    Sorted("note = 'a'", lambda _: Item.note == "a", ("note",)),
    Sorted("note is null", lambda _: Item.note.is_(None), ("note",)),
    Sorted("flag and rank > 0", lambda _: sa.and_(Item.flag, Item.rank > 0), ("flag", "rank")),
    Sorted("cast", lambda _: sa.cast(Item.rank, sa.String), ("rank",)),
    Sorted(
        "case",
        lambda _: sa.case((Item.rank > 0, Item.title), (Item.rank < 0, "x"), else_=None),
        ("rank", "title"),
    ),
    Sorted("label", lambda _: Item.note.label("o1"), ("note",)),
    Sorted("collate binary", _binary, ("note",)),
    Sorted("collate without case", _without_case, ("note",)),
    Sorted("subquery", lambda _: _namesakes(), ("title",)),
    Sorted("column_property", lambda _: Item.title_length, ("title",)),
    Sorted("hybrid", lambda _: Item.shout, ("title",)),
    Sorted("expression()", lambda _: ItemRepository.half_title, ("title",)),
    Sorted("constant", lambda _: sa.literal(1), ()),
)

RELATED = (
    Sorted("part_count", lambda _: ItemRepository.part_count, ()),
    Sorted("has_heavy", lambda _: ItemRepository.has_heavy, ()),
    Sorted("load", lambda _: ItemRepository.load, ()),
    Sorted("mean", lambda _: ItemRepository.mean, ()),
    Sorted("heaviest", lambda _: ItemRepository.heaviest, ()),
    Sorted("newest", lambda _: ItemRepository.newest, ()),
    Sorted("maker.name", lambda _: column(Item.maker, Maker.name), ()),
    Sorted("maker.rating", lambda _: column(Item.maker, Maker.rating), ()),
    Sorted("parent.number", lambda _: column(Item.parent, Item.number), ("number",)),
    Sorted("parent.parent.title", lambda _: column(Item.parent, Item.parent, Item.title), ("title",)),
    Sorted("coalesce(load, rank)", lambda _: sa.func.coalesce(ItemRepository.heaviest, Item.rank), ("rank",)),
    Sorted("maker", lambda _: Item.maker.has(Maker.rating > 0), ()),
)


def _namesakes() -> Any:
    other = sa.orm.aliased(Item)
    return (
        sa.select(sa.func.count())
        .where(other.title == Item.title)
        .correlate(Item)
        .select_from(other)
        .scalar_subquery()
    )


@dataclass(frozen=True)
class OrderCase:
    """An order, as a test gives it and as it can be shown."""

    terms: tuple[tuple[Sorted, bool, str | None], ...]
    key: bool | None
    """The primary key as a last term (descending or not), or None."""

    def elements(self, dialect: str) -> list[Any]:
        """What goes into ``order_by=``."""
        made = [_directed(what.make(dialect), down, nulls) for what, down, nulls in self.terms]
        return [*made, *([] if self.key is None else [_directed(Item.id, self.key, None)])]

    def whole(self, dialect: str) -> list[Any]:
        """The same without ties, as somebody would write it by hand."""
        if self.key is not None:
            return self.elements(dialect)
        down = self.terms[-1][1] if self.terms else False
        return [*self.elements(dialect), Item.id.desc() if down else Item.id.asc()]

    @property
    def columns(self) -> list[str]:
        """Which columns of `Item` need values."""
        return sorted({name for what, _, _ in self.terms for name in what.columns})

    def __repr__(self) -> str:
        shown = [f"{what}{' desc' * down}{f' nulls {n}' if n else ''}" for what, down, n in self.terms]
        return ", ".join(shown + ([] if self.key is None else ["id" + " desc" * self.key]))


def _directed(element: Any, down: bool, nulls: str | None) -> Any:
    directed = element.desc() if down else element.asc()
    if nulls is None:
        return directed
    return directed.nulls_first() if nulls == "first" else directed.nulls_last()


def orders(of: Sequence[Sorted], *, most: int = 3) -> st.SearchStrategy[OrderCase]:
    """Orders by some of these; a column that is never NULL may say where its NULLs go all the same."""
    term = st.tuples(st.sampled_from(of), st.booleans(), st.sampled_from([None, "first", "last"]))
    terms = st.lists(term, min_size=0, max_size=most, unique_by=lambda item: item[0].name)
    return st.builds(OrderCase, terms.map(tuple), st.sampled_from([None, None, True, False]))


def one_column_orders(name: str) -> st.SearchStrategy[OrderCase]:
    """Orders that begin with a column, maybe with another one behind it."""
    first = st.tuples(
        st.just(_plain(name)),
        st.booleans(),
        st.sampled_from([None, "first", "last"]) if name not in REQUIRED else st.none(),
    )
    second = st.lists(
        st.tuples(st.just(_plain("rank")), st.booleans(), st.none()), max_size=int(name != "rank")
    )
    return st.builds(lambda one, more: OrderCase((one, *more), None), first, second)
