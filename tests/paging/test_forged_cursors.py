"""A value of a wrong type inside of a cursor never reaches the driver: anybody can make up an unsigned cursor."""

from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from batchrepo import Database, InvalidCursor
from batchrepo.declare.orders import parse_order
from batchrepo.mapping import entity_info
from batchrepo.testing import statement_counter
from tests.paging.models import Item, ItemRepository, Shade
from tests.paging.orders import COLUMNS, EXPRESSIONS, RELATED, Sorted
from tests.paging.rows import REQUIRED, Store, put_rows
from tests.support.databases import EVERY_DRIVER

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    "uuid as text": str(uuid.UUID(int=5)),
    "word": "small",
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


TEXTS = {
    *("text", "empty text", "number as text", "date as text", "moment as text", "long text"),
    *("uuid as text", "word"),
}
NUMBERS = {"integer", "float", "infinite"}
DOUBLES = NUMBERS | {"decimal", "long integer", "not a number", "tiny decimal"}
DECIMALS = {"decimal", "decimal not a number", "float", "infinite decimal", "integer", "long integer"}
MEMBERS = {"member", "namesake of a member"}

FITTING: dict[str, tuple[set[str], set[str]]] = {
    **dict.fromkeys(("rank", "number", "cents"), ({"integer"}, {"integer"})),
    **dict.fromkeys(("title", "note", "code"), (TEXTS, TEXTS)),
    **dict.fromkeys(("ratio", "single", "share"), (NUMBERS, DOUBLES)),
    **dict.fromkeys(("price", "plain_price"), (NUMBERS, DECIMALS)),
    "flag": ({"integer"}, {"truth"}),
    "day": (TEXTS, {"date"}),
    "moment": (TEXTS, {"moment"}),
    **dict.fromkeys(("zoned", "utc"), (TEXTS, {"zoned moment"})),
    "hour": (TEXTS, {"hour"}),
    "zoned_hour": (TEXTS, {"zoned hour"}),
    "span": (TEXTS, {"span", "endless span"}),
    "token": (TEXTS, {"uuid"}),
    "token_text": (TEXTS, {"uuid as text"}),
    "raw": ({"bytes"}, {"bytes"}),
    **dict.fromkeys(("shade", "named_shade"), (TEXTS, MEMBERS)),
    "word": (TEXTS, {"word"}),
}
"""For each column what may be sent: to SQLite, which stores some types as texts and compares anything, and to
PostgreSQL."""


async def tried(
    db: Database, order: list[Any], value: Any, *, argument: str = "after", sent: int = 0
) -> bool:
    """Whether a cursor with this first value is taken; one that is not costs at most so many statements."""
    reading, entity = db.reading, entity_info(Item)
    paged = reading.paged(entity, parse_order(order))
    purpose = reading.purpose(entity, paged, (), reading.guards(None))
    others = [0] * (len(paged.keyset.terms) - 1)
    cursor = reading.cursors.encode(purpose, [value, *others])
    async with db.scope() as scope:
        with statement_counter(db) as seen:
            try:
                await ItemRepository(scope).page(order_by=order, **{argument: cursor})
                reason = None
            except InvalidCursor as error:
                reason = error.reason
    assert reason in (None, "values")
    assert reason is None or seen.count <= sent
    return reason is None


async def all_taken(db: Database, order: list[Any], **options: Any) -> set[str]:
    return {name for name, value in FORGED.items() if await tried(db, order, value, **options)}


@pytest.fixture
def dialect(db: Database) -> str:
    return db.engine.dialect.name


@pytest.mark.parametrize("module_database_url", EVERY_DRIVER, indirect=True)
@pytest.mark.parametrize("name", COLUMNS)
async def test_a_column_of_every_type_takes_its_own_values_only(db, dialect, name):
    await put_rows(db.engine, Store())
    of_sqlite, of_postgres = FITTING[name]
    fitting = of_sqlite if dialect == "sqlite" else of_postgres
    if dialect == "sqlite" and fitting is TEXTS:
        fitting = fitting | {"text with NUL"}
    nothing = set() if name in REQUIRED else {"null"}
    assert await all_taken(db, [getattr(Item, name)]) == fitting | nothing


async def test_a_cursor_to_stop_at_is_checked_as_well(db):
    await put_rows(db.engine, Store())
    assert await all_taken(db, [Item.day, Item.rank], argument="before") == await all_taken(db, [Item.day])


@pytest.mark.parametrize("what", [*EXPRESSIONS, *RELATED], ids=str)
async def test_nothing_that_the_database_would_refuse_is_sent_for_an_expression(db, dialect, what: Sorted):
    await put_rows(db.engine, Store())
    taken = await all_taken(db, [what.make(dialect)])
    assert taken
    assert len(taken) < len(FORGED) / 2


@pytest.mark.parametrize("module_database_url", EVERY_DRIVER, indirect=True)
async def test_what_the_database_refuses_for_an_expression_of_no_type_is_a_wrong_cursor_too(db, dialect):
    await put_rows(db.engine, Store())
    taken = await all_taken(db, [sa.func.nullif(Item.number, 0)], sent=1)
    assert "integer" in taken
    assert dialect == "sqlite" or not taken & {"text", "date", "bytes"}
    assert await all_taken(db, [sa.func.nullif(Item.number, 0, type_=sa.Integer())]) == {"integer", "null"}


async def test_other_errors_of_the_database_are_no_wrong_cursors(db, dialect):
    order = [sa.func.nullif(Item.number, 0)]
    broken = sa.func.no_such_function(Item.id) == 1
    await put_rows(db.engine, Store())
    async with db.scope() as scope:
        page = await ItemRepository(scope).page(order_by=order)
        assert page.end_cursor is None
        with pytest.raises(DBAPIError):
            await ItemRepository(scope).page(broken, order_by=order)
