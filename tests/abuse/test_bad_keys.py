"""One bad key never hurts other callers: it fails alone, before its batch is sent, on every driver.

Each case asks for a good key and a bad one in the same moment, so that they would share a batch.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import enum
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from batchrepo import Database, InvalidArgument, NotFound, Repository
from batchrepo.testing.contract.models.base import UtcDateTime
from tests.support.databases import EVERY_DRIVER

UTC = dt.UTC
EAST = dt.timezone(dt.timedelta(hours=2))


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    SEVEN = 7


class Word(enum.StrEnum):
    HELLO = "hello"


class Money(TypeDecorator[Decimal]):
    """Cents."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> Decimal | None:
        return None if value is None else Decimal(value) / 100


class Upper(TypeDecorator[str]):
    """Text that converts results only: what goes in is checked by nobody but us."""

    impl = sa.String
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value and value.upper()


class Base(DeclarativeBase):
    pass


def keyed_by(name: str, kind: Any, python_type: Any) -> type[Any]:
    """A class with one row whose key has this type."""
    annotations = {"id": Mapped[python_type], "label": Mapped[str]}
    column = mapped_column(kind, primary_key=True, autoincrement=False)
    return type(name, (Base,), {"__tablename__": name.lower(), "__annotations__": annotations, "id": column})


MOMENT = dt.datetime(2020, 1, 1, 12, 30)
TOO_EARLY = dt.datetime(1, 1, 1, tzinfo=EAST)

CASES: dict[str, tuple[type[Any], Any, list[Any]]] = {
    "integer": (
        keyed_by("Integer", sa.Integer(), int),
        7,
        [True, "7", 7.0, Decimal(7), 2**63, -(2**70), 10**5000, None, [7], (7,), {"id": 7}, b"7", sa.text("7")],
    ),
    "smallint": (keyed_by("SmallInt", sa.SmallInteger(), int), 7, ["7", 2**63]),
    "text": (
        keyed_by("Texts", sa.String(), str),
        "a",
        ["\ud800", "a\x00", b"a", 5, ["a"], None, {"id": "a"}],
    ),
    "char": (keyed_by("Chars", sa.CHAR(3), str), "abc", ["\udfff", "\x00", 5]),
    "boolean": (keyed_by("Booleans", sa.Boolean(), bool), True, [1, "true", 0.0, None]),
    "numeric": (
        keyed_by("Numerics", sa.Numeric(10, 2), Decimal),
        Decimal("1.50"),
        ["abc", "1.50", float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), True, [1],
         Decimal("1e5000"), Decimal("1e-5000"), 10**5000],
    ),
    "float": (
        keyed_by("Floats", sa.Float(), float),
        1.5,
        ["1.5", "abc", float("nan"), float("inf"), 10**400, True, Decimal("sNaN"), Decimal("1e999"), [1.5]],
    ),
    "enum": (keyed_by("Enums", sa.Enum(Color), Color), Color.RED, ["nope", "RED", "r", 5, [1], {"id": 1}, Level.LOW]),
    "enum-text": (
        keyed_by("EnumTexts", sa.Enum(Color, native_enum=False, length=10), Color),
        Color.RED,
        ["nope", "RED", 5],
    ),
    "names": (keyed_by("Names", sa.Enum("x", "y", name="xy"), str), "x", ["z", 5, ["x"], Color.RED]),
    "date": (
        keyed_by("Dates", sa.Date(), dt.date),
        dt.date(2020, 1, 1),
        [MOMENT, MOMENT.replace(tzinfo=UTC), "2020-01-01", 5, dt.time(1)],
    ),
    "datetime": (
        keyed_by("Moments", sa.DateTime(), dt.datetime),
        MOMENT,
        [MOMENT.replace(tzinfo=UTC), MOMENT.date(), "2020-01-01", 0, dt.time(1)],
    ),
    "time": (
        keyed_by("Times", sa.Time(), dt.time),
        dt.time(1, 2, 3),
        [dt.time(1, 2, 3, tzinfo=UTC), MOMENT, "01:02:03", 5],
    ),
    "interval": (keyed_by("Intervals", sa.Interval(), dt.timedelta), dt.timedelta(1.5), [1.5, "P1D", MOMENT]),
    "uuid": (
        keyed_by("Uuids", sa.Uuid(), uuid.UUID),
        uuid.UUID(int=5),
        ["00000000-0000-0000-0000-000000000005", "abc", 5, b"x" * 16],
    ),
    "uuid-text": (
        keyed_by("UuidTexts", sa.Uuid(as_uuid=False), str),
        "00000000-0000-0000-0000-00000000000a",
        ["abc", uuid.UUID(int=5), 5, ""],
    ),
    "bytes": (keyed_by("Blobs", sa.LargeBinary(), bytes), b"\xff", ["x", 5, [1]]),
    "money": (
        keyed_by("Moneys", Money(), Decimal),
        Decimal("1.50"),
        ["abc", Decimal(10**30), Decimal("NaN"), Decimal("sNaN"), [1], {}, MOMENT],
    ),
    "upper": (keyed_by("Uppers", Upper(), str), "a", [5, "\ud800", "\x00", b"a", ["a"]]),
    "utc": (
        keyed_by("Utcs", UtcDateTime(), dt.datetime),
        MOMENT.replace(tzinfo=EAST),
        ["x", 5, MOMENT.date(), TOO_EARLY],
    ),
}  # fmt: skip

