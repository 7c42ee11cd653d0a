"""The contract suite's own parts: the models, the data, the oracle, and that a wrong answer is noticed."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import MANYTOONE, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from batchrepo.testing.contract.cases import RelationCase, relation_cases
from batchrepo.testing.contract.data import FAMILIES, Family
from batchrepo.testing.contract.models import Base
from batchrepo.testing.contract.models.composite import City
from batchrepo.testing.contract.models.generic import Comment
from batchrepo.testing.contract.models.inheritance import Engineer
from batchrepo.testing.contract.models.library import Book
from batchrepo.testing.contract.models.selfref import Node
from batchrepo.testing.contract.models.soft import Customer, Ticket
from batchrepo.testing.contract.models.tags import Article
from batchrepo.testing.contract.oracle import (
    Child,
    Related,
    as_child,
    as_list,
    ask_oracle,
    assert_all_owners,
    assert_entities,
    assert_rows,
    assert_views,
    key_of,
)
from batchrepo.testing.contract.views import owner_view, small_view, whole_view
from batchrepo.testing.contract.work import allowed_statements

CASES = relation_cases()
LINKED_TWICE = {"Article.readers", "Article.readers_by_name", "Reader.articles"}
NEVER_WITHOUT = {"OrderLine.order"}
on_sqlite_only = pytest.mark.parametrize("module_database_url", ["sqlite"], indirect=True)
"""For what compares Python values, or asks about the sample: it is the same everywhere."""


def case_named(name: str) -> RelationCase:
    return next(case for case in CASES if str(case) == name)


async def lazily(engine: AsyncEngine, case: RelationCase) -> Related:
    """What SQLAlchemy's lazy loading gives: another way through its code than selectinload."""
    async with AsyncSession(engine) as session:
        found = {}
        for owner in (await session.scalars(select(case.owner))).all():
            value = await session.run_sync(lambda _, owner=owner: getattr(owner, case.key))
            found[key_of(owner)] = [as_child(child) for child in as_list(value)]
    return found


def test_every_table_and_model_belongs_to_one_family():
    tables = Counter(name for family in FAMILIES for name in family.sample)
    models = Counter(mapper.class_ for family in FAMILIES for mapper in family.mappers)
    assert tables == Counter(table.name for table in Base.metadata.tables.values())
    assert models == Counter(mapper.class_ for mapper in Base.registry.mappers)


def test_no_relation_leaves_its_family():
    for case in CASES:
        assert case.target in case.family.mappers


def test_which_relations_are_more_than_equalities():
    """Their number of statements is left open where nothing is found."""
    assert {str(case) for case in CASES if not case.is_equality} == {
        "Account.logins",
        "Comment.photo",
        "Comment.video",
        "Login.accounts",
        "Member.team_if_lead",
        "Team.members_and_guests",
        "Team.members_while_active",
        "TimeWindow.samples",
    }


def test_which_many_to_one_relations_do_not_lead_to_a_primary_key():
    assert {
        str(case)
        for case in CASES
        if case.relationship.direction is MANYTOONE and not case.leads_to_primary_key
    } == {
        "Comment.photo",
        "Comment.video",
        "Login.accounts",
        "Member.active_team",
        "Member.team_if_lead",
        "Movement.stocks",
        "Ticket.customers",
    }


@pytest.mark.parametrize(
    ("name", "owners", "found", "allowed"),
    [
        ("Book.author", [], False, {0}),
        ("Book.author", [Book(id=1, author_id=None)], False, {0}),
        ("Book.author", [Book(id=1, author_id=1), Book(id=2, author_id=1)], True, {1}),
        ("Ticket.owner", [Ticket(id=1, owner_id=99)], False, {1}),
        ("City.region", [City(id=1, country="a", region_code=None)], False, {0}),
        ("Node.parent", [Node(id=1, parent_id=None), Node(id=2, parent_id=1)], True, {0}),
        ("Node.parent", [Node(id=2, parent_id=1)], True, {1}),
        ("Node.children", [Node(id=1)], False, {1}),
        ("Engineer.manager", [Engineer(id=1, manager_id=1)], False, {0, 1}),
        ("Customer.tickets", [Customer(id=1, email=None)], False, {0}),
        ("Comment.photo", [Comment(id=1, entity_type="video", entity_id=1)], False, {0, 1}),
        ("Comment.photo", [Comment(id=1, entity_type="photo", entity_id=1)], True, {1}),
        ("Article.readers", [Article(id=1)], False, {1}),
    ],
)
def test_how_many_statements_are_allowed(name, owners, found, allowed):
    related = {key_of(owner): [Child((1,), {})] if found else [] for owner in owners}
    assert allowed_statements(case_named(name), owners, related) == allowed


@on_sqlite_only
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_the_sample_has_owners_with_and_without_children(contract_engine, case):
    """Otherwise a loader that returns nothing, or everything, could pass."""
    await case.family.replace_rows(contract_engine, case.family.sample)
    related = await ask_oracle(contract_engine, case)
    assert any(related.values())
    assert str(case) in NEVER_WITHOUT or not all(related.values())
    assert len({tuple(children) for children in related.values()}) >= 2


async def assert_lazy_loading_agrees(engine: AsyncEngine, case: RelationCase):
    expected = await ask_oracle(engine, case)
    found = await lazily(engine, case)
    assert_all_owners(case, expected, list(found))
    for owner, children in found.items():
        assert_rows(case, owner, expected[owner], children)


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_selectinload_and_lazy_loading_agree_on_the_sample(contract_engine, case):
    await case.family.replace_rows(contract_engine, case.family.sample)
    await assert_lazy_loading_agrees(contract_engine, case)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
