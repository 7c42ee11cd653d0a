"""Row criteria hold in declared values that stand in conditions and orders: hidden rows do not count there."""

from __future__ import annotations

from itertools import pairwise

import pytest
from pydantic import BaseModel
from sqlalchemy import select

from batchrepo import column, count, exists, latest
from batchrepo.testing import assert_statements
from tests.criteria.models import Badge, Chapter, Member, Note, Page, Remark
from tests.criteria.repositories import (
    REPOSITORY_OF,
    Context,
    MemberRepository,
    PageRepository,
)
from tests.criteria.rows import View, key_of
from tests.criteria.test_computed import VALUES, stars

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)


class Keyed(BaseModel):
    id: int


def sql_of(value):
    return value.__clause_element__()


def best_page_size(member):
    return max((size for size in SEES.values(Member.pages, member, "size") if size is not None), default=None)


def read_with_remarks(member):
    return sum(bool(SEES.related(Page.remarks, page)) for page in SEES.related(Member.read, member))


def pupils_with_pages(member):
    return sum(bool(SEES.related(Member.pages, pupil)) for pupil in SEES.related(Member.pupils, member))


def along(*path):
    """A column of the visible row to which visible rows lead, or None."""

    def value(key):
        *relations, name = path
        for relation in relations:
            key = None if key is None else SEES.related(relation, key)
            target = relation.property.mapper.class_
        return None if key is None else SEES.row(target, key)[name]

    return value


BY_VALUE = {
    f"{repository.__name__}.{name}": (repository.entity_class, getattr(repository, name), oracle)
    for repository, attributes in VALUES.items()
    for name, oracle in attributes.items()
    if name not in ("asked", "mean")
} | {
    "latest": (Page, PageRepository.last_remark, lambda page: max(stars(page), default=None)),
    "latest of others": (Member, latest(Member.pages, by=Page.size), best_page_size),
    "a count where another is not 0": (
        Member,
        count(Member.read, where=PageRepository.number_of_remarks >= 1),
        read_with_remarks,
    ),
    "a count in a self-reference": (
        Member,
        count(Member.pupils, where=MemberRepository.page_count > 0),
        pupils_with_pages,
    ),
    "existence by a path": (
        Member,
        exists(Member.pages, where=sql_of(column(Page.author, Member.name)) == "m1"),
        lambda key: SEES.row(Member, key)["name"] == "m1" and bool(SEES.related(Member.pages, key)),
    ),
    "a column of a reference": (Page, column(Page.author, Member.name), along(Page.author, "name")),
    "a column of the entity itself": (
        Page,
        column(Page.title),
        lambda page: SEES.row(Page, page)["title"],
    ),
    "a column of a self-reference": (
        Member,
        column(Member.mentor, Member.mentor, Member.name),
        along(Member.mentor, Member.mentor, "name"),
    ),
    "a column behind three references": (
        Note,
        column(Note.chapter, Chapter.page, Page.author, Member.name),
        along(Note.chapter, Chapter.page, Page.author, "name"),
    ),
    "a column of a row that refers to this one": (
        Member,
        column(Member.badge, Badge.id),
        lambda key: SEES.related(Member.badge, key),
    ),
}
"""The entity, the value, and what the oracle says that it is."""


@pytest.mark.parametrize("case", BY_VALUE)
async def test_a_condition_does_not_see_hidden_rows(scope, db, case):
    cls, value, oracle = BY_VALUE[case]
    expected = {key: oracle(key) for key in SEES.keys(cls)}
    repository = REPOSITORY_OF[cls](scope)
    assert len(set(expected.values())) > 1, "the case would not notice"
    for some in set(expected.values()):
        keys = [key for key, given in expected.items() if given == some]
        condition = sql_of(value).is_not_distinct_from(some)
        with assert_statements(1, db):
            found = await repository.find(condition)
        assert sorted(key_of(cls, entity) for entity in found) == keys
        assert await repository.count(condition) == len(keys)
        assert await repository.exists(condition)


@pytest.mark.parametrize("strategy", [None, "batched", "eager"])
@pytest.mark.parametrize("case", [case for case in BY_VALUE if BY_VALUE[case][0] is not Chapter])
async def test_an_order_does_not_see_hidden_rows(scope, db, case, strategy):
    cls, value, oracle = BY_VALUE[case]
    expected = {key: oracle(key) for key in SEES.keys(cls)}
    order = (value.desc().nulls_last(), cls.id)
    repository = REPOSITORY_OF[cls](scope)
    with assert_statements(1, db):
        if strategy is None:
            found = await repository.find(order_by=order)
        else:
            found = await repository.find(Keyed, order_by=order, strategy=strategy)
    values = [expected[entity.id] for entity in found]
    present = [given for given in values if given is not None]
    assert values == [*sorted(present, reverse=True), *[None] * (len(values) - len(present))]
    ties = pairwise(found)
    assert all(a.id < b.id for a, b in ties if expected[a.id] == expected[b.id])


OF_AUTHOR = along(Page.author, "name")
FILTERS = {
    "equal": ({"author.name": "m1"}, lambda page: OF_AUTHOR(page) == "m1"),
    "not equal": ({"author.name__ne": "m1"}, lambda page: OF_AUTHOR(page) != "m1"),
    "a part": ({"author.name__contains": "1"}, lambda page: "1" in (OF_AUTHOR(page) or "")),
    "a part in any case": ({"author.name__icontains": "M"}, lambda page: "m" in (OF_AUTHOR(page) or "")),
    "the beginning": ({"author.name__startswith": "m"}, lambda page: OF_AUTHOR(page) is not None),
    "one of several": ({"author.name__any_of": ["m1", "m2"]}, lambda page: OF_AUTHOR(page) in ("m1", "m2")),
    "missing": ({"author.name__is_null": "true"}, lambda page: OF_AUTHOR(page) is None),
    "a count": ({"number_of_remarks__ge": "3"}, lambda page: len(SEES.related(Page.remarks, page)) >= 3),
    "a negated count": (
        {"not": {"number_of_remarks__between": "1,2"}},
        lambda page: len(SEES.related(Page.remarks, page)) not in (1, 2),
    ),
}


@pytest.mark.parametrize("case", FILTERS)
async def test_a_filter_does_not_see_hidden_rows(scope, case):
    filters, met = FILTERS[case]
    pages = PageRepository(scope)
    expected = [page for page in SEES.keys(Page) if met(page)]
    assert 0 < len(expected) < len(SEES.keys(Page)), "the case would not notice"
    found = await pages.find(pages.filters(filters), order_by=Page.id)
    assert [page.id for page in found] == expected
    assert await pages.count(pages.filters(filters)) == len(expected)


async def test_a_lifted_criterion_lifts_it_in_values_too(db):
    async with db.scope(Context(site=1)) as scope:
        everything = View(1, lifted=[Remark])
        async with scope.without(*REPOSITORY_OF[Remark].criteria, reason="a test") as wider:
            for number in range(6):
                found = await PageRepository(wider).find(PageRepository.number_of_remarks == number)
                assert sorted(page.id for page in found) == [
                    key for key in SEES.keys(Page) if len(everything.related(Page.remarks, key)) == number
                ]


async def test_a_users_own_statement_is_guarded_too(scope):
    by_remarks = select(Page.id, PageRepository.number_of_remarks.label("n")).order_by(
        PageRepository.number_of_remarks.desc(), Page.id
    )
    rows = await scope.fetch(by_remarks)
    assert rows == sorted(
        ((key, len(SEES.related(Page.remarks, key))) for key in SEES.keys(Page)),
        key=lambda row: (-row[1], row[0]),
    )
