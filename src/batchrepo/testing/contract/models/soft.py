"""Soft keys: columns that refer without a foreign key, to rows that may be missing or several."""

from __future__ import annotations

from sqlalchemy import and_
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship, remote

from batchrepo.testing.contract.models.base import Base


class Customer(Base):
    """Found by e-mail address, which is not unique, and by key."""

    __tablename__ = "customer"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    email: Mapped[str | None]

    tickets: Mapped[list[Ticket]] = relationship(
        primaryjoin=lambda: Customer.email == foreign(Ticket.customer_email),
        viewonly=True,
        order_by=lambda: (Ticket.subject, Ticket.id),
    )


class Ticket(Base):
    """Refers to customers by address and to one owner by key; neither need exist."""

    __tablename__ = "ticket"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    subject: Mapped[str]
    customer_email: Mapped[str | None]
    owner_id: Mapped[int | None]

    customers: Mapped[list[Customer]] = relationship(
        primaryjoin=lambda: foreign(Ticket.customer_email) == remote(Customer.email),
        viewonly=True,
        uselist=True,
    )
    owner: Mapped[Customer | None] = relationship(
        primaryjoin=lambda: foreign(Ticket.owner_id) == Customer.id, viewonly=True
    )


class Stock(Base):
    """A composite soft key: neither column is unique, either may be NULL."""

    __tablename__ = "stock"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    warehouse: Mapped[str | None]
    sku: Mapped[int | None]

    movements: Mapped[list[Movement]] = relationship(
        primaryjoin=lambda: and_(
            Stock.warehouse == foreign(Movement.warehouse), Stock.sku == foreign(Movement.sku)
        ),
        viewonly=True,
        order_by=lambda: (Movement.amount.desc(), Movement.id),
    )


class Movement(Base):
    """The other side of a composite soft key."""

    __tablename__ = "movement"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    warehouse: Mapped[str | None]
    sku: Mapped[int | None]
    amount: Mapped[int]

    stocks: Mapped[list[Stock]] = relationship(
        primaryjoin=lambda: and_(
            foreign(Movement.warehouse) == remote(Stock.warehouse), foreign(Movement.sku) == remote(Stock.sku)
        ),
        viewonly=True,
        uselist=True,
    )
