"""Relations of a table with itself: a tree, and a many-to-many."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from batchrepo.testing.contract.models.base import Base

friendship = Table(
    "friendship",
    Base.metadata,
    Column("person_id", ForeignKey("person.id"), primary_key=True),
    Column("friend_id", ForeignKey("person.id"), primary_key=True),
)
"""Directed: `person_id` counts `friend_id` as a friend, not the other way round."""


class Node(Base):
    """A tree."""

    __tablename__ = "node"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("node.id"), index=True)

    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side=lambda: Node.id)
    children: Mapped[list[Node]] = relationship(
        back_populates="parent", order_by=lambda: (Node.name, Node.id.desc())
    )


class Person(Base):
    """Friends in both directions."""

    __tablename__ = "person"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]

    friends: Mapped[list[Person]] = relationship(
        secondary=friendship,
        primaryjoin=lambda: Person.id == friendship.c.person_id,
        secondaryjoin=lambda: Person.id == friendship.c.friend_id,
        back_populates="befriended_by",
    )
    befriended_by: Mapped[list[Person]] = relationship(
        secondary=friendship,
        primaryjoin=lambda: Person.id == friendship.c.friend_id,
        secondaryjoin=lambda: Person.id == friendship.c.person_id,
        back_populates="friends",
        order_by=lambda: (Person.name.desc(), Person.id),
    )
