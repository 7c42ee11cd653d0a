"""Row criteria hold for every kind of relation, however it is read."""

from __future__ import annotations

from typing import ClassVar

import pytest
from sqlalchemy import select
from sqlalchemy.orm import aliased, joinedload, selectinload

from batchrepo import Database, Repository, match
from batchrepo.testing import assert_statements
from tests.criteria.models import Badge, Chapter, Member, Note, Page, Remark
from tests.criteria.reading import WAYS, answer, owner_view, owners
from tests.criteria.repositories import REPOSITORY_OF, Context, of_site
from tests.criteria.rows import RELATIONS, Relation, View, keys_of, relation_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEES = View(site=1)
EVERYTHING = View(site=None)


def expected(relation: Relation) -> dict:
    return {key: SEES.related(relation.attribute, key) for key in SEES.keys(relation.owner)}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_each_relation_leads_to_visible_rows_only(db, way):
    for relation in RELATIONS:
        async with db.scope(Context(site=1)) as scope:
            assert await way(scope, relation) == expected(relation), str(relation)


# --- relations that are loaded with their owners, as a repository declares ----------------------------


class Pages(Repository[Page]):
    criteria = (match(Page.site, of_site),)
    loading: ClassVar = {Page.author: "join", Page.remarks: "select_in", Page.readers: "select_in"}


class Members(Repository[Member]):
    criteria = (match(Member.site, of_site),)
    loading: ClassVar = {Member.mentor: "join", Member.read: "select_in", Member.badge: "select_in"}


class Remarks(Repository[Remark]):
    criteria = (match(Remark.site, of_site),)
    loading: ClassVar = {Remark.page: "join"}


class Notes(Repository[Note]):
    criteria = (match(Note.site, of_site),)
    loading: ClassVar = {Note.chapter: "join"}


class Chapters(Repository[Chapter]):
    criteria = (match(Chapter.site, of_site),)
    loading: ClassVar = {Chapter.page: "join", Chapter.notes: "select_in"}


class Badges(Repository[Badge]):
    criteria = (match(Badge.site, of_site),)


DECLARING = (Pages, Members, Remarks, Notes, Chapters)


@pytest.mark.parametrize("repository", DECLARING, ids=lambda repository: repository.__name__)
async def test_declared_policies_load_visible_rows_with_their_owners(db, repository):
    database = Database(db.engine, repositories=[*DECLARING, Badges])
    policies = list(repository.loading.values())
    async with database.scope(Context(site=1)) as scope:
        with assert_statements(1 + policies.count("select_in"), db):
            found = await repository(scope).find()
        for attribute in repository.loading:
            relation = relation_of(attribute)
            loaded = [(owner, owner.__dict__[relation.name]) for owner in found]
            assert answer(relation, loaded) == expected(relation)


@pytest.mark.parametrize("repository", DECLARING, ids=lambda repository: repository.__name__)
async def test_views_of_declared_policies_hold_visible_rows(db, repository):
    database = Database(db.engine, repositories=[*DECLARING, Badges])
    for attribute in repository.loading:
        relation = relation_of(attribute)
        async with database.scope(Context(site=1)) as scope:
            with assert_statements(1 if repository.loading[attribute] == "join" else 2, db):
                found = await repository(scope).find(owner_view(relation))
        assert answer(relation, [(view, getattr(view, relation.name)) for view in found]) == expected(
            relation
        )


# --- entities that came with others --------------------------------------------------------------------


async def by_include(scope, first):
    found = await REPOSITORY_OF[first.owner](scope).find(include=[first.attribute])
    return [owner.__dict__[first.name] for owner in found]


async def by_joined_option(scope, first):
    found = await scope.fetch(select(first.owner).options(joinedload(first.attribute)))
    return [owner.__dict__[first.name] for owner in found]


async def by_select_in_option(scope, first):
    found = await scope.fetch(select(first.owner).options(selectinload(first.attribute)))
    return [owner.__dict__[first.name] for owner in found]


async def by_tuples(scope, first):
    other = aliased(first.target)
    statement = select(first.owner, other).join(first.attribute.of_type(other))
    return [reached for _, reached in await scope.fetch(statement)]


async def by_related(scope, first):
    return [await scope.related(owner, first.attribute) for owner in await owners(scope, first)]


ARRIVALS = (by_include, by_joined_option, by_select_in_option, by_tuples, by_related)


@pytest.mark.parametrize("arrival", ARRIVALS, ids=lambda arrival: arrival.__name__)
async def test_entities_that_came_with_others_lead_to_visible_rows_only(db, arrival):
    """Nobody asked for them by name, but what they lead to is guarded as well."""
    for first in RELATIONS:
        async with db.scope(Context(site=1)) as scope:
            groups = [found if isinstance(found, list) else [found] for found in await arrival(scope, first)]
            reached = {id(one): one for group in groups for one in group if one is not None}
            assert reached
            for number, second in enumerate(one for one in RELATIONS if one.owner is first.target):
                for entity in reached.values():
                    found = (
                        await getattr(entity.awaitable_attrs, second.name)
                        if number % 2
                        else await scope.related(entity, second.attribute)
                    )
                    key = keys_of(second.owner, entity)
                    assert keys_of(second.target, found) == SEES.related(second.attribute, key), (
                        first,
                        second,
                    )
