"""Mutations of rows whose keys have several columns: one value for clients, the global id."""

from __future__ import annotations

from typing import Any

import strawberry
from sqlalchemy import ForeignKeyConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from strawberry import auto, relay

from batchrepo import Database, Repository
from batchrepo.integrations.strawberry import (
    Deleted,
    ScopeExtension,
    create,
    create_input,
    delete_many,
    one,
    repository_type,
    update,
    update_input,
    update_many,
)


class Base(DeclarativeBase):
    pass


async def ask(schema: strawberry.Schema, query: str, **variables: Any) -> tuple[Any, list[str]]:
    result = await schema.execute(query, variable_values=variables)
    return result.data, [error.message for error in result.errors or ()]


class Shelf(Base):
    """With a key of two columns, which books refer to in the other order."""

    __tablename__ = "shelf"

    room: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str]


class Book(Base):
    __tablename__ = "book"
    __table_args__ = (ForeignKeyConstraint(["shelf_number", "shelf_room"], ["shelf.number", "shelf.room"]),)

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    shelf_room: Mapped[int | None]
    shelf_number: Mapped[int | None]
    shelf: Mapped[Shelf | None] = relationship()


class ShelfRepository(Repository[Shelf]):
    pass


class BookRepository(Repository[Book]):
    pass


@repository_type(ShelfRepository)
class ShelfType(relay.Node):
    label: auto
    room: auto
    number: auto


@repository_type(BookRepository)
class BookType(relay.Node):
    title: auto
    shelf: ShelfType | None


@create_input(ShelfRepository)
class ShelfCreate:
    room: auto
    number: auto
    label: auto


@update_input(ShelfRepository)
class ShelfChange:
    label: auto


@create_input(BookRepository)
class BookCreate:
    title: auto
    shelf: auto


@update_input(BookRepository)
class BookRow:
    id: relay.GlobalID
    shelf: auto


@strawberry.type
class Keyed:
    create_shelf: ShelfType | None = create(ShelfCreate)
    update_shelf: ShelfType | None = update(ShelfChange)
    delete_shelves: Deleted | None = delete_many(ShelfType)
    create_book: BookType | None = create(BookCreate)
    update_books: list[BookType] | None = update_many(BookRow)


async def test_keys_of_several_columns(database_url):
    async with Database(database_url, repositories=[ShelfRepository, BookRepository]) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        keyed = strawberry.Schema(
            strawberry.type(
                type(
                    "Query",
                    (),
                    {"__annotations__": {"one": BookType | None}, "one": one(), "__module__": __name__},
                )
            ),
            Keyed,
            extensions=[lambda: ScopeExtension(database)],
        )
        made, errors = await ask(
            keyed,
            """mutation {
                a: createShelf(input: {room: 1, number: 2, label: "a"}) { id }
                b: createShelf(input: {room: 2, number: 1, label: "b"}) { id }
            }""",
        )
        assert errors == []
        a, b = made["a"]["id"], made["b"]["id"]
        assert a == relay.to_base64("Shelf", '["1","2"]')
        data, errors = await ask(
            keyed,
            """mutation($a: ID!, $b: ID!) {
                updateShelf(id: $a, input: {label: "changed"}) { label room number }
                one: createBook(input: {title: "one", shelf: $a}) { id shelf { label } }
                two: createBook(input: {title: "two", shelf: $b}) { id shelf { room number } }
                none: createBook(input: {title: "none", shelf: null}) { shelf { label } }
            }""",
            a=a,
            b=b,
        )
        assert errors == []
        assert data["updateShelf"] == {"label": "changed", "room": 1, "number": 2}
        assert data["one"]["shelf"] == {"label": "changed"}
        assert data["two"]["shelf"] == {"room": 2, "number": 1}
        assert data["none"] == {"shelf": None}
        moved, errors = await ask(
            keyed,
            """mutation($rows: [BookRow!]!, $b: ID!, $none: ID!) {
                updateBooks(rows: $rows) { title shelf { room } }
                deleteShelves(ids: [$b, $none]) { count errors { index kind } }
            }""",
            rows=[{"id": data["two"]["id"], "shelf": a}, {"id": data["one"]["id"], "shelf": None}],
            b=b,
            none=relay.to_base64("Shelf", '["9","9"]'),
        )
        assert errors == []
        assert moved["updateBooks"] == [
            {"title": "two", "shelf": {"room": 1}},
            {"title": "one", "shelf": None},
        ]
        assert moved["deleteShelves"] == {"count": 1, "errors": [{"index": 1, "kind": "NOT_FOUND"}]}