AWARE = keyed_by("Awares", sa.DateTime(timezone=True), dt.datetime)
AWARE_TIME = keyed_by("AwareTimes", sa.Time(timezone=True), dt.time)


class Pair(Base):
    __tablename__ = "pair"

    a: Mapped[int] = mapped_column(primary_key=True)
    b: Mapped[str] = mapped_column(primary_key=True)


def repository_of(entity: type[Any]) -> type[Repository[Any]]:
    class Its(Repository[entity]):
        pass

    return Its


REPOSITORIES = {name: repository_of(entity) for name, (entity, _, _) in CASES.items()}
AWARES, AWARE_TIMES, PAIRS = repository_of(AWARE), repository_of(AWARE_TIME), repository_of(Pair)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled_url(module_database_url: str) -> str:
    making = create_async_engine(module_database_url)
    async with making.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for entity, key, _ in CASES.values():
            await connection.execute(sa.insert(entity), [{"id": key, "label": "it"}])
        await connection.execute(sa.insert(AWARE), [{"id": MOMENT.replace(tzinfo=UTC), "label": "it"}])
        await connection.execute(sa.insert(AWARE_TIME), [{"id": dt.time(1, tzinfo=UTC), "label": "it"}])
        await connection.execute(sa.insert(Pair), [{"a": 1, "b": "x"}])
    await making.dispose()
    return module_database_url


@pytest_asyncio.fixture
async def db(filled_url: str) -> AsyncIterator[Database]:
    made = Database(filled_url, repositories=[*REPOSITORIES.values(), AWARES, AWARE_TIMES, PAIRS])
    async with made:
        yield made


pytestmark = pytest.mark.parametrize("module_database_url", EVERY_DRIVER, indirect=True)


@pytest.mark.parametrize("name", CASES)
async def test_a_bad_key_fails_alone(db: Database, name: str):
    """Each bad key beside a good one: the good one gets its row, the bad one an error that shows it."""
    _, good, bad_keys = CASES[name]
    for bad in bad_keys:
        async with db.scope() as scope:
            repository = REPOSITORIES[name](scope)
            found, refused = await asyncio.gather(
                repository.get(good), repository.get_or_none(bad), return_exceptions=True
            )
        assert not isinstance(found, BaseException), (bad, found)
        assert isinstance(refused, InvalidArgument), (bad, refused)
        assert str(refused).startswith(f"{repository.entity_class.__name__}.id was looked up with ")


@pytest.mark.parametrize("name", CASES)
async def test_a_bad_key_fails_find_by_alone(db: Database, name: str):
    entity, good, bad_keys = CASES[name]
    for bad in (key for key in bad_keys if key is not None):
        async with db.scope() as scope:
            repository = REPOSITORIES[name](scope)
            found, refused = await asyncio.gather(
                repository.find_by(entity.id, good),
                repository.find_by(entity.id, bad),
                return_exceptions=True,
            )
        assert len(found) == 1, (bad, found)
        assert isinstance(refused, InvalidArgument), (bad, refused)


@pytest.mark.parametrize("name", CASES)
async def test_a_bad_key_among_many_reads_nothing(db: Database, name: str):
    """`get_many` and `find_by_many` check all keys first: a call with a bad key sends no statement."""
    entity, good, bad_keys = CASES[name]
    async with db.scope() as scope:
        repository = REPOSITORIES[name](scope)
        with pytest.raises(InvalidArgument):
            await repository.get_many([good, bad_keys[0]])
        with pytest.raises(InvalidArgument):
            await repository.find_by_many(entity.id, [good, bad_keys[0]])
        assert scope.report().statements == 0


@pytest.mark.parametrize("name", CASES)
async def test_a_key_of_the_right_type_without_a_row_is_no_error(db: Database, name: str):
    _, good, _ = CASES[name]
    absent = {
        "integer": 8, "smallint": 2**40, "text": "ä", "char": "abcdefg", "boolean": False, "numeric": Decimal(2),
        "float": 2.5, "enum": Color.BLUE, "enum-text": Color.BLUE, "names": "y", "date": dt.date.max,
        "datetime": dt.datetime.min, "time": dt.time(4), "interval": dt.timedelta(4), "uuid": uuid.UUID(int=6),
        "uuid-text": str(uuid.UUID(int=6)), "bytes": b"", "money": Decimal(2), "upper": "b",
        "utc": MOMENT.replace(tzinfo=UTC),
    }[name]  # fmt: skip
    async with db.scope() as scope:
        repository = REPOSITORIES[name](scope)
        found, absent_row = await asyncio.gather(repository.get(good), repository.get_or_none(absent))
    assert found.label == "it"
    assert absent_row is None


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("integer", Level.SEVEN),
        ("numeric", 1.5),
        ("numeric", Decimal("1.5")),
        ("float", Decimal("1.5")),
        ("uuid-text", "0000000000000000000000000000000a"),
        ("bytes", bytearray(b"\xff")),
        ("bytes", memoryview(b"\xff")),
        ("utc", MOMENT.replace(tzinfo=EAST).astimezone(UTC)),
        ("money", 1.5),
    ],
    ids=lambda value: (
        value if isinstance(value, str) else type(value).__name__
    ),  # no addresses: workers compare
)
async def test_another_spelling_of_a_key_finds_its_row(db: Database, name: str, key: Any):
    _, good, _ = CASES[name]
    async with db.scope() as scope:
        repository = REPOSITORIES[name](scope)
        one, other = await asyncio.gather(repository.get(key), repository.get(good))
    assert one is other


