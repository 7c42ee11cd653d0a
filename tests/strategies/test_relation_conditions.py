"""Relations whose condition has a subquery in it, correlated to the owner or not, with and without row criteria."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
import pytest_asyncio
from pydantic import BaseModel
from sqlalchemy import ForeignKey, and_, func, select
from sqlalchemy.ext.asyncio import AsyncAttrs
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    column_property,
    joinedload,
    mapped_column,
    relationship,
    selectinload,
)

from batchrepo import Database, Repository, UnguardedStatement, count, match, top

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Station(Base):
    __tablename__ = "station"
    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[int]


class Reading(Base):
    __tablename__ = "reading"
    id: Mapped[int] = mapped_column(primary_key=True)
    site: Mapped[int]
    degrees: Mapped[int]
    station_id: Mapped[int] = mapped_column(ForeignKey("station.id"), index=True)


other = aliased(Reading)
newest = select(func.max(other.id)).where(other.station_id == Station.id)
mean = select(func.avg(other.degrees)).scalar_subquery()

Station.latest = relationship(
    Reading,
    primaryjoin=lambda: and_(
        Station.id == Reading.station_id, Reading.id == newest.correlate(Station).scalar_subquery()
    ),
    viewonly=True,
    uselist=False,
)
Station.warm = relationship(
    Reading,
    primaryjoin=lambda: and_(Station.id == Reading.station_id, Reading.degrees >= mean),
    viewonly=True,
    order_by=lambda: Reading.id,
)


class Counted(Base):
    """A subquery that reads a table beside its class."""

    __tablename__ = "counted"
    id: Mapped[int] = mapped_column(primary_key=True)
    readings = column_property(select(func.count()).select_from(Reading.__table__).scalar_subquery())


@dataclass(frozen=True)
class Context:
    site: int


class FreeStations(Repository[Station]):
    warm_count = count(Station.warm)
    first_warm = top(Station.warm, 1)


class FreeReadings(Repository[Reading]):
    pass


class Stations(FreeStations):
    criteria = (match(Station.site, lambda context: context.site),)


class Readings(Repository[Reading]):
    criteria = (match(Reading.site, lambda context: context.site),)


class Counts(Repository[Counted]):
    pass


pick = random.Random(3)
READINGS = [
    {"id": i, "site": pick.choice([1, 2]), "degrees": pick.randint(0, 9), "station_id": pick.randint(1, 6)}
    for i in range(1, 61)
]


class Keyed(BaseModel):
    id: int


class StationView(BaseModel):
    id: int
    latest: Keyed | None
    warm: list[Keyed]
    warm_count: int
    first_warm: list[Keyed]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(module_database_url):
    async with Database(module_database_url) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(Station.__table__.insert(), [{"id": i, "site": 1} for i in range(1, 8)])
            await connection.execute(Reading.__table__.insert(), READINGS)
            await connection.execute(Counted.__table__.insert(), [{"id": 1}])
        yield opened


@pytest.fixture(params=["criteria", "no criteria"])
def case(request, store):
    """The stations' repository, their Database, and the readings that may be seen."""
    if request.param == "criteria":
        visible = [row for row in READINGS if row["site"] == 1]
        return Stations, Database(store.engine, repositories=[Stations, Readings]), visible
    return FreeStations, Database(store.engine, repositories=[FreeStations, FreeReadings]), READINGS


def of_station(readings, key):
    degrees = sum(row["degrees"] for row in readings) / len(readings)
    own = [row for row in readings if row["station_id"] == key]
    return max((row["id"] for row in own), default=None), [
        row["id"] for row in own if row["degrees"] >= degrees
    ]


def ids(found):
    return [one.id for one in found]


@pytest.mark.parametrize("strategy", ["batched", "eager"])
async def test_views(case, strategy):
    repository, database, visible = case
    async with database.scope(Context(site=1)) as scope:
        found = await repository(scope).find(StationView, strategy=strategy)
        assert len(found) == 7
        for view in found:
            latest, warm = of_station(visible, view.id)
            assert (view.latest and view.latest.id, ids(view.warm)) == (latest, warm)
            assert (view.warm_count, ids(view.first_warm)) == (len(warm), warm[:1])


async def test_entities(case):
    repository, database, visible = case
    async with database.scope(Context(site=1)) as scope:
        for station in await repository(scope).find():
            latest, warm = of_station(visible, station.id)
            found = await station.awaitable_attrs.latest
            assert (found and found.id, ids(await scope.related(station, Station.warm))) == (latest, warm)
            assert await scope.related(station, repository.warm_count) == len(warm)
            assert ids(await scope.related(station, repository.first_warm)) == warm[:1]
    async with database.scope(Context(site=1)) as scope:
        included = await repository(scope).find(include=[Station.latest, Station.warm])
        options = (selectinload(Station.latest), joinedload(Station.warm))
        for station in (*included, *await scope.fetch(select(Station).options(*options))):
            latest, warm = of_station(visible, station.id)
            assert (station.latest and station.latest.id, ids(station.warm)) == (latest, warm)


async def test_one_owner_alone(case):
    repository, database, visible = case
    for key in range(1, 8):
        async with database.scope(Context(site=1)) as scope:
            station = await repository(scope).get(key)
            latest, warm = of_station(visible, key)
            found = await scope.related(station, Station.latest)
            assert (found and found.id, ids(await scope.related(station, Station.warm))) == (latest, warm)
            assert ids(await scope.related(station, repository.first_warm)) == warm[:1]


async def test_conditions(case):
    repository, database, visible = case
    async with database.scope(Context(site=1)) as scope:
        warm = [key for key in range(1, 8) if of_station(visible, key)[1]]
        assert ids(await repository(scope).find(Station.warm.any(), order_by=Station.id)) == warm
        assert await repository(scope).count(~Station.warm.any()) == 7 - len(warm)
        assert sorted(await scope.fetch(select(Reading.id).join(Station.warm))) == sorted(
            reading for key in range(1, 8) for reading in of_station(visible, key)[1]
        )


async def test_a_mapped_subquery_beside_its_class_is_read_by_views_and_refused_for_entities(store):
    class View(BaseModel):
        readings: int | None

    database = Database(store.engine, repositories=[Counts, Readings])
    async with database.scope(Context(site=1)) as scope:
        (view,) = await Counts(scope).find(View)
        assert view.readings == sum(row["site"] == 1 for row in READINGS)
        with pytest.raises(UnguardedStatement, match=r"Counted\.readings reads the table 'reading' itself"):
            await Counts(scope).find()
        with pytest.raises(UnguardedStatement, match="Write its subquery with the class Reading"):
            await Counts(scope).get(1)
    async with Database(store.engine, repositories=[Counts]).scope() as scope:
        assert (await Counts(scope).get(1)).readings == len(READINGS)
