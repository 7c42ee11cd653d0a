"""The rows of the store, and what a site may see of them: the oracle of the criteria's tests."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import class_mapper

from tests.criteria import models
from tests.criteria.models import Base

Row = dict[str, Any]
Key = Any
"""A value, or a tuple for a composite key."""

SITES = (1, 2)


def make_rows(seed: int = 8) -> dict[str, list[Row]]:
    """Rows of every table. References pay no heed to sites."""
    pick = random.Random(seed)

    def site() -> int:
        return pick.choice(SITES)

    def anyone() -> int:
        return pick.randint(1, 16)

    def any_page() -> int:
        return pick.randint(1, 28)  # the last two have nothing

    members = [
        {"id": i, "site": site(), "name": f"m{i % 5}", "mentor_id": pick.choice([None, *range(1, i)])}
        for i in range(1, 17)
    ]
    pages = [
        {
            "id": i,
            "site": site(),
            "title": f"p{i % 7}",
            "size": pick.choice([None, 0, 10, 20, 30]),
            "body": f"body {i}",
            "author_id": anyone(),
        }
        for i in range(1, 31)
    ]
    parts = [
        {"id": i, "site": site(), "kind": pick.choice(["part", "picture"]), "page_id": any_page()}
        for i in range(1, 31)
    ]
    chapters = [
        {"page_id": page, "number": number, "site": site()}
        for page in range(1, 29)
        for number in range(pick.randint(0, 2))
    ]
    nowhere = {"page_id": None, "number": None}
    places = [pick.choice([nowhere, *chapters]) for _ in range(40)]
    return {
        "member": members,
        "badge": [{"id": 50 + i, "site": site(), "member_id": i} for i in range(1, 13)],
        "page": pages,
        "label": [{"id": i, "site": site(), "name": f"l{i}"} for i in range(1, 8)],
        "remark": [
            {"id": i, "site": site(), "stars": pick.choice([None, 0, 1, 2, 3]), "page_id": any_page()}
            for i in range(1, 91)
        ],
        "part": parts,
        "picture": [{"id": row["id"], "width": row["id"] * 10} for row in parts if row["kind"] == "picture"],
        "chapter": chapters,
        "note": [
            {"id": i, "site": site(), "page_id": place["page_id"], "number": place["number"]}
            for i, place in enumerate(places, 1)
        ],
        "page_label": [
            {"page_id": page, "label_id": label}
            for page in range(1, 29)
            for label in range(1, 8)
            if pick.random() < 0.3
        ],
        "page_reader": [{"page_id": any_page(), "member_id": anyone()} for _ in range(120)],
    }


ROWS = make_rows()


async def fill(engine: AsyncEngine) -> None:
    """Makes the tables and inserts `ROWS`."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for table in Base.metadata.sorted_tables:
            await connection.execute(table.insert(), ROWS[table.name])


@dataclass(frozen=True)
class Relation:
    """One relation as the oracle knows it.

    Attributes:
        owner: the class that has it.
        name: of the attribute.
        target: the class that it leads to.
        pairs: (owner's key, target's key) for each reference of `ROWS`, whatever the sites.
        many: whether it is a list.
    """

    owner: type[Any]
    name: str
    target: type[Any]
    pairs: frozenset[tuple[Key, Key]] = field(repr=False)
    many: bool = True

    @property
    def attribute(self) -> Any:
        return getattr(self.owner, self.name)

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"