async def test_keys_of_mixed_types_share_a_batch(db: Database):
    """psycopg refuses lists of mixed types: keys are made plain before they are sent."""
    async with db.scope() as scope:
        rows = await REPOSITORIES["numeric"](scope).get_many_or_none(
            [Decimal("1.5"), 1.5, 2, 2.5, Decimal(3)]
        )
        assert [row is not None for row in rows] == [True, True, False, False, False]
        rows = await REPOSITORIES["text"](scope).get_many_or_none(["a", Word.HELLO])
        assert [row is not None for row in rows] == [True, False]
        rows = await REPOSITORIES["integer"](scope).get_many_or_none([7, Level.LOW])
        assert [row is not None for row in rows] == [True, False]
        assert scope.report().statements == 3


@pytest.mark.parametrize("repository", [AWARES, AWARE_TIMES], ids=["datetime", "time"])
async def test_an_aware_key_finds_its_row_and_its_row_its_key(db: Database, repository: Any):
    """SQLite gives the value back without its time zone: both spellings are good keys there."""
    key = MOMENT.replace(tzinfo=UTC) if repository is AWARES else dt.time(1, tzinfo=UTC)
    async with db.scope() as scope:
        found = await repository(scope).get(key)
    async with db.scope() as scope:
        again = await repository(scope).get(found.id)
    assert again.label == found.label == "it"


async def test_an_aware_key_and_a_naive_one_do_not_hurt_each_other(db: Database):
    aware = MOMENT.replace(tzinfo=UTC)
    async with db.scope() as scope:
        found, naive, date, early = await asyncio.gather(
            AWARES(scope).get(aware),
            AWARES(scope).get_or_none(MOMENT),
            AWARES(scope).get_or_none(MOMENT.date()),
            AWARES(scope).get_or_none(TOO_EARLY),
            return_exceptions=True,
        )
    assert found.label == "it"
    if db.engine.dialect.name == "sqlite":
        assert naive is found
    else:
        assert isinstance(naive, InvalidArgument)
        assert "Expected a datetime with a time zone, as the column has one." in str(naive)
    assert isinstance(date, InvalidArgument)
    assert isinstance(early, InvalidArgument)


@pytest.mark.parametrize(
    "bad",
    [(1,), (1, "x", 2), {"a": 1}, (None, "x"), ("1", "x"), 1, None, (True, "x"), (2**70, "x"), (1, "\x00"),
     (1, "\ud800"), ([1], "x")],
)  # fmt: skip
async def test_a_bad_composite_key_fails_alone(db: Database, bad: Any):
    async with db.scope() as scope:
        found, refused = await asyncio.gather(
            PAIRS(scope).get((1, "x")), PAIRS(scope).get_or_none(bad), return_exceptions=True
        )
    assert (found.a, found.b) == (1, "x")
    assert isinstance(refused, InvalidArgument)


@pytest.mark.parametrize("key", [(1, "y"), [1, "y"], {"a": 1, "b": "y"}])
async def test_a_missing_composite_key_is_named_as_it_was_given(db: Database, key: Any):
    async with db.scope() as scope:
        for ask in (PAIRS(scope).get(key), PAIRS(scope).get_many([key, (1, "x"), key])):
            with pytest.raises(NotFound) as caught:
                await ask
            assert caught.value.keys == (key,)


async def test_a_none_in_a_key_of_find_by_equals_no_row(db: Database):
    async with db.scope() as scope:
        pairs = PAIRS(scope)
        keys = [(1, "x"), (None, "x"), [1, None], {"a": None, "b": "x"}, (1, "y")]
        found = await pairs.find_by_many((Pair.a, Pair.b), keys)
        assert [len(rows) for rows in found] == [1, 0, 0, 0, 0]
        assert await pairs.find_by(Pair.b, None) == []


async def test_a_bad_key_of_a_view_fails_alone(db: Database):
    class View(BaseModel):
        label: str

    async with db.scope() as scope:
        repository = REPOSITORIES["enum"](scope)
        found, refused = await asyncio.gather(
            repository.get(Color.RED, View), repository.get_or_none("nope", View), return_exceptions=True
        )
    assert found == View(label="it")
    assert isinstance(refused, InvalidArgument)
