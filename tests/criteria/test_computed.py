"""Row criteria hold in computed attributes: aggregates, tops, expressions with subqueries, mapped subqueries."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import create_model

from tests.criteria.models import Chapter, Member, Page, Remark
from tests.criteria.reading import key_view
from tests.criteria.repositories import (
    REPOSITORY_OF,
    ChapterRepository,
    Context,
    MemberRepository,
    PageRepository,
)
from tests.criteria.rows import View, key_names, key_of, keys_of, relation_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)


def stars(key):
    return [value for value in SEES.values(Page.remarks, key, "stars") if value is not None]


def best_first(key):
    """The remarks of a page by stars, the best first, those without stars last, equal ones by their keys."""
    found = [(value, SEES.row(Remark, value)["stars"]) for value in SEES.related(Page.remarks, key)]
    return [
        remark
        for remark, given in sorted(found, key=lambda item: (item[1] is None, -(item[1] or 0), item[0]))
    ]


def least_first(key):
    found = [(value, SEES.row(Remark, value)["stars"]) for value in SEES.related(Page.remarks, key)]
    return [
        remark for remark, given in sorted(found, key=lambda item: (item[1] is None, item[1] or 0, item[0]))
    ]


def best_or_latest(key):
    """As `latest` has it: equal ones by the greatest key."""
    found = [(SEES.row(Remark, value)["stars"], value) for value in SEES.related(Page.remarks, key)]
    return max(found, key=lambda item: (item[0] is not None, item[0] or 0, item[1]))[1] if found else None


def of_labelled(key):
    return SEES.related(Page.remarks, key) if SEES.related(Page.labels, key) else []


VALUES = {
    PageRepository: {
        "number_of_remarks": lambda key: len(SEES.related(Page.remarks, key)),
        "good_remarks": lambda key: sum(value >= 2 for value in stars(key)),
        "has_remarks": lambda key: bool(SEES.related(Page.remarks, key)),
        "stars": lambda key: sum(stars(key)),
        "least": lambda key: min(stars(key), default=None),
        "most": lambda key: max(stars(key), default=None),
        "mean": lambda key: pytest.approx(sum(stars(key)) / len(stars(key))) if stars(key) else None,
        "label_count": lambda key: len(SEES.related(Page.labels, key)),
        "reader_count": lambda key: len(SEES.related(Page.readers, key)),
        "part_count": lambda key: len(SEES.related(Page.parts, key)),
        "by_subquery": lambda key: len(SEES.related(Page.remarks, key)),
        "of_labelled": lambda key: len(of_labelled(key)),
        "asked": lambda key: f"asked {SEES.row(Page, key)['author_id']}",
    },
    MemberRepository: {
        "page_count": lambda key: len(SEES.related(Member.pages, key)),
        "pages_read": lambda key: len(SEES.related(Member.read, key)),
        "read_size": lambda key: sum(size or 0 for size in SEES.values(Member.read, key, "size")),
    },
    ChapterRepository: {"note_count": lambda key: len(SEES.related(Chapter.notes, key))},
}
"""Computed values, and what the oracle says."""

ROWS = {
    PageRepository: {
        "two_remarks": lambda key: best_first(key)[:2],
        "last_remark": best_or_latest,
        "first_remark": lambda key: next(iter(least_first(key)), None),
        "one_label": lambda key: SEES.related(Page.labels, key)[-1:],
        "top_of_labelled": lambda key: of_labelled(key)[:1],
    },
    MemberRepository: {"first_read": lambda key: SEES.related(Member.read, key)[:2]},
    ChapterRepository: {"first_notes": lambda key: SEES.related(Chapter.notes, key)[:1]},
}
"""Computed rows."""

MAPPED = {
    "remark_count": lambda key: len(SEES.related(Page.remarks, key)),
    "best": lambda key: max(stars(key), default=None),
}
"""Columns of a page that are subqueries in its mapping; the second one is deferred."""


def each(table):
    """Every case of a table: its name, the repository, the attribute, the oracle."""
    for repository, attributes in table.items():
        for name, oracle in attributes.items():
            yield f"{repository.__name__}.{name}", repository, name, oracle


def expected(repository, oracle):
    return {key: oracle(key) for key in SEES.keys(repository.entity_class)}


async def values_of(scope, repository, name, *view):
    """The value for each owner, by a loop and by a gather, which must agree."""
    cls, computed = repository.entity_class, getattr(repository, name)
    looped = [
        (key_of(cls, o), await scope.related(o, computed, *view)) for o in await repository(scope).find()
    ]
    async with asyncio.timeout(20):
        owners = await repository(scope).find()
        found = await asyncio.gather(*(scope.related(owner, computed, *view) for owner in owners))
    assert found == [value for _, value in looped]
    return dict(looped)


def view_with(repository, name, kind):
    cls = repository.entity_class
    fields = dict.fromkeys(key_names(cls), (int, ...)) | {name: (kind, ...)}
    return create_model(f"{cls.__name__}{name}", **fields)


async def test_values(db, subtests):
    for case, repository, name, oracle in each(VALUES):
        async with db.scope(Context(site=1)) as scope:
            with subtests.test(case):
                assert await values_of(scope, repository, name) == expected(repository, oracle)


KINDS = {"has_remarks": bool, "asked": str, "mean": float | None, "least": int | None, "most": int | None}


@pytest.mark.parametrize("strategy", ["batched", "eager"])
async def test_values_in_views(db, strategy, subtests):
    for case, repository, name, oracle in each(VALUES):
        view, cls = view_with(repository, name, KINDS.get(name, int)), repository.entity_class
        async with db.scope(Context(site=1)) as scope:
            with subtests.test(case):
                found = await repository(scope).find(view, strategy=strategy)
                given = {key_of(cls, one): getattr(one, name) for one in found}
                assert given == expected(repository, oracle)


def target_of(repository, name):
    return getattr(repository, name).relation.target.cls


async def test_rows(db, subtests):
    for case, repository, name, oracle in each(ROWS):
        target = target_of(repository, name)
        async with db.scope(Context(site=1)) as scope:
            with subtests.test(case):
                for view in ((), (key_view(target),)):
                    found = await values_of(scope, repository, name, *view)
                    given = {key: keys_of(target, rows) for key, rows in found.items()}
                    assert given == expected(repository, oracle)


@pytest.mark.parametrize("strategy", ["batched", "eager"])
async def test_rows_in_views(db, strategy, subtests):
    for case, repository, name, oracle in each(ROWS):
        cls, target = repository.entity_class, target_of(repository, name)
        kind = key_view(target) | None if getattr(repository, name).single else list[key_view(target)]
        async with db.scope(Context(site=1)) as scope:
            with subtests.test(case):
                found = await repository(scope).find(view_with(repository, name, kind), strategy=strategy)
                given = {key_of(cls, one): keys_of(target, getattr(one, name)) for one in found}
                assert given == expected(repository, oracle)


async def test_rows_of_one_owner(db, subtests):
    """A batch of one key is read by a statement of its own form."""
    for case, repository, name, oracle in each(ROWS):
        target = target_of(repository, name)
        for key in SEES.keys(repository.entity_class)[:6]:
            async with db.scope(Context(site=1)) as scope:
                with subtests.test(case):
                    owner = await repository(scope).get(key)
                    found = await scope.related(owner, getattr(repository, name))
                    assert keys_of(target, found) == oracle(key)


@pytest.mark.parametrize(("name", "oracle"), MAPPED.items(), ids=MAPPED)
async def test_mapped_subqueries_of_entities(scope, name, oracle):
    pages = await PageRepository(scope).find()
    found = {page.id: await getattr(page.awaitable_attrs, name) for page in pages}
    assert found == expected(PageRepository, oracle)


@pytest.mark.parametrize("strategy", ["batched", "eager"])
@pytest.mark.parametrize(("name", "oracle"), MAPPED.items(), ids=MAPPED)
async def test_mapped_subqueries_in_views(scope, name, oracle, strategy):
    view = view_with(PageRepository, name, int | None)
    found = await PageRepository(scope).find(view, strategy=strategy)
    assert {one.id: getattr(one, name) for one in found} == expected(PageRepository, oracle)


@pytest.mark.parametrize("relation", [Member.pages, Remark.page], ids=str)
async def test_mapped_subqueries_of_entities_that_were_related(scope, relation):
    """The options that guard them go with the entity, whoever leads to it."""
    owner = relation_of(relation).owner
    for one in await REPOSITORY_OF[owner](scope).find():
        found = await scope.related(one, relation)
        for page in found if isinstance(found, list) else [found]:
            if page is not None:
                assert page.remark_count == MAPPED["remark_count"](page.id)


@pytest.mark.parametrize("relation", [Member.pages, Remark.page], ids=str)
async def test_mapped_subqueries_of_entities_that_were_included(scope, relation):
    owner = relation_of(relation).owner
    for one in await REPOSITORY_OF[owner](scope).find(include=[relation]):
        found = one.__dict__[relation.key]
        for page in found if isinstance(found, list) else [found]:
            if page is not None:
                assert page.remark_count == MAPPED["remark_count"](page.id)
