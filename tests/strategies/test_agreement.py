"""Any view of the contract's models is the same by every strategy, and the same as SQLAlchemy's lazy loading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, create_model
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper

from batchrepo import Database
from batchrepo.testing import statement_counter
from batchrepo.testing.contract.data import FAMILIES, Family
from batchrepo.testing.contract.models import Base
from batchrepo.testing.contract.relations import repositories
from tests.strategies.comparing import in_any_order

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Shape:
    """What a view shows: columns, and relations with shapes of their own."""

    mapper: Mapper[Any]
    columns: tuple[str, ...]
    relations: tuple[tuple[str, Shape], ...]

    @property
    def size(self) -> int:
        """How many relations it has, at every depth."""
        return sum(1 + below.size for _, below in self.relations)

    def view(self) -> type[BaseModel]:
        fields: dict[str, Any] = dict.fromkeys(self.columns, (Any, ...))
        for name, below in self.relations:
            view: Any = below.view()
            fields[name] = (list[view] if self.mapper.relationships[name].uselist else view | None, ...)
        made: type[BaseModel] = create_model(f"{self.mapper.class_.__name__}Shown", **fields)
        return made

    def of(self, entity: Any) -> dict[str, Any]:
        """What the view must show of an entity; what is not loaded yet, SQLAlchemy loads on the way."""
        shown = {name: getattr(entity, name) for name in self.columns}
        for name, below in self.relations:
            value = getattr(entity, name)
            if self.mapper.relationships[name].uselist:
                shown[name] = [below.of(child) for child in value]
            else:
                shown[name] = None if value is None else below.of(value)
        return shown


@st.composite
def shapes(draw: st.DrawFn, mapper: Mapper[Any], depth: int = 3) -> Shape:
    names = [prop.key for prop in mapper.column_attrs]
    columns = draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    known = [prop.key for prop in mapper.relationships]
    chosen = draw(st.lists(st.sampled_from(known), unique=True, max_size=2)) if depth and known else []
    below = [draw(shapes(mapper.relationships[name].mapper, depth - 1)) for name in chosen]
    return Shape(mapper, tuple(columns), tuple(zip(chosen, below, strict=True)))


@st.composite
def cases(draw: st.DrawFn, family: Family) -> Shape:
    return draw(shapes(draw(st.sampled_from(family.mappers))))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(module_database_url):
    """The samples of all families."""
    known = [repository for family in FAMILIES for repository in repositories(family)]
    async with Database(module_database_url, repositories=known) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        for family in FAMILIES:
            await family.replace_rows(opened.engine, family.sample)
        yield opened


async def expected(db: Database, shape: Shape) -> list[Any]:
    async with AsyncSession(db.engine) as session:
        entities = (await session.scalars(select(shape.mapper.class_))).all()
        return await session.run_sync(lambda _: [shape.of(entity) for entity in entities])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@settings(
    max_examples=max(6, settings().max_examples // 12),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_strategies_agree_with_each_other_and_with_lazy_loading(db, family, data):
    shape = data.draw(cases(family))
    view = shape.view()
    (repository,) = (one for one in repositories(family) if one.entity_class is shape.mapper.class_)
    wanted = in_any_order(await expected(db, shape))
    for strategy in ("batched", "eager"):
        async with db.scope() as scope:
            with statement_counter(db) as seen:
                found = await repository(scope).find(view, strategy=strategy)
            assert in_any_order([one.model_dump() for one in found]) == wanted, strategy
            if strategy == "batched":
                assert seen.count <= 1 + shape.size, "at most one statement for each relation"
    async with db.scope() as scope:
        keys = [repository(scope)._entity.key_of(entity) for entity in await repository(scope).find()]
        found = await repository(scope).get_many(keys, view)
        assert in_any_order([one.model_dump() for one in found]) == wanted
        streamed = [one.model_dump() async for one in repository(scope).stream(view, chunk_size=3)]
        assert in_any_order(streamed) == wanted
