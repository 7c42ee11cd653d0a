"""Random rows for the store: many ties and NULLs, and what is extreme in each type."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tests.paging.models import Base, Item, Label, Maker, Part, Screw, Shade, item_label, item_seen

Row = dict[str, Any]

_TEXTS = ["", "a", "A", "b", "B", "ä", "é", "\U0001f600", "0", "a b", "Z", "%_", "日本", "null", "-1"]
_ZONES = [dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30)), dt.timezone(-dt.timedelta(hours=11))]


def _some(special: Sequence[Any], others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly of a few values, so that there are ties."""
    return st.sampled_from(special) | others


def _texts(longest: int) -> st.SearchStrategy[str]:
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
    return _some([text for text in _TEXTS if len(text) <= longest], st.text(letters, max_size=longest))


def _moments(zones: st.SearchStrategy[Any]) -> st.SearchStrategy[dt.datetime]:
    first, last = dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29, 23, 59, 59, 999_999)
    ends = st.sampled_from([first, last, dt.datetime(1970, 1, 1), dt.datetime(2000, 1, 1, 0, 0, 0, 1)])
    return st.builds(lambda at, zone: at.replace(tzinfo=zone), ends | st.datetimes(first, last), zones)


def _floats(dialect: str, width: int) -> st.SearchStrategy[float]:
    special = [0.0, -0.0, 1.0, math.inf, -math.inf, 1e-30, 0.5]
    if dialect == "postgresql":
        special.append(math.nan)
    if width == 32:
        special += [3.4028234663852886e38, 0.10000000149011612]
        return _some(special, st.floats(width=32, allow_nan=False, allow_subnormal=False))
    special += [1.7976931348623157e308, 5e-324, 0.1, 0.1 + 2**-56]
    return _some(special, st.floats(allow_nan=False))


def values(dialect: str) -> Mapping[str, st.SearchStrategy[Any]]:
    """For each column of `Item` what it may hold besides NULL."""
    zoned = st.sampled_from(_ZONES)
    decimals = [Decimal(text) for text in ("0", "1", "-1", "0.1", "0.1000000001", "9" * 28 + "." + "9" * 10)]
    if dialect == "postgresql":
        decimals.append(Decimal("NaN"))
    day = dt.timedelta(days=1)
    return {
        "rank": _some([0, 1, -1, 2**15 - 1, 1 - 2**15], st.integers(-5, 5)),
        "title": _texts(8),
        "number": _some([0, 1, 2, 2**63 - 1, -(2**63)], st.integers(-(2**63), 2**63 - 1)),
        "note": _texts(30),
        "code": _texts(4),
        "ratio": _floats(dialect, 64),
        "single": _floats(dialect, 32),
        "share": st.sampled_from([Decimal("0.5"), Decimal("0.25"), Decimal(0), Decimal("1e10")]),
        "price": _some(
            decimals, st.decimals(min_value=-(10**20), max_value=10**20, places=10, allow_nan=False)
        ),
        "plain_price": st.sampled_from([0, 0.01, 5, 5.25, -1_000_000.75]),
        "cents": st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-12.34"), Decimal("1e10")]),
        "flag": st.booleans(),
        "day": _some([dt.date.min, dt.date.max, dt.date(2000, 2, 29)], st.dates()),
        "moment": _moments(st.none()),
        "zoned": _moments(zoned),
        "utc": _moments(zoned),
        "hour": _some([dt.time.min, dt.time.max, dt.time(12)], st.times()),
        "zoned_hour": st.builds(lambda at, zone: at.replace(tzinfo=zone), st.times(), zoned),
        "span": _some([0 * day, day, -day], st.timedeltas(-10_000 * day, 10_000 * day)),
        "token": _some([uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)], st.uuids()),
        "token_text": _some([str(uuid.UUID(int=0))], st.uuids().map(str)),
        "raw": _some([b"", b"\x00", b"\xff", b"\x00\xff"], st.binary(max_size=12)),
        "shade": st.sampled_from(Shade),
        "word": st.sampled_from(["small", "large", "medium"]),
        "named_shade": st.sampled_from(Shade),
    }


REQUIRED: Mapping[str, Any] = {"rank": 0, "title": "t"}
"""What rows have in columns that nobody asks for, where NULL is not allowed."""