@settings(
    max_examples=max(5, settings().max_examples // 10),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(data=st.data())
async def test_selectinload_and_lazy_loading_agree(contract_engine, family: Family, data):
    """The oracle is sound, and generated rows satisfy every constraint of the databases."""
    await family.replace_rows(contract_engine, data.draw(family.generated))
    for case in (case for case in CASES if case.family is family):
        await assert_lazy_loading_agrees(contract_engine, case)


@on_sqlite_only
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_selectinload_repeats_children_that_are_linked_twice_and_no_others(contract_engine, case):
    """The one difference that the oracle takes out of its answer."""
    async with loaded_owners(contract_engine, case) as owners:
        counts = [Counter(map(key_of, as_list(getattr(owner, case.key)))) for owner in owners]
    repeats = any(count.most_common(1)[0][1] > 1 for count in counts if count)
    assert repeats == (str(case) in LINKED_TWICE)


def without_the_last(values):
    place = next(i for i, value in enumerate(values) if value)
    values[place] = values[place][:-1] if isinstance(values[place], list) else None


def with_one_too_many(values):
    place, donor = (
        next(i for i, value in enumerate(values) if bool(value) is full) for full in (False, True)
    )
    given_value = values[donor]
    values[place] = given_value[:1] if isinstance(given_value, list) else given_value


def of_another_owner(values):
    i, j = next((i, j) for i in range(len(values)) for j in range(i) if bool(values[i]) != bool(values[j]))
    values[i], values[j] = values[j], values[i]


def in_another_form(values):
    values[0] = None if isinstance(values[0], list) else [values[0]]


def repeated(values):
    place = next(i for i, value in enumerate(values) if value)
    values[place] = [*values[place], values[place][-1]]


def backwards(values):
    for value in values:
        value.reverse()


@on_sqlite_only
@pytest.mark.parametrize("spoil", [without_the_last, with_one_too_many, of_another_owner, in_another_form])
@pytest.mark.parametrize("case", [case for case in CASES if str(case) not in NEVER_WITHOUT], ids=str)
async def test_a_wrong_answer_is_noticed(contract_engine, case, spoil):
    await assert_noticed(contract_engine, case, spoil)


@on_sqlite_only
@pytest.mark.parametrize("case", [case for case in CASES if case.is_list], ids=str)
async def test_a_repeated_child_is_noticed(contract_engine, case):
    await assert_noticed(contract_engine, case, repeated)


@on_sqlite_only
@pytest.mark.parametrize("case", [case for case in CASES if case.order is not None], ids=str)
async def test_a_wrong_order_is_noticed(contract_engine, case):
    await assert_noticed(contract_engine, case, backwards)


@on_sqlite_only
async def test_a_wrong_value_and_a_missing_value_are_noticed(contract_engine):
    case = case_named("Author.books")
    async with loaded_owners(contract_engine, case) as owners:
        expected = await ask_oracle(contract_engine, case)
        values = [getattr(owner, case.key) for owner in owners]
        book = next(value for value in values if value)[0]
        set_committed_value(book, "code", "another")
        with pytest.raises(AssertionError, match="'code': 'another'"):
            assert_entities(case, expected, owners, values)
        book._sa_instance_state._expire_attributes(book.__dict__, ["code"])
        with pytest.raises(AssertionError, match="'code': '<not loaded>'"):
            assert_entities(case, expected, owners, values)


async def assert_noticed(engine: AsyncEngine, case: RelationCase, spoil):
    async with loaded_owners(engine, case) as owners:
        expected = await ask_oracle(engine, case)
        values = [without_repeats(getattr(owner, case.key)) for owner in owners]
        assert_entities(case, expected, owners, values)
        spoil(values)
        with pytest.raises(AssertionError, match=str(case)):
            assert_entities(case, expected, owners, values)


def without_repeats(value):
    return list(dict.fromkeys(value)) if isinstance(value, list) else value


@asynccontextmanager
async def loaded_owners(engine: AsyncEngine, case: RelationCase):
    await case.family.replace_rows(engine, case.family.sample)
    async with AsyncSession(engine) as session:
        yield (await session.scalars(select(case.owner).options(selectinload(case.attribute)))).all()


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_views_accept_what_the_oracle_gives(contract_engine, case):
    """The views' types fit the columns, NULLs included."""
    small, whole = small_view(case), whole_view(case)
    await case.family.replace_rows(contract_engine, case.family.sample)
    related = await ask_oracle(contract_engine, case)
    given_values = {}
    for owner, children in related.items():
        for child in children:
            whole.model_validate(child.fields)
        views = [small.model_validate(child.fields) for child in children]
        given_values[owner] = views if case.is_list else next(iter(views), None)
    assert_views(case, related, given_values, list(small.model_fields))
    held = owner_view(case, small)
    for owner, value in given_values.items():
        fields = dict(zip(held.model_fields, (*owner, value), strict=True))
        assert getattr(held.model_validate(fields), case.key) == value


@on_sqlite_only
async def test_rows_of_an_unknown_table_are_refused(contract_engine):
    with pytest.raises(KeyError, match=r"Family 'tags' has no tables \['book'\]"):
        await case_named("Article.tags").family.replace_rows(contract_engine, {"book": []})