class View:
    """What a site sees; ``View(None)`` sees everything.

    Args:
        site: whose rows, or None.
        lifted: classes whose criteria do not hold.
    """

    def __init__(self, site: int | None, lifted: Sequence[type[Any]] = ()) -> None:
        self.site = site
        self.lifted = frozenset(lifted)
        self._keys: dict[type[Any], list[Key]] = {}

    def rows(self, cls: type[Any]) -> list[Row]:
        """The rows of a class, in the order of the primary key."""
        base = class_mapper(cls).base_mapper.class_
        rows = ROWS[base.__tablename__]
        if cls is models.Picture:
            rows = [row for row in rows if row["kind"] == "picture"]
        seen = self.site is None or base in self.lifted
        return [row for row in rows if seen or row["site"] == self.site]

    def keys(self, cls: type[Any]) -> list[Key]:
        """The primary keys of the rows, in order."""
        if cls not in self._keys:
            self._keys[cls] = sorted(key_of_row(cls, row) for row in self.rows(cls))
        return self._keys[cls]

    def sees(self, cls: type[Any], key: Key) -> bool:
        return key in self.keys(cls)

    def row(self, cls: type[Any], key: Key) -> Row:
        return next(row for row in self.rows(cls) if key_of_row(cls, row) == key)

    def values(self, attribute: Any, key: Key, column: str) -> list[Any]:
        """A column of the rows that a relation leads to, in the order of their keys."""
        target = relation_of(attribute).target
        return [self.row(target, found)[column] for found in self.related(attribute, key)]

    def related(self, attribute: Any, key: Key) -> Any:
        """The keys of the rows that a relation leads to: a sorted list, or a key or None."""
        relation = relation_of(attribute)
        found = sorted(
            target for owner, target in relation.pairs if owner == key and self.sees(relation.target, target)
        )
        return found if relation.many else (found[0] if found else None)


def key_names(cls: type[Any]) -> list[str]:
    return [column.key for column in class_mapper(cls).base_mapper.primary_key]


def key_of_row(cls: type[Any], row: Row) -> Key:
    values = tuple(row[name] for name in key_names(cls))
    return values if len(values) > 1 else values[0]


def key_of(cls: type[Any], item: Any) -> Key:
    """The key of an entity of a class, or of a view of it that has the key's columns."""
    values = tuple(getattr(item, name) for name in key_names(cls))
    return values if len(values) > 1 else values[0]


def keys_of(cls: type[Any], found: Any) -> Any:
    """The keys of what a relation gave: of a list, of one item, or None."""
    if found is None:
        return None
    return [key_of(cls, item) for item in found] if isinstance(found, list) else key_of(cls, found)


def _referring(cls: type[Any], *columns: str) -> list[tuple[Key, Key]]:
    pairs = []
    for row in ROWS[cls.__tablename__]:
        values = tuple(row[name] for name in columns)
        if None not in values:
            pairs.append((key_of_row(cls, row), values if len(values) > 1 else values[0]))
    return pairs


def _both(
    one: type[Any], to_one: str, other: type[Any], to_many: str, *columns: str, many: bool = True
) -> Any:
    pairs = _referring(one, *columns)
    yield Relation(one, to_one, other, frozenset(pairs), many=False)
    yield Relation(other, to_many, one, frozenset((b, a) for a, b in pairs), many=many)


def _linked(table: str, one: type[Any], name: str, other: type[Any], back: str) -> Any:
    columns = [column.name for column in Base.metadata.tables[table].columns]
    pairs = frozenset((row[columns[0]], row[columns[1]]) for row in ROWS[table])
    yield Relation(one, name, other, pairs)
    yield Relation(other, back, one, frozenset((b, a) for a, b in pairs))


RELATIONS: tuple[Relation, ...] = (
    *_both(models.Member, "mentor", models.Member, "pupils", "mentor_id"),
    *_both(models.Page, "author", models.Member, "pages", "author_id"),
    *_both(models.Badge, "member", models.Member, "badge", "member_id", many=False),
    *_both(models.Remark, "page", models.Page, "remarks", "page_id"),
    *_both(models.Part, "page", models.Page, "parts", "page_id"),
    *_both(models.Chapter, "page", models.Page, "chapters", "page_id"),
    *_both(models.Note, "chapter", models.Chapter, "notes", "page_id", "number"),
    *_linked("page_label", models.Page, "labels", models.Label, "pages"),
    *_linked("page_reader", models.Page, "readers", models.Member, "read"),
)
"""Every relation of the models, once."""


_BY_ATTRIBUTE = {str(relation): relation for relation in RELATIONS}


def relation_of(attribute: Any) -> Relation:
    """The relation of an attribute such as ``Page.author``."""
    return _BY_ATTRIBUTE[str(attribute)]