@dataclass
class Store:
    """The rows of all tables; pairs of ids in link tables."""

    items: list[Row] = field(default_factory=list)
    makers: list[Row] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    parts: list[Row] = field(default_factory=list)
    screws: list[Row] = field(default_factory=list)
    labelled: list[tuple[int, int]] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)


@st.composite
def item_rows(
    draw: st.DrawFn, dialect: str, columns: Sequence[str], *, most: int = 14, least: int = 0
) -> list[Row]:
    """Rows of `Item` with random values in some columns, under random ids."""
    known = values(dialect)
    ids = st.integers(-(2**63), 2**63 - 1) if draw(st.booleans()) else st.integers(1, 40)
    found = draw(st.lists(ids, unique=True, max_size=most, min_size=least))
    rows: list[Row] = []
    for key in found:
        row: Row = {"id": key, **dict.fromkeys(known, None), **REQUIRED, "maker_id": None, "parent_id": None}
        for name in columns:
            row[name] = draw(known[name] if name in REQUIRED else st.none() | known[name])
        rows.append(row)
    return rows


@st.composite
def stores(draw: st.DrawFn, dialect: str, columns: Sequence[str], *, most: int = 14) -> Store:
    """A store with everything that a computed attribute or a relation can look at."""
    items = draw(item_rows(dialect, columns, most=most))
    keys = [row["id"] for row in items]
    makers = [
        {"id": i, "name": draw(st.none() | _texts(3)), "rating": draw(st.none() | st.integers(-1, 2))}
        for i in (1, 2, 3)
    ]
    labels = [{"id": i, "name": draw(st.none() | _texts(2))} for i in range(1, 6)]
    for row in items:
        row["maker_id"] = draw(st.none() | st.sampled_from([1, 1, 2]))
        row["parent_id"] = draw(st.none() | st.sampled_from(keys))
    days = st.none() | st.sampled_from([dt.date.min, dt.date(2000, 1, 1), dt.date(2001, 1, 1)])
    parts = [
        {"item_id": key, "place": place, "weight": draw(st.none() | st.integers(0, 2)), "made": draw(days)}
        for key in keys
        for place in range(draw(st.integers(0, 3)))
    ]
    places = [(part["item_id"], part["place"]) for part in parts] or [(None, None)]
    halves = [*places, (places[0][0], None), (None, None)]
    screws = [
        {"id": i, **dict(zip(("item_id", "place"), draw(st.sampled_from(halves)), strict=True))}
        | {"length": draw(st.none() | st.integers(0, 2))}
        for i in range(draw(st.integers(0, 12)))
    ]
    pairs = st.tuples(st.sampled_from(keys), st.integers(1, 5)) if keys else st.nothing()
    labelled = draw(st.lists(pairs, unique=True, max_size=20)) if keys else []
    seen = draw(st.lists(pairs, max_size=20)) if keys else []
    return Store(items, makers, labels, parts, screws, labelled, seen)


_TABLES = (item_label, item_seen, Screw, Part, Item, Label, Maker)


async def make_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


async def put_rows(engine: AsyncEngine, store: Store) -> None:
    """The tables hold the rows of `store` and nothing else."""
    async with engine.begin() as connection:
        await connection.execute(sa.update(Item).values(parent_id=None))
        for table in _TABLES:
            await connection.execute(sa.delete(table))
        await _insert(connection, Maker, store.makers)
        await _insert(connection, Label, store.labels)
        # A row may refer to one that comes later.
        await _insert(connection, Item, [_stored(row) | {"parent_id": None} for row in store.items])
        for row in store.items:
            if row["parent_id"] is not None:
                await connection.execute(
                    sa.update(Item).where(Item.id == row["id"]).values(parent_id=row["parent_id"])
                )
        await _insert(connection, Part, store.parts)
        await _insert(connection, Screw, store.screws)
        for link, pairs in ((item_label, store.labelled), (item_seen, store.seen)):
            await _insert(connection, link, [{"item_no": i, "label_id": label} for i, label in pairs])


def _stored(row: Row) -> Row:
    """A row of items by the names of the table's columns."""
    return {"item_no" if name == "id" else name: value for name, value in row.items()}


async def _insert(connection: AsyncConnection, table: Any, rows: Sequence[Row]) -> None:
    if rows:
        await connection.execute(sa.insert(table), rows)
