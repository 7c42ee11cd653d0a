"""What the schema promises about a relation, and what it does not."""

from __future__ import annotations

from typing import ClassVar

import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from batchrepo import Database, Repository, count
from batchrepo.mapping import RelationInfo, entity_info


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "person"
    __mapper_args__: ClassVar = {"polymorphic_on": "kind", "polymorphic_identity": "person"}

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]


class Engineer(Person):
    """Joined-table inheritance."""

    __tablename__ = "engineer"
    __mapper_args__: ClassVar = {"polymorphic_identity": "engineer"}

    id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"), primary_key=True)


class Manager(Person):
    """Single-table inheritance."""

    __mapper_args__: ClassVar = {"polymorphic_identity": "manager"}


class Desk(Base):
    __tablename__ = "desk"

    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id"))
    engineer_id: Mapped[int] = mapped_column(sa.ForeignKey("engineer.id"))
    nobody_id: Mapped[int]

    person: Mapped[Person] = relationship(foreign_keys=person_id)
    engineer: Mapped[Engineer] = relationship(foreign_keys=engineer_id)
    engineer_by_base: Mapped[Engineer | None] = relationship(
        foreign_keys=person_id, primaryjoin=lambda: Desk.person_id == Engineer.id, viewonly=True
    )
    manager: Mapped[Manager | None] = relationship(foreign_keys=person_id, viewonly=True)
    nobody: Mapped[Person | None] = relationship(
        primaryjoin=lambda: sa.orm.foreign(Desk.nobody_id) == Person.id, viewonly=True
    )


@pytest.mark.parametrize(
    ("name", "enforced"),
    [
        ("person", True),
        ("engineer", True),
        ("engineer_by_base", False),
        ("manager", False),
        ("nobody", False),
    ],
)
def test_a_foreign_key_promises_a_row_of_the_table_that_it_names_and_no_subclass(name, enforced):
    relation = entity_info(Desk).relations[name]
    assert relation.enforced is enforced
    assert relation.nullable is not enforced


async def test_a_row_that_is_not_of_the_subclass_is_none_and_not_a_key_taken_for_granted(
    engine: AsyncEngine,
):
    """The id of a many-to-one target is answered from the key only where its row is certain."""

    class PersonView(BaseModel):
        id: int

    class DeskView(BaseModel):
        person: PersonView
        manager: PersonView | None
        engineer_by_base: PersonView | None

    class DeskRepository(Repository[Desk]):
        pass

    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(
            sa.insert(Person), [{"id": 1, "kind": "engineer"}, {"id": 2, "kind": "manager"}]
        )
        await connection.execute(sa.insert(Engineer.__table__), [{"id": 1}])
        await connection.execute(
            sa.insert(Desk),
            [
                {"id": 1, "person_id": 1, "engineer_id": 1, "nobody_id": 1},
                {"id": 2, "person_id": 2, "engineer_id": 1, "nobody_id": 1},
            ],
        )
    db = Database(engine, repositories=[DeskRepository], views=[DeskView])
    async with db.scope() as scope:
        views = await DeskRepository(scope).find(DeskView, order_by=Desk.id)
    assert [view.model_dump() for view in views] == [
        {"person": {"id": 1}, "manager": None, "engineer_by_base": {"id": 1}},
        {"person": {"id": 2}, "manager": {"id": 2}, "engineer_by_base": None},
    ]


def linked(*extra: object, primary_key: bool = False) -> RelationInfo:
    """A many-to-many relation whose link table has `extra` constraints and indexes."""

    class Own(DeclarativeBase):
        pass

    link = sa.Table(
        "link",
        Own.metadata,
        sa.Column("left_id", sa.ForeignKey("left.id"), primary_key=primary_key),
        sa.Column("right_id", sa.ForeignKey("right.id"), primary_key=primary_key),
        sa.Column("note", sa.String),
        *extra,
    )

    class Right(Own):
        __tablename__ = "right"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Left(Own):
        __tablename__ = "left"
        id: Mapped[int] = mapped_column(primary_key=True)
        rights: Mapped[list[Right]] = relationship(secondary=link)

    return entity_info(Left).relations["rights"]


