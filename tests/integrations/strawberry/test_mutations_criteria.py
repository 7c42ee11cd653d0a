"""Whose rows a mutation may write: row criteria, permissions, and what a schema refuses when it is made."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import strawberry
from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from strawberry import auto, relay
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig

from batchrepo import Database, DeclarationError, Repository, count, match, predicate
from batchrepo.integrations.strawberry import (
    Deleted,
    ScopeExtension,
    Written,
    check_schema,
    create,
    create_input,
    create_many,
    delete,
    delete_many,
    many,
    mutation,
    one,
    repository_type,
    scope_of,
    to_type,
    update,
    update_input,
    update_many,
    upsert_many,
)
from tests.support.graphql_store import counting


@pytest.fixture(autouse=True)
def quiet_strawberry(caplog):
    caplog.set_level(logging.CRITICAL, logger="strawberry.execution")


class Base(DeclarativeBase):
    pass


class Board(Base):
    __tablename__ = "board"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    name: Mapped[str]
    cards: Mapped[list[Card]] = relationship(back_populates="board", order_by="Card.id")


class Card(Base):
    __tablename__ = "card"
    __table_args__ = (UniqueConstraint("title"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    title: Mapped[str]
    hidden: Mapped[bool] = mapped_column(default=False)
    board_id: Mapped[int] = mapped_column(ForeignKey("board.id"), index=True)
    board: Mapped[Board] = relationship(back_populates="cards")


class BoardRepository(Repository[Board]):
    criteria = (match(Board.tenant, lambda tenant: tenant),)
    card_count = count(Board.cards)


class CardRepository(Repository[Card]):
    criteria = (match(Card.tenant, lambda tenant: tenant), predicate(Card.hidden.is_(False)))


@repository_type(BoardRepository)
class BoardType(relay.Node):
    name: auto
    card_count: auto


@repository_type(CardRepository)
class CardType:
    id: auto
    tenant: auto
    title: auto
    board: BoardType | None


@create_input(CardRepository)
class CardCreate:
    title: auto
    board: auto
    tenant: int | None
    hidden: auto


@update_input(CardRepository)
class CardChange:
    title: auto
    hidden: auto
    tenant: auto


@update_input(CardRepository)
class CardRow:
    id: auto
    title: auto


class Nobody(BasePermission):
    message = "Not you."

    def has_permission(self, source: Any, info: strawberry.Info, **kwargs: Any) -> bool:
        return False


@strawberry.type
class Query:
    card: CardType | None = one()
    boards: list[BoardType] = many(order_by=Board.id)


@strawberry.type
class Mutation:
    create_card: CardType | None = create(CardCreate)
    closed: CardType | None = create(CardCreate, permission_classes=[Nobody])
    create_cards: Written[CardType] | None = create_many(CardCreate)
    upsert_cards: list[CardType] | None = upsert_many(CardCreate, on=Card.title)
    update_card: CardType | None = update(CardChange)
    update_cards: Written[CardType] | None = update_many(CardRow)
    delete_card: CardType | None = delete()
    delete_cards: Deleted | None = delete_many(CardType)

    @mutation(permission_classes=[Nobody])
    async def wipe(self, info: strawberry.Info) -> int:
        return (await CardRepository(scope_of(info)).delete_many(Card.id > 0)).count


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def cards(self, info: strawberry.Info, ids: list[int]) -> AsyncIterator[CardType]:
        for key in ids:
            yield to_type(CardType, key)


@pytest_asyncio.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, repositories=[BoardRepository, CardRepository]) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        async with AsyncSession(opened.engine) as session:
            session.add_all(
                [
                    Board(
                        tenant=tenant,
                        name=f"board {tenant}",
                        cards=[
                            Card(tenant=tenant, title=f"{tenant} shown"),
                            Card(tenant=tenant, title=f"{tenant} hidden", hidden=True),
                        ],
                    )
                    for tenant in (1, 2)
                ]
            )
            await session.commit()
        yield opened
        assert opened.engine.sync_engine.pool.checkedout() == 0


@pytest.fixture
def schema(db: Database) -> strawberry.Schema:
    return strawberry.Schema(
        Query, Mutation, Subscription, extensions=[lambda: ScopeExtension(db, context=lambda tenant: tenant)]
    )


async def ask(
    schema: strawberry.Schema, query: str, tenant: int = 1, **variables: Any
) -> tuple[Any, list[str]]:
    """The data, and the codes of the errors."""
    result = await schema.execute(query, variable_values=variables, context_value=tenant)
    return result.data, [(error.extensions or {}).get("code", error.message) for error in result.errors or ()]


async def rows(db: Database) -> set[tuple[int, str, bool]]:
    async with AsyncSession(db.engine) as session:
        cards = (await session.scalars(Card.__table__.select().with_only_columns(Card.id))).all()
        return {
            (card.tenant, card.title, card.hidden) for card in [await session.get(Card, key) for key in cards]
        }


BOARD = {tenant: relay.to_base64("Board", str(tenant)) for tenant in (1, 2)}


async def test_a_new_row_is_the_tenants(db, schema):
    query = """mutation($board: ID!) {
        a: createCard(input: {title: "new", board: $board}) { tenant title board { cardCount } }
        b: createCard(input: {title: "mine", board: $board, tenant: 2}) { tenant board { cardCount } }
    }"""
    data, errors = await ask(schema, query, 2, board=BOARD[2])
    assert errors == []
    assert data == {
        "a": {"tenant": 2, "title": "new", "board": {"cardCount": 2}},
        "b": {"tenant": 2, "board": {"cardCount": 3}},
    }


@pytest.mark.parametrize(
    ("field", "codes"),
    [
        ('createCard(input: {title: "x", board: $board, tenant: 2}) { id }', ["FORBIDDEN"]),
        ('createCard(input: {title: "x", board: $board, hidden: true}) { id }', ["FORBIDDEN"]),
        ('createCard(input: {title: "x", board: $2board}) { id }', ["CONFLICT"]),
        ('upsertCards(rows: [{title: "x", board: $2board}]) { id }', ["CONFLICT"]),
        ('upsertCards(rows: [{title: "2 shown", board: $board}]) { id }', ["FORBIDDEN"]),
        ('updateCard(id: 3, input: {title: "x"}) { id }', ["NOT_FOUND"]),
        ('updateCard(id: 2, input: {title: "x"}) { id }', ["NOT_FOUND"]),
        ("updateCard(id: 1, input: {tenant: 2}) { id }", ["FORBIDDEN"]),
        ("updateCard(id: 1, input: {hidden: true}) { id }", ["FORBIDDEN"]),
        ("deleteCard(id: 3) { id }", ["NOT_FOUND"]),
        ("deleteCard(id: 2) { id }", ["NOT_FOUND"]),
        ('closed(input: {title: "x", board: $board}) { id }', ["Not you."]),
        ("wipe", ["Not you."]),
    ],
)
async def test_what_the_scope_may_not_write(db, schema, field, codes):
    before = await rows(db)
    for tenant, key in BOARD.items():
        field = field.replace("$board" if tenant == 1 else "$2board", f'"{key}"')
    _, errors = await ask(schema, f"mutation {{ {field} }}")
    assert errors == codes
    assert await rows(db) == before


async def test_a_reference_to_a_row_of_others_is_one_to_nothing(db, schema):
    query = """mutation($rows: [CardCreate!]!) {
        createCards(rows: $rows) { rows { title } errors { index kind message columns } }
    }"""
    absent = relay.to_base64("Board", "77")
    given = [BOARD[2], BOARD[1], absent, BOARD[1], BOARD[1]]
    titles = ["a", "b", "c", "1 shown", "e"]
    with counting(db, 4):  # the boards, the row, its criteria, what is selected
        found, errors = await ask(
            schema,
            query,
            rows=[{"title": "alone", "board": BOARD[1]}, {"title": "theirs", "board": BOARD[2]}],
        )
    assert (errors, found["createCards"]["rows"]) == ([], [{"title": "alone"}])
    data, errors = await ask(
        schema,
        query,
        rows=[{"title": title, "board": board} for title, board in zip(titles, given, strict=True)],
    )
    assert errors == []
    assert data["createCards"]["rows"] == [{"title": "b"}, {"title": "e"}]
    told = data["createCards"]["errors"]
    assert [(each["index"], each["kind"]) for each in told] == [
        (0, "FOREIGN_KEY"),
        (2, "FOREIGN_KEY"),
        (3, "UNIQUE"),
    ]
    assert told[0] == {**told[1], "index": 0}
    assert told[0]["columns"] == ["board"]


async def test_of_many_rows_those_that_are_not_the_tenants_are_named(db, schema):
    query = """mutation {
        updateCards(rows: [{id: 3, title: "x"}, {id: 1, title: "renamed"}, {id: 2, title: "y"}]) {
            count rows { title } errors { index kind }
        }
        deleteCards(keys: [4, 1]) { count errors { index kind } }
    }"""
    data, errors = await ask(schema, query)
    assert errors == []
    missing = "NOT_FOUND"
    assert data["updateCards"] == {
        "count": 1,
        "rows": [{"title": "renamed"}],
        "errors": [{"index": 0, "kind": missing}, {"index": 2, "kind": missing}],
    }
    assert data["deleteCards"] == {"count": 1, "errors": [{"index": 0, "kind": missing}]}
    assert {title for _, title, _ in await rows(db)} == {"1 hidden", "2 shown", "2 hidden"}


async def test_an_event_after_a_mutation_has_a_scope_of_its_own(db, schema):
    stream = await schema.subscribe("subscription { cards(ids: [1, 1]) { title } }", context_value=1)
    seen = [(await anext(stream)).data["cards"]["title"]]
    await ask(schema, 'mutation { updateCard(id: 1, input: {title: "renamed"}) { id } }')
    seen.append((await anext(stream)).data["cards"]["title"])
    await stream.aclose()
    assert seen == ["1 shown", "renamed"]


async def test_names_as_the_schema_writes_them(db):
    plain = strawberry.Schema(
        Query,
        Mutation,
        config=StrawberryConfig(auto_camel_case=False),
        extensions=[lambda: ScopeExtension(db, context=lambda tenant: tenant)],
    )
    query = """mutation($board: ID!) {
        create_cards(rows: [{title: "1 shown", board: $board}, {title: "new", board: $board}]) {
            rows { title } errors { index columns }
        }
    }"""
    data, errors = await ask(plain, query, board=BOARD[1])
    assert errors == []
    assert data["create_cards"] == {
        "rows": [{"title": "new"}],
        "errors": [{"index": 0, "columns": ["title"]}],
    }
    with counting(db, 0):
        _, errors = await ask(plain, "mutation { wipe }")
    assert errors == ["Not you."]


# --- what is declared wrongly ---------------------------------------------------------------------


def not_a_column():
    @create_input(CardRepository)
    class Wrong:
        titel: auto


def a_list_of_rows():
    @create_input(BoardRepository)
    class Wrong:
        cards: auto


def a_wrong_type():
    @create_input(CardRepository)
    class Wrong:
        title: int


def no_repository():
    create_input(Card)


def an_id_of_nothing():
    @create_input(CardRepository)
    class Wrong:
        title: relay.GlobalID


def schema_of(field: Any, kind: Any) -> Any:
    made = strawberry.type(
        type("Mutation", (), {"__annotations__": {"wrong": kind}, "wrong": field, "__module__": __name__})
    )
    return strawberry.Schema(Query, made)


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (not_a_column, "has no column 'titel'. Did you mean 'title'"),
        (a_list_of_rows, "is written by its own rows"),
        (a_wrong_type, "holds values of type str, but the field is int"),
        (no_repository, "expects a repository class"),
        (an_id_of_nothing, "is neither its primary key nor what a relation refers by"),
        (lambda: update_input(CardRepository, versions="maybe"), 'expects "checked" or "unchecked"'),
        (lambda: schema_of(create(CardChange), CardType), "takes an input with @create_input"),
        (lambda: schema_of(update(CardCreate), CardType), "takes an input with @update_input"),
        (lambda: schema_of(create(CardType), CardType), "expects a class with @create_input"),
        (
            lambda: schema_of(create(CardCreate), BoardType),
            "CardCreate is of Card, but the field shows Board",
        ),
        (lambda: schema_of(create(CardCreate), list[CardType]), "create() writes one row"),
        (lambda: schema_of(create_many(CardCreate), CardType), "Written[...]"),
        (lambda: schema_of(update_many(CardChange), list[CardType]), "lists the primary key (id)"),
        (lambda: schema_of(delete(), list[CardType]), "there is delete_many()"),
        (lambda: schema_of(delete_many(CardType), CardType), "delete_many() gives Deleted"),
        (lambda: schema_of(delete_many(Card), Deleted), "expects a class with @repository_type"),
    ],
)
def test_what_is_declared_wrongly_is_told_at_once(declare, message):
    with pytest.raises(DeclarationError) as refused:
        declare()
    assert message in str(refused.value), refused.value


def test_a_new_row_that_could_never_be_whole():
    @create_input(CardRepository)
    class Titled:
        title: auto

    @create_input(CardRepository)
    class Placed:
        title: auto
        board_id: auto

    database = Database("sqlite+aiosqlite://", repositories=[BoardRepository, CardRepository])
    with pytest.raises(DeclarationError, match="a new row of Card must have board_id"):
        check_schema(schema_of(create(Titled), CardType), database)
    check_schema(schema_of(create(Placed), CardType), database)  # the tenant comes from the scope


def test_an_extension_with_a_transaction_that_there_is_not(db):
    with pytest.raises(DeclarationError, match='expects "field" or "operation"'):
        ScopeExtension(db, transaction="document")  # type: ignore[arg-type]
