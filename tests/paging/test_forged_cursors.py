"""A value of a wrong type inside of a cursor never reaches the driver: anybody can make up an unsigned cursor."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest

from batchrepo import Database, InvalidCursor
from batchrepo.declare.orders import parse_order
from batchrepo.mapping import entity_info
from batchrepo.testing import statement_counter
from tests.paging.models import Item, ItemRepository, Shade
from tests.paging.orders import COLUMNS, EXPRESSIONS, RELATED, Sorted
from tests.paging.rows import Store, put_rows
from tests.support.databases import EVERY_DRIVER

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("module_database_url", EVERY_DRIVER, indirect=True),
]


class Foreign(enum.Enum):
    OTHER = 1
    MIDDLE = 2


EAST = dt.timezone(dt.timedelta(hours=5))

FORGED: dict[str, Any] = {
    "null": None,
    "truth": True,
    "integer": 7,
    "long integer": 2**200,
    "text": "x",
    "empty text": "",
    "text with NUL": "a\x00b",
    "lone surrogate": "\ud800",
    "number as text": "7",
    "date as text": "2020-01-01",
    "moment as text": "2020-01-01 00:00:00.000000",
    "long text": "x" * 10_000,
    "float": 1.5,
    "infinite": math.inf,
    "not a number": math.nan,
    "decimal": Decimal("1.5"),
    "huge decimal": Decimal("1e100000"),
    "tiny decimal": Decimal("1e-100000"),
    "decimal not a number": Decimal("NaN"),
    "signalling": Decimal("sNaN"),
    "infinite decimal": Decimal("-Infinity"),
    "date": dt.date(2020, 1, 1),
    "moment": dt.datetime(2020, 1, 1),
    "zoned moment": dt.datetime(2020, 1, 1, tzinfo=EAST),
    "moment before time": dt.datetime(1, 1, 1, tzinfo=EAST),
    "hour": dt.time(12),
    "zoned hour": dt.time(12, tzinfo=EAST),
    "span": dt.timedelta(days=1),
    "endless span": dt.timedelta.max,
    "uuid": uuid.UUID(int=5),
    "bytes": b"x",
    "member": Shade.DARK,
    "foreign member": Foreign.OTHER,
    "namesake of a member": Foreign.MIDDLE,
}


async def tried(db: Database, order: list[Any], value: Any) -> bool:
    """Whether a cursor with this first value is taken."""
    reading, entity = db.reading, entity_info(Item)
    paged = reading.paged(entity, parse_order(order))
    purpose = reading.purpose(entity, paged, (), reading.guards(None))
    others = [0] * (len(paged.keyset.terms) - 1)
    cursor = reading.cursors.encode(purpose, [value, *others])
    taken: list[bool] = []
    for arguments in ({"after": cursor}, {"before": cursor}):
        async with db.scope() as scope:
            with statement_counter(db) as seen:
                try:
                    await ItemRepository(scope).page(order_by=order, **arguments)
                except InvalidCursor as error:
                    assert error.reason == "values"
                    assert seen.count == 0, "it was sent"
                    taken.append(False)
                else:
                    taken.append(True)
    assert taken[0] == taken[1]
    return taken[0]


@pytest.mark.parametrize("name", COLUMNS)
async def test_a_column_of_every_type(db, name):
    await put_rows(db.engine, Store())
    taken = {what for what, value in FORGED.items() if await tried(db, [getattr(Item, name)], value)}
    print(db.engine.dialect.name, name, sorted(taken))


@pytest.mark.parametrize("what", [*EXPRESSIONS, *RELATED], ids=str)
async def test_expressions(db, what: Sorted):
    await put_rows(db.engine, Store())
    dialect = db.engine.dialect.name
    taken = {name for name, value in FORGED.items() if await tried(db, [what.make(dialect)], value)}
    print(db.engine.dialect.name, what, sorted(taken))
