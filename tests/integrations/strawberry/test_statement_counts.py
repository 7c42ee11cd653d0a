"""How many statements a query takes depends on its shape alone: as many for 2 parents as for 2,000."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from batchrepo import Database
from batchrepo.testing.counting import statement_counter
from tests.criteria.models import Base
from tests.integrations.strawberry.site_types import REPOSITORIES, make_schema

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARENTS = 2_000


def rows() -> dict[str, list[dict[str, Any]]]:
    """Every member has equally much of everything."""
    numbers = range(1, PARENTS + 1)
    pages = range(1, 2 * PARENTS + 1)
    return {
        "member": [{"id": i, "site": 1, "name": f"m{i}", "mentor_id": max(1, i // 2)} for i in numbers],
        "badge": [{"id": i, "site": 1, "member_id": i} for i in numbers],
        "label": [{"id": i, "site": 1, "name": f"l{i}"} for i in range(1, 4)],
        "page": [
            {"id": i, "site": 1, "title": f"p{i}", "size": i % 7, "body": "", "author_id": (i + 1) // 2}
            for i in pages
        ],
        "page_label": [{"page_id": i, "label_id": 1 + i % 3} for i in pages],
        "page_reader": [{"page_id": i, "member_id": i} for i in numbers],
        "remark": [
            {"id": i, "site": 1, "stars": i % 4, "page_id": (i + 1) // 2} for i in range(1, 4 * PARENTS + 1)
        ],
        "chapter": [{"page_id": i, "number": 0, "site": 1} for i in pages],
        "note": [{"id": i, "site": 1, "page_id": i, "number": 0} for i in pages],
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(module_database_url: str) -> AsyncIterator[Database]:
    async with Database(module_database_url, repositories=REPOSITORIES) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            await connection.execute(sa.text("CREATE INDEX ix_note ON note (page_id, number)"))
            found = rows()
            for table in Base.metadata.sorted_tables:
                if found.get(table.name):
                    await connection.execute(table.insert(), found[table.name])
        yield opened


ROOT = "query($n: Int) { found: someMembers(first: $n) { edges { node { id %s } } } }"
PAGES = "edges { cursor node { title } } pageInfo { hasNextPage }"

SHAPES = {
    "to-one": (ROOT % "title mentor { name } badge { id }", 3, 3),
    "lists": (ROOT % "pupils { name } firstRead { title author { name } }", 4, 4),
    "computed": (ROOT % "pageCount readSize pagesRead", 3, 3),
    "nested pages": (
        ROOT % "pages(first: 1) { edges { node { remarks(last: 1) { edges { node { stars } } } } } }",
        3,
        3,
    ),
    "aliases": (ROOT % f"a: pages(first: 1) {{ {PAGES} totalCount }} b: pages(last: 1) {{ {PAGES} }}", 4, 4),
    "composite keys": (
        ROOT % "pages(first: 1) { edges { node { chapters { edges { node { notes { totalCount } } } } } } }",
        4,
        4,
    ),
    "one's own resolver": (ROOT % "title again { title badge { id } }", 3, 3),
}
"""Queries of the first members, with the statements that they take with look-ahead and without."""


async def counted(
    database: Database, query: str, parents: int, *, look_ahead: bool = True, **variables: Any
) -> tuple[int, Any]:
    """The number of statements, and the objects that were found."""
    schema = make_schema(database, look_ahead=look_ahead)
    with statement_counter(database.engine) as seen:
        result = await schema.execute(query, variable_values=variables, context_value=1)
    assert result.errors is None, result.errors
    assert result.data is not None
    root = result.data["found"]
    found = [edge["node"] for edge in root["edges"]] if isinstance(root, dict) else root
    assert len(found) == parents
    return seen.count, found


@pytest.mark.parametrize("shape", SHAPES)
async def test_as_many_for_two_parents_as_for_two_thousand(database: Database, shape: str):
    query, ahead, stepwise = SHAPES[shape]
    for parents in (2, PARENTS):
        statements, _ = await counted(database, query, parents, n=parents)
        assert statements == ahead
    for parents in (2, 200):
        statements, _ = await counted(database, query, parents, n=parents, look_ahead=False)
        assert statements == stepwise


@pytest.mark.parametrize(("flag", "of_pages"), [("hasNextPage", 1), ("hasPreviousPage", 2)])
@pytest.mark.parametrize("parents", [1, 2, 51, PARENTS])
async def test_a_cursor_that_serves_every_parent(database: Database, parents: int, flag: str, of_pages: int):
    """Any number of parents is read from it by one statement; one more says whether rows are before it, if asked for."""
    _, (first, _) = await counted(database, ROOT % f"pages(first: 1) {{ {PAGES} }}", 2, n=2)
    query = """query($n: Int, $cursor: String) {
        found: someMembers(first: $n) { edges { node {
            pages(first: 1, after: $cursor) { totalCount pageInfo { FLAG } edges { node { id author { id } } } }
        } } }
    }""".replace("FLAG", flag)
    cursor = first["pages"]["edges"][0]["cursor"]
    statements, found = await counted(database, query, parents, n=parents, cursor=cursor)
    # The first one's first page is behind the cursor; of the others the first page is what comes after it.
    assert [member["pages"]["edges"][0]["node"]["id"] for member in found] == [
        2 if number == 1 else 2 * number - 1 for number in range(1, parents + 1)
    ]
    assert {member["pages"]["totalCount"] for member in found} == {2}
    behind = {
        "hasNextPage": [number > 1 for number in range(1, parents + 1)],
        "hasPreviousPage": [True] + [False] * (parents - 1),
    }
    assert [member["pages"]["pageInfo"][flag] for member in found] == behind[flag]
    assert statements == 1 + of_pages + 2  # the members; totals and authors


@pytest.mark.parametrize("parents", [2, PARENTS])
async def test_objects_that_a_resolver_knows_by_key_alone(database: Database, parents: int):
    query = f"query($ids: [Int!]!) {{ found: membersOf(ids: $ids) {{ title mentor {{ name }} pages(last: 1) {{ {PAGES} }} }} }}"
    statements, found = await counted(database, query, parents, ids=list(range(1, parents + 1)))
    assert [member["title"] for member in found] == [f"{i}/m{i}" for i in range(1, parents + 1)]
    assert statements == 3
