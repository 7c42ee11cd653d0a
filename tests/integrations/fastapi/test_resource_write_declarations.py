"""Mistakes in what a resource writes are found when it is declared, or when the application starts; what OpenAPI says."""

import re
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from batchrepo import Database, DeclarationError, Repository
from batchrepo.integrations.fastapi import install, resource
from tests.integrations.fastapi.shelf import (
    REPOSITORIES,
    PaperCreate,
    PaperRepository,
    PaperView,
    Record,
    RecordCreate,
    RecordRepository,
    RecordUpdate,
    RecordView,
    application,
)

GOOD: dict[str, Any] = {"view": RecordView, "prefix": "/records"}


class Misspelled(BaseModel):
    titel: str


class WithLabel(BaseModel):
    label: int


class WithKey(BaseModel):
    id: int


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"create": dict}, "create= expects a Pydantic model, such as AlbumCreate; got dict."),
        ({"update": Misspelled}, "update=Misspelled: Record has no column 'titel'. Did you mean 'title'?"),
        ({"update": WithLabel}, "Record.label is a relationship; rows have columns only."),
        ({"update": WithKey}, "update=WithKey has id, the key of Record, which the path says. Leave it out."),
        ({"update": Anything}, "update=Anything takes any field (extra='allow'). Name those that it takes."),
        (
            {"create": RecordUpdate},
            "create=RecordUpdate has no ref, without which no row of Record can be inserted",
        ),
        ({"operations": ["create"]}, "operations= has 'create', which needs a model: create=AlbumCreate."),
        ({"operations": ["bulk"]}, "operations= has 'bulk': of what?"),
        (
            {"operations": ["list"], "update": RecordUpdate},
            "update= is given, but operations= has neither 'update' nor 'bulk'.",
        ),
        ({"create": RecordCreate, "bulk_size": 0}, "bulk_size= expects a number of 1 or more; got 0."),
        ({"upsert_on": Record.ref}, "upsert_on= is for create= and 'bulk'"),
    ],
)
def test_mistakes_are_named(options, message):
    with pytest.raises(DeclarationError, match=re.escape(message)):
        resource(RecordRepository, **{**GOOD, **options})


def test_what_criteria_say_need_not_be_in_the_model():
    class Text(BaseModel):
        text: str

    assert resource(PaperRepository, view=PaperView, prefix="/papers", create=Text).routes
    assert "tenant" in PaperCreate.model_fields  # and may be


async def test_upserts_need_a_unique_constraint(sqlite_url):
    database = Database(sqlite_url, repositories=REPOSITORIES)
    app = FastAPI()
    install(app, database)
    options = {"operations": ["bulk"], "create": RecordCreate, "upsert_on": Record.title}
    app.include_router(resource(RecordRepository, **GOOD, **options))
    with pytest.raises(DeclarationError, match=r"resource\(RecordRepository, ...\): upsert_on=: "):
        async with app.router.lifespan_context(app):
            raise AssertionError("it started")


def test_what_only_the_database_fills_cannot_be_sent():
    class Base(DeclarativeBase):
        pass

    class Animal(Base):
        __tablename__ = "animal"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column()
        kind: Mapped[str]
        loud = column_property(name + "!")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    class Dog(Animal):
        __tablename__ = "dog"
        id: Mapped[int] = mapped_column(ForeignKey("animal.id"), primary_key=True)
        animal = relationship(Animal)
        __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    class Loud(BaseModel):
        loud: str

    class Name(BaseModel):
        name: str

    class AnimalRepository(Repository[Animal]):
        pass

    class DogRepository(Repository[Dog]):
        pass

    with pytest.raises(DeclarationError, match=r"Animal\.loud is an expression and cannot be written"):
        resource(AnimalRepository, view=Name, prefix="/animals", update=Loud)
    with pytest.raises(DeclarationError, match="spread over animal, dog"):
        resource(DogRepository, view=Name, prefix="/dogs", update=Name)


@pytest.fixture
def described(sqlite_url):
    return application(Database(sqlite_url, repositories=REPOSITORIES)).openapi()


def responses(described: Any, path: str, method: str) -> list[str]:
    return sorted(described["paths"][path][method]["responses"])


def test_openapi_has_every_answer(described):
    records = described["paths"]["/records"]["post"]
    assert records["operationId"] == "create_record"
    assert responses(described, "/records", "post") == ["201", "400", "409", "422", "503"]
    assert set(records["responses"]["201"]["headers"]) == {"ETag", "Location"}
    assert responses(described, "/records/{id}", "patch") == ["200", "400", "404", "409", "412", "422", "503"]
    assert responses(described, "/records/{id}", "delete") == [
        "204",
        "400",
        "404",
        "409",
        "412",
        "422",
        "503",
    ]
    assert "428" in responses(described, "/counters/{id}", "patch")
    assert "403" in responses(described, "/papers", "post")
    assert "412" in responses(described, "/countries", "post")
    for method in ("post", "patch", "delete"):
        assert {"200", "207"} < set(responses(described, "/records/bulk", method))
    assert set(described["paths"]["/labels"]) == {"get", "post"}
    assert "patch" not in described["paths"]["/labels/{id}"]


def test_openapi_has_the_bodies_with_examples(described):
    def body(path: str, method: str) -> Any:
        return described["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"]

    one = body("/records", "post")
    assert one["$ref"] == "#/components/schemas/RecordCreate"
    assert one["examples"][0]["ref"] == "r9"
    many = body("/records/bulk", "post")
    assert many["items"] == {"$ref": "#/components/schemas/RecordCreate"}
    assert (many["minItems"], many["maxItems"], many["examples"][0][0]["ref"]) == (1, 10_000, "r9")
    row = described["components"]["schemas"]["RecordUpdateRow"]
    assert row["required"] == ["id"]
    assert described["components"]["schemas"]["CounterValueRow"]["required"] == ["value", "id", "version"]
    parameters = {each["name"] for each in described["paths"]["/records/bulk"]["post"]["parameters"]}
    assert parameters == {"on_error", "upsert", "dry_run"}
