"""Relations of every shape whose rows are paged, and what each parent has by them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic import BaseModel

from batchrepo import Database, Page, column
from tests.paging.models import (
    Item,
    ItemRepository,
    Label,
    LabelRepository,
    Maker,
    MakerRepository,
    Part,
    PartRepository,
    Screw,
)
from tests.paging.rows import Store

Order = tuple[tuple[Any, ...] | None, bool]
"""What rows are sorted by (None: the relation's own order), and whether the last term descends."""

Links = Callable[[Store], Iterable[tuple[Any, Any]]]
"""The pairs of parent and child in a store; a pair may come twice."""


@dataclass(frozen=True)
class Related:
    """A relation, by what its rows may be sorted and filtered, and what it leads to."""

    attribute: Any
    repository: Any
    links: Links
    own_order: tuple[tuple[Any, ...], bool]
    orders: tuple[Order, ...]
    filters: tuple[Any, ...]

    @property
    def parent(self) -> Any:
        return self.attribute.class_

    @property
    def target(self) -> Any:
        return self.attribute.property.mapper.class_

    @property
    def view(self) -> Any:
        """Shows the key of a related row."""
        return PartKey if self.target is Part else ById

    def __str__(self) -> str:
        return str(self.attribute)

    async def wholes(
        self, db: Database, store: Store, order: Order, where: Iterable[Any]
    ) -> dict[Any, list[Any]]:
        """For each parent the keys of its rows, each once, sorted by the database."""
        terms, down = self.own_order if order[0] is None else order
        key = sa.inspect(self.target).primary_key
        tie = [column.desc() if down else column.asc() for column in key]
        async with db.engine.connect() as connection:
            statement = sa.select(*key).where(*where).order_by(*terms, *tie)
            ordered = [plain(row) for row in await connection.execute(statement)]
            parents = await connection.execute(sa.select(*sa.inspect(self.parent).primary_key))
            found: dict[Any, list[Any]] = {plain(row): [] for row in parents}
        linked = set(self.links(store))
        return {parent: [child for child in ordered if (parent, child) in linked] for parent in found}


class ById(BaseModel):
    """The key of a row with one key column."""

    id: int

    @property
    def identity(self) -> int:
        return self.id


class PartKey(BaseModel):
    item_id: int
    place: int

    @property
    def identity(self) -> tuple[int, int]:
        return self.item_id, self.place


def view_keys(page: Page[Any]) -> list[Any]:
    """The keys of a page of such views."""
    return [item.identity for item in page.items]


def plain(key: Any) -> Any:
    """A key of one column as its value, of several as a tuple."""
    return key[0] if len(key) == 1 else tuple(key)


def identity(row: Any) -> Any:
    """The key of an entity."""
    return plain(sa.inspect(row).identity)


def identities(page: Page[Any]) -> list[Any]:
    """The keys of a page's entities."""
    return [identity(item) for item in page.items]


def _screws(store: Store) -> Iterable[tuple[Any, Any]]:
    """Half a key leads to nothing."""
    return (((row["item_id"], row["place"]), row["id"]) for row in store.screws if row["place"] is not None)


def _turned(pairs: Iterable[tuple[Any, Any]]) -> Iterable[tuple[Any, Any]]:
    return ((child, parent) for parent, child in pairs)


_ITEM_ORDERS: tuple[Order, ...] = (
    (None, False),
    ((Item.rank, Item.note.desc()), True),
    ((Item.number.desc().nulls_last(),), True),
    ((ItemRepository.part_count.desc(), Item.number), False),
    ((ItemRepository.newest.desc().nulls_first(),), True),
    ((column(Item.maker, Maker.name), Item.id.desc()), True),
    ((sa.func.coalesce(Item.number, Item.rank).desc(),), True),
)
_ITEM_FILTERS = (Item.rank >= 0, Item.note.is_(None), ItemRepository.part_count > 0)

RELATIONS = (
    Related(
        Maker.items,
        MakerRepository,
        lambda store: ((row["maker_id"], row["id"]) for row in store.items),
        ((Item.rank,), False),
        _ITEM_ORDERS,
        _ITEM_FILTERS,
    ),
    Related(
        Item.children,
        ItemRepository,
        lambda store: ((row["parent_id"], row["id"]) for row in store.items),
        ((Item.id,), False),
        _ITEM_ORDERS,
        _ITEM_FILTERS,
    ),
    Related(
        Label.items,
        LabelRepository,
        lambda store: _turned(store.labelled),
        ((), False),
        _ITEM_ORDERS,
        _ITEM_FILTERS,
    ),
    Related(
        Label.seen,
        LabelRepository,
        lambda store: _turned(store.seen),
        ((), False),
        _ITEM_ORDERS,
        _ITEM_FILTERS,
    ),
    Related(
        Item.labels,
        ItemRepository,
        lambda store: store.labelled,
        ((Label.name,), False),
        ((None, False), ((Label.name.desc().nulls_last(),), True), ((Label.id,), False)),
        (Label.name.is_not(None), Label.id > 2),
    ),
    Related(
        Item.seen_as,
        ItemRepository,
        lambda store: store.seen,
        ((Label.id,), False),
        ((None, False), ((Label.name,), False), ((Label.id.desc(),), True)),
        (Label.name.is_(None), Label.id > 2),
    ),
    Related(
        Item.parts,
        ItemRepository,
        lambda store: ((row["item_id"], (row["item_id"], row["place"])) for row in store.parts),
        ((Part.weight.desc(),), True),
        (
            (None, True),
            ((Part.made.nulls_first(), Part.place.desc()), True),
            ((Part.weight, Part.made.desc()), True),
        ),
        (Part.weight > 0, Part.made.is_(None)),
    ),
    Related(
        Part.screws,
        PartRepository,
        _screws,
        ((Screw.length.desc().nulls_last(),), True),
        (
            (None, True),
            ((Screw.length.nulls_first(),), False),
            ((Screw.length.desc(), Screw.id.desc()), True),
        ),
        (Screw.length.is_not(None), Screw.id > 3),
    ),
)
"""One-to-many, many-to-many by a link table with and without repeated pairs, self-referencing, composite keys."""
