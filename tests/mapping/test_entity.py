"""What the mapper says about columns, hybrids and tables."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    column_property,
    mapped_column,
    relationship,
    synonym,
)
from sqlalchemy.types import TypeDecorator

from batchrepo import DeclarationError, InvalidArgument
from batchrepo.mapping import entity_info
from batchrepo.mapping.entity import Sources, attribute_owner, is_relationship, shown


class Base(DeclarativeBase):
    pass


class Tags(TypeDecorator[list[str]]):
    impl = sa.String
    cache_ok = True


link = sa.Table(
    "link",
    Base.metadata,
    sa.Column("user_id", sa.ForeignKey("users.id"), primary_key=True),
    sa.Column("group_id", sa.ForeignKey("groups.id"), primary_key=True),
)


class Group(Base):
    __tablename__ = "groups"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[str] = mapped_column()
    last: Mapped[str | None]
    born: Mapped[dt.date]
    tags: Mapped[list[str]] = mapped_column(Tags)
    data: Mapped[dict] = mapped_column(sa.JSON)
    name_length: Mapped[int] = column_property(sa.func.length(first))
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("groups.id"))
    group: Mapped[Group] = relationship()
    groups: Mapped[list[Group]] = relationship(secondary=link)
    given = synonym("first")

    @hybrid_property
    def greeting(self):
        return "Hello " + self.first

    @hybrid_property
    def only_in_python(self):
        return f"{self.first} {self.last}"

    @hybrid_property
    def fails_on_the_class(self):
        return self.first.upper()


class UserWithGroup(Base):
    """Mapped to an outer join: the group's columns may be NULL although the table's may not."""

    __table__ = sa.outerjoin(User.__table__, Group.__table__)
    id = column_property(User.__table__.c.id)
    first = User.__table__.c.first
    group_id = User.__table__.c.group_id
    group_key = Group.__table__.c.id
    group_name = Group.__table__.c.name


def test_columns_say_whether_they_are_nullable():
    columns = entity_info(User).columns
    assert {name: column.nullable for name, column in columns.items()} == {
        "id": False,
        "first": False,
        "last": True,
        "born": False,
        "tags": False,
        "data": False,
        "name_length": True,
        "group_id": False,
    }
    assert not columns["name_length"].is_table_column


def test_python_types_are_known_or_none():
    columns = entity_info(User).columns
    assert columns["born"].python_type is dt.date
    assert columns["tags"].python_type is None, "a decorator may make anything of what it wraps"
    assert columns["data"].python_type is None, "JSON holds any value"


def test_columns_of_a_class_mapped_to_a_join_may_be_null():
    columns = entity_info(UserWithGroup).columns
    assert columns["group_name"].nullable
    assert not columns["group_name"].is_table_column


def test_hybrids_and_synonyms_are_readable_where_they_have_sql():
    assert set(entity_info(User).expressions) == {"given", "greeting"}


def test_sources_are_the_own_tables_and_the_link_tables_of_relations():
    assert entity_info(User).sources == Sources(frozenset({User.__table__}), frozenset({link}))
    assert entity_info(Group).sources == Sources(frozenset({Group.__table__}), frozenset())


def test_a_condition_may_bring_an_alias_of_a_link_table_but_of_no_other():
    sources = entity_info(User).sources
    assert User.__table__ in sources
    assert link in sources
    assert link.alias() in sources
    assert User.__table__.alias() not in sources
    assert Group.__table__ not in sources


def test_an_attribute_has_an_owner():
    assert attribute_owner(User.first) == (entity_info(User), "first")


@pytest.mark.parametrize("wrong", ["first", None, 5, User, User.__table__.c.first])
def test_anything_else_has_none_and_the_error_says_where_and_what(wrong):
    with pytest.raises(DeclarationError) as caught:
        attribute_owner(wrong, "UserRepository.n")
    assert str(caught.value) == (
        f"UserRepository.n: Expected an attribute of a mapped class, such as Album.title; got {shown(wrong)}."
    )
    with pytest.raises(InvalidArgument):
        attribute_owner(wrong, "find_by()", InvalidArgument)


def test_an_attribute_of_an_alias_is_refused():
    with pytest.raises(DeclarationError, match="belongs to an alias"):
        attribute_owner(aliased(User).first)


def test_a_relationship_is_told_from_a_column():
    assert is_relationship(User.group)
    assert not is_relationship(User.first)
    assert not is_relationship(User.greeting)
    assert not is_relationship("group")


def test_a_relationship_that_is_asked_for_as_a_column_names_its_key():
    with pytest.raises(
        DeclarationError, match=r"^User\.group is a relationship, not a column\. Its key is User\.group_id\.$"
    ):
        entity_info(User).column("group")


def test_an_unknown_column_names_the_nearest():
    with pytest.raises(DeclarationError, match=r"User has no column 'frist'\. Did you mean 'first'"):
        entity_info(User).column("frist")
