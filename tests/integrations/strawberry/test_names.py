"""Names: those of columns never meet those that the plug uses itself, and clients may have them written otherwise."""

from __future__ import annotations

import types
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
import strawberry
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from strawberry import auto, relay
from strawberry.schema.config import StrawberryConfig

from batchrepo import Database, DeclarationError, Repository, eq
from batchrepo.integrations.strawberry import (
    Connection,
    Limits,
    ScopeExtension,
    check_schema,
    connection,
    many,
    one,
    repository_type,
    scope_of,
    to_type,
)
from tests.support.graphql_store import Query as Store
from tests.support.graphql_store import answer, counting, refusal


class Base(DeclarativeBase):
    pass


class Topic(Base):
    __tablename__ = "topic"
    key: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    name: Mapped[str]


class Entry(Base):
    __tablename__ = "entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.ForeignKey("topic.key"))
    topic: Mapped[Topic] = relationship()


class Draft(Base):
    __tablename__ = "draft"
    owner: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    text: Mapped[str]


class TopicRepository(Repository[Topic]):
    pass


class EntryRepository(Repository[Entry]):
    pass


class DraftRepository(Repository[Draft]):
    pass


@repository_type(TopicRepository)
class TopicType:
    key: auto
    name: auto


@repository_type(EntryRepository)
class EntryType:
    id: auto
    topic: TopicType


@repository_type(DraftRepository)
class DraftType(relay.Node):
    text: auto


@strawberry.type
class Query:
    entry: EntryType | None = one()
    drafts: Connection[DraftType] = connection()

    @strawberry.field
    def entries_of(self, ids: list[int]) -> list[EntryType]:
        return [to_type(EntryType, key) for key in ids]

    @strawberry.field
    async def latest(self, info: strawberry.Info) -> DraftType:
        return to_type(DraftType, await DraftRepository(scope_of(info)).get((1, "a")))


@pytest_asyncio.fixture
async def notes(database_url: str) -> AsyncIterator[Database]:
    repositories = [TopicRepository, EntryRepository, DraftRepository]
    async with Database(database_url, repositories=repositories) as database:
        async with database.engine.begin() as connected:
            await connected.run_sync(Base.metadata.create_all)
            await connected.execute(sa.insert(Topic), [{"key": "x", "name": "X"}, {"key": "y", "name": "Y"}])
            await connected.execute(sa.insert(Entry), [{"id": 1, "key": "y"}, {"id": 2, "key": "x"}])
            await connected.execute(sa.insert(Draft), {"owner": 1, "key": "a", "text": "T"})
        yield database


@pytest.mark.parametrize("look_ahead", [True, False], ids=["planned", "loaded"])
async def test_a_column_may_be_called_key(notes: Database, look_ahead: bool) -> None:
    """The key that an object is known by is not where a relation finds its column."""

    # A class of its own: Strawberry's node fields work in one schema only.
    @strawberry.type(name="Query")
    class Root(Query):
        node: relay.Node | None = relay.node()

    schema = strawberry.Schema(Root, extensions=[lambda: ScopeExtension(notes, look_ahead=look_ahead)])
    topics = [{"id": 1, "topic": {"name": "Y"}}, {"id": 2, "topic": {"name": "X"}}]
    with counting(notes, 2):
        found = await answer(schema, "{ entriesOf(ids: [1, 2]) { id topic { name } } }")
    assert found["entriesOf"] == topics
    draft = (await answer(schema, "{ drafts { edges { node { id text } } } }"))["drafts"]["edges"][0]["node"]
    assert (await answer(schema, "{ latest { id text } }"))["latest"] == draft
    query = "query ($id: ID!) { node(id: $id) { id ... on Draft { text } } }"
    assert (await answer(schema, query, id=draft["id"]))["node"] == draft


async def test_names_may_be_written_as_in_python(sqlite_store: Database) -> None:
    """Totals and limits go by what a field is, not by how the schema writes its name."""
    schema = strawberry.Schema(
        Store,
        config=StrawberryConfig(auto_camel_case=False),
        extensions=[lambda: ScopeExtension(sqlite_store, limits=Limits(rows=100))],
    )
    query = "{ albums(first: 1) { total_count edges { node { tracks { total_count } } } } }"
    found = (await answer(schema, query))["albums"]
    assert found["total_count"] == 347
    assert [edge["node"]["tracks"]["total_count"] for edge in found["edges"]] == [9]
    page = "{ albums(first: 11) { edges { node { tracks(first: 9) { edges { cursor } } } } } }"
    assert (await refusal(schema, page)).extensions["value"] == 11 * 10
    with counting(sqlite_store, 0):
        error = await refusal(schema, "{ albums(first: -1) { total_count } }")
    assert (error.path, error.extensions["code"]) == (None, "INVALID_ARGUMENT")


def clashing(name: str) -> tuple[list[Any], Any]:
    """Two repositories with filters, the second with this name, and a query for both."""

    class TopicRepository(Repository[Topic]):
        filterable = {Topic.name: (eq,)}  # noqa: RUF012

    other: Any = types.new_class(
        name, (Repository[Entry],), exec_body=lambda body: body.update(filterable={Entry.key: (eq,)})
    )

    @repository_type(TopicRepository, name="Topic")
    class Topics:
        name: auto

    @repository_type(other, name="Entry")
    class Entries:
        id: auto

    annotations = {"topics": Connection[Topics], "entries": list[Entries]}
    fields = {"topics": connection(), "entries": many()}
    query = strawberry.type(type("Query", (), {"__annotations__": annotations, **fields}))
    return [TopicRepository, other], query


@pytest.mark.parametrize(
    ("name", "clash"),
    [
        ("TopicNameRepository", "TopicNameFilter"),
        ("TopicRepository", "TopicFilter"),
        ("EntryRepository", None),
    ],
)
async def test_inputs_of_one_name_are_refused(tmp_path: Path, name: str, clash: str | None) -> None:
    """Strawberry takes the one for the other, and tells nobody."""
    repositories, query = clashing(name)
    async with Database(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}", repositories=repositories) as database:
        schema = strawberry.Schema(query)
        if clash is None:
            check_schema(schema, database)
            return
        with pytest.raises(DeclarationError, match=f"two inputs have the name {clash}"):
            check_schema(schema, database)
