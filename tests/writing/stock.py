"""What the tests of updates and deletes write: tables with everything that SQLAlchemy adds to a write by itself."""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Repository, match, predicate, soft_delete


class Base(DeclarativeBase):
    pass


class Colour(enum.Enum):
    red = "r"
    blue = "b"


_ticks = itertools.count(1)


def tick() -> int:
    """Another number for each row."""
    return next(_ticks)


class Upper(sa.TypeDecorator[str]):
    """A text that is upper case in the database."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.upper()

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else value.lower()


class Supplier(Base):
    __tablename__ = "supplier"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)


class Item(Base):
    __tablename__ = "item"
    __table_args__ = (
        sa.UniqueConstraint("tenant", "sku_code", name="uq_item_sku"),
        sa.CheckConstraint("amount >= 0", name="amount_is_positive"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int] = mapped_column(default=1)
    sku: Mapped[str] = mapped_column("sku_code", sa.String(12))
    title: Mapped[str | None] = mapped_column(sa.String(40))
    price: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    amount: Mapped[int] = mapped_column(default=0)
    colour: Mapped[Colour | None]
    code: Mapped[str | None] = mapped_column(Upper())
    tags: Mapped[Any] = mapped_column(sa.JSON(none_as_null=True), nullable=True)
    data: Mapped[bytes | None]
    born: Mapped[dt.date | None]
    weight: Mapped[float | None]
    token: Mapped[uuid.UUID | None]
    supplier_id: Mapped[int | None] = mapped_column(sa.ForeignKey("supplier.id"))
    double: Mapped[int | None] = mapped_column(sa.Computed("amount * 2"))
    marked: Mapped[str | None] = mapped_column(sa.String(10), onupdate="updated")
    ticked: Mapped[int | None] = mapped_column(onupdate=tick)
    doubled: Mapped[int | None] = mapped_column(onupdate=sa.text("item.amount * 10"))


class Document(Base):
    """Its versions are counted."""

    __tablename__ = "document"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012


class Sealed(Base):
    """Its versions are made anew each time."""

    __tablename__ = "sealed"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    seal: Mapped[str] = mapped_column(sa.String(32))
    __mapper_args__ = {"version_id_col": seal, "version_id_generator": lambda _: uuid.uuid4().hex}  # noqa: RUF012


class Slot(Base):
    """A composite key."""

    __tablename__ = "slot"

    room: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    guest: Mapped[str | None]


class Person(Base):
    __tablename__ = "person"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))
    name: Mapped[str]


class Manager(Person):
    """In the table of its base class."""

    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012

    bonus: Mapped[int | None]


class Part(Base):
    __tablename__ = "part"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "part"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(10))


class Picture(Part):
    """In a table of its own."""

    __tablename__ = "picture"
    __mapper_args__ = {"polymorphic_identity": "picture"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(sa.ForeignKey("part.id"), primary_key=True)
    width: Mapped[int]


class Note(Base):
    """Stays when it is deleted."""

    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int] = mapped_column(default=1)
    text: Mapped[str]
    edited: Mapped[str | None] = mapped_column(sa.String(10), onupdate="edited")
    deleted_at: Mapped[dt.datetime | None]


class Flag(Base):
    __tablename__ = "flag"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    is_deleted: Mapped[bool] = mapped_column(default=False)


class Conversation(Base):
    __tablename__ = "conversation"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    closed: Mapped[bool] = mapped_column(default=False)


class Message(Base):
    __tablename__ = "message"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[int]
    conversation_id: Mapped[int] = mapped_column(sa.ForeignKey("conversation.id"))
    role: Mapped[str] = mapped_column(sa.String(10), default="user")
    content: Mapped[str]
    made: Mapped[int | None] = mapped_column(default=sa.text("7"))

    conversation: Mapped[Conversation] = relationship()


@dataclass(frozen=True)
class Context:
    """Who asks."""

    tenant: int | None


def tenant_of(context: Context) -> int | None:
    return context.tenant


class Items(Repository[Item]):
    pass


class Suppliers(Repository[Supplier]):
    pass


class Documents(Repository[Document]):
    pass


class SealedDocuments(Repository[Sealed]):
    pass


class Slots(Repository[Slot]):
    pass


class People(Repository[Person]):
    pass


class Managers(Repository[Manager]):
    pass


class Parts(Repository[Part]):
    pass


class Pictures(Repository[Picture]):
    pass


class Notes(Repository[Note]):
    criteria = (soft_delete(Note.deleted_at),)


class Flags(Repository[Flag]):
    criteria = (soft_delete(Flag.is_deleted),)


class Conversations(Repository[Conversation]):
    pass


class Messages(Repository[Message]):
    pass


REPOSITORIES: tuple[type[Repository[Any]], ...] = (
    Items,
    Suppliers,
    Documents,
    SealedDocuments,
    Slots,
    People,
    Managers,
    Parts,
    Pictures,
    Notes,
    Flags,
    Conversations,
    Messages,
)


class ItemsOfTenant(Repository[Item]):
    criteria = (
        match(Item.tenant, tenant_of),
        predicate(lambda context: Item.amount < 1000 * context.tenant, name="small"),
    )


class NotesOfTenant(Repository[Note]):
    criteria = (match(Note.tenant, tenant_of), soft_delete(Note.deleted_at))


class ConversationsOfTenant(Repository[Conversation]):
    criteria = (match(Conversation.tenant, tenant_of),)


class MessagesOfTenant(Repository[Message]):
    criteria = (match(Message.tenant, tenant_of),)


OF_TENANT: tuple[type[Repository[Any]], ...] = (
    ItemsOfTenant,
    NotesOfTenant,
    ConversationsOfTenant,
    MessagesOfTenant,
)
"""Repositories of which a scope sees the rows of its tenant only."""


@asynccontextmanager
async def opened(
    url: str, repositories: Sequence[type[Repository[Any]]] = REPOSITORIES
) -> AsyncIterator[Database]:
    """A Database with empty tables."""
    async with Database(url, repositories=repositories) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield db
        assert db.engine.sync_engine.pool.checkedout() == 0, "a connection was not returned"


async def put(db: Database, *entities: Any) -> None:
    """Write entities with the ORM."""
    from sqlalchemy.ext.asyncio import AsyncSession

    async with AsyncSession(db.engine) as session, session.begin():
        session.add_all(entities)


async def rows(db: Database, *columns: Any) -> list[Any]:
    """Columns of all rows, in the order of the first."""
    async with db.engine.connect() as connection:
        found = await connection.execute(sa.select(*columns).order_by(columns[0]))
        return [row[0] if len(columns) == 1 else tuple(row) for row in found]


def items(count: int, **more: Any) -> list[Item]:
    """Items with the keys 1 and so on."""
    return [Item(id=n, sku=f"s{n}", title=f"t{n}", amount=n, **more) for n in range(1, count + 1)]