@pytest.mark.parametrize(
    ("extra", "may_repeat"),
    [
        ([], True),
        ([sa.UniqueConstraint("left_id", "right_id")], False),
        ([sa.Index("i", "left_id", "right_id", unique=True)], False),
        ([sa.Index("i", "left_id", "right_id")], True),
        ([sa.Index("i", "left_id", "right_id", "note", unique=True)], True),
        ([sa.Index("i", "left_id", "right_id", unique=True, postgresql_where=sa.text("note = ''"))], True),
        ([sa.Index("i", "left_id", "right_id", unique=True, sqlite_where=sa.text("note = ''"))], True),
    ],
)
def test_a_pair_is_linked_once_where_a_whole_unique_index_says_so(extra, may_repeat):
    assert linked(*extra).may_repeat is may_repeat


def test_a_pair_is_linked_once_where_it_is_the_primary_key():
    assert linked(primary_key=True).may_repeat is False


def test_an_index_over_expressions_does_not_make_pairs_unique():
    relation = linked()
    link = relation.secondary
    sa.Index("i", link.c.left_id, sa.func.abs(link.c.right_id), unique=True)
    assert relation.may_repeat is True


def test_an_index_in_another_direction_makes_pairs_unique():
    relation = linked()
    link = relation.secondary
    sa.Index("i", link.c.left_id.desc(), link.c.right_id.desc().nulls_last(), unique=True)
    assert relation.may_repeat is False


async def test_a_pair_linked_twice_in_spite_of_a_partial_unique_index_counts_once(engine: AsyncEngine):
    only_noted = {"postgresql_where": sa.text("note <> ''"), "sqlite_where": sa.text("note <> ''")}
    relation = linked(sa.Index("i", "left_id", "right_id", unique=True, **only_noted))
    left, right, link = relation.parent.cls, relation.target.cls, relation.secondary
    async with engine.begin() as connection:
        await connection.run_sync(left.metadata.create_all)
        await connection.execute(sa.insert(left), [{"id": 1}])
        await connection.execute(sa.insert(right), [{"id": 1}, {"id": 2}])
        pairs = [(1, 1), (1, 1), (1, 2)]
        await connection.execute(
            sa.insert(link), [{"left_id": a, "right_id": b, "note": ""} for a, b in pairs]
        )

    class LeftRepository(Repository[left]):
        rights_count = count(left.rights)

    db = Database(engine, repositories=[LeftRepository])
    async with db.scope() as scope:
        found = await LeftRepository(scope).get(1)
        assert sorted(r.id for r in await scope.related(found, left.rights)) == [1, 2]
        assert await scope.related(found, LeftRepository.rights_count) == 2


def children(*extra: object) -> RelationInfo:
    """A one-to-many relation whose table of children has `extra` indexes."""

    class Own(DeclarativeBase):
        pass

    class Child(Own):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parent.id"))
        note: Mapped[str]
        __table_args__ = extra

    class Parent(Own):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        children: Mapped[list[Child]] = relationship()

    return entity_info(Parent).relations["children"]


@pytest.mark.parametrize(
    ("extra", "indexed"),
    [
        ([], False),
        ([sa.Index("i", "parent_id")], True),
        ([sa.Index("i", "parent_id", "note")], True),
        ([sa.Index("i", "parent_id", sa.text("lower(note)"))], True),
        ([sa.Index("i", "note", "parent_id")], False),
        ([sa.Index("i", sa.text("abs(parent_id)"))], False),
        ([sa.Index("i", "parent_id", postgresql_where=sa.text("note = ''"))], False),
        ([sa.Index("i", "parent_id", postgresql_using="btree")], True),
        ([sa.Index("i", "parent_id", postgresql_using="hash")], True),
        ([sa.Index("i", "parent_id", postgresql_using="brin")], False),
        ([sa.UniqueConstraint("parent_id", "note")], True),
    ],
)
def test_an_index_serves_a_relation_if_it_starts_with_its_columns_and_has_all_rows(extra, indexed):
    assert children(*extra).indexed is indexed


def test_an_index_over_an_expression_of_the_column_does_not_serve_a_relation():
    relation = children()
    table = relation.target.cls.__table__
    sa.Index("i", sa.func.abs(table.c.parent_id))
    assert relation.indexed is False


def test_an_index_in_descending_order_serves_a_relation():
    relation = children()
    sa.Index("i", relation.target.cls.__table__.c.parent_id.desc())
    assert relation.indexed is True
