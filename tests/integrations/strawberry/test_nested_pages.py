"""Connections in connections in connections: every one with its own arguments, under aliases too."""

from __future__ import annotations

import pytest

from batchrepo.testing.counting import statement_counter
from tests.criteria.rows import SITES
from tests.integrations.strawberry.documents import Document
from tests.integrations.strawberry.sites import Sites

pytestmark = pytest.mark.asyncio(loop_scope="module")

THREE_LEVELS = """query($few: Int = 1, $cursor: String) {
    someMembers(first: 9) {
        totalCount
        edges { cursor node {
            name
            early: pages(first: 2) { totalCount ...Edges edges { node {
                title
                early: remarks(first: $few) { ...Stars }
                late: remarks(last: 2) { totalCount ...Stars pageInfo { hasPreviousPage startCursor } }
            } } }
            late: pages(last: 1) { ...Edges edges { node {
                title
                early: remarks(last: $few) { ...Stars }
                late: remarks(first: 3) { ...Stars pageInfo { hasNextPage endCursor } }
            } } }
            behind: pages(first: 2, after: $cursor) { totalCount ...Edges edges { node {
                early: remarks(first: 1) { ...Stars }
                late: remarks(last: 1) { totalCount ...Stars }
            } } }
        } }
    }
}
fragment Edges on PageConnection {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor }
}
fragment Stars on RemarkConnection { edges { cursor node { id stars } } }"""


@pytest.mark.parametrize("site", SITES)
async def test_three_levels_with_different_arguments_under_two_aliases(sites: Sites, site: int):
    cursors = sites.cursors[site]["PageConnection"]
    variables = {"few": 2, "cursor": cursors[len(cursors) // 2]}
    await sites.check(Document(THREE_LEVELS, variables), site)


async def test_each_is_one_statement(sites: Sites):
    """And each total; what is behind a cursor is read with the rows that are there, as one more root."""
    with statement_counter(sites.database) as seen:
        result = await sites.ahead.execute(
            THREE_LEVELS, variable_values={"cursor": sites.cursors[1]["PageConnection"][0]}, context_value=1
        )
    assert result.errors is None
    roots = 2  # the members and their number
    early, late = 1 + 1 + (1 + 1 + 1), 1 + (1 + 1)  # pages, a number; remarks, remarks, a number
    # What is behind the cursor is read as what is early, and one more says whether there is something before it.
    assert seen.count == roots + early + late + early + 1


TOTALS = """{ pages { totalCount } large: pages(last: 1) { __typename n: totalCount }
    someMembers(first: 9) { edges { node { pages { totalCount } read(first: 0) { ...N } } } } }
    fragment N on PageConnection { totalCount }"""


@pytest.mark.parametrize("look_ahead", [True, False], ids=["planned", "loaded"])
async def test_a_total_alone_reads_no_page(sites: Sites, look_ahead: bool):
    """One statement for each root, one for the numbers of each relation of all members."""
    schema = sites.ahead if look_ahead else sites.stepwise
    with statement_counter(sites.database) as seen:
        result = await schema.execute(TOTALS, context_value=1)
    assert result.errors is None
    assert seen.count == 2 + 1 + 2
    await sites.check(Document(TOTALS, {}), 1)


async def test_a_total_alone_needs_a_cursor_that_can_be_used(sites: Sites):
    for query in (
        '{ pages(after: "x") { totalCount } }',
        '{ member(id: 1) { pages(after: "x") { totalCount } } }',
    ):
        for schema in (sites.ahead, sites.stepwise):
            result = await schema.execute(query, context_value=1)
            assert result.errors is not None
            assert (result.errors[0].extensions or {})["reason"] == "malformed"


async def test_equal_names_at_different_places_do_not_meet(sites: Sites):
    """Response keys that are equal stand for what is selected there."""
    document = """{
        one: allMembers { x: pages(first: 1) { edges { node { x: remarks(first: 1) { totalCount } } } } }
        two: allMembers { x: pages(last: 1) { edges { node { x: remarks(last: 2) { edges { cursor } } } } } }
        member(id: 3) { x: read { edges { node { x: author { x: title } } } } ... on Member { x: read { totalCount } } }
    }"""
    await sites.check(Document(document, {}), 1)


async def test_a_variable_that_changes_between_two_operations(sites: Sites):
    """Plans are remembered by the variables that they depend on."""
    document = """query($n: Int, $with: Boolean!) {
        someMembers(first: 5) { edges { node {
            pages(first: $n) { totalCount @include(if: $with) edges { node { id author @skip(if: $with) { id } } } }
        } } }
    }"""
    for n in (1, 2, 0, None, 1):
        for included in (True, False, True):
            await sites.check(Document(document, {"n": n, "with": included}), 2)


WINDOWS = (
    "first: 1, after: $start",
    "last: 1, after: $start",
    "first: 1, before: $stop",
    "last: 1, before: $stop",
    "before: $stop",
    "first: 1, after: $start, before: $stop",
    "last: 1, after: $start, before: $stop",
    "first: 1, after: $stop, before: $start",
)


@pytest.mark.parametrize(
    ("parents", "relation", "kind"),
    [
        ("allMembers", "pages", "PageConnection"),
        ("allMembers", "read", "PageConnection"),  # some pairs are linked twice
        ("allPages", "labels", "LabelConnection"),
        ("allPages", "chapters", "ChapterConnection"),
        ("allChapters", "notes", "NoteConnection"),
    ],
)
async def test_a_cursor_that_all_parents_share(sites: Sites, parents: str, relation: str, kind: str):
    """Each has its own rows, and its own answer to whether there are more, on both sides of both cursors."""
    page = "totalCount edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    windows = " ".join(f"w{i}: {relation}({window}) {{ {page} }}" for i, window in enumerate(WINDOWS))
    document = f"query($start: String, $stop: String) {{ {parents} {{ {windows} }} }}"
    texts = sites.cursors[1][kind]
    ordered = sorted(texts, key=lambda text: sites.naive.cursors.meaning[text][1])
    variables = {"start": ordered[len(ordered) // 4], "stop": ordered[-len(ordered) // 4]}
    await sites.check(Document(document, variables), 1)
