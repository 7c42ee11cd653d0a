"""Any view of the contract's models, over any relation: one statement gives the same JSON as the batched strategy."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, create_model
from sqlalchemy.orm import Mapper

from batchrepo import Database, Page, column, include
from batchrepo.declare.orders import parse_order, total_order, unique_order
from batchrepo.errors import InvalidArgument
from batchrepo.mapping import EntityInfo, RelationInfo, entity_info
from batchrepo.sql.json.encoders import encoder_of
from batchrepo.sql.json.order_texts import order_text_of
from batchrepo.sql.keyset import make_keyset
from batchrepo.testing import assert_statements
from batchrepo.testing.contract.data import FAMILIES, Family
from batchrepo.testing.contract.models import Base
from batchrepo.testing.contract.relations import repositories
from tests.strategies.comparing import in_any_order

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def db(module_database_url: str) -> AsyncIterator[Database]:
    """The samples of all families."""
    known = [repository for family in FAMILIES for repository in repositories(family)]
    async with Database(module_database_url, repositories=known) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        for family in FAMILIES:
            await family.replace_rows(opened.engine, family.sample)
        yield opened


def written(entity: EntityInfo, dialect: Any) -> list[str]:
    """The columns that the database writes exactly."""
    return [
        name
        for name, info in entity.columns.items()
        if info.is_table_column
        and info.python_type is not None
        and encoder_of(info.type, dialect) is not None
    ]


def kind_of(entity: EntityInfo, name: str) -> Any:
    info = entity.columns[name]
    return info.python_type | None if info.nullable else info.python_type


def paged(relation: RelationInfo, order: Any, dialect: Any) -> bool:
    """Whether there are exact cursors for an order of what a relation leads to."""
    terms = parse_order(order if order is not None else relation.order_by)
    try:
        keyset = make_keyset(unique_order(terms, relation.target), dialect)
    except InvalidArgument:
        return False
    return all(order_text_of(term, dialect) is not None for term in keyset.terms)


@st.composite
def views(draw: st.DrawFn, mapper: Mapper[Any], dialect: Any, depth: int = 3) -> type[BaseModel]:
    """Columns, relations whole and in part, and columns along them, in any order."""
    entity = entity_info(mapper.class_)
    names = written(entity, dialect)
    columns = draw(st.lists(st.sampled_from(names), min_size=1, unique=True)) if names else []
    fields: dict[str, Any] = {}
    for name in columns:
        alias = draw(st.sampled_from([..., ..., ..., Field(serialization_alias=f"the '{name}' \"%s:x")]))
        fields[f"shown_{name}"] = (Annotated[kind_of(entity, name), column(getattr(entity.cls, name))], alias)
    known = [relation for relation in entity.relations.values() if relation.refused is None]
    chosen = draw(st.lists(st.sampled_from(known), unique=True, max_size=2)) if depth and known else []
    for relation in chosen:
        below = draw(views(relation.prop.mapper, dialect, depth - 1))
        attribute, key = relation.attribute, relation.target.key
        if relation.many:
            first = draw(st.sampled_from([None, None, 1, 2]))
            where = draw(st.sampled_from([None, key[0].attribute.is_not(None)]))
            order = draw(st.sampled_from([None, tuple(info.attribute.desc() for info in key)]))
            part = include(attribute, first=first, where=where, order_by=order)
            kinds: list[Any] = [list[below], part]
            if draw(st.booleans()) and paged(relation, order, dialect):
                end = draw(st.sampled_from(["first", "last"]))
                total = draw(st.sampled_from([None, "exact"]))
                size = {end: draw(st.integers(1, 3))}
                kinds = [Page[below], include(attribute, where=where, order_by=order, total=total, **size)]
            fields[f"many_{relation.name}"] = (Annotated[tuple(kinds)], ...)
        else:
            fields[f"one_{relation.name}"] = (Annotated[below | None, include(attribute)], ...)
            flat = written(relation.target, dialect)
            if flat and draw(st.booleans()):
                name = draw(st.sampled_from(flat))
                along = column(attribute, getattr(relation.target.cls, name))
                kind = relation.target.columns[name].python_type
                fields[f"along_{relation.name}"] = (Annotated[kind | None, along], ...)
    order = draw(st.permutations(list(fields.items())))
    made: type[BaseModel] = create_model(f"{entity.name}Shown", **dict(order))
    return made


def ordered(family: Family, mapper: Mapper[Any]) -> tuple[Any, tuple[Any, ...]]:
    (repository,) = (one for one in repositories(family) if one.entity_class is mapper.class_)
    return repository, tuple(term.element for term in total_order((), entity_info(mapper.class_)))


def decodes(db: Database, view: type[BaseModel], repository: Any) -> bool:
    """Whether views are made of JSON too."""
    info = db.reading.catalog.by_class[repository]
    delivery, _ = db.reading.views(view, info.entity, info)
    strategy = db.reading.strategies["single"]
    return strategy.why_not(delivery.plan, "plain views", db.reading.catalog) is None


async def keys_of(mapper: Mapper[Any], db: Database) -> list[Any]:
    columns = [info.attribute for info in entity_info(mapper.class_).key]
    async with db.engine.connect() as connection:
        found = (await connection.execute(sa.select(*columns).select_from(mapper.class_))).all()
    return [row[0] if len(columns) == 1 else tuple(row) for row in found]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@settings(
    max_examples=max(8, settings().max_examples // 10),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
async def test_one_statement_gives_what_the_batched_strategy_gives(db: Database, family: Family, data: Any):
    mapper = data.draw(st.sampled_from(family.mappers))
    view = data.draw(views(mapper, db.engine.dialect))
    repository, order = ordered(family, mapper)
    by_alias = data.draw(st.booleans())
    async with db.scope() as scope:
        rows = repository(scope)
        expected = await rows.find_json(view, order_by=order, by_alias=by_alias, strategy="batched")
        with assert_statements(1, db):
            found = await rows.find_json(view, order_by=order, by_alias=by_alias, strategy="single")
        assert repr(in_any_order(json.loads(found))) == repr(in_any_order(json.loads(expected)))
        if decodes(db, view, repository):
            decoded, validated = [
                [one.model_dump() for one in await rows.find(view, order_by=order, strategy=strategy)]
                for strategy in ("single", "batched")
            ]
            assert repr(in_any_order(decoded)) == repr(in_any_order(validated))
        keys = await keys_of(mapper, db)
        asked = data.draw(st.lists(st.sampled_from(keys), max_size=5)) if keys else []
        by_key, wanted_by_key = [
            json.loads(await rows.get_many_json(asked, view, by_alias=by_alias, strategy=strategy))
            for strategy in ("single", "batched")
        ]
        assert list(map(in_any_order, by_key)) == list(map(in_any_order, wanted_by_key))
        size = data.draw(st.integers(1, 4))
        after = None
        for _ in range(3):
            page, wanted = [
                await rows.page_json(
                    view, order_by=order, first=size, after=after, by_alias=by_alias, strategy=strategy
                )
                for strategy in ("single", "batched")
            ]
            assert in_any_order(json.loads(page.items)) == in_any_order(json.loads(wanted.items))
            assert (page.has_next, page.has_previous) == (wanted.has_next, wanted.has_previous)
            assert (page.start_cursor, page.end_cursor) == (wanted.start_cursor, wanted.end_cursor)
            after = page.end_cursor
            if after is None:
                break
