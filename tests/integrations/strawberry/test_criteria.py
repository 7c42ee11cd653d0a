"""Row criteria hold in every field, list, count, connection, total and node of GraphQL."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import strawberry

from batchrepo import DeclarationError
from batchrepo.integrations.strawberry import ScopeExtension, repository_type, to_type
from tests.criteria.models import Member, Page, Remark
from tests.criteria.rows import SITES, View, relation_of
from tests.integrations.strawberry.documents import Document
from tests.integrations.strawberry.site_types import MemberType, PageType, Reader, RemarkRepository
from tests.integrations.strawberry.sites import Sites

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVERYWHERE = """{
    allMembers {
        ...Values mentor { ...Values } pupils { id } badge { id member { id } } firstRead { id }
        pages(first: 2) { totalCount pageInfo { hasNextPage } edges { cursor node { ...Page author { id } } } }
        read(last: 3) { totalCount edges { node { readers { ...Values } } } }
        again { ...Values badge { id } } ownPages { id labels { totalCount } }
    }
    allPages {
        ...Page labels(first: 1) { totalCount edges { node { name pages { id author { id } } } } }
        parts { id kind page { id } } oneLabel { id } twoRemarks { id stars } lastRemark { id } firstRemark { id }
        remarks { totalCount edges { node { stars page { id } } } }
        chapters { totalCount edges { node { noteCount page { id } firstNotes { id chapter { pageId } }
            notes { totalCount edges { node { id chapter { number noteCount } } } } } } }
    }
    pages(last: 200) { totalCount pageInfo { hasNextPage hasPreviousPage } edges { cursor node { id } } }
    someMembers(first: 200) { totalCount edges { node { id } } }
}
fragment Values on Member { id title pageCount pagesRead readSize }
fragment Page on Page {
    id body numberOfRemarks goodRemarks hasRemarks stars least most mean labelCount bySubquery remarkCount best asked
}"""


async def test_they_hold_everywhere(sites: Sites):
    for site in SITES:
        await sites.check(Document(EVERYWHERE, {}), site)


async def test_two_tenants_at_once_see_their_own_rows(sites: Sites):
    """They share plans and statements, look-ahead or not, and never a row."""
    expected = {site: sites.naive.answer(EVERYWHERE, {}, site).data for site in SITES}
    assert expected[1] != expected[2]
    asked = [(schema, site) for site in SITES for schema in (sites.ahead, sites.stepwise)] * 2
    found = await asyncio.gather(*(schema.execute(EVERYWHERE, context_value=site) for schema, site in asked))
    for (_, site), result in zip(asked, found, strict=True):
        assert result.errors is None
        assert sites.naive.cursors.told(result.data) == expected[site]


def hidden(attribute: Any, site: int) -> tuple[Any, Any]:
    """The keys of a row that the site sees and of one that it does not see, where a relation leads from it."""
    relation, sees = relation_of(attribute), View(site)
    return min(
        (owner, target)
        for owner, target in relation.pairs
        if sees.sees(relation.owner, owner) and View(3 - site).sees(relation.target, target)
    )


@pytest.mark.parametrize("look_ahead", [True, False])
async def test_a_related_row_that_is_hidden_is_null(sites: Sites, look_ahead: bool):
    schema = sites.ahead if look_ahead else sites.stepwise
    page, author = hidden(Page.author, 1)
    found = await schema.execute(
        f"{{ page(id: {page}) {{ id author {{ id }} asked }} member(id: {author}) {{ id }} }}",
        context_value=1,
    )
    assert found.errors is None
    assert found.data == {"page": {"id": page, "author": None, "asked": f"asked {author}"}, "member": None}


async def test_a_related_row_that_may_be_hidden_cannot_be_promised():
    class StrictRemarkType:
        page: PageType

    with pytest.raises(DeclarationError, match=r"Remark\.page is None where row criteria hide the Page"):
        repository_type(RemarkRepository)(StrictRemarkType)


async def test_a_root_object_that_is_hidden_was_not_found(sites: Sites):
    _, page = hidden(Remark.page, 1)
    found = await sites.ahead.execute(f"{{ requiredPage(id: {page}) {{ id }} }}", context_value=1)
    (error,) = found.errors or ()
    assert (error.path, error.extensions) == (["requiredPage"], {"code": "NOT_FOUND"})
    shown = await sites.ahead.execute(f"{{ requiredPage(id: {page}) {{ id }} }}", context_value=2)
    assert shown.data == {"requiredPage": {"id": page}}


@pytest.mark.parametrize("look_ahead", [True, False])
async def test_objects_of_one_s_own_resolvers_are_hidden_too(sites: Sites, look_ahead: bool):
    """A resolver that gives a key gives no right to its row; the others of the list are there."""
    schema = sites.ahead if look_ahead else sites.stepwise
    mine, theirs = View(1).keys(Member)[0], View(2).keys(Member)[0]
    found = await schema.execute(f"{{ membersOf(ids: [{mine}, {theirs}]) {{ name }} }}", context_value=1)
    assert found.data == {"membersOf": [{"name": View(1).row(Member, mine)["name"]}, None]}
    (error,) = found.errors or ()
    assert (error.path, error.extensions) == (["membersOf", 1, "name"], {"code": "NOT_FOUND"})


@pytest.mark.parametrize("look_ahead", [True, False])
async def test_an_object_that_several_operations_are_given_is_read_by_each(sites: Sites, look_ahead: bool):
    """As an event that many subscriptions wait for: what one site has read of it is not shown to the other."""
    mine = View(1).keys(Member)[0]
    shared = to_type(MemberType, mine)

    @strawberry.type(name="Query")
    class Events:
        @strawberry.field
        def event(self) -> MemberType | None:
            return shared

    options = {"context": Reader, "look_ahead": look_ahead}
    schema = strawberry.Schema(Events, extensions=[lambda: ScopeExtension(sites.database, **options)])
    query = "{ event { id name title badge { id } } }"
    for site in (1, 2, 1):
        found = await schema.execute(query, context_value=site)
        if site == 1:
            assert found.errors is None
            assert found.data is not None
            assert found.data["event"]["name"] == View(1).row(Member, mine)["name"]
        else:
            assert found.data == {"event": None}
            assert {(error.extensions or {})["code"] for error in found.errors or ()} == {"NOT_FOUND"}


async def test_without_a_site_nothing_is_read(sites: Sites):
    """A context without what the criteria need is an error, never all rows."""
    for schema in (sites.ahead, sites.stepwise):
        found = await schema.execute("{ someMembers { totalCount } page(id: 1) { id } }", context_value=None)
        assert found.data == {"someMembers": None, "page": None}
        assert {(error.extensions or {}).get("code") for error in found.errors or ()} == {"MISSING_CONTEXT"}


# --- conditions of any kind ------------------------------------------------------------------------------------


PAGES_EVERYWHERE = """{
    pages { totalCount edges { node { id } } } allPages { id }
    someMembers(first: 50) { edges { node {
        id pageCount readSize firstRead { id } pages(last: 50) { totalCount edges { node { id } } }
    } } }
    %s
}"""


@pytest.mark.parametrize("look_ahead", [True, False])
async def test_a_predicate_holds_everywhere_too(sites: Sites, look_ahead: bool):
    sees = View(1)
    large_ones = [row["id"] for row in sees.rows(Page) if (row["size"] or 0) >= 20]
    assert 0 < len(large_ones) < len(sees.keys(Page))
    schema = sites.ahead if look_ahead else sites.stepwise
    single = " ".join(f"p{key}: page(id: {key}) {{ id }}" for key in sees.keys(Page))
    found = await schema.execute(PAGES_EVERYWHERE % single, context_value=Reader(1, least=20))
    assert found.errors is None
    data: Any = found.data
    assert data["pages"]["totalCount"] == len(large_ones)
    assert {page["id"] for page in data["allPages"]} == set(large_ones)
    for key in sees.keys(Page):
        assert data[f"p{key}"] == ({"id": key} if key in large_ones else None)
    for edge in data["someMembers"]["edges"]:
        member = edge["node"]
        written, read = (
            [key for key in sees.related(relation, member["id"]) if key in large_ones]
            for relation in (Member.pages, Member.read)
        )
        assert [edge["node"]["id"] for edge in member["pages"]["edges"]] == written
        assert (member["pageCount"], member["pages"]["totalCount"]) == (len(written), len(written))
        assert [page["id"] for page in member["firstRead"]] == read[:2]
        assert member["readSize"] == sum(sees.row(Page, key)["size"] for key in read)
